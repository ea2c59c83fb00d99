//! Executors of plans: [`Reference`] with plain loops, [`Cpu`] with fast CPU kernels on a thread pool, `Gpu` with
//! shaders, through wgpu. [`lockstep`] compares any of them with the reference, op by op.
//!
//! A submission is work that the host sends to the device at once, usually a few training steps. Each batch of a
//! submission has a record of the values that change from step to step ([`Step`]).

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

/// Run of one section of the plan, for one batch of a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Section to run.
    pub section: Section,
    /// Index of the batch in the submission.
    pub batch_index: usize,
}

/// Counts of what an executor has done since it was created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Number of ops that ran.
    pub dispatches: u64,
    /// Number of submissions of ops; copies for readbacks are not counted.
    pub submissions: u64,
    /// Bytes of views and step records that the host wrote to the device; the plan's initial contents are not counted.
    pub uploaded_bytes: u64,
    /// Bytes copied to the host.
    pub downloaded_bytes: u64,
    /// Number of pipelines compiled for this executor; pipelines that the device had already compiled are not counted.
    pub pipelines: u64,
    /// Number of readbacks of views and allocations.
    pub readbacks: u64,
    /// Number of buffers created: memory of plans, records, and staging memory of readbacks, which is reused.
    pub buffers: u64,
}

impl Run {
    /// Returns the runs of a submission, given one record per batch. The first run is the section `window`. Each step
    /// has one run of `gradients` per batch, and then one of `update` with the record of the last batch. The last run
    /// is `report`.
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

/// Interface of executors, which hold a plan's memory and run its ops on one kind of device.
pub trait Executor: Send {
    /// Returns the device's name for display: `cpu, 2 threads`.
    fn name(&self) -> String;

    /// Returns the name and version of the GPU's driver; `None` if the executor uses no GPU.
    fn driver(&self) -> Option<String> {
        None
    }

    /// Returns the limits that the plan was fitted to; by default those of the host.
    fn limits(&self) -> DeviceLimits {
        DeviceLimits::Cpu
    }

    /// Returns the plan that the executor holds.
    fn plan(&self) -> &Plan;

    /// Replaces the plan by another. Allocations of the same name, type and size keep their contents; all others get
    /// their initial contents.
    ///
    /// # Errors
    /// Returns an error if the device cannot hold or run the plan. The old plan then stays.
    fn adopt(&mut self, plan: Plan) -> Result<()>;

    /// Prepares a later [`Executor::adopt`] of this plan: does the slow work, such as compiling shaders, but allocates
    /// no memory for the plan.
    ///
    /// # Errors
    /// Returns an error if the device cannot run the plan.
    fn prepare(&mut self, plan: &Plan) -> Result<()> {
        let _ = plan;
        Ok(())
    }

    /// Returns the number of unfinished submissions to have in flight while the host prepares the next one, so that the
    /// device is never idle. It is 0 if a submission is done when [`Executor::submit`] returns.
    fn in_flight(&self) -> usize {
        0
    }

    /// Returns the counts since the executor was created; zeros if the executor does not count.
    fn counters(&self) -> Counters {
        Counters::default()
    }

    /// Writes 4-byte words to the beginning of a view. If the view has one part per batch of a submission, the part of
    /// batch `batch_index` is written. Otherwise `batch_index` has no effect.
    ///
    /// # Errors
    /// Returns an error if there are more words than the view holds, if the view has no part for the batch, or if the
    /// device does not respond.
    fn write(&mut self, view: ViewId, batch_index: usize, words: &[u32]) -> Result<()>;

    /// Starts to copy a view to the host, after everything that was submitted before. If the view has one part per
    /// batch of a submission, the part of batch `batch_index` is copied. Otherwise `batch_index` has no effect.
    ///
    /// # Errors
    /// Returns an error if the view has no part for the batch, or if the device does not respond.
    fn read(&mut self, view: ViewId, batch_index: usize) -> Result<Ticket>;

    /// Runs sections in order, as one submission; `steps` holds one record for each batch of the submission.
    ///
    /// # Errors
    /// Returns an error if a batch has no record or a view has no part for it, if a record has more rows than a batch
    /// can hold, or if the device does not respond.
    fn submit(&mut self, steps: &[Step], runs: &[Run]) -> Result<()>;

    /// Runs a single op: the one with index `op` in the section of `run`.
    ///
    /// # Errors
    /// Returns the errors of [`Executor::submit`].
    ///
    /// # Panics
    /// Panics if the section has no such op.
    fn submit_op(&mut self, steps: &[Step], run: Run, op: usize) -> Result<()>;

    /// Runs sections like [`Executor::submit`], with the same results to the bit, but op by op. Returns the time of
    /// each op once all are done. If the device has no clock of its own, the times are those of the host's clock and
    /// include the launch overhead.
    ///
    /// # Errors
    /// Returns the errors of [`Executor::submit`], and an error if a GPU was not opened with `GpuOptions::timestamps`.
    fn submit_timed(&mut self, steps: &[Step], runs: &[Run]) -> Result<Vec<Span>> {
        profile::by_the_hosts_clock(self, steps, runs)
    }

    /// Runs the ops with the indices `ops` in the section of `run`, one after the other, `times` times. Returns the
    /// total time in seconds, after all runs are done. Repetition makes the launch overhead per run small. A GPU that
    /// was opened with `GpuOptions::timestamps` measures the time by its own clock; otherwise the host's clock does.
    ///
    /// # Errors
    /// Returns the errors of [`Executor::submit`].
    ///
    /// # Panics
    /// Panics if the section has no such ops.
    fn submit_repeated(&mut self, steps: &[Step], run: Run, ops: Range<usize>, times: usize) -> Result<f64> {
        let began = Instant::now();
        for _ in 0..times {
            ops.clone().try_for_each(|op| self.submit_op(steps, run, op))?;
        }
        Ok(began.elapsed().as_secs_f64())
    }

    /// Returns all words of an allocation, including padding, after everything that was submitted before.
    ///
    /// # Errors
    /// Returns an error if the device does not respond.
    fn read_allocation(&mut self, allocation: AllocationId) -> Result<Vec<u32>>;
}

/// Readback: words that are being copied from the device to the host.
pub struct Ticket(State);

enum State {
    Ready(Vec<u32>),
    Pending(Box<dyn Pending>),
}

/// Interface of a readback in progress, which each kind of device implements.
pub trait Pending: Send {
    /// Returns the words, or `None` if they have not arrived yet; does not wait.
    ///
    /// # Errors
    /// Returns an error if the device does not respond.
    fn poll(&mut self) -> Result<Option<Vec<u32>>>;

    /// Waits for the words.
    ///
    /// # Errors
    /// Returns an error if the device does not respond.
    fn wait(self: Box<Self>) -> Result<Vec<u32>>;
}

impl Ticket {
    /// Creates a readback whose words have already arrived.
    pub fn ready(words: Vec<u32>) -> Self {
        Self(State::Ready(words))
    }

    /// Creates a readback in progress.
    pub fn pending(pending: impl Pending + 'static) -> Self {
        Self(State::Pending(Box::new(pending)))
    }

    /// Returns `true` if the words have arrived; does not wait.
    ///
    /// # Errors
    /// Returns an error if the device does not respond.
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
    /// Returns an error if the device does not respond.
    pub fn wait(self) -> Result<Vec<u32>> {
        match self.0 {
            State::Ready(words) => Ok(words),
            State::Pending(pending) => pending.wait(),
        }
    }

    /// Waits for the words and returns them as f32.
    ///
    /// # Errors
    /// Returns an error if the device does not respond.
    pub fn wait_f32(self) -> Result<Vec<f32>> {
        Ok(bytemuck::cast_vec(self.wait()?))
    }
}
