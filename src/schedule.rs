//! How the learning rate changes with the step.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A factor on the optimizer's learning rate, as a function of the step, counted from 0.
///
/// Formulas are those of PyTorch's `LinearLR` and `CosineAnnealingLR`, stepped after every batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Schedule {
    /// 1.
    #[default]
    Constant,
    /// From `start` linearly to 1 over `steps` steps, then 1.
    LinearWarmup {
        /// Factor at step 0.
        start: f64,
        /// Steps until the factor is 1.
        steps: u64,
    },
    /// [`Schedule::LinearWarmup`] over `warmup_steps`, then half a cosine from 1 to `end` over `steps` more
    /// steps; afterwards `end`. (PyTorch's recursion would climb again; nobody asks for that by accident.)
    Cosine {
        /// Factor at step 0, where there is a warm-up.
        #[serde(default)]
        start: f64,
        /// Steps of warm-up, default 0.
        #[serde(default)]
        warmup_steps: u64,
        /// Steps of the half cosine.
        steps: u64,
        /// Factor at its end, default 0.
        #[serde(default)]
        end: f64,
    },
}

impl Schedule {
    /// Half a cosine from 1 to 0 over `steps` steps.
    pub fn cosine(steps: u64) -> Self {
        Self::Cosine { start: 0.0, warmup_steps: 0, steps, end: 0.0 }
    }

    /// From `start` linearly to 1 over `steps` steps.
    pub fn linear_warmup(start: f64, steps: u64) -> Self {
        Self::LinearWarmup { start, steps }
    }

    /// The factor at `step`.
    pub fn factor(self, step: u64) -> f64 {
        let ramp = |start: f64, steps: u64| start + (1.0 - start) * (step as f64 / steps as f64);
        match self {
            Self::Constant => 1.0,
            Self::LinearWarmup { start, steps } if step < steps => ramp(start, steps),
            Self::LinearWarmup { .. } => 1.0,
            Self::Cosine { start, warmup_steps, .. } if step < warmup_steps => ramp(start, warmup_steps),
            Self::Cosine { warmup_steps, steps, end, .. } => {
                let progress = (step - warmup_steps).min(steps) as f64 / steps as f64;
                end + (1.0 - end) * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
            }
        }
    }

    /// Checks the values.
    ///
    /// # Errors
    /// Factors outside [0, 1], a cosine of no steps.
    pub fn check(self) -> Result<()> {
        let factor = |name: &str, value: f64| {
            if (0.0..=1.0).contains(&value) {
                Ok(())
            } else {
                Err(Error::value("schedule", name, value, "between 0 and 1"))
            }
        };
        match self {
            Self::Constant => Ok(()),
            Self::LinearWarmup { start, .. } => factor("start", start),
            Self::Cosine { steps: 0, .. } => Err(Error::value("schedule", "steps", 0, "at least 1")),
            Self::Cosine { start, end, .. } => factor("start", start).and_then(|()| factor("end", end)),
        }
    }
}
