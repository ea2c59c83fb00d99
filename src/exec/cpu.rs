//! The CPU executor: fast twins over fixed blocks of lanes, on threads.
//!
//! Where an op is cut depends on its sizes alone, and each block is computed by one thread, so that the bits are
//! the same for any number of threads.

use std::ops::Range;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::exec::check;
use crate::exec::memory::Memory;
use crate::exec::{Executor, Run, Ticket};
use crate::plan::{AllocationId, Op, Plan, Step, ViewId};

/// A block of fewer operations than this is not worth handing to another thread.
const OPERATIONS_A_BLOCK: u64 = 400_000;

/// At most this many blocks: enough to balance the load of any desktop's cores.
const MOST_BLOCKS: u64 = 32;

/// More threads than any machine has cores would only fill it.
const MOST_THREADS: usize = 1024;

/// Blocks hold a multiple of this many lanes, so that products run whole register tiles.
const LANES_TOGETHER: usize = 16;

/// Runs plans with the fast twins, or the plain ones where there is no other.
pub struct Cpu {
    plan: Plan,
    memory: Memory,
    threads: usize,
    pool: Option<rayon::ThreadPool>,
}

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
        let pool = || rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = (threads > 1).then(pool).transpose().map_err(|error| Error::Device {
            device: "cpu".into(),
            problem: format!("{threads} threads cannot be started: {error}"),
            remedy: "use fewer threads".into(),
        })?;
        Ok(Self { memory: Memory::new(&plan)?, plan, threads, pool })
    }

    /// Runs `work` where its parallel loops find our threads.
    fn on_threads<T: Send>(&mut self, work: impl FnOnce(&mut Machine<'_>) -> T + Send) -> T {
        let mut machine = Machine { plan: &self.plan, memory: &mut self.memory, parallel: self.pool.is_some() };
        match &self.pool {
            Some(pool) => pool.install(|| work(&mut machine)),
            None => work(&mut machine),
        }
    }
}

/// What runs ops, on the thread that hands out the blocks.
struct Machine<'a> {
    plan: &'a Plan,
    memory: &'a mut Memory,
    parallel: bool,
}

impl Machine<'_> {
    fn run(&mut self, steps: &[Step], run: Run, op: &Op) {
        let twin = op.kernel.fast.unwrap_or(op.kernel.reference);
        let (plan, memory) = (self.plan, &*self.memory);
        let block = |lanes: Range<usize>| {
            // SAFETY: blocks of one op have disjoint lanes, and `self` is borrowed exclusively until all are done.
            if let Some(call) = unsafe { memory.call(plan, op, lanes, steps, run.slot) } {
                twin(call);
            }
        };
        let lanes = lanes_a_block(plan, op);
        if self.parallel && lanes < op.lanes {
            (0..op.lanes.div_ceil(lanes)).into_par_iter().for_each(|i| block(i * lanes..op.lanes.min((i + 1) * lanes)));
        } else {
            (0..op.lanes).step_by(lanes).for_each(|start| block(start..op.lanes.min(start + lanes)));
        }
    }
}

/// How many lanes a block holds: from the op's sizes alone.
fn lanes_a_block(plan: &Plan, op: &Op) -> usize {
    let blocks = (plan.flops(op) / OPERATIONS_A_BLOCK).clamp(1, MOST_BLOCKS) as usize;
    op.lanes.div_ceil(blocks).max(1).next_multiple_of(LANES_TOGETHER)
}

impl Executor for Cpu {
    fn name(&self) -> String {
        format!("cpu, {} thread{}", self.threads, if self.threads == 1 { "" } else { "s" })
    }

    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn adopt(&mut self, plan: Plan) -> Result<()> {
        self.memory.adopt(&self.plan, &plan)?;
        self.plan = plan;
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
        self.on_threads(|machine| {
            for run in runs {
                machine.plan.ops(run.section).iter().for_each(|op| machine.run(steps, *run, op));
            }
        });
        Ok(())
    }

    fn submit_op(&mut self, steps: &[Step], run: Run, op: usize) -> Result<()> {
        check::submission(&self.plan, steps, &[run])?;
        self.on_threads(|machine| machine.run(steps, run, &machine.plan.ops(run.section)[op]));
        Ok(())
    }

    fn read_allocation(&mut self, allocation: AllocationId) -> Result<Vec<u32>> {
        Ok(self.memory.words(allocation).to_vec())
    }
}
