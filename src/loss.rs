//! Loss functions.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::network::{Activation, Layer, Network};

/// Loss function: the mean over all rows, and over outputs if each output has a target, as PyTorch's `reduction="mean"`.
///
/// # Examples
/// ```
/// use wgrad::Loss;
/// assert_eq!("cross_entropy".parse::<Loss>()?, Loss::SoftmaxCrossEntropy);
/// assert_eq!(Loss::SoftmaxCrossEntropy.to_string(), "softmax_cross_entropy");
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Loss {
    /// (y − t)², mean over rows and outputs (`torch.nn.MSELoss`). Targets: numbers.
    MeanSquaredError,
    /// −t·ln σ(z) − (1 − t)·ln(1 − σ(z)) from logits z, mean over rows and outputs (`torch.nn.BCEWithLogitsLoss`).
    /// Targets: numbers in [0, 1].
    BinaryCrossEntropy,
    /// ln Σⱼ eᶻʲ − z_t from logits z, mean over rows (`torch.nn.CrossEntropyLoss`). Targets: one class per row.
    SoftmaxCrossEntropy,
    /// Rosenblatt's perceptron criterion (step(z) − t)·z = max(0, −(2t − 1)·z), mean over rows and outputs. Its gradient
    /// step(z) − t is the perceptron learning rule. Targets: 0 or 1.
    Perceptron,
}

/// Kind of targets that a loss function needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// One number per output.
    Numbers,
    /// One class index per row, less than the number of outputs.
    Class,
}

impl Loss {
    /// Names of all loss functions.
    pub const NAMES: [&str; 4] = ["mean_squared_error", "binary_cross_entropy", "softmax_cross_entropy", "perceptron"];

    /// Returns the name, which is also that of the kernel.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(wgrad::Loss::MeanSquaredError.name(), "mean_squared_error");
    /// ```
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// Returns the kind of targets.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Loss, loss::TargetKind};
    /// assert_eq!(Loss::SoftmaxCrossEntropy.target_kind(), TargetKind::Class);
    /// assert_eq!(Loss::BinaryCrossEntropy.target_kind(), TargetKind::Numbers);
    /// ```
    pub fn target_kind(self) -> TargetKind {
        match self {
            Self::SoftmaxCrossEntropy => TargetKind::Class,
            _ => TargetKind::Numbers,
        }
    }

    /// Returns true if outputs stand for classes, so that there is an accuracy. For softmax, the largest output is the
    /// predicted class. For binary losses, each output above 0 predicts 1.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Loss;
    /// assert!(Loss::Perceptron.is_classification() && !Loss::MeanSquaredError.is_classification());
    /// ```
    pub fn is_classification(self) -> bool {
        self != Self::MeanSquaredError
    }

    /// Checks that the loss function fits the end of a network.
    ///
    /// # Errors
    /// The last layer is an activation that the loss function applies itself.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Loss, Network};
    /// let network = Network::input(2).dense(1).sigmoid();
    /// assert!(Loss::BinaryCrossEntropy.check(&network).is_err());
    /// assert!(Loss::MeanSquaredError.check(&network).is_ok());
    /// ```
    pub fn check(self, network: &Network) -> Result<()> {
        let last = network.layers().len().saturating_sub(1);
        let Some(Layer::Activation(activation)) = network.layers().last() else { return Ok(()) };
        let clash = match self {
            Self::BinaryCrossEntropy if *activation == Activation::sigmoid() => "sigmoid",
            Self::Perceptron if *activation == Activation::step() => "step function",
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

    /// Parses a name, or one of the abbreviations `mse`, `bce` and `cross_entropy`.
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
