//! Reduction of the learning rate when training no longer improves.

use std::fmt;
use std::ops::ControlFlow;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::metrics::Metric;
use crate::text::{Term, number, option};
use crate::trainer::{Callback, Epoch, Trainer};

/// Multiplies the learning rate by a factor if the validation loss has not improved for more epochs than the patience,
/// as PyTorch's `ReduceLROnPlateau`. Without a validation set, it watches the training loss.
///
/// Defaults are PyTorch's: a factor of 0.1, a patience of 10 epochs, a relative threshold of 0.0001, no cooldown. The
/// learning rate is that of [`Trainer::set_learning_rate`], before a schedule's factor. If training resumes from a
/// checkpoint, the past epochs are counted again, so that the resumed run equals the uninterrupted one.
///
/// # Examples
/// ```
/// # use wgrad::{Device, Fit, Loss, Network, Trainer, data};
/// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
/// # let mut trainer = builder.build(&Device::cpu())?;
/// # let (train, validation, _) = data::two_moons(100, 0.1, 0)?.split(wgrad::Split::parts(0.8, 0.2))?;
/// use wgrad::trainer::Plateau;
/// let plateau = Plateau::new().factor(0.5).patience(3);
/// trainer.fit(&train, Fit::epochs(30).validate(&validation).callback(plateau))?;
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Plateau {
    factor: f64,
    patience: usize,
    threshold: f64,
    absolute: bool,
    cooldown: usize,
    least: f64,
    metric: Option<Metric>,
    progress: State,
}

/// Numbers that change from epoch to epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct State {
    /// Best value so far.
    best: Option<f64>,
    /// Epochs since the last improvement or reduction.
    bad: usize,
    /// Remaining epochs of the cooldown, in which epochs without improvement do not count.
    cooldown: usize,
}

/// Smallest decrease of the learning rate: a smaller one is not made. PyTorch's `eps`.
const LEAST_DECREASE: f64 = 1e-8;

/// Names of the options in a text.
const OPTIONS: [&str; 6] = ["patience", "factor", "threshold", "absolute", "cooldown", "least"];

impl Default for Plateau {
    fn default() -> Self {
        Self::new()
    }
}

impl Plateau {
    /// Creates the callback with PyTorch's defaults.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::trainer::Plateau;
    /// assert_eq!(Plateau::new(), "patience=10, factor=0.1, threshold=0.0001".parse()?);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn new() -> Self {
        Self {
            factor: 0.1,
            patience: 10,
            threshold: 1e-4,
            absolute: false,
            cooldown: 0,
            least: 0.0,
            metric: None,
            progress: State::default(),
        }
    }

    /// Sets the factor by which the learning rate is multiplied, default 0.1; at least 0 and below 1.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::trainer::Plateau;
    /// let mut plateau = Plateau::new().factor(0.5).patience(0);
    /// assert_eq!([3.0, 2.0, 2.0].map(|loss| plateau.rate_after(loss, 0.25)), [0.25, 0.25, 0.125]);
    /// ```
    pub fn factor(self, factor: f64) -> Self {
        Self { factor, ..self }
    }

    /// Sets the number of epochs without improvement that are accepted, default 10. The learning rate is reduced after
    /// one more.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::trainer::Plateau;
    /// let mut plateau = Plateau::new().patience(1);
    /// assert_eq!([3.0, 3.0, 3.0].map(|loss| plateau.rate_after(loss, 1.0)), [1.0, 1.0, 0.1]);
    /// ```
    pub fn patience(self, epochs: usize) -> Self {
        Self { patience: epochs, ..self }
    }

    /// Sets the smallest improvement that counts, as a fraction of the best value, default 0.0001.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::trainer::Plateau;
    /// let mut plateau = Plateau::new().threshold(0.5).patience(0);
    /// assert_eq!([4.0, 1.9, 1.0].map(|loss| plateau.rate_after(loss, 1.0)), [1.0, 1.0, 0.1], "1.0 is more than 1.9 / 2");
    /// ```
    pub fn threshold(self, fraction: f64) -> Self {
        Self { threshold: fraction, absolute: false, ..self }
    }

    /// Sets the smallest improvement that counts, as an absolute difference instead of a fraction.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::trainer::Plateau;
    /// let mut plateau = Plateau::new().absolute_threshold(0.5).patience(0);
    /// assert_eq!([4.0, 3.0, 2.75].map(|loss| plateau.rate_after(loss, 1.0)), [1.0, 1.0, 0.1]);
    /// ```
    pub fn absolute_threshold(self, difference: f64) -> Self {
        Self { threshold: difference, absolute: true, ..self }
    }

    /// Sets the number of epochs after a reduction that do not count as epochs without improvement, default 0.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::trainer::Plateau;
    /// let mut plateau = Plateau::new().patience(0).cooldown(2);
    /// assert_eq!([1.0; 5].map(|loss| plateau.rate_after(loss, 1.0)), [1.0, 0.1, 1.0, 1.0, 0.1]);
    /// ```
    pub fn cooldown(self, epochs: usize) -> Self {
        Self { cooldown: epochs, ..self }
    }

    /// Sets the smallest learning rate, default 0.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::trainer::Plateau;
    /// let mut plateau = Plateau::new().patience(0).least(0.5);
    /// assert_eq!([1.0; 2].map(|loss| plateau.rate_after(loss, 1.0)), [1.0, 0.5]);
    /// ```
    pub fn least(self, learning_rate: f64) -> Self {
        Self { least: learning_rate, ..self }
    }

    /// Watches a metric of the validation set instead of the loss. The fit must compute it after each epoch: set the
    /// same metric with [`Fit::metric`](crate::Fit::metric), or use a main one, such as the accuracy or R².
    ///
    /// # Examples
    /// ```
    /// # use wgrad::trainer::Plateau;
    /// let mut plateau = Plateau::new().patience(0).metric("accuracy".parse()?);
    /// assert_eq!([0.5, 0.9, 0.8].map(|accuracy| plateau.rate_after(accuracy, 1.0)), [1.0, 1.0, 0.1]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn metric(self, metric: Metric) -> Self {
        Self { metric: Some(metric), ..self }
    }

    /// Records the loss or metric of an epoch that used `learning_rate`, and returns the learning rate of the next
    /// epoch. Custom training loops call it; with [`Fit::callback`](crate::Fit::callback) it is called automatically.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::trainer::Plateau;
    /// let mut plateau = Plateau::new().patience(0);
    /// assert_eq!([1.0, 2.0].map(|loss| plateau.rate_after(loss, 1.0)), [1.0, 0.1]);
    /// ```
    pub fn rate_after(&mut self, value: f64, learning_rate: f64) -> f64 {
        let state = &mut self.progress;
        let larger_is_better = self.metric.is_some_and(|metric| metric.larger_is_better());
        let is_better = state.best.is_none_or(|best| match (larger_is_better, self.absolute) {
            (false, false) => value < best * (1.0 - self.threshold),
            (false, true) => value < best - self.threshold,
            (true, false) => value > best * (1.0 + self.threshold),
            (true, true) => value > best + self.threshold,
        });
        if is_better {
            (state.best, state.bad) = (Some(value), 0);
        } else {
            state.bad += 1;
        }
        if state.cooldown > 0 {
            (state.cooldown, state.bad) = (state.cooldown - 1, 0);
        }
        if state.bad <= self.patience {
            return learning_rate;
        }
        (state.cooldown, state.bad) = (self.cooldown, 0);
        let reduced = (learning_rate * self.factor).max(self.least);
        if learning_rate - reduced > LEAST_DECREASE { reduced } else { learning_rate }
    }

    /// Returns the watched value of an epoch.
    fn value(&self, epoch: &Epoch) -> Result<f64> {
        match (&epoch.validation, self.metric) {
            (Some(found), Some(metric)) => found.metric(&metric.to_string()),
            (Some(found), None) => Ok(found.loss),
            (None, None) => Ok(epoch.loss),
            (None, Some(metric)) => {
                let problem = format!("it watches the metric `{metric}`, but there is no validation set");
                Err(Error::conflict("plateau", problem, "add `.validate(…)`"))
            }
        }
    }

    fn check(&self) -> Result<()> {
        let range = |name: &str, value: f64, most: f64, wanted: &str| match value >= 0.0 && value < most {
            true => Ok(()),
            false => Err(Error::value("plateau", name, value, wanted)),
        };
        range("factor", self.factor, 1.0, "at least 0 and below 1")?;
        range("threshold", self.threshold, f64::INFINITY, "finite and at least 0")?;
        range("least", self.least, f64::INFINITY, "finite and at least 0")
    }
}

impl Callback for Plateau {
    fn on_start(&mut self, past: &[Epoch], _: &mut Trainer) -> Result<()> {
        self.check()?;
        self.progress = State::default();
        // The checkpoint stores the learning rate, so only the counts are restored here.
        for epoch in past {
            self.rate_after(self.value(epoch)?, 0.0);
        }
        Ok(())
    }

    fn on_epoch(&mut self, epoch: &mut Epoch, trainer: &mut Trainer) -> Result<ControlFlow<()>> {
        let rate = self.rate_after(self.value(epoch)?, trainer.learning_rate());
        trainer.set_learning_rate(rate).map(|()| ControlFlow::Continue(()))
    }
}

impl FromStr for Plateau {
    type Err = Error;

    /// Parses options such as `5, factor=0.5`. Their names, in the order of values without a name, are patience,
    /// factor, threshold, absolute, cooldown, and least.
    fn from_str(text: &str) -> Result<Self> {
        let text = format!("plateau({text})");
        let options = Term::parse("plateau", &text)?.named("plateau", &OPTIONS)?;
        fn value<T: FromStr>(options: &[(&str, &str)], name: &str, default: T, wanted: &str) -> Result<T> {
            option(options, name).map_or(Ok(default), |text| number("plateau", name, text, wanted))
        }
        let usual = Self::new();
        let plateau = Self {
            patience: value(&options, "patience", usual.patience, "a whole number of epochs")?,
            factor: value(&options, "factor", usual.factor, "a number")?,
            threshold: value(&options, "threshold", usual.threshold, "a number")?,
            absolute: value(&options, "absolute", usual.absolute, "true or false")?,
            cooldown: value(&options, "cooldown", usual.cooldown, "a whole number of epochs")?,
            least: value(&options, "least", usual.least, "a number")?,
            ..usual
        };
        plateau.check()?;
        Ok(plateau)
    }
}

/// Writes all options except the metric, as [`Plateau::from_str`] reads them.
impl fmt::Display for Plateau {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { factor, patience, threshold, absolute, cooldown, least, .. } = self;
        write!(f, "patience={patience}, factor={factor}, threshold={threshold}, absolute={absolute}, ")?;
        write!(f, "cooldown={cooldown}, least={least}")
    }
}
