//! Measurement of the start and duration of each op of a submission.

use std::time::Instant;

use crate::error::Result;
use crate::exec::{Executor, Run};
use crate::plan::{Section, Step};

/// Start and duration of an op of a submission.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// Section of the op.
    pub section: Section,
    /// Index of the op in the section.
    pub op: usize,
    /// Index of the batch of the submission for which the op ran.
    pub batch_index: usize,
    /// Seconds from the start of the submission's first op to the start of this op.
    pub start_secs: f64,
    /// Duration in seconds.
    pub secs: f64,
}

/// Returns all ops of the runs, in order. Each op is given by its run and its index in the run's section.
pub(super) fn ops(executor: &(impl Executor + ?Sized), runs: &[Run]) -> Vec<(Run, usize)> {
    let of = |run: &Run| (0..executor.plan().ops(run.section).len()).zip(std::iter::repeat(*run));
    runs.iter().flat_map(of).map(|(op, run)| (run, op)).collect()
}

/// Runs the ops one by one, waits for the end of each, and measures its time by the host's clock.
pub(super) fn by_the_hosts_clock(
    executor: &mut (impl Executor + ?Sized),
    steps: &[Step],
    runs: &[Run],
) -> Result<Vec<Span>> {
    let (all, began) = (ops(executor, runs), Instant::now());
    let timed = |(run, op): (Run, usize)| {
        let start_secs = began.elapsed().as_secs_f64();
        executor.submit_op(steps, run, op)?;
        let secs = began.elapsed().as_secs_f64() - start_secs;
        Ok(Span { section: run.section, op, batch_index: run.batch_index, start_secs, secs })
    };
    all.into_iter().map(timed).collect()
}
