//! Learning rate schedules.

mod text;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Largest number of factors in a table. Each checkpoint stores all of them.
const MOST_FACTORS: usize = 1 << 20;

/// Learning rate schedule: a factor, as a function of the step, by which the optimizer's learning rate is multiplied.
/// Steps are counted from 0.
///
/// The formulas are those of PyTorch's schedulers, stepped after every update of the parameters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Schedule {
    /// Factor 1 at every step.
    #[default]
    Constant,
    /// Linear warmup from `start` to 1 over `steps` steps, then 1.
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
        /// Factor at the end of the half cosine; default 0.
        #[serde(default)]
        end: f64,
    },
    /// `factor` to the power ⌊step / `steps`⌋ (`StepLR`).
    Step {
        /// Number of steps between two changes.
        steps: u64,
        /// Factor by which each change multiplies the learning rate.
        factor: f64,
    },
    /// `factor` to the power of the number of milestones reached (`MultiStepLR`).
    MultiStep {
        /// Steps at which the factor changes, in increasing order.
        milestones: Vec<u64>,
        /// Factor by which each milestone multiplies the learning rate.
        factor: f64,
    },
    /// `factor` to the power of the step (`ExponentialLR`).
    Exponential {
        /// Factor by which each step multiplies the learning rate.
        factor: f64,
    },
    /// (1 − step / `steps`) to the power `power`, then 0 after `steps` steps (`PolynomialLR`).
    Polynomial {
        /// Number of steps until the factor is 0.
        steps: u64,
        /// Power; 1 is a straight line.
        power: f64,
    },
    /// Factor 1 for `steps` steps, then √(steps / step) (Vaswani et al. 2017, without the paper's warmup).
    InverseSquareRoot {
        /// Number of steps before the factor decreases.
        steps: u64,
    },
    /// Half cosines from 1 to `end`, each `growth` times as long as the one before (`CosineAnnealingWarmRestarts`).
    CosineRestarts {
        /// Number of steps of the first half cosine.
        steps: u64,
        /// Ratio of the lengths of successive half cosines, at least 1.
        growth: u64,
        /// Factor at the end of each half cosine.
        end: f64,
    },
    /// Half a cosine from `start` up to 1, then half a cosine from 1 down to `end` (`OneCycleLR`; Smith and Topin
    /// 2018).
    OneCycle {
        /// Number of steps of the whole cycle, at least 2.
        steps: u64,
        /// Fraction of the steps in which the factor increases.
        rise: f64,
        /// Factor at step 0; PyTorch's default is 0.04.
        start: f64,
        /// Factor at the last step; PyTorch's default is 0.000004.
        end: f64,
    },
    /// ½·(1 − cos(2π·log₂(1 + (2^cycles − 1)·step / steps))), then 0 (Holzmüller et al. 2024). Each cycle is longer
    /// than the one before.
    CosineLog {
        /// Number of steps of all cycles together.
        steps: u64,
        /// Number of cycles; 4 in the paper.
        cycles: u32,
    },
    /// Linear warmup from `start` to 1 over `steps` steps, then another schedule from its own step 0.
    Warmup {
        /// Factor at step 0.
        start: f64,
        /// Number of steps of the warmup.
        steps: u64,
        /// Schedule after the warmup.
        then: Box<Schedule>,
    },
    /// Several schedules in sequence, each from its own step 0 (`SequentialLR`).
    Chain {
        /// Schedules, each with its number of steps. The last one continues after its number of steps.
        parts: Vec<(u64, Schedule)>,
    },
    /// One factor per step. Later steps have the last factor.
    Table {
        /// Factors of step 0, 1, 2, …: finite, at least 0, and at most 1,048,576 of them.
        factors: Vec<f64>,
    },
}

impl Schedule {
    /// Creates half a cosine from 1 to 0 over `steps` steps, then 0.
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

    /// Creates a linear warmup from `start` to 1 over `steps` steps, then 1.
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

    /// Returns this schedule after a linear warmup from `start` to 1 over `steps` steps; the same schedule if `steps`
    /// is 0.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Schedule;
    /// let schedule = Schedule::Step { steps: 2, factor: 0.5 }.after_warmup(0.5, 2);
    /// assert_eq!([0, 1, 2, 3, 4].map(|step| schedule.factor(step)), [0.5, 0.75, 1.0, 1.0, 0.5]);
    /// ```
    pub fn after_warmup(self, start: f64, steps: u64) -> Self {
        match self {
            schedule if steps == 0 => schedule,
            Self::Constant => Self::linear_warmup(start, steps),
            Self::Cosine { warmup_steps: 0, steps: cosine, end, .. } => {
                Self::Cosine { start, warmup_steps: steps, steps: cosine, end }
            }
            then => Self::Warmup { start, steps, then: then.into() },
        }
    }

    /// Creates a schedule from a function that returns the factor of a step. It is called for the first `steps` steps;
    /// later steps have the last factor.
    ///
    /// The factors are stored as a [`Schedule::Table`], so that checkpoints can compare them. [`Schedule::check`]
    /// rejects more than 1,048,576 steps, and factors that are negative or not finite.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Schedule;
    /// // Halves the learning rate every 100 steps, three times.
    /// let schedule = Schedule::from_fn(400, |step| 0.5f64.powi(step as i32 / 100));
    /// assert_eq!([0, 99, 100, 399, 5000].map(|step| schedule.factor(step)), [1.0, 1.0, 0.5, 0.125, 0.125]);
    /// ```
    pub fn from_fn(steps: u64, factor: impl FnMut(u64) -> f64) -> Self {
        // One factor more than allowed is enough for `check` to reject the table.
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
                half_cosine(1.0, end, (step - warmup_steps).min(steps) as f64 / steps as f64)
            }
            Self::Step { steps, factor } => factor.powf((step / steps.max(1)) as f64),
            Self::MultiStep { ref milestones, factor } => {
                factor.powi(milestones.iter().filter(|milestone| **milestone <= step).count() as i32)
            }
            Self::Exponential { factor } => factor.powf(step as f64),
            Self::Polynomial { steps, power } => (1.0 - step.min(steps) as f64 / steps as f64).powf(power),
            Self::InverseSquareRoot { steps } => (steps as f64 / step.max(steps) as f64).sqrt(),
            Self::CosineRestarts { steps, growth, end } => {
                let (at, length) = cycle(step, steps, growth);
                half_cosine(1.0, end, at as f64 / length as f64)
            }
            // As in PyTorch, the factor rises until step rise·steps − 1, and falls until the last step, steps − 1.
            Self::OneCycle { steps, rise, start, end } => {
                let (step, last, top) = (step.min(steps - 1) as f64, steps as f64 - 1.0, rise * steps as f64 - 1.0);
                match step <= top {
                    true if top > 0.0 => half_cosine(start, 1.0, step / top),
                    _ => half_cosine(1.0, end, (step - top) / (last - top)),
                }
            }
            Self::CosineLog { steps, cycles } => {
                let progress = step.min(steps) as f64 / steps as f64;
                let turns = (1.0 + (f64::from(cycles).exp2() - 1.0) * progress).log2();
                0.5 * (1.0 - (std::f64::consts::TAU * turns).cos())
            }
            Self::Warmup { start, steps, .. } if step < steps => ramp(start, steps),
            Self::Warmup { steps, ref then, .. } => then.factor(step - steps),
            Self::Chain { ref parts } => {
                let mut first = 0;
                let at = parts.iter().enumerate().find_map(|(number, (steps, schedule))| {
                    let is_here = step - first < *steps || number + 1 == parts.len();
                    let factor = is_here.then(|| schedule.factor(step - first));
                    first += if is_here { 0 } else { *steps };
                    factor
                });
                at.unwrap_or(1.0)
            }
            Self::Table { ref factors } => {
                let at = usize::try_from(step).ok().and_then(|step| factors.get(step)).or(factors.last());
                at.copied().unwrap_or(1.0)
            }
        }
    }

    /// Returns the weight of a step in an average of all steps so far, weighted by the squares of the learning rates,
    /// as schedule-free optimizers need it: f(t)² / Σ f(s)² over the steps s up to t. A schedule that is no warm-up
    /// counts as constant. 0 as long as all learning rates are 0.
    pub(crate) fn share(&self, step: u64) -> f64 {
        let done = step as f64 + 1.0;
        let Self::LinearWarmup { start, steps } = *self else { return 1.0 / done };
        // Of the n steps of the warm-up so far, factor s is start + rise·s.
        let (n, rise) = (done.min(steps as f64), (1.0 - start) / steps.max(1) as f64);
        let linear = start * rise * n * (n - 1.0);
        let square = rise * rise * (n - 1.0) * n * (2.0 * n - 1.0) / 6.0;
        let squares = n * start * start + linear + square + (done - n);
        if squares > 0.0 { self.factor(step).powi(2) / squares } else { 0.0 }
    }

    /// Checks that all values are in their allowed range.
    ///
    /// # Errors
    /// A factor outside [0, 1]; a power that is negative or not finite; a schedule without steps; a one-cycle schedule
    /// of one step, or with a rise outside [0, 1]; milestones that do not increase; a growth of 0; a number of cycles
    /// that is not from 1 to 64; a factor of a table that is negative or not finite; a table of more than 1,048,576
    /// steps.
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
            Self::Step { steps: 0, .. }
            | Self::Polynomial { steps: 0, .. }
            | Self::InverseSquareRoot { steps: 0 }
            | Self::CosineRestarts { steps: 0, .. }
            | Self::CosineLog { steps: 0, .. } => Err(Error::value("schedule", "steps", 0, "at least 1")),
            Self::CosineRestarts { growth: 0, .. } => Err(Error::value("schedule", "growth", 0, "at least 1")),
            Self::Step { factor, .. } | Self::Exponential { factor } => share("factor", *factor),
            Self::MultiStep { milestones, factor } => match milestones.is_sorted_by(|a, b| a < b) {
                true => share("factor", *factor),
                false => Err(Error::value("schedule", "milestones", format!("{milestones:?}"), "in increasing order")),
            },
            Self::Polynomial { power, .. } if !(power.is_finite() && *power >= 0.0) => {
                Err(Error::value("schedule", "power", power, "finite and at least 0"))
            }
            Self::Polynomial { .. } | Self::InverseSquareRoot { .. } => Ok(()),
            Self::CosineRestarts { end, .. } => share("end", *end),
            Self::OneCycle { steps, .. } if *steps < 2 => Err(Error::value("schedule", "steps", steps, "at least 2")),
            Self::OneCycle { rise, start, end, .. } => [("rise", rise), ("start", start), ("end", end)]
                .into_iter()
                .try_for_each(|(name, value)| share(name, *value)),
            Self::CosineLog { cycles, .. } if !(1..=64).contains(cycles) => {
                Err(Error::value("schedule", "cycles", cycles, "at least 1 and at most 64"))
            }
            Self::CosineLog { .. } => Ok(()),
            Self::Warmup { start, then, .. } => share("start", *start).and_then(|()| then.check()),
            Self::Chain { parts } if parts.is_empty() => Err(Error::value("schedule", "parts", 0, "at least 1")),
            Self::Chain { parts } => parts.iter().try_for_each(|(_, schedule)| schedule.check()),
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

/// Returns the value of half a cosine from `start` to `end`, at a progress from 0 to 1.
fn half_cosine(start: f64, end: f64, progress: f64) -> f64 {
    end + (start - end) * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
}

/// Returns the position of a step in its cycle, and the length of this cycle. Each cycle is `growth` times as long as
/// the one before.
fn cycle(mut step: u64, steps: u64, growth: u64) -> (u64, u64) {
    let mut length = steps;
    if growth == 1 {
        return (step % steps, steps);
    }
    while step >= length {
        step -= length;
        length = length.saturating_mul(growth);
    }
    (step, length)
}

/// Writes a short description, such as `cosine over 300 steps`.
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
            Self::Step { steps, factor } => write!(f, "step(steps={steps}, factor={factor})"),
            Self::MultiStep { milestones, factor } => {
                let milestones: Vec<String> = milestones.iter().map(u64::to_string).collect();
                write!(f, "multi_step({}, factor={factor})", milestones.join(" "))
            }
            Self::Exponential { factor } => write!(f, "exponential(factor={factor})"),
            Self::Polynomial { steps, power } => write!(f, "polynomial(steps={steps}, power={power})"),
            Self::InverseSquareRoot { steps } => write!(f, "inverse_square_root(steps={steps})"),
            Self::CosineRestarts { steps, growth, end } => {
                write!(f, "cosine_restarts(steps={steps}, growth={growth}, end={end})")
            }
            Self::OneCycle { steps, rise, start, end } => {
                write!(f, "one_cycle(steps={steps}, rise={rise}, start={start}, end={end})")
            }
            Self::CosineLog { steps, cycles } => write!(f, "cosine_log(steps={steps}, cycles={cycles})"),
            Self::Warmup { start, steps, then } => {
                write!(f, "{then}, after a {}", Self::linear_warmup(*start, *steps))
            }
            Self::Chain { parts } => {
                for (number, (steps, schedule)) in parts.iter().enumerate() {
                    write!(f, "{}{schedule} for {steps} steps", if number == 0 { "" } else { ", then " })?;
                }
                Ok(())
            }
            Self::Table { factors } => write!(f, "table of {} steps", factors.len()),
        }
    }
}
