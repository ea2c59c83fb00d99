//! What training makes small.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::network::{Activation, Layer, Network};

/// A loss: the mean over all rows (and outputs, where each output has a target), as PyTorch's `reduction="mean"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Loss {
    /// (y − t)², mean over rows and outputs. Targets: numbers.
    MeanSquaredError,
    /// −t·ln σ(z) − (1 − t)·ln(1 − σ(z)) from logits z, mean over rows and outputs. Targets: numbers in [0, 1].
    BinaryCrossEntropy,
    /// ln Σⱼ eᶻʲ − z_t from logits z, mean over rows. Targets: one class a row.
    SoftmaxCrossEntropy,
    /// Rosenblatt's criterion (step(z) − t)·z = max(0, −(2t − 1)·z), mean over rows and outputs; its gradient
    /// step(z) − t is the perceptron's rule. Targets: 0 or 1.
    Perceptron,
}

/// What a loss compares a row of outputs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// One number for each output.
    Numbers,
    /// One class index a row, below the number of outputs.
    Class,
}

impl Loss {
    /// Names of all losses.
    pub const NAMES: [&str; 4] = ["mean_squared_error", "binary_cross_entropy", "softmax_cross_entropy", "perceptron"];

    /// The loss's name: that of its kernel.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// What targets look like.
    pub fn target_kind(self) -> TargetKind {
        match self {
            Self::SoftmaxCrossEntropy => TargetKind::Class,
            _ => TargetKind::Numbers,
        }
    }

    /// Whether outputs stand for classes, so that accuracy means something: an output above 0 says "1" for the
    /// binary losses, the largest output wins for softmax.
    pub fn is_classification(self) -> bool {
        self != Self::MeanSquaredError
    }

    /// Checks that the loss can stand behind this network.
    ///
    /// # Errors
    /// An activation behind the last dense layer that the loss applies itself.
    pub fn check(self, network: &Network) -> Result<()> {
        let last = network.layers().len().saturating_sub(1);
        let Some(Layer::Activation(activation)) = network.layers().last() else { return Ok(()) };
        let clash = match (self, activation) {
            (Self::BinaryCrossEntropy, Activation::Sigmoid) => "sigmoid",
            (Self::Perceptron, Activation::Step) => "step function",
            _ => return Ok(()),
        };
        Err(Error::conflict(
            format!("layer {last}"),
            format!("{self} applies the {clash} itself"),
            format!("leave the last {clash} out; the last layer's outputs are logits"),
        ))
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Loss {
    type Err = Error;

    /// Reads a loss's name, or one of the field's abbreviations: `mse`, `bce`, `cross_entropy`.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "mean_squared_error" | "mse" => Ok(Self::MeanSquaredError),
            "binary_cross_entropy" | "bce" => Ok(Self::BinaryCrossEntropy),
            "softmax_cross_entropy" | "cross_entropy" => Ok(Self::SoftmaxCrossEntropy),
            "perceptron" => Ok(Self::Perceptron),
            name => Err(Error::unknown("loss", name, &[&Self::NAMES[..], &["mse", "bce", "cross_entropy"]].concat())),
        }
    }
}
