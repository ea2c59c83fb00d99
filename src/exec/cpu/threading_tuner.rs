//! Whether threads share a submission of little work: what was faster, lately.
//!
//! What threads hand to one another goes through their caches, and how long that takes depends on where a system puts them: a step
//! of digits took two threads 50 µs when both ran on one part of the processor, 110 µs when they did not, and one thread
//! 65 µs. So both ways are tried now and then, and the faster one is taken. No bit depends on it.

use std::time::Duration;

/// More work than this a step is always shared: what threads hand to one another is little beside it.
const LITTLE: u64 = 20_000_000;

/// Submissions of each way at the beginning.
const FIRST: usize = 3;

/// One of so many goes the other way.
const AGAIN: usize = 64;

/// Times of each way that count: the best of them, since what disturbs a machine makes nothing faster.
const LAST: usize = 4;

/// What has been seen of submissions that do the same work.
#[derive(Clone, Debug, Default)]
pub(super) struct ThreadingTuner {
    /// Submissions, and those that went each way.
    count: usize,
    ways: [usize; 2],
    /// What the last ones of each way took, in seconds for a unit of work.
    seconds: [[f64; LAST]; 2],
}

/// How a submission is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By the calling thread.
    Alone = 0,
    /// By all threads.
    Shared = 1,
}

impl ThreadingTuner {
    /// How to run the next submission, with so much work a step.
    pub fn way(&self, work_a_step: u64) -> Way {
        let [alone, shared] = [Way::Alone, Way::Shared].map(|way| {
            let known = LAST.min(self.ways[way as usize]);
            self.seconds[way as usize][..known].iter().fold(f64::INFINITY, |best, seconds| best.min(*seconds))
        });
        let (faster, other) = if alone < shared { (Way::Alone, Way::Shared) } else { (Way::Shared, Way::Alone) };
        match self.count {
            _ if work_a_step > LITTLE => Way::Shared,
            count if count < 2 * FIRST => [Way::Shared, Way::Alone][count % 2],
            count if count % AGAIN == 0 => other,
            _ => faster,
        }
    }

    /// What a submission of so much work took.
    pub fn took(&mut self, way: Way, work: u64, time: Duration) {
        let (before, seconds) = (&mut self.ways[way as usize], &mut self.seconds[way as usize]);
        seconds[*before % LAST] = time.as_secs_f64() / work.max(1) as f64;
        *before = before.wrapping_add(1);
        self.count = self.count.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs submissions that take so many seconds alone, and shared; how many of the last ones were shared.
    fn shared(tuner: &mut ThreadingTuner, work_a_step: u64, seconds: [f64; 2]) -> usize {
        let ways: Vec<Way> = (0..1000)
            .map(|_| {
                let way = tuner.way(work_a_step);
                tuner.took(way, 8 * work_a_step, Duration::from_secs_f64(seconds[way as usize]));
                way
            })
            .collect();
        ways[1000 - 4 * AGAIN..].iter().filter(|way| **way == Way::Shared).count()
    }

    #[test]
    fn the_faster_way_is_taken_and_the_other_tried_again() {
        let mut tuner = ThreadingTuner::default();
        assert_eq!(shared(&mut tuner, 1_000_000, [2.0, 1.0]), 4 * AGAIN - 4);
        // Somebody else takes a core.
        assert_eq!(shared(&mut tuner, 1_000_000, [2.0, 3.0]), 4);
        assert_eq!(shared(&mut tuner, 1_000_000, [2.0, 1.0]), 4 * AGAIN - 4);
    }

    #[test]
    fn much_work_is_always_shared() {
        assert_eq!(shared(&mut ThreadingTuner::default(), LITTLE + 1, [1.0, 2.0]), 4 * AGAIN);
    }
}
