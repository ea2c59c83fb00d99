//! Decision threshold of two classes: `--threshold`.

use std::fmt;
use std::str::FromStr;

use wgrad::{Dataset, Device, Error, Model, Result};

/// Value of `--threshold`.
#[derive(Clone, Copy, PartialEq)]
pub enum Threshold {
    /// Threshold with the highest balanced accuracy on the validation set.
    Auto,
    /// Probability between 0 and 1.
    Fixed(f64),
}

impl FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text.trim() {
            "auto" => Ok(Self::Auto),
            text => text
                .parse()
                .ok()
                .filter(|number| *number > 0.0 && *number < 1.0)
                .map(Self::Fixed)
                .ok_or_else(|| "it must be auto, or a probability above 0 and below 1, such as 0.3".into()),
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Fixed(threshold) => write!(f, "{threshold}"),
        }
    }
}

impl Threshold {
    /// Checks that a model can have a threshold.
    pub fn check(self, model: &Model) -> Result<()> {
        if model.metadata.can_have_threshold() {
            return Ok(());
        }
        let problem = match model.metadata.class_count() {
            Some(2) => format!("{} gives no probabilities", model.metadata.loss),
            Some(classes) => format!("the target has {classes} classes, not two"),
            None => "the target is not one of two classes".into(),
        };
        Err(Error::conflict("`--threshold`", problem, "leave it out"))
    }

    /// Returns the threshold of a model. `validation` is the set on which it is chosen.
    pub fn of(self, model: &Model, device: &Device, validation: Option<&Dataset>) -> Result<Option<f64>> {
        match (self, validation) {
            (Self::Fixed(threshold), _) => Ok(Some(threshold)),
            (Self::Auto, Some(validation)) => model.best_threshold(device, validation).map(Some),
            (Self::Auto, None) => Ok(None),
        }
    }
}
