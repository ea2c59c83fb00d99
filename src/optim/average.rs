//! Averages of the parameters over training steps.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::text::{Term, number, option};

/// Average of the parameters over the training steps. The model predicts with the average instead of the last
/// parameters.
///
/// After the first step, the average is a copy of the parameters, as in PyTorch's
/// `torch.optim.swa_utils.AveragedModel`. The average does not influence training.
///
/// # Examples
/// ```
/// use wgrad::{Average, Device, Fit, Loss, Network, Trainer, data};
/// let mut trainer = Trainer::builder(Network::input(2).dense(8).tanh().dense(1))
///     .loss(Loss::binary_cross_entropy())
///     .average(Average::ema(0.99))
///     .build(&Device::cpu())?;
/// trainer.fit(&data::xor(), Fit::epochs(10))?;
/// assert_eq!(trainer.model()?.parameters, trainer.averaged_parameters()?);
/// assert_ne!(trainer.parameters()?, trainer.averaged_parameters()?);
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Average {
    /// Exponential moving average: a ← decay·a + (1 − decay)·p after each step (PyTorch's `get_ema_multi_avg_fn`).
    Ema {
        /// Decay, in [0, 1).
        decay: f64,
        /// `true` limits the decay after step t (from 1) to (1 + t) / (10 + t), as TensorFlow's `num_updates` does. The
        /// average then soon forgets the first parameters. The default is `false`.
        #[serde(default)]
        warm_up: bool,
    },
    /// Stochastic weight averaging (Izmailov et al. 2018): the mean of the parameters after steps start + every, start
    /// + 2·every and so on. Before the first of these steps, the average equals the current parameters.
    Swa {
        /// Number of steps before the average begins.
        start: u64,
        /// Number of steps from one averaged copy of the parameters to the next, at least 1.
        every: u64,
    },
}

impl Average {
    /// Names that [`Average::parse`] accepts.
    pub const NAMES: [&'static str; 2] = ["ema", "swa"];

    /// Creates an exponential moving average with a decay in [0, 1), without `warm_up`.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Average;
    /// assert_eq!(Average::ema(0.999), Average::Ema { decay: 0.999, warm_up: false });
    /// ```
    pub fn ema(decay: f64) -> Self {
        Self::Ema { decay, warm_up: false }
    }

    /// Creates stochastic weight averaging: the mean of the parameters every `every` steps, after the first `start`
    /// steps.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Average;
    /// assert_eq!(Average::swa(1000, 50), Average::Swa { start: 1000, every: 50 });
    /// ```
    pub fn swa(start: u64, every: u64) -> Self {
        Self::Swa { start, every }
    }

    /// Parses `ema`, `ema(decay=0.999, warm_up=true)`, `swa` or `swa(start_epoch=10, every=50)`. `start_epoch` is the
    /// number of epochs before the average begins, default 0; an epoch has `epoch_steps` steps. `every` is a number of
    /// steps, default `epoch_steps`.
    ///
    /// # Errors
    /// Unknown names, and the errors of [`Average::check`].
    ///
    /// # Examples
    /// ```
    /// use wgrad::Average;
    /// assert_eq!(Average::parse("ema", 7)?, Average::ema(0.999));
    /// assert_eq!(Average::parse("swa(start_epoch=10)", 7)?, Average::swa(70, 7));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn parse(text: &str, epoch_steps: u64) -> Result<Self> {
        let (term, place) = (Term::parse("average", text)?, format!("average `{text}`"));
        let average = match term.name {
            "ema" => {
                let options = term.named("average", &["decay", "warm_up"])?;
                let decay = option(&options, "decay").map(|text| number(&place, "decay", text, "a number"));
                let warm_up = option(&options, "warm_up").map(|text| number(&place, "warm_up", text, "true or false"));
                Self::Ema { decay: decay.transpose()?.unwrap_or(0.999), warm_up: warm_up.transpose()?.unwrap_or(false) }
            }
            "swa" => {
                let options = term.named("average", &["start_epoch", "every"])?;
                let whole = |name| option(&options, name).map(|text| number(&place, name, text, "a whole number"));
                let start: Option<u64> = whole("start_epoch").transpose()?;
                let every = whole("every").transpose()?;
                Self::Swa { start: start.unwrap_or(0).saturating_mul(epoch_steps), every: every.unwrap_or(epoch_steps) }
            }
            name => return Err(Error::unknown("average", name, &Self::NAMES)),
        };
        average.check()?;
        Ok(average)
    }

    /// Checks that the settings are in range.
    ///
    /// # Errors
    /// A decay outside [0, 1); an `every` of 0.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Average;
    /// assert!(Average::ema(0.9).check().is_ok());
    /// assert!(Average::ema(1.0).check().is_err());
    /// ```
    pub fn check(&self) -> Result<()> {
        match *self {
            Self::Ema { decay, .. } if !(0.0..1.0).contains(&decay) => {
                Err(Error::value("average ema", "decay", decay, "at least 0 and below 1"))
            }
            Self::Swa { every: 0, .. } => Err(Error::value("average swa", "every", 0, "at least 1")),
            Self::Ema { .. } | Self::Swa { .. } => Ok(()),
        }
    }

    /// Returns the weight w of the update average ← average + w·(parameters − average) after `step` (from 0). 1 copies
    /// the parameters; 0 leaves the average unchanged.
    pub(crate) fn weight(&self, step: u64) -> f64 {
        let done = step + 1;
        match *self {
            Self::Ema { .. } if step == 0 => 1.0,
            Self::Ema { decay, warm_up: false } => 1.0 - decay,
            Self::Ema { decay, warm_up: true } => 1.0 - decay.min((1.0 + done as f64) / (10.0 + done as f64)),
            Self::Swa { start, every } => match done.saturating_sub(start) {
                since if since < every => 1.0,
                since if since % every == 0 => every as f64 / since as f64,
                _ => 0.0,
            },
        }
    }
}

impl fmt::Display for Average {
    /// Writes `ema(decay=0.999)` or `swa(start=1000 steps, every=50 steps)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ema { decay, warm_up: false } => write!(f, "ema(decay={decay})"),
            Self::Ema { decay, warm_up: true } => write!(f, "ema(decay={decay}, warm_up=true)"),
            Self::Swa { start, every } => write!(f, "swa(start={start} steps, every={every} steps)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected weights are computed by hand.
    #[test]
    fn weights_are_those_of_the_definitions() {
        let weights = |average: Average| (0..8).map(|step| average.weight(step)).collect::<Vec<_>>();
        assert_eq!(weights(Average::ema(0.75))[..3], [1.0, 0.25, 0.25]);
        // After step 2 the decay is at most 3/12, after step 8 at most 9/18.
        let warm = weights(Average::Ema { decay: 0.4, warm_up: true });
        assert_eq!((warm[0], warm[1], warm[7]), (1.0, 0.75, 0.6));
        assert_eq!(weights(Average::swa(2, 2)), [1.0, 1.0, 1.0, 1.0, 0.0, 0.5, 0.0, 1.0 / 3.0]);
        assert_eq!(weights(Average::swa(0, 1))[..3], [1.0, 0.5, 1.0 / 3.0]);
    }
}
