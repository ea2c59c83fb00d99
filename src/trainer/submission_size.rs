//! How many steps a submission to a GPU has, where the user has not said so.
//!
//! A GPU that works on one submission for seconds is taken for stuck and reset, and whoever wants to stop waits for it;
//! many small ones cost time of their own. So a submission is to last a tenth of a second. The first has one step, and
//! each that is known says how long a step took. Nothing but the size of submissions depends on this clock: no bit does.

use std::time::{Duration, Instant};

/// What a submission may last.
const SUBMISSION: Duration = Duration::from_millis(100);

/// What is known of the time that steps take.
#[derive(Default)]
pub(super) struct SubmissionSizer {
    /// Of a step, at most; `None` until one is known.
    step: Option<Duration>,
    /// When a submission was over that was waited for. One behind it began no earlier.
    over: Option<Instant>,
}

impl SubmissionSizer {
    /// Steps of the next submission, of which the window holds no more than `capacity`.
    pub(super) fn steps(&self, capacity: usize) -> usize {
        let fitting = |step: Duration| SUBMISSION.as_nanos() / step.as_nanos().max(1);
        self.step.map_or(1, |step| usize::try_from(fitting(step)).unwrap_or(capacity)).min(capacity).max(1)
    }

    /// A submission of so many steps is over, made at `submitted` and `waited` for. If the host came late, it may have
    /// been over long ago: what is noted is the most that a step can have taken.
    pub(super) fn note(&mut self, submitted: Instant, now: Instant, waited: bool, steps: usize) {
        let began = self.over.map_or(submitted, |over| over.max(submitted));
        self.step = Some(now.saturating_duration_since(began) / steps.max(1) as u32);
        self.over = waited.then_some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn a_submission_lasts_a_tenth_of_a_second() {
        let (mut sizer, start) = (SubmissionSizer::default(), Instant::now());
        assert_eq!(sizer.steps(32), 1, "nothing is known");
        sizer.note(start, start + millis(10), true, 1);
        assert_eq!([sizer.steps(32), sizer.steps(4)], [10, 4]);
        sizer.note(start, start + millis(10 + 60), true, 3);
        assert_eq!(sizer.steps(32), 5, "it began when the one before was over: 20 ms a step");
        sizer.note(start, start + millis(70 + 300), true, 1);
        assert_eq!(sizer.steps(32), 1, "a step of more than a tenth of a second");
        sizer.note(start + millis(400), start + millis(400), true, 1);
        assert_eq!(sizer.steps(32), 32, "no time at all");
    }

    #[test]
    fn a_host_that_comes_late_does_not_take_steps_for_fast() {
        let (mut sizer, start) = (SubmissionSizer::default(), Instant::now());
        // Two submissions of 50 ms, which the host looks for after a second.
        sizer.note(start, start + millis(1000), false, 1);
        assert_eq!(sizer.steps(32), 1);
        sizer.note(start, start + millis(1001), false, 1);
        assert_eq!(sizer.steps(32), 1);
    }
}
