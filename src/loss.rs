//! Loss functions; `src/elementwise/losses.rs` declares them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::elementwise::{Declared, LossFunction, MOST_PARAMETERS, Meaning, Range};
use crate::error::{Error, Result};
use crate::network::{Activation, Layer, Network};

/// Loss function. The loss is the mean over all rows, and over outputs if each output has a target, like PyTorch's
/// `reduction="mean"`. For `soft_cross_entropy` and `kl_divergence`, whose targets are a probability per class, it is a
/// sum over the classes. Each loss function has a constructor, such as [`Loss::mean_squared_error`].
///
/// # Examples
/// ```
/// use wgrad::Loss;
/// assert_eq!("cross_entropy".parse::<Loss>()?, Loss::softmax_cross_entropy());
/// assert_eq!(Loss::softmax_cross_entropy().to_string(), "softmax_cross_entropy");
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Loss(Declared<LossFunction, MOST_PARAMETERS>);

/// Kind of targets that a loss function needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// Numbers: one per output, or one per several outputs (see [`Loss::outputs_per_target`]).
    Numbers,
    /// One class index per row, less than the number of outputs.
    Class,
}

/// Task of a network: the kind of its predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Task {
    /// Prediction of one or more numbers per row.
    Regression,
    /// One of two classes, from a single output.
    Binary,
    /// Several labels per row, each of which applies or not.
    MultiLabel,
    /// One of several classes, with one output for each.
    MultiClass,
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Regression => "regression",
            Self::Binary => "binary",
            Self::MultiLabel => "multi-label",
            Self::MultiClass => "multi-class",
        })
    }
}

impl Loss {
    /// Names of all loss functions.
    pub const NAMES: [&str; LossFunction::ALL.len()] = {
        let mut names = [""; LossFunction::ALL.len()];
        let mut at = 0;
        while at < names.len() {
            names[at] = LossFunction::ALL[at].name;
            at += 1;
        }
        names
    };

    /// Creates the function with index `number` in [`LossFunction::ALL`]. Keeps all `parameters` as they are.
    pub(crate) const fn exactly(number: u32, parameters: [f32; MOST_PARAMETERS]) -> Self {
        Self(Declared::exactly(number, parameters))
    }

    /// Creates the function with index `number` in [`LossFunction::ALL`]. Parameters that it does not have become 0.
    ///
    /// # Panics
    /// If `number` is not an index of [`LossFunction::ALL`].
    #[doc(hidden)]
    pub fn new(number: u32, parameters: &[f32]) -> Self {
        Self(Declared::new(number, std::array::from_fn(|place| parameters.get(place).copied().unwrap_or(0.0))))
    }

    /// Returns all loss functions, with the default of every parameter.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Loss;
    /// assert!(Loss::all().any(|loss| loss == Loss::mean_squared_error()));
    /// ```
    pub fn all() -> impl Iterator<Item = Self> {
        Declared::all().map(Self)
    }

    /// Returns the index of the function in [`LossFunction::ALL`]. Kernels identify the function by this number.
    #[doc(hidden)]
    pub fn number(self) -> u32 {
        self.0.number()
    }

    /// Returns the values of the parameters; 0 for parameters that the function does not have.
    #[doc(hidden)]
    pub fn parameters(self) -> [f32; MOST_PARAMETERS] {
        self.0.values()
    }

    /// Returns the declaration of the function.
    #[doc(hidden)]
    pub fn function(self) -> &'static LossFunction {
        self.0.declaration()
    }

    /// Returns the name, as [`Loss::from_str`](FromStr::from_str) reads it.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(wgrad::Loss::mean_squared_error().name(), "mean_squared_error");
    /// ```
    pub fn name(self) -> &'static str {
        self.function().name
    }

    /// Returns the formula as readable text: z is an output, t its target.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(wgrad::Loss::mean_squared_error().formula(), "(z - t)^2");
    /// ```
    pub fn formula(self) -> &'static str {
        self.function().formula
    }

    /// Returns the kind of targets that the loss function needs.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Loss, loss::TargetKind};
    /// assert_eq!(Loss::softmax_cross_entropy().target_kind(), TargetKind::Class);
    /// assert_eq!(Loss::binary_cross_entropy().target_kind(), TargetKind::Numbers);
    /// ```
    pub fn target_kind(self) -> TargetKind {
        match self.function().range {
            Range::Class => TargetKind::Class,
            Range::Any | Range::NotNegative | Range::Unit | Range::Bit | Range::Distribution => TargetKind::Numbers,
        }
    }

    /// Returns the number of network outputs per target: 2 for a mean and a variance, the number of levels for
    /// quantiles, else 1.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Loss;
    /// assert_eq!([Loss::gaussian_nll(), Loss::quantiles([0.1, 0.5, 0.9])].map(Loss::outputs_per_target), [2, 3]);
    /// ```
    pub fn outputs_per_target(self) -> usize {
        match self.function().output {
            Meaning::Normal => 2,
            Meaning::Quantiles => self.0.parameters().count(),
            Meaning::Number { .. }
            | Meaning::LogRate
            | Meaning::Logit
            | Meaning::Score
            | Meaning::ClassLogits
            | Meaning::ClassScore
            | Meaning::Direction => 1,
        }
    }

    /// Returns the number of target columns for a network with `outputs` output columns.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Loss;
    /// assert_eq!([Loss::softmax_cross_entropy(), Loss::gaussian_nll()].map(|loss| loss.target_columns(6)), [1, 3]);
    /// ```
    pub fn target_columns(self, outputs: usize) -> usize {
        match self.target_kind() {
            TargetKind::Class => 1,
            TargetKind::Numbers => outputs / self.outputs_per_target(),
        }
    }

    /// Returns the index, among the outputs of a target, of the point prediction: the mean, or the quantile whose level
    /// is closest to 0.5.
    pub(crate) fn point_output(self) -> usize {
        let levels = self.parameters();
        let distance = |place: &usize| (levels[*place] - 0.5).abs();
        let nearest = (0..self.outputs_per_target()).min_by(|one, other| distance(one).total_cmp(&distance(other)));
        if self.function().output == Meaning::Quantiles { nearest.unwrap_or(0) } else { 0 }
    }

    /// Returns the task of a network with `outputs` output columns.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Loss, loss::Task};
    /// assert_eq!(Loss::mean_squared_error().task(3), Task::Regression);
    /// assert_eq!([1, 3].map(|outputs| Loss::binary_cross_entropy().task(outputs)), [Task::Binary, Task::MultiLabel]);
    /// ```
    pub fn task(self, outputs: usize) -> Task {
        match self.function().output {
            Meaning::Number { .. } | Meaning::LogRate | Meaning::Normal | Meaning::Quantiles | Meaning::Direction => {
                Task::Regression
            }
            Meaning::Logit | Meaning::Score if outputs == 1 => Task::Binary,
            Meaning::Logit | Meaning::Score => Task::MultiLabel,
            Meaning::ClassLogits | Meaning::ClassScore => Task::MultiClass,
        }
    }

    /// Returns `true` if outputs are predictions in the unit of their target, so that targets may be scaled for
    /// training.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Loss;
    /// assert!(Loss::mean_squared_error().scales_targets() && !Loss::perceptron().scales_targets());
    /// ```
    pub fn scales_targets(self) -> bool {
        self.unit_power().is_some()
    }

    /// Returns the power p if the unit of the loss is the unit of the target to the power p, such as 2 for the mean
    /// squared error. `None` if outputs do not have the unit of their target.
    pub(crate) fn unit_power(self) -> Option<i32> {
        match self.function().output {
            Meaning::Number { power } => Some(power),
            Meaning::Normal => Some(0),
            Meaning::Quantiles => Some(1),
            Meaning::LogRate
            | Meaning::Logit
            | Meaning::Score
            | Meaning::ClassLogits
            | Meaning::ClassScore
            | Meaning::Direction => None,
        }
    }

    /// Checks the parameters, and that the loss function fits the end of a network.
    ///
    /// # Errors
    /// A parameter is out of range, the last layer is an activation that the loss function applies itself, or the
    /// number of outputs does not fit.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Loss, Network};
    /// let network = Network::input(2).dense(1).sigmoid();
    /// assert!(Loss::binary_cross_entropy().check(&network).is_err());
    /// assert!(Loss::mean_squared_error().check(&network).is_ok());
    /// ```
    pub fn check(self, network: &Network) -> Result<()> {
        self.0.check(&format!("loss `{}`", self.name()))?;
        self.check_outputs(network.outputs())?;
        let last = network.layers().len().saturating_sub(1);
        let Some(Layer::Activation(activation)) = network.layers().last() else { return Ok(()) };
        let (applied, what) = match self.function().output {
            Meaning::Logit => (Activation::sigmoid(), "sigmoid"),
            Meaning::Score => (Activation::step(), "step function"),
            Meaning::Number { .. }
            | Meaning::LogRate
            | Meaning::ClassLogits
            | Meaning::ClassScore
            | Meaning::Normal
            | Meaning::Quantiles
            | Meaning::Direction => return Ok(()),
        };
        if *activation != applied {
            return Ok(());
        }
        Err(Error::conflict(
            format!("layer {last}"),
            format!("{self} applies the {what} itself"),
            format!("leave the last {what} out; the last layer's outputs are logits"),
        ))
    }

    /// Checks that the number of outputs is a multiple of [`Self::outputs_per_target`], and at least 2 for losses that
    /// compare whole rows.
    fn check_outputs(self, outputs: usize) -> Result<()> {
        let (each, function) = (self.outputs_per_target(), self.function());
        let is_row = function.range == Range::Distribution || function.output == Meaning::Direction;
        let wanted = if !outputs.is_multiple_of(each) {
            format!("a multiple of {each}, the outputs per target")
        } else if is_row && outputs < 2 {
            "at least 2, one per target of a row".into()
        } else {
            return Ok(());
        };
        Err(Error::value(format!("loss `{}`", self.name()), "number of outputs", outputs, &wanted))
    }

    /// Returns the name with all parameters, such as `huber(delta=1)`.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(wgrad::Loss::mean_squared_error().signature(), "mean_squared_error");
    /// ```
    pub fn signature(self) -> String {
        self.0.signature()
    }
}

/// Writes the name, with all parameters if one of them is not the default.
impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_default = Self::all().any(|default| default == *self);
        f.write_str(&if is_default { self.name().into() } else { self.signature() })
    }
}

impl fmt::Debug for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Loss({self})")
    }
}

impl FromStr for Loss {
    type Err = Error;

    /// Parses a name or an abbreviation (`mse`, `bce`, `cross_entropy`), with parameters such as `huber(delta=2)`.
    fn from_str(text: &str) -> Result<Self> {
        Declared::parse(text).map(Self)
    }
}

impl From<Loss> for String {
    fn from(loss: Loss) -> Self {
        loss.to_string()
    }
}

impl TryFrom<String> for Loss {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}
