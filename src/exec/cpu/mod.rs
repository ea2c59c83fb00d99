//! CPU executor: runs fast CPU kernels as tasks on a thread pool.
//!
//! A section is split into tasks (`schedule.rs`), each of which is computed by one thread. The bits of the results do
//! not depend on the split, so they are the same for any number of threads. One task runs several consecutive row-wise
//! ops on the same rows, so that intermediate results stay in cache.

mod rounds;
mod row;
mod schedule;
mod thread_pool;
mod threading_tuner;

use std::ops::Range;
use std::time::Instant;

use crate::error::{Error, Result};
use crate::exec::check;
use crate::exec::memory::Memory;
use crate::exec::{Executor, Run, Ticket};
use crate::plan::{AllocationId, Plan, Section, Step, ViewId};
use crate::specialize::{DeviceLimits, specialize};
pub use row::RowExecutor;
use schedule::{Schedule, Stage, Task, items_of_rows};
use thread_pool::ThreadPool;
use threading_tuner::{ThreadingTuner, Way};

/// Largest number of threads, more than any machine has cores.
const MOST_THREADS: usize = 1024;

/// Runs plans with the fast CPU kernels, or the reference implementations of kernels that have no fast one.
pub struct Cpu {
    plan: Plan,
    schedules: Schedules,
    memory: Memory,
    threads: usize,
    pool: ThreadPool,
    /// One tuner per section. A submission uses the tuner of its first section.
    tuner: [ThreadingTuner; Section::ALL.len()],
}

/// Schedules of each section: for one thread, and for all threads.
type Schedules = [[Schedule; Section::ALL.len()]; 2];

impl Cpu {
    /// Creates an executor, allocates memory for `plan`, and starts a thread pool. The pool has at most `threads`
    /// threads, including the calling thread, and fewer if no stage of the plan can use that many.
    ///
    /// # Errors
    /// Returns an error if `threads` is not between 1 and 1024, if there is too little memory, or if threads cannot be
    /// started.
    pub fn new(plan: Plan, threads: usize) -> Result<Self> {
        if !(1..=MOST_THREADS).contains(&threads) {
            let wanted = format!("at least 1 and at most {MOST_THREADS}");
            return Err(Error::value("device cpu", "number of threads", threads, &wanted));
        }
        let plan = specialize(plan, &DeviceLimits::Cpu)?;
        let schedules = schedules(&plan, threads);
        let memory = Memory::new(&plan)?;
        let pool = pool(&schedules)?;
        Ok(Self { plan, schedules, memory, threads, pool, tuner: Default::default() })
    }

    /// Runs sections in order, on one thread or on all threads of the pool.
    fn run(&mut self, steps: &[Step], runs: &[Run]) {
        let Self { plan, schedules, memory, pool, tuner, .. } = self;
        let runner = Runner { plan, memory };
        let threads = pool.threads();
        let all = &schedules[Way::Shared as usize];
        let Some(first) = runs.first().filter(|_| threads > 1) else {
            // A forked child process does not have the worker threads, so it uses the schedules for one thread.
            let own = if threads < pool.size() { &schedules[Way::Alone as usize] } else { all };
            return runs.iter().for_each(|run| runner.run(steps, *run, &own[run.section as usize], pool));
        };
        let tuner = &mut tuner[first.section as usize];
        let work = runs.iter().map(|run| all[run.section as usize].work).sum::<u64>();
        let (way, began) = (tuner.way(work / steps.len().max(1) as u64), Instant::now());
        for run in runs {
            runner.run(steps, *run, &schedules[way as usize][run.section as usize], pool);
        }
        tuner.record(way, work, began.elapsed());
    }
}

fn schedules(plan: &Plan, threads: usize) -> Schedules {
    [1, threads].map(|threads| Section::ALL.map(|section| Schedule::new(plan, section, threads)))
}

/// Creates the pool, with the largest number of threads that any stage can use.
fn pool(schedules: &Schedules) -> Result<ThreadPool> {
    let threads = schedules.iter().flatten().map(Schedule::most_threads).max().unwrap_or(1);
    ThreadPool::new(threads).map_err(|error| Error::Device {
        device: "cpu".into(),
        problem: format!("{threads} threads cannot be started: {error}"),
        remedy: "use fewer threads".into(),
    })
}

/// Runs schedules. The runner borrows the executor's memory exclusively.
struct Runner<'a> {
    plan: &'a Plan,
    memory: &'a mut Memory,
}

impl Runner<'_> {
    fn run(&self, steps: &[Step], run: Run, schedule: &Schedule, pool: &mut ThreadPool) {
        for stage in &schedule.stages {
            if stage.queues.len() > 1 {
                pool.run(&stage.queues, &|task| self.task(steps, run, stage, &stage.tasks[task]));
            } else {
                stage.tasks.iter().for_each(|task| self.task(steps, run, stage, task));
            }
        }
    }

    fn task(&self, steps: &[Step], run: Run, stage: &Stage, task: &Task) {
        let ops = self.plan.ops(run.section);
        match task {
            Task::Rows(rows) => {
                for op in &stage.rows {
                    self.items(steps, run, *op, items_of_rows(&ops[*op], rows), None);
                }
            }
            Task::Items { op, items } => self.items(steps, run, *op, items.clone(), None),
            Task::Columns { op, columns } => self.items(steps, run, *op, 0..ops[*op].items, Some(columns)),
        }
    }

    fn items(&self, steps: &[Step], run: Run, op: usize, items: Range<usize>, columns: Option<&Range<usize>>) {
        let op = &self.plan.ops(run.section)[op];
        let kernel = op.kernel.fast.unwrap_or(op.kernel.reference);
        // SAFETY: tasks of one stage write disjoint items or columns, and read nothing that another task writes
        // (`schedule::stages`); the memory is borrowed exclusively until all are done.
        if let Some(call) = unsafe { self.memory.call(self.plan, op, items, columns, steps, run.batch_index) } {
            kernel(call);
        }
    }
}

impl Executor for Cpu {
    fn name(&self) -> String {
        format!("cpu, {} thread{}", self.threads, if self.threads == 1 { "" } else { "s" })
    }

    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn adopt(&mut self, plan: Plan) -> Result<()> {
        let plan = specialize(plan, &DeviceLimits::Cpu)?;
        let schedules = schedules(&plan, self.threads);
        let pool = pool(&schedules)?;
        self.memory.adopt(&self.plan, &plan)?;
        (self.plan, self.schedules, self.pool) = (plan, schedules, pool);
        self.tuner = Default::default();
        Ok(())
    }

    fn write(&mut self, view: ViewId, batch_index: usize, words: &[u32]) -> Result<()> {
        self.memory.write(&self.plan, view, batch_index, words)
    }

    fn read(&mut self, view: ViewId, batch_index: usize) -> Result<Ticket> {
        self.memory.read(&self.plan, view, batch_index).map(Ticket::ready)
    }

    fn submit(&mut self, steps: &[Step], runs: &[Run]) -> Result<()> {
        check::ensure_submission(&self.plan, steps, runs)?;
        self.run(steps, runs);
        Ok(())
    }

    fn submit_op(&mut self, steps: &[Step], run: Run, op: usize) -> Result<()> {
        check::ensure_submission(&self.plan, steps, &[run])?;
        let schedule = Schedule::of_op(&self.plan, run.section, op, self.pool.threads());
        let Self { plan, memory, pool, .. } = self;
        Runner { plan, memory }.run(steps, run, &schedule, pool);
        Ok(())
    }

    fn read_allocation(&mut self, allocation: AllocationId) -> Result<Vec<u32>> {
        self.memory.copy(&self.plan, allocation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::loss::Loss;
    use crate::lower::TrainingSpec;
    use crate::network::Network;
    use crate::optim::Sgd;

    /// In a forked child process, steps run on the calling thread, with the same results to the bit.
    #[test]
    fn a_step_needs_no_thread_of_another_process() {
        let network = Network::parse(64, "512 relu 300 relu 10").expect("the text is sound");
        let spec = TrainingSpec::new(network, Loss::mean_squared_error(), Sgd::new(0.1), 256);
        let stepped = |forked: bool| {
            let plan = Plan::for_training(&spec).expect("it can be fused");
            let mut cpu = Cpu::new(plan, 3).expect("the system gives threads");
            assert_eq!(cpu.pool.size(), 3);
            if forked {
                cpu.pool.pretend_forked();
            }
            for (at, name) in ["parameters", "input", "target"].into_iter().enumerate() {
                let view = cpu.plan.named(name).expect("it is there");
                let count = cpu.plan.shape(view).elements();
                let words: Vec<u32> =
                    (0..count).map(|i| ((i * 37 % 101) as f32 * 0.01 - 0.5 + at as f32).to_bits()).collect();
                cpu.write(view, 0, &words).expect("it fits");
            }
            let step = Step { rows: 256, learning_rate: 0.1, loss_scale: 1.0 / 256.0, ..Step::default() };
            (0..8).for_each(|_| cpu.submit(&[step], &Run::submission(&[step])).expect("it runs"));
            cpu.submit_op(&[step], Run { section: Section::Gradients, batch_index: 0 }, 0).expect("it runs");
            let parameters = cpu.plan.named("parameters").expect("it is there");
            cpu.read(parameters, 0).and_then(Ticket::wait).expect("it can be read")
        };
        assert!(stepped(true) == stepped(false));
    }
}
