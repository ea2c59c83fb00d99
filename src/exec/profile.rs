//! When each op of a submission ran.

use std::time::Instant;

use crate::error::Result;
use crate::exec::{Executor, Run};
use crate::plan::{Section, Step};

/// When an op of a submission ran.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// Its section.
    pub section: Section,
    /// Its index in the section.
    pub op: usize,
    /// The batch of the submission that it ran for.
    pub batch_index: usize,
    /// Seconds from the first op's beginning to its own.
    pub start_secs: f64,
    /// Seconds that it took.
    pub secs: f64,
}

/// All ops of sections, in order.
pub(super) fn ops(executor: &(impl Executor + ?Sized), runs: &[Run]) -> Vec<(Run, usize)> {
    let of = |run: &Run| (0..executor.plan().ops(run.section).len()).zip(std::iter::repeat(*run));
    runs.iter().flat_map(of).map(|(op, run)| (run, op)).collect()
}

/// Runs op by op, each a submission of its own that is over when it returns, and looks at the host's clock between.
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
