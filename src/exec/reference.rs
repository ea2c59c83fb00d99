//! Reference executor: runs each op's reference implementation, on one thread, in order.

use crate::error::Result;
use crate::exec::check;
use crate::exec::memory::Memory;
use crate::exec::{Executor, Run, Ticket};
use crate::plan::{AllocationId, Plan, Step, ViewId};

/// Runs plans with the reference implementations.
pub struct Reference {
    plan: Plan,
    memory: Memory,
}

impl Reference {
    /// Creates an executor, and allocates memory for `plan`.
    ///
    /// # Errors
    /// Returns [`Error::Memory`](crate::Error::Memory) if there is too little memory.
    pub fn new(plan: Plan) -> Result<Self> {
        Ok(Self { memory: Memory::new(&plan)?, plan })
    }
}

impl Reference {
    fn run(&mut self, steps: &[Step], run: Run, op: usize) {
        let op = &self.plan.ops(run.section)[op];
        // SAFETY: one call at a time, under an exclusive borrow.
        if let Some(call) = unsafe { self.memory.call(&self.plan, op, 0..op.items, None, steps, run.batch_index) } {
            (op.kernel.reference)(call);
        }
    }
}

impl Executor for Reference {
    fn name(&self) -> String {
        "reference".into()
    }

    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn adopt(&mut self, plan: Plan) -> Result<()> {
        self.memory.adopt(&self.plan, &plan)?;
        self.plan = plan;
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
        for run in runs {
            (0..self.plan.ops(run.section).len()).for_each(|op| self.run(steps, *run, op));
        }
        Ok(())
    }

    fn submit_op(&mut self, steps: &[Step], run: Run, op: usize) -> Result<()> {
        check::ensure_submission(&self.plan, steps, &[run])?;
        self.run(steps, run, op);
        Ok(())
    }

    fn read_allocation(&mut self, allocation: AllocationId) -> Result<Vec<u32>> {
        self.memory.copy(&self.plan, allocation)
    }
}
