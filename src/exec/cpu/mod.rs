//! The CPU executor: fast twins over pieces of work, on threads.
//!
//! A section is cut into pieces (`schedule.rs`), each of which is computed by one thread. No twin's bits depend on the cut, so
//! that they are the same for any number of threads. Row-wise ops that follow one another are run piece by piece, all on
//! the same rows, so that what one hands to the next stays in cache.

mod rounds;
mod row;
mod schedule;
mod sharing;
mod team;

use std::ops::Range;
use std::time::Instant;

use crate::error::{Error, Result};
use crate::exec::check;
use crate::exec::memory::Memory;
use crate::exec::{Executor, Run, Ticket};
use crate::plan::{AllocationId, Plan, Section, Step, ViewId};
use crate::specialize::{Target, specialize};
pub use row::RowExecutor;
use schedule::{Piece, Schedule, Stage, lanes_of_rows};
use sharing::{Sharing, Way};
use team::Team;

/// More threads than any machine has cores would only fill it.
const MOST_THREADS: usize = 1024;

/// Runs plans with the fast twins, or the plain ones where there is no other.
pub struct Cpu {
    plan: Plan,
    schedules: Schedules,
    memory: Memory,
    threads: usize,
    team: Team,
    /// For submissions that begin with each section.
    sharing: [Sharing; Section::ALL.len()],
}

/// Each section's, for one thread and for all.
type Schedules = [[Schedule; Section::ALL.len()]; 2];

impl Cpu {
    /// Memory for `plan`, and `threads` threads.
    ///
    /// # Errors
    /// No threads, or more than 1024; threads that the system does not give.
    pub fn new(plan: Plan, threads: usize) -> Result<Self> {
        if !(1..=MOST_THREADS).contains(&threads) {
            let wanted = format!("at least 1 and at most {MOST_THREADS}");
            return Err(Error::value("device cpu", "number of threads", threads, &wanted));
        }
        let plan = specialize(plan, &Target::Cpu)?;
        let schedules = schedules(&plan, threads);
        let memory = Memory::new(&plan)?;
        let team = team(&schedules)?;
        Ok(Self { plan, schedules, memory, threads, team, sharing: Default::default() })
    }

    /// Runs sections one behind the other.
    fn run(&mut self, steps: &[Step], runs: &[Run]) {
        let Self { plan, schedules, memory, team, sharing, .. } = self;
        let machine = Machine { plan, memory };
        let members = team.members();
        let all = &schedules[Way::Shared as usize];
        let Some(first) = runs.first().filter(|_| members > 1) else {
            // In a forked child the threads that stages are cut for are not there.
            let own = if members < team.size() { &schedules[Way::Alone as usize] } else { all };
            return runs.iter().for_each(|run| machine.run(steps, *run, &own[run.section as usize], team));
        };
        let sharing = &mut sharing[first.section as usize];
        let work = runs.iter().map(|run| all[run.section as usize].work).sum::<u64>();
        let (way, began) = (sharing.way(work / steps.len().max(1) as u64), Instant::now());
        for run in runs {
            machine.run(steps, *run, &schedules[way as usize][run.section as usize], team);
        }
        sharing.took(way, work, began.elapsed());
    }
}

fn schedules(plan: &Plan, threads: usize) -> Schedules {
    [1, threads].map(|threads| Section::ALL.map(|section| Schedule::new(plan, section, threads)))
}

/// As many threads as can share a stage.
fn team(schedules: &Schedules) -> Result<Team> {
    let threads = schedules.iter().flatten().map(Schedule::most_threads).max().unwrap_or(1);
    Team::new(threads).map_err(|error| Error::Device {
        device: "cpu".into(),
        problem: format!("{threads} threads cannot be started: {error}"),
        remedy: "use fewer threads".into(),
    })
}

/// What runs schedules. The exclusive borrow of the memory is that of the executor.
struct Machine<'a> {
    plan: &'a Plan,
    memory: &'a mut Memory,
}

impl Machine<'_> {
    fn run(&self, steps: &[Step], run: Run, schedule: &Schedule, team: &mut Team) {
        for stage in &schedule.stages {
            if stage.shares.len() > 1 {
                team.run(&stage.shares, &|piece| self.piece(steps, run, stage, &stage.pieces[piece]));
            } else {
                stage.pieces.iter().for_each(|piece| self.piece(steps, run, stage, piece));
            }
        }
    }

    fn piece(&self, steps: &[Step], run: Run, stage: &Stage, piece: &Piece) {
        let ops = self.plan.ops(run.section);
        match piece {
            Piece::Rows(rows) => {
                for op in &stage.rows {
                    self.lanes(steps, run, *op, lanes_of_rows(&ops[*op], rows), None);
                }
            }
            Piece::Lanes { op, lanes } => self.lanes(steps, run, *op, lanes.clone(), None),
            Piece::Columns { op, columns } => self.lanes(steps, run, *op, 0..ops[*op].lanes, Some(columns)),
        }
    }

    fn lanes(&self, steps: &[Step], run: Run, op: usize, lanes: Range<usize>, columns: Option<&Range<usize>>) {
        let op = &self.plan.ops(run.section)[op];
        let twin = op.kernel.fast.unwrap_or(op.kernel.reference);
        // SAFETY: pieces of one stage write disjoint lanes or columns, and read nothing that another piece writes (`schedule::stages`);
        // the memory is borrowed exclusively until all are done.
        if let Some(call) = unsafe { self.memory.call(self.plan, op, lanes, columns, steps, run.slot) } {
            twin(call);
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
        let plan = specialize(plan, &Target::Cpu)?;
        let schedules = schedules(&plan, self.threads);
        let team = team(&schedules)?;
        self.memory.adopt(&self.plan, &plan)?;
        (self.plan, self.schedules, self.team) = (plan, schedules, team);
        self.sharing = Default::default();
        Ok(())
    }

    fn write(&mut self, view: ViewId, slot: usize, words: &[u32]) -> Result<()> {
        self.memory.write(&self.plan, view, slot, words)
    }

    fn read(&mut self, view: ViewId, slot: usize) -> Result<Ticket> {
        self.memory.read(&self.plan, view, slot).map(Ticket::ready)
    }

    fn submit(&mut self, steps: &[Step], runs: &[Run]) -> Result<()> {
        check::submission(&self.plan, steps, runs)?;
        self.run(steps, runs);
        Ok(())
    }

    fn submit_op(&mut self, steps: &[Step], run: Run, op: usize) -> Result<()> {
        check::submission(&self.plan, steps, &[run])?;
        let schedule = Schedule::of_op(&self.plan, run.section, op, self.team.members());
        let Self { plan, memory, team, .. } = self;
        Machine { plan, memory }.run(steps, run, &schedule, team);
        Ok(())
    }

    fn read_allocation(&mut self, allocation: AllocationId) -> Result<Vec<u32>> {
        self.memory.copy(&self.plan, allocation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuse::fuse;
    use crate::loss::Loss;
    use crate::lower::{Description, lower};
    use crate::network::Network;
    use crate::optim::Sgd;

    /// In a forked child steps run on the calling thread, to the same bits.
    #[test]
    fn a_step_needs_no_thread_of_another_process() {
        let network = Network::parse(64, "512 relu 300 relu 10").expect("the text is sound");
        let description = Description::new(network, Loss::MeanSquaredError, Sgd::new(0.1), 256);
        let stepped = |elsewhere: bool| {
            let plan = fuse(&lower(&description).expect("it is sound")).expect("it can be fused");
            let mut cpu = Cpu::new(plan, 3).expect("the system gives threads");
            assert_eq!(cpu.team.size(), 3);
            if elsewhere {
                cpu.team.be_elsewhere();
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
            cpu.submit_op(&[step], Run { section: Section::Gradients, slot: 0 }, 0).expect("it runs");
            let parameters = cpu.plan.named("parameters").expect("it is there");
            cpu.read(parameters, 0).and_then(Ticket::wait).expect("it can be read")
        };
        assert!(stepped(true) == stepped(false));
    }
}
