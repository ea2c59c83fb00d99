//! Learning rate schedules.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Largest number of factors in a table. Each checkpoint stores all of them.
const MOST_FACTORS: usize = 1 << 20;

/// Factor on the optimizer's learning rate, as a function of the step. Steps are counted from 0.
///
/// The formulas are those of PyTorch's `LinearLR`, `CosineAnnealingLR` and `LambdaLR`, stepped after every update of
/// the parameters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Schedule {
    /// 1 at every step.
    #[default]
    Constant,
    /// Linear from `start` to 1 over `steps` steps, then 1.
    LinearWarmup {
        /// Factor at step 0.
        start: f64,
        /// Number of steps until the factor is 1.
        steps: u64,
    },
    /// [`Schedule::LinearWarmup`] over `warmup_steps`, then half a cosine from 1 to `end` over `steps` more steps, then
    /// `end`. PyTorch's formula would increase again after that.
    Cosine {
        /// Factor at step 0, if there is a warmup.
        #[serde(default)]
        start: f64,
        /// Number of warmup steps, default 0.
        #[serde(default)]
        warmup_steps: u64,
        /// Number of steps of the half cosine.
        steps: u64,
        /// Factor at its end, default 0.
        #[serde(default)]
        end: f64,
    },
    /// One factor per step. Later steps have the last factor.
    Table {
        /// Factors of step 0, 1, 2, …: finite, at least 0, and at most 1,048,576 of them.
        factors: Vec<f64>,
    },
}

impl Schedule {
    /// Half a cosine from 1 to 0 over `steps` steps, then 0.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Schedule;
    /// let schedule = Schedule::cosine(100);
    /// assert_eq!([schedule.factor(0), schedule.factor(100)], [1.0, 0.0]);
    /// ```
    pub fn cosine(steps: u64) -> Self {
        Self::Cosine { start: 0.0, warmup_steps: 0, steps, end: 0.0 }
    }

    /// Linear from `start` to 1 over `steps` steps, then 1.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Schedule;
    /// let schedule = Schedule::linear_warmup(0.5, 2);
    /// assert_eq!([0, 1, 2, 3].map(|step| schedule.factor(step)), [0.5, 0.75, 1.0, 1.0]);
    /// ```
    pub fn linear_warmup(start: f64, steps: u64) -> Self {
        Self::LinearWarmup { start, steps }
    }

    /// A function of the step, evaluated here for the first `steps` steps. Later steps have the last factor.
    ///
    /// The factors are stored as a [`Schedule::Table`], so that checkpoints can compare them. More than 1,048,576 steps, and
    /// factors that are negative or not finite, are refused by [`Schedule::check`].
    ///
    /// # Examples
    /// ```
    /// use wgrad::Schedule;
    /// // Halves the learning rate every 100 steps, three times.
    /// let schedule = Schedule::from_fn(400, |step| 0.5f64.powi(step as i32 / 100));
    /// assert_eq!([0, 99, 100, 399, 5000].map(|step| schedule.factor(step)), [1.0, 1.0, 0.5, 0.125, 0.125]);
    /// ```
    pub fn from_fn(steps: u64, factor: impl FnMut(u64) -> f64) -> Self {
        // One factor too many is enough to be refused, however many there would be.
        Self::Table { factors: (0..steps.min(MOST_FACTORS as u64 + 1)).map(factor).collect() }
    }

    /// Returns the factor at `step`.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Schedule;
    /// assert_eq!(Schedule::Constant.factor(7), 1.0);
    /// ```
    pub fn factor(&self, step: u64) -> f64 {
        let ramp = |start: f64, steps: u64| start + (1.0 - start) * (step as f64 / steps as f64);
        match *self {
            Self::Constant => 1.0,
            Self::LinearWarmup { start, steps } if step < steps => ramp(start, steps),
            Self::LinearWarmup { .. } => 1.0,
            Self::Cosine { start, warmup_steps, .. } if step < warmup_steps => ramp(start, warmup_steps),
            Self::Cosine { warmup_steps, steps, end, .. } => {
                let progress = (step - warmup_steps).min(steps) as f64 / steps as f64;
                end + (1.0 - end) * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
            }
            Self::Table { ref factors } => {
                let at = usize::try_from(step).ok().and_then(|step| factors.get(step)).or(factors.last());
                at.copied().unwrap_or(1.0)
            }
        }
    }

    /// Checks that all values are in their allowed range.
    ///
    /// # Errors
    /// A factor of a warmup or a cosine outside [0, 1]; a factor of a table that is negative or not finite; a cosine or
    /// a table without steps; a table of more than 1,048,576 steps.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Schedule;
    /// let error = Schedule::from_fn(10, |step| 1.0 - 0.25 * step as f64).check().unwrap_err();
    /// assert_eq!(error.to_string(), "schedule: factor of step 5 is -0.25, but must be finite and at least 0");
    /// ```
    pub fn check(&self) -> Result<()> {
        let share = |name: &str, value: f64| {
            if (0.0..=1.0).contains(&value) {
                Ok(())
            } else {
                Err(Error::value("schedule", name, value, "between 0 and 1"))
            }
        };
        match self {
            Self::Constant => Ok(()),
            Self::LinearWarmup { start, .. } => share("start", *start),
            Self::Cosine { steps: 0, .. } => Err(Error::value("schedule", "steps", 0, "at least 1")),
            Self::Cosine { start, end, .. } => share("start", *start).and_then(|()| share("end", *end)),
            Self::Table { factors } if factors.is_empty() => Err(Error::value("schedule", "steps", 0, "at least 1")),
            Self::Table { factors } if factors.len() > MOST_FACTORS => {
                let (found, wanted) = (format!("more than {MOST_FACTORS}"), format!("at most {MOST_FACTORS}"));
                Err(Error::value("schedule", "steps", found, &wanted))
            }
            Self::Table { factors } => {
                match factors.iter().position(|factor| !(factor.is_finite() && *factor >= 0.0)) {
                    Some(step) => {
                        let name = format!("factor of step {step}");
                        Err(Error::value("schedule", &name, factors[step], "finite and at least 0"))
                    }
                    None => Ok(()),
                }
            }
        }
    }
}

/// A short description, such as `cosine over 300 steps`.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant => f.write_str("constant"),
            Self::LinearWarmup { start, steps } => write!(f, "linear warmup from {start} over {steps} steps"),
            Self::Cosine { start, warmup_steps, steps, end } => {
                write!(f, "cosine over {steps} steps")?;
                if *end != 0.0 {
                    write!(f, " to {end}")?;
                }
                if *warmup_steps > 0 {
                    write!(f, ", after a {}", Self::linear_warmup(*start, *warmup_steps))?;
                }
                Ok(())
            }
            Self::Table { factors } => write!(f, "table of {} steps", factors.len()),
        }
    }
}
