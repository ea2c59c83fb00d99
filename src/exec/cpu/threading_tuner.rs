//! Choice between one thread and the thread pool for small submissions, by recent timings.
//!
//! Threads exchange data through their caches, and the time for that depends on the cores that the operating system
//! chooses. A step of the digits example took two threads 50 µs on nearby cores and 110 µs on distant ones, and one
//! thread 65 µs. So both ways are tried now and then, and the faster one is used. No bit of the results depends on this
//! choice.

use std::time::Duration;

/// Work per step, in the unit of the schedule's work, above which all threads are always used. The exchange between
/// threads is then cheap in comparison.
const SMALL_WORK: u64 = 20_000_000;

/// Number of submissions that try each way at the beginning.
const FIRST_TRIALS: usize = 3;

/// Interval, in submissions, at which the slower way is tried again.
const RETRY_INTERVAL: usize = 64;

/// Number of recent times that are kept per way. The shortest of them counts, since interference only makes a run
/// slower.
const WINDOW: usize = 4;

/// Recent timings of both ways to run a submission. An executor has one tuner per section, and a submission uses that
/// of its first section.
#[derive(Clone, Debug, Default)]
pub(super) struct ThreadingTuner {
    /// Total number of submissions.
    count: usize,
    /// Number of submissions that ran in each way.
    counts: [usize; 2],
    /// Recent times of each way, in seconds per unit of the schedule's work.
    seconds: [[f64; WINDOW]; 2],
}

/// Way to run a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// On the calling thread alone.
    Alone = 0,
    /// On all threads of the pool.
    Shared = 1,
}

impl ThreadingTuner {
    /// Returns the way to run the next submission, given its work per step.
    pub fn way(&self, work_per_step: u64) -> Way {
        let [alone, shared] = [Way::Alone, Way::Shared].map(|way| {
            let known = WINDOW.min(self.counts[way as usize]);
            self.seconds[way as usize][..known].iter().fold(f64::INFINITY, |best, seconds| best.min(*seconds))
        });
        let (faster, other) = if alone < shared { (Way::Alone, Way::Shared) } else { (Way::Shared, Way::Alone) };
        match self.count {
            _ if work_per_step > SMALL_WORK => Way::Shared,
            count if count < 2 * FIRST_TRIALS => [Way::Shared, Way::Alone][count % 2],
            count if count % RETRY_INTERVAL == 0 => other,
            _ => faster,
        }
    }

    /// Records the time of a submission, and the amount of its work.
    pub fn record(&mut self, way: Way, work: u64, time: Duration) {
        let (before, seconds) = (&mut self.counts[way as usize], &mut self.seconds[way as usize]);
        seconds[*before % WINDOW] = time.as_secs_f64() / work.max(1) as f64;
        *before = before.wrapping_add(1);
        self.count = self.count.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Simulates submissions with these times for one thread and for the pool. Returns how many of the last ones used
    /// the pool.
    fn shared(tuner: &mut ThreadingTuner, work_per_step: u64, seconds: [f64; 2]) -> usize {
        let ways: Vec<Way> = (0..1000)
            .map(|_| {
                let way = tuner.way(work_per_step);
                tuner.record(way, 8 * work_per_step, Duration::from_secs_f64(seconds[way as usize]));
                way
            })
            .collect();
        ways[1000 - 4 * RETRY_INTERVAL..].iter().filter(|way| **way == Way::Shared).count()
    }

    #[test]
    fn the_faster_way_is_taken_and_the_other_tried_again() {
        let mut tuner = ThreadingTuner::default();
        assert_eq!(shared(&mut tuner, 1_000_000, [2.0, 1.0]), 4 * RETRY_INTERVAL - 4);
        // Another process takes a core.
        assert_eq!(shared(&mut tuner, 1_000_000, [2.0, 3.0]), 4);
        assert_eq!(shared(&mut tuner, 1_000_000, [2.0, 1.0]), 4 * RETRY_INTERVAL - 4);
    }

    #[test]
    fn much_work_is_always_shared() {
        assert_eq!(shared(&mut ThreadingTuner::default(), SMALL_WORK + 1, [1.0, 2.0]), 4 * RETRY_INTERVAL);
    }
}
