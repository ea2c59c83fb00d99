//! Choice of the number of steps per submission (a group of steps that is sent to a GPU at once), unless the user sets
//! this number.
//!
//! A submission must not be too long: it cannot be stopped, and the operating system resets a GPU after some seconds.
//! It must not be too short either, since each submission has some overhead. The target is a tenth of a second. The
//! first submission has one step, and each finished submission shows how long a step takes. The measured times affect
//! only the size of submissions, not the results.

use std::time::{Duration, Instant};

/// Target duration of a submission.
const SUBMISSION: Duration = Duration::from_millis(100);

/// Chooses the size of submissions from the measured duration of earlier steps.
#[derive(Default)]
pub(super) struct SubmissionSizer {
    /// Upper bound on the duration of a step; `None` before the first submission has ended.
    step: Option<Duration>,
    /// Time at which the last submission ended, if the host waited for it. The next submission cannot start earlier.
    over: Option<Instant>,
}

impl SubmissionSizer {
    /// Returns the number of steps of the next submission, at most `capacity`.
    pub(super) fn steps(&self, capacity: usize) -> usize {
        let fitting = |step: Duration| SUBMISSION.as_nanos() / step.as_nanos().max(1);
        self.step.map_or(1, |step| usize::try_from(fitting(step)).unwrap_or(capacity)).min(capacity).max(1)
    }

    /// Records at time `now` that a submission of `steps` steps, made at `submitted`, has ended. If the host has not
    /// `waited` for the end, the submission may have ended long before `now`. The computed duration of a step is
    /// therefore an upper bound.
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
        assert_eq!(sizer.steps(32), 1, "no duration is known");
        sizer.note(start, start + millis(10), true, 1);
        assert_eq!([sizer.steps(32), sizer.steps(4)], [10, 4]);
        sizer.note(start, start + millis(10 + 60), true, 3);
        assert_eq!(sizer.steps(32), 5, "it began when the one before was over: 20 ms per step");
        sizer.note(start, start + millis(70 + 300), true, 1);
        assert_eq!(sizer.steps(32), 1, "a step of more than a tenth of a second");
        sizer.note(start + millis(400), start + millis(400), true, 1);
        assert_eq!(sizer.steps(32), 32, "no time at all");
    }

    #[test]
    fn a_host_that_polls_late_does_not_underestimate_steps() {
        let (mut sizer, start) = (SubmissionSizer::default(), Instant::now());
        // Two submissions of 50 ms, whose end the host notices only after a second.
        sizer.note(start, start + millis(1000), false, 1);
        assert_eq!(sizer.steps(32), 1);
        sizer.note(start, start + millis(1001), false, 1);
        assert_eq!(sizer.steps(32), 1);
    }
}
