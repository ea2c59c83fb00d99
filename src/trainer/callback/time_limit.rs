//! Time limit of training.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::trainer::{Callback, Epoch, Trainer};

/// Stops training if the next epoch would probably end after a time limit. It assumes the duration of the longest epoch
/// so far.
///
/// Epochs always run to their end. At least one is trained, even if it takes longer than the limit. The time counts
/// from the moment at which training starts or resumes. The number of epochs depends on a clock, and so does the
/// result. Each epoch by itself has the same bits as without the limit.
///
/// # Examples
/// ```
/// # use wgrad::{Device, Fit, Loss, Network, Trainer, data};
/// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
/// # let mut trainer = builder.build(&Device::cpu())?;
/// use std::time::Duration;
/// use wgrad::trainer::TimeLimit;
/// let mut limit = TimeLimit::new(Duration::ZERO);
/// let history = trainer.fit(&data::xor(), Fit::epochs(100).callback(&mut limit))?;
/// assert_eq!((history.len(), limit.is_reached()), (1, true));
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Debug)]
pub struct TimeLimit {
    limit: Duration,
    began: Instant,
    /// End of the last epoch.
    last: Instant,
    longest: Duration,
    reached: bool,
}

impl TimeLimit {
    /// Creates a limit on the time from the start to the end of training.
    ///
    /// # Examples
    /// ```
    /// # use std::time::Duration;
    /// # use wgrad::trainer::TimeLimit;
    /// let limit = TimeLimit::new(Duration::from_secs(30));
    /// ```
    pub fn new(limit: Duration) -> Self {
        let now = Instant::now();
        Self { limit, began: now, last: now, longest: Duration::ZERO, reached: false }
    }

    /// Returns `true` if the limit has stopped training.
    ///
    /// # Examples
    /// ```
    /// # use std::time::Duration;
    /// # use wgrad::trainer::TimeLimit;
    /// assert!(!TimeLimit::new(Duration::from_secs(30)).is_reached());
    /// ```
    pub fn is_reached(&self) -> bool {
        self.reached
    }

    /// Records that an epoch has ended at the time `now`. Returns `true` if the next epoch would end after the limit.
    fn ended(&mut self, now: Instant) -> bool {
        self.longest = self.longest.max(now.duration_since(self.last));
        self.last = now;
        self.reached = now.duration_since(self.began).saturating_add(self.longest) > self.limit;
        self.reached
    }
}

impl Callback for TimeLimit {
    fn on_start(&mut self, _: &[Epoch], _: &mut Trainer) -> Result<()> {
        *self = Self::new(self.limit);
        Ok(())
    }

    fn on_epoch(&mut self, _: &mut Epoch, _: &mut Trainer) -> Result<ControlFlow<()>> {
        Ok(if self.ended(Instant::now()) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn training_stops_before_the_epoch_that_would_end_too_late() {
        let mut limit = TimeLimit::new(Duration::from_secs(10));
        let at = |limit: &TimeLimit, seconds| limit.began + Duration::from_secs(seconds);
        // The longest epoch takes 4 seconds.
        for (end, stops) in [(4, false), (5, false), (6, false), (7, true)] {
            assert_eq!(limit.ended(at(&limit, end)), stops, "{end}");
        }
        let mut exact = TimeLimit::new(Duration::from_secs(10));
        assert!(!exact.ended(at(&exact, 5)), "two epochs of 5 seconds fit");
        assert!(exact.ended(at(&exact, 10)));
    }
}
