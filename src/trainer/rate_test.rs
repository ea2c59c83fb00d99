//! Learning rate range test.

use serde::Serialize;

use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::schedule::Schedule;
use crate::trainer::Trainer;

/// Weight of the previous average in the moving average of the losses that detects divergence.
const PAST: f64 = 0.9;
/// Training diverges when the moving average exceeds its lowest value by more than `EXCESS` times that value.
const EXCESS: f64 = 3.0;
/// Divisor of the number of steps: `steps / SIDE` steps on each side of a step are part of its mean loss and its slope.
const SIDE: usize = 20;

/// Settings of a learning rate range test (Smith 2015): a short training during which the learning rate grows
/// exponentially. [`Trainer::find_learning_rate`] runs it.
///
/// # Examples
/// ```
/// use wgrad::trainer::RateTest;
/// let test = RateTest::new().from(1e-5).to(1.0).steps(100);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateTest {
    least: f64,
    most: f64,
    steps: usize,
}

/// Result of a learning rate range test.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RateCurve {
    /// Learning rate of each step.
    pub rates: Vec<f64>,
    /// Loss of each step before its update. There are fewer losses than steps if the test stopped early.
    pub losses: Vec<f64>,
    /// Loss of each step, averaged over this step and the steps around it.
    pub smoothed: Vec<f64>,
    /// Learning rate at which the loss decreases fastest, before its lowest value; `None` if it never decreases.
    pub suggestion: Option<f64>,
    /// True if the test stopped early: the smoothed loss exceeded four times its lowest value, or a number was not
    /// finite.
    pub diverged: bool,
}

impl Default for RateTest {
    fn default() -> Self {
        Self::new()
    }
}

impl RateTest {
    /// Creates a test with learning rates from 0.000001 to 10 in 200 steps.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::trainer::RateTest;
    /// assert_eq!(RateTest::new(), RateTest::new().from(1e-6).to(10.0).steps(200));
    /// ```
    pub fn new() -> Self {
        Self { least: 1e-6, most: 10.0, steps: 200 }
    }

    /// Sets the learning rate of the first step, default 0.000001.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::trainer::RateTest;
    /// let test = RateTest::new().from(1e-4);
    /// ```
    pub fn from(self, learning_rate: f64) -> Self {
        Self { least: learning_rate, ..self }
    }

    /// Sets the learning rate of the last step, default 10.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::trainer::RateTest;
    /// let test = RateTest::new().to(1.0);
    /// ```
    pub fn to(self, learning_rate: f64) -> Self {
        Self { most: learning_rate, ..self }
    }

    /// Sets the number of steps, from 20 to 1,000,000; default 200.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::trainer::RateTest;
    /// let test = RateTest::new().steps(500);
    /// ```
    pub fn steps(self, steps: usize) -> Self {
        Self { steps, ..self }
    }

    fn check(&self) -> Result<()> {
        let Self { least, most, steps } = *self;
        if !(least > 0.0 && least as f32 > 0.0) {
            return Err(Error::value("learning rate test", "first rate", least, "above 0 as an f32"));
        }
        if !(most > least && (most as f32).is_finite()) {
            let wanted = format!("above the first rate, {least}, and finite as an f32");
            return Err(Error::value("learning rate test", "last rate", most, &wanted));
        }
        if !(20..=1_000_000).contains(&steps) {
            return Err(Error::value("learning rate test", "steps", steps, "at least 20 and at most 1000000"));
        }
        Ok(())
    }

    /// Returns the factors by which the last step's rate is multiplied: a geometric sequence that ends with 1.
    fn factors(&self) -> impl Iterator<Item = f64> + use<> {
        let (ratio, last) = (self.least / self.most, (self.steps - 1) as f64);
        (0..self.steps).map(move |step| ratio.powf(1.0 - step as f64 / last))
    }
}

impl RateCurve {
    fn new(test: &RateTest, losses: Vec<f64>, diverged: bool) -> Self {
        let rates: Vec<f64> = test.factors().take(losses.len()).map(|factor| factor * test.most).collect();
        let side = (test.steps / SIDE).max(2);
        let around = |step: usize| &losses[step.saturating_sub(side)..losses.len().min(step + side + 1)];
        let smoothed: Vec<f64> = (0..losses.len()).map(|step| mean(around(step))).collect();
        let lowest = (0..losses.len()).min_by(|a, b| smoothed[*a].total_cmp(&smoothed[*b])).unwrap_or(0);
        // Slopes after the lowest loss are ignored: a later descent only follows a spike.
        let slopes = (side..losses.len().saturating_sub(side)).take_while(|step| *step <= lowest);
        let steepest = slopes.map(|step| (step, slope(around(step)))).min_by(|a, b| a.1.total_cmp(&b.1));
        let suggestion = steepest.filter(|(_, slope)| *slope < 0.0).map(|(step, _)| rates[step]);
        Self { rates, losses, smoothed, suggestion, diverged }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Returns the slope of the least-squares line through values at 0, 1, 2, …
fn slope(values: &[f64]) -> f64 {
    let center = (values.len() - 1) as f64 / 2.0;
    let (mut products, mut squares) = (0.0, 0.0);
    for (at, value) in values.iter().enumerate() {
        let distance = at as f64 - center;
        products += distance * value;
        squares += distance * distance;
    }
    products / squares
}

/// Decides whether training diverges, from the losses so far.
struct Watch {
    first: Option<f64>,
    /// Exponential moving average of the losses, not yet divided by `weight`.
    average: f64,
    /// Sum of the coefficients of all losses in `average`.
    weight: f64,
    lowest: f64,
}

impl Watch {
    fn new() -> Self {
        Self { first: None, average: 0.0, weight: 0.0, lowest: f64::INFINITY }
    }

    /// Adds a loss. Returns `true` if training diverges.
    fn diverges(&mut self, loss: f64) -> bool {
        let first = *self.first.get_or_insert(loss);
        self.average = PAST * self.average + (1.0 - PAST) * loss;
        self.weight = PAST * self.weight + (1.0 - PAST);
        let average = self.average / self.weight;
        self.lowest = self.lowest.min(average);
        // A loss near 0 may grow many times without harm.
        average > self.lowest + EXCESS * self.lowest.abs().max(0.1 * first.abs())
    }
}

impl Trainer {
    /// Runs a learning rate range test: trains for some steps while the learning rate grows, and returns the losses and
    /// a suggestion. The schedule is not used. Afterwards, the trainer is as before, with `data` loaded.
    ///
    /// # Errors
    /// Learning rates out of range; data that does not fit; a device that fails. Training that diverges is no error.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Device, Loss, Network, Sgd, Trainer, data, trainer::RateTest};
    /// let network = Network::input(2).dense(16).relu().dense(2);
    /// let builder = Trainer::builder(network).loss(Loss::softmax_cross_entropy()).optimizer(Sgd::new(0.1));
    /// let mut trainer = builder.build(&Device::cpu())?;
    /// let curve = trainer.find_learning_rate(&data::two_moons(500, 0.1, 0)?, RateTest::new())?;
    /// assert!(curve.suggestion.is_some_and(|rate| (0.001..10.0).contains(&rate)));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn find_learning_rate(&mut self, data: &Dataset, test: RateTest) -> Result<RateCurve> {
        test.check()?;
        self.fit_target_scaling(data)?;
        self.load(data)?;
        let before = self.checkpoint()?;
        let factors = Schedule::Table { factors: test.factors().collect() };
        let from_here = Schedule::Chain { parts: vec![(self.step, Schedule::Constant), (test.steps as u64, factors)] };
        let schedule = std::mem::replace(&mut self.schedule, from_here);
        let found = self.set_learning_rate(test.most).and_then(|()| self.ramp(test.steps));
        self.schedule = schedule;
        self.restore(&before)?;
        let (losses, diverged) = found?;
        Ok(RateCurve::new(&test, losses, diverged))
    }

    /// Takes `steps` steps, unless training diverges. Returns their losses, and `true` if it diverges.
    fn ramp(&mut self, steps: usize) -> Result<(Vec<f64>, bool)> {
        let (mut losses, mut watch, end) = (Vec::new(), Watch::new(), self.step + steps as u64);
        let (factor, mut diverged) = (self.loss_factor(), false);
        while !diverged && self.step < end {
            let taken = self.advance_by(1).map(|advance| advance.losses);
            let (arrived, is_over) = self.or_diverged(taken)?;
            diverged = arrived.iter().fold(is_over, |diverged, loss| diverged | watch.diverges(f64::from(*loss)));
            losses.extend(arrived);
        }
        // Steps that are still running may fail, too.
        let last = self.settle(0).map(|()| std::mem::take(&mut self.pending_losses).losses);
        let (arrived, is_over) = self.or_diverged(last)?;
        losses.extend(arrived);
        Ok((losses.into_iter().map(|loss| f64::from(loss) * factor).collect(), diverged | is_over))
    }

    /// Returns losses, and `false`. If a number has become infinite or NaN, returns the losses that had arrived before,
    /// and `true`.
    fn or_diverged(&mut self, losses: Result<Vec<f32>>) -> Result<(Vec<f32>, bool)> {
        match losses {
            Ok(losses) => Ok((losses, false)),
            Err(Error::NotFinite { .. } | Error::StateNotFinite { .. }) => {
                Ok((std::mem::take(&mut self.pending_losses).losses, true))
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A loss of 2 until step 50, then down by 0.02 per step to 1 at step 100, then up by 0.5 per step.
    #[test]
    fn the_suggestion_is_in_the_middle_of_the_descent() {
        let test = RateTest::new().from(1e-4).to(1.0).steps(201);
        let loss = |step: usize| match step {
            ..50 => 2.0,
            50..100 => 2.0 - 0.02 * (step - 50) as f64,
            _ => 1.0 + 0.5 * (step - 100) as f64,
        };
        let curve = RateCurve::new(&test, (0..120).map(loss).collect(), true);
        assert_eq!((curve.rates.len(), curve.smoothed[20]), (120, 2.0));
        assert!((curve.rates[100] - 0.01).abs() < 1e-15, "half of the decades: {}", curve.rates[100]);
        // All windows within the descent have its slope; rounding decides among them.
        let suggestion = curve.suggestion.expect("it decreases");
        assert!((curve.rates[60]..=curve.rates[89]).contains(&suggestion), "{suggestion}");
    }

    #[test]
    fn losses_that_only_grow_give_no_suggestion() {
        let curve = RateCurve::new(&RateTest::new(), (0..200).map(f64::from).collect(), false);
        assert_eq!(curve.suggestion, None);
        assert_eq!(RateCurve::new(&RateTest::new(), vec![1.0], true).suggestion, None);
    }

    #[test]
    fn training_diverges_at_four_times_the_lowest_loss() {
        let mut watch = Watch::new();
        assert!([1.0; 40].iter().all(|loss| !watch.diverges(*loss)));
        // The average rises by a tenth of the distance: 1 + 9·(1 − 0.9ⁿ) is above 4 from n = 4 on.
        assert_eq!([10.0; 5].map(|loss| watch.diverges(loss)), [false, false, false, true, true]);
    }
}
