//! What runs plans: [`Reference`] with plain loops, [`Cpu`] with fast CPU kernels on threads, `Gpu` with shaders, through wgpu.
//! [`lockstep`] compares any of them with the reference, op by op.

#[cfg(feature = "gpu")]
pub mod gpu;
pub mod lockstep;

mod check;
mod cpu;
mod memory;
mod op_check;
mod profile;
mod reference;

use std::ops::Range;
use std::time::Instant;

pub use cpu::{Cpu, RowExecutor};
pub use profile::Span;
pub use reference::Reference;

use crate::error::Result;
use crate::plan::{AllocationId, Plan, Section, Step, ViewId};
use crate::specialize::DeviceLimits;

/// One section, for the step in one batch_index of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// What to run.
    pub section: Section,
    /// Index into the submission's steps.
    pub batch_index: usize,
}

/// What an executor has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Ops that ran.
    pub dispatches: u64,
    /// Submissions of ops; copies for readings are not counted here.
    pub submissions: u64,
    /// Bytes written by the host after creation: views and step records.
    pub uploaded_bytes: u64,
    /// Bytes copied to the host.
    pub downloaded_bytes: u64,
    /// Pipelines compiled for this executor; those that its device knew before are not counted.
    pub pipelines: u64,
    /// Readings of views and allocations.
    pub readbacks: u64,
    /// Buffers made: memory of plans, records, and staging memory of readings, which is used again.
    pub buffers: u64,
}

impl Run {
    /// A submission of steps with these records, one for each part of the window: window, then of each step the gradients
    /// of all its batches and one update, with the record of the last, then report.
    pub fn submission(records: &[Step]) -> Vec<Self> {
        let mut runs = vec![Self { section: Section::Window, batch_index: 0 }];
        let mut batch_index = 0;
        for step in Step::groups(records) {
            runs.extend(
                (batch_index..batch_index + step.len())
                    .map(|batch_index| Self { section: Section::Gradients, batch_index }),
            );
            batch_index += step.len();
            runs.push(Self { section: Section::Update, batch_index: batch_index - 1 });
        }
        runs.push(Self { section: Section::Report, batch_index: 0 });
        runs
    }
}

/// A device that holds a plan's memory and runs its ops.
pub trait Executor: Send {
    /// What runs here, for people: `cpu, 2 threads`.
    fn name(&self) -> String;

    /// The driver and its version, where there is one.
    fn driver(&self) -> Option<String> {
        None
    }

    /// What the plan was fitted to: the host, unless an executor says otherwise.
    fn target(&self) -> DeviceLimits {
        DeviceLimits::Cpu
    }

    /// The plan.
    fn plan(&self) -> &Plan;

    /// Changes to another plan. Allocations of the same name, type and size keep their contents; all others
    /// start as the plan says.
    ///
    /// # Errors
    /// A plan that the device cannot hold or run; the old one then stays.
    fn adopt(&mut self, plan: Plan) -> Result<()>;

    /// Does now what takes long when a plan is adopted later, as compiling shaders does; takes no memory for it.
    ///
    /// # Errors
    /// A plan that the device cannot run.
    fn prepare(&mut self, plan: &Plan) -> Result<()> {
        let _ = plan;
        Ok(())
    }

    /// How many of the newest submissions the host should not wait for, so that the device is never idle; 0 where a
    /// submission is done when [`Executor::submit`] returns.
    fn in_flight(&self) -> usize {
        0
    }

    /// What it has done so far; zeros where nobody counts.
    fn counters(&self) -> Counters {
        Counters::default()
    }

    /// Writes words to the beginning of a view, in its part for batch `batch_index` of the submission.
    ///
    /// # Errors
    /// More words than the view holds; a batch_index that it has no part for; a device that does not answer.
    fn write(&mut self, view: ViewId, batch_index: usize, words: &[u32]) -> Result<()>;

    /// Reads a view, in its part for batch `batch_index` of the submission, as it is after all that was submitted before.
    ///
    /// # Errors
    /// A batch_index that it has no part for; a device that does not answer.
    fn read(&mut self, view: ViewId, batch_index: usize) -> Result<Ticket>;

    /// Runs sections in order, as one submission; `steps` holds one record for each batch_index of the window in use.
    ///
    /// # Errors
    /// A batch_index without a record, or that a view has no part for; more live rows than a batch has; a device that does not
    /// answer.
    fn submit(&mut self, steps: &[Step], runs: &[Run]) -> Result<()>;

    /// Runs a single op of the section, with nothing before or behind it.
    ///
    /// # Errors
    /// As [`Executor::submit`].
    ///
    /// # Panics
    /// An op that the section does not have.
    fn submit_op(&mut self, steps: &[Step], run: Run, op: usize) -> Result<()>;

    /// The same as [`Executor::submit`], to the same bits, op by op, each after the other; returns once all are done. By
    /// the host's clock, which has the time of handing an op over in it, where the device has none of its own.
    ///
    /// # Errors
    /// As [`Executor::submit`]; a GPU that was not opened with `GpuOptions::timestamps`.
    fn submit_timed(&mut self, steps: &[Step], runs: &[Run]) -> Result<Vec<Span>> {
        profile::by_the_hosts_clock(self, steps, runs)
    }

    /// Runs ops of a section one after the other, all of them so many times over, and returns when they are done: the
    /// seconds that they took. What it costs to hand work over is then shared by all of them. By the GPU's own clock
    /// where it was opened with `GpuOptions::timestamps`, else by the host's.
    ///
    /// # Errors
    /// As [`Executor::submit`].
    ///
    /// # Panics
    /// Ops that the section does not have.
    fn submit_repeated(&mut self, steps: &[Step], run: Run, ops: Range<usize>, times: usize) -> Result<f64> {
        let began = Instant::now();
        for _ in 0..times {
            ops.clone().try_for_each(|op| self.submit_op(steps, run, op))?;
        }
        Ok(began.elapsed().as_secs_f64())
    }

    /// Reads a whole allocation, padding and all.
    ///
    /// # Errors
    /// A device that does not answer.
    fn read_allocation(&mut self, allocation: AllocationId) -> Result<Vec<u32>>;
}

/// A reading that may not have arrived yet.
pub struct Ticket(State);

enum State {
    Ready(Vec<u32>),
    Pending(Box<dyn Pending>),
}

/// What a device keeps of a reading under way.
pub trait Pending: Send {
    /// The words, if they have arrived.
    ///
    /// # Errors
    /// A device that does not answer.
    fn poll(&mut self) -> Result<Option<Vec<u32>>>;

    /// Waits for the words.
    ///
    /// # Errors
    /// A device that does not answer.
    fn wait(self: Box<Self>) -> Result<Vec<u32>>;
}

impl Ticket {
    /// A reading that is there.
    pub fn ready(words: Vec<u32>) -> Self {
        Self(State::Ready(words))
    }

    /// A reading under way.
    pub fn pending(pending: impl Pending + 'static) -> Self {
        Self(State::Pending(Box::new(pending)))
    }

    /// Whether the words are there; does not wait.
    ///
    /// # Errors
    /// A device that does not answer.
    pub fn poll(&mut self) -> Result<bool> {
        if let State::Pending(pending) = &mut self.0 {
            match pending.poll()? {
                Some(words) => self.0 = State::Ready(words),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Waits for the words.
    ///
    /// # Errors
    /// A device that does not answer.
    pub fn wait(self) -> Result<Vec<u32>> {
        match self.0 {
            State::Ready(words) => Ok(words),
            State::Pending(pending) => pending.wait(),
        }
    }

    /// Waits for the words and takes them as numbers.
    ///
    /// # Errors
    /// A device that does not answer.
    pub fn wait_f32(self) -> Result<Vec<f32>> {
        Ok(bytemuck::cast_vec(self.wait()?))
    }
}
