//! Layers of a network: their text form, and the parameter tensors that they own.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::activation::Activation;
use crate::elementwise::Function;
use crate::error::{Error, Result};
use crate::init::Init;
use crate::text::{Term, number, option, required};

/// Layer of a network. Its text form is that of [`Network::parse`](crate::Network::parse).
///
/// Layers of all kinds are numbered from 0, as in PyTorch's `Sequential`; errors and parameter names use these numbers.
///
/// # Examples
/// ```
/// use wgrad::{Activation, Layer};
/// assert_eq!("relu".parse::<Layer>()?, Layer::Activation(Activation::relu()));
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum Layer {
    /// y = x·Wᵀ + b.
    Dense(Dense),
    /// y = f(x) for each element.
    Activation(Activation),
    /// In training, sets each element to 0 with probability `rate` and divides the others by 1 − `rate`. In evaluation
    /// y = x.
    Dropout {
        /// Probability of setting an element to 0, in [0, 1).
        rate: f32,
    },
    /// Alpha dropout, as `torch.nn.AlphaDropout`, for networks of SELU: in training, sets each element to −1.758 with
    /// probability `rate`, then scales and moves all so that mean 0 and variance 1 stay. In evaluation y = x.
    AlphaDropout {
        /// Probability of replacing an element, in [0, 1).
        rate: f32,
    },
    /// Gaussian noise, as Keras's `GaussianNoise`: in training, adds a normal number with this standard deviation to
    /// each element. In evaluation y = x.
    GaussianNoise {
        /// Standard deviation, at least 0.
        std: f32,
    },
    /// Batch normalization, as `torch.nn.BatchNorm1d`: y = (x − mean) / √(variance + 10⁻⁵)·w + b for each column, with
    /// weight w and bias b, both trained.
    ///
    /// In training, mean and variance are those of the micro-batch. Each micro-batch moves the running statistics a
    /// tenth of the way toward its mean and unbiased variance (PyTorch's `momentum=0.1`). In evaluation, mean and
    /// variance are the running statistics. A step whose loss or gradient is NaN or infinite leaves them unchanged.
    ///
    /// A micro-batch of a single row has no variance. As in PyTorch, it is an error; training reports it before the
    /// first step.
    BatchNorm,
    /// Layer normalization, as `torch.nn.LayerNorm`: y = (x − mean) / √(variance + 10⁻⁵)·w + b for each row, with
    /// weight w and bias b, both trained.
    LayerNorm,
    /// Root mean square normalization, as `torch.nn.RMSNorm` with `eps=1e-5`: y = x / √(mean of x² + 10⁻⁵)·w for each
    /// row, with a trained weight w.
    RmsNorm,
    /// Parametric ReLU, as `torch.nn.PReLU`: y = x for x > 0, else w·x, with a trained slope w that starts at 0.25.
    Prelu {
        /// `true` for one slope per column, as with PyTorch's `num_parameters`; `false` for a single slope.
        per_unit: bool,
    },
    /// Scaling: y = w·x, with a trained factor w per column that starts at 1.
    Scaling,
    /// Gated linear units: y = a·f(b), where a is the first half of the input columns and b the second half. The output
    /// has half as many columns.
    Gated(Gate),
    /// Start of a residual block, `[`: y = x.
    ResidualStart,
    /// End of a residual block, `]`: y = x + s, with the input s of the block; y = x + s·Wᵀ, with a trained matrix W,
    /// if the widths differ.
    ResidualEnd,
}

/// Activation function f of [`Layer::Gated`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gate {
    /// Sigmoid. The layer is named `glu`, as `torch.nn.GLU`; Dauphin et al. 2017.
    Sigmoid,
    /// SiLU. The layer is named `swiglu`; Shazeer 2020.
    Silu,
    /// GELU. The layer is named `geglu`; Shazeer 2020.
    Gelu,
}

impl Gate {
    /// Returns the activation function of the gate.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(wgrad::Gate::Silu.function(), wgrad::Activation::silu());
    /// ```
    pub fn function(self) -> Activation {
        match self {
            Self::Sigmoid => Activation::sigmoid(),
            Self::Silu => Activation::silu(),
            Self::Gelu => Activation::gelu(),
        }
    }
}

/// Layers without options: name, layer and formula.
const PLAIN: [(&str, Layer, &str); 9] = [
    ("batch_norm", Layer::BatchNorm, "(x - mean) / √(variance + 1e-5)·w + b, for each column"),
    ("layer_norm", Layer::LayerNorm, "(x - mean) / √(variance + 1e-5)·w + b, for each row"),
    ("rms_norm", Layer::RmsNorm, "x / √(mean of x² + 1e-5)·w, for each row"),
    ("scaling", Layer::Scaling, "w·x, with a factor w per column"),
    ("glu", Layer::Gated(Gate::Sigmoid), "a·sigmoid(b), with the halves a and b of the columns"),
    ("swiglu", Layer::Gated(Gate::Silu), "a·silu(b), with the halves a and b of the columns"),
    ("geglu", Layer::Gated(Gate::Gelu), "a·gelu(b), with the halves a and b of the columns"),
    ("[", Layer::ResidualStart, "x, at the start of a residual block"),
    ("]", Layer::ResidualEnd, "x + s, s the block's input, or s·Wᵀ if the widths differ"),
];

/// Layers with options: example text and formula.
const WITH_OPTIONS: [(&str, &str); 5] = [
    ("dense(128)", "x·Wᵀ + b; bias=false, init=he_normal; short form 128"),
    ("dropout(0.2)", "0 with probability 0.2, else x / 0.8; x in evaluation"),
    ("alpha_dropout(0.2)", "dropout to SELU's lowest value; keeps mean and variance"),
    ("gaussian_noise(0.1)", "x + 0.1·(a standard normal number); x in evaluation"),
    ("prelu", "x for x > 0, else w·x; per_unit=true: a w per column"),
];

/// Dense (fully connected) layer y = x·Wᵀ + b with weight W of shape `[outputs, inputs]` and bias b of shape
/// `[outputs]`.
///
/// # Examples
/// ```
/// use wgrad::{Dense, Init, Network};
/// let layer = Dense::new(10).without_bias().init(Init::XavierNormal);
/// assert_eq!(Network::input(64).layer(layer).parameter_count(), 640);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dense {
    /// Number of output columns.
    pub outputs: usize,
    /// `true`, the default, for a layer with a bias.
    pub bias: bool,
    /// Initialization of the weights. `None` is the default: zeros at the end of a residual block, else
    /// [`Init::default_before`] the next activation.
    pub init: Option<Init>,
}

/// Tensor that a layer owns. Plans, model files, checkpoints and initialization read the lists of these tensors, and
/// need no code per kind of layer.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq)]
pub struct LayerTensor {
    /// Name within the layer, as in PyTorch.
    pub name: &'static str,
    /// Shape: `[outputs, inputs]` of a matrix, or `[length]` of a vector.
    pub shape: Vec<usize>,
    /// Values before the first step.
    pub initial: Initial,
    /// Role in training: trained, or a running statistic.
    pub kind: TensorKind,
}

/// Values of a tensor before the first step.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initial {
    /// Random weights from this initialization; `None` for the default of the layer's place in the network.
    Weights(Option<Init>),
    /// This number for each element.
    Constant(f32),
}

/// Role of a tensor in training.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TensorKind {
    /// Tensor with a gradient, which the optimizer updates.
    Trained {
        /// `true` for matrices. By convention, weight decay applies to matrices alone, but optimizers apply it to all
        /// tensors, as PyTorch does. A [`ParameterGroup`](crate::ParameterGroup) of `vectors` excludes the others.
        decay: bool,
    },
    /// Running statistic of past batches. It has no gradient, and is stored with the parameters.
    Running,
}

impl LayerTensor {
    fn trained(name: &'static str, shape: Vec<usize>, initial: Initial) -> Self {
        let decay = shape.len() > 1;
        Self { name, shape, initial, kind: TensorKind::Trained { decay } }
    }

    /// Returns `true` if the tensor has a gradient.
    #[doc(hidden)]
    pub fn is_trained(&self) -> bool {
        matches!(self.kind, TensorKind::Trained { .. })
    }

    /// Returns the number of elements, at most `usize::MAX`.
    #[doc(hidden)]
    pub fn elements(&self) -> usize {
        self.shape.iter().fold(1, |product, length| product.saturating_mul(*length))
    }
}

/// Layer with its place in a network.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// Index of the layer in the network, from 0.
    pub number: usize,
    /// Kind and options of the layer.
    pub layer: Layer,
    /// Number of input columns.
    pub inputs: usize,
    /// For the end of a residual block: the index of the block's start, and its number of input columns. `None` for
    /// other layers.
    pub start: Option<(usize, usize)>,
}

impl Node {
    /// Returns the number of output columns.
    pub fn outputs(&self) -> usize {
        self.layer.outputs(self.inputs)
    }

    /// Returns the tensors that the layer owns.
    pub fn tensors(&self) -> Vec<LayerTensor> {
        self.layer.tensors(self.inputs, self.start.map(|(_, columns)| columns))
    }
}

impl Dense {
    /// Creates a dense layer with `outputs` output columns, a bias and the default initialization.
    ///
    /// # Examples
    /// ```
    /// let layer = wgrad::Dense::new(10);
    /// assert_eq!((layer.outputs, layer.bias, layer.init), (10, true, None));
    /// ```
    pub fn new(outputs: usize) -> Self {
        Self { outputs, bias: true, init: None }
    }

    /// Removes the bias.
    ///
    /// # Examples
    /// ```
    /// assert!(!wgrad::Dense::new(10).without_bias().bias);
    /// ```
    pub fn without_bias(mut self) -> Self {
        self.bias = false;
        self
    }

    fn from_term(term: &Term<'_>, place: &str) -> Result<Self> {
        let options = term.named("layer", &["outputs", "bias", "init"])?;
        let outputs = required(&options, place, "outputs", "dense(128)")?;
        Ok(Self {
            outputs: number(place, "number of outputs", outputs, "a whole number of at least 1")?,
            bias: option(&options, "bias").map_or(Ok(true), |text| number(place, "bias", text, "true or false"))?,
            init: option(&options, "init").map(str::parse).transpose()?,
        })
    }

    /// Sets the initialization of the weights.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Dense, Init};
    /// assert_eq!(Dense::new(10).init(Init::HeNormal).init, Some(Init::HeNormal));
    /// ```
    pub fn init(mut self, init: Init) -> Self {
        self.init = Some(init);
        self
    }
}

impl Layer {
    /// Returns the names of all kinds of layers except brackets, for error messages.
    fn names() -> Vec<&'static str> {
        let activations = Function::ALL.iter().map(|function| function.name);
        let plain = PLAIN.iter().map(|(name, ..)| *name).filter(|name| !["[", "]"].contains(name));
        ["dense", "dropout", "alpha_dropout", "gaussian_noise", "prelu"]
            .into_iter()
            .chain(activations)
            .chain(plain)
            .collect()
    }

    /// Returns the example text and the formula of each kind of layer except activations, for `wgrad list`.
    #[doc(hidden)]
    pub fn kinds() -> impl Iterator<Item = (&'static str, &'static str)> {
        WITH_OPTIONS.into_iter().chain(PLAIN.iter().map(|(name, _, formula)| (*name, *formula)))
    }

    /// Returns the name of the kind of layer, as [`Network::parse`](crate::Network::parse) reads it.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Dense, Layer};
    /// assert_eq!(Layer::from(Dense::new(10)).name(), "dense");
    /// ```
    pub fn name(&self) -> &'static str {
        match self {
            Self::Dense(_) => "dense",
            Self::Dropout { .. } => "dropout",
            Self::AlphaDropout { .. } => "alpha_dropout",
            Self::GaussianNoise { .. } => "gaussian_noise",
            Self::Prelu { .. } => "prelu",
            Self::BatchNorm => "batch_norm",
            Self::LayerNorm => "layer_norm",
            Self::RmsNorm => "rms_norm",
            Self::Scaling => "scaling",
            Self::Gated(Gate::Sigmoid) => "glu",
            Self::Gated(Gate::Silu) => "swiglu",
            Self::Gated(Gate::Gelu) => "geglu",
            Self::ResidualStart => "[",
            Self::ResidualEnd => "]",
            Self::Activation(activation) => activation.name(),
        }
    }

    /// Returns the dense layer; `None` for other kinds.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Activation, Dense, Layer};
    /// assert_eq!(Layer::from(Dense::new(10)).as_dense(), Some(Dense::new(10)));
    /// assert_eq!(Layer::from(Activation::relu()).as_dense(), None);
    /// ```
    pub fn as_dense(&self) -> Option<Dense> {
        match self {
            Self::Dense(dense) => Some(*dense),
            _ => None,
        }
    }

    /// Returns `true` if the layer adds noise in training, and is y = x in evaluation.
    pub(crate) fn is_noise(&self) -> bool {
        matches!(self, Self::Dropout { .. } | Self::AlphaDropout { .. } | Self::GaussianNoise { .. })
    }

    /// Returns the tensors that the layer owns if it has `inputs` input columns. For the end of a residual block,
    /// `shortcut` is the number of input columns of the block.
    fn tensors(&self, inputs: usize, shortcut: Option<usize>) -> Vec<LayerTensor> {
        match *self {
            Self::Dense(Dense { outputs, bias, init }) => {
                let weight = LayerTensor::trained("weight", vec![outputs, inputs], Initial::Weights(init));
                let bias = bias.then(|| LayerTensor::trained("bias", vec![outputs], Initial::Constant(0.0)));
                std::iter::once(weight).chain(bias).collect()
            }
            Self::BatchNorm | Self::LayerNorm | Self::RmsNorm => {
                let trained = |name, value| LayerTensor::trained(name, vec![inputs], Initial::Constant(value));
                let running = |name, value| LayerTensor { kind: TensorKind::Running, ..trained(name, value) };
                let bias = (*self != Self::RmsNorm).then(|| trained("bias", 0.0));
                let statistics =
                    [("running_mean", 0.0), ("running_var", 1.0)].map(|(name, value)| running(name, value));
                let statistics = statistics.into_iter().filter(|_| *self == Self::BatchNorm);
                std::iter::once(trained("weight", 1.0)).chain(bias).chain(statistics).collect()
            }
            Self::ResidualEnd => {
                let projected = shortcut.filter(|shortcut| *shortcut != inputs);
                let weight = |shortcut| LayerTensor::trained("weight", vec![inputs, shortcut], Initial::Weights(None));
                projected.map(weight).into_iter().collect()
            }
            Self::Prelu { per_unit } => {
                let slopes = if per_unit { inputs } else { 1 };
                vec![LayerTensor::trained("weight", vec![slopes], Initial::Constant(0.25))]
            }
            Self::Scaling => vec![LayerTensor::trained("weight", vec![inputs], Initial::Constant(1.0))],
            Self::Activation(_)
            | Self::Dropout { .. }
            | Self::AlphaDropout { .. }
            | Self::GaussianNoise { .. }
            | Self::Gated(_)
            | Self::ResidualStart => Vec::new(),
        }
    }

    /// Returns the number of output columns if the layer has `inputs` input columns.
    pub(crate) fn outputs(&self, inputs: usize) -> usize {
        match self {
            Self::Dense(dense) => dense.outputs,
            Self::Gated(_) => inputs / 2,
            Self::Activation(_)
            | Self::Prelu { .. }
            | Self::Scaling
            | Self::Dropout { .. }
            | Self::AlphaDropout { .. }
            | Self::GaussianNoise { .. }
            | Self::BatchNorm
            | Self::LayerNorm
            | Self::RmsNorm
            | Self::ResidualStart
            | Self::ResidualEnd => inputs,
        }
    }

    pub(crate) fn check(&self, place: &str) -> Result<()> {
        match *self {
            Self::Dense(Dense { init: Some(init), .. }) if init.check().is_err() => init.check(),
            Self::Dense(Dense { outputs: 0, .. }) => Err(Error::value(place, "number of outputs", 0, "at least 1")),
            Self::Dropout { rate } | Self::AlphaDropout { rate } if !(0.0..1.0).contains(&rate) => {
                Err(Error::value(place, "rate", rate, "at least 0 and below 1"))
            }
            Self::GaussianNoise { std } if !(0.0..=f32::MAX).contains(&std) => {
                Err(Error::value(place, "std", std, "finite and at least 0"))
            }
            Self::Activation(activation) => activation.check(place),
            Self::Dense(_)
            | Self::Dropout { .. }
            | Self::AlphaDropout { .. }
            | Self::GaussianNoise { .. }
            | Self::Prelu { .. }
            | Self::Scaling
            | Self::Gated(_)
            | Self::BatchNorm
            | Self::LayerNorm
            | Self::RmsNorm
            | Self::ResidualStart
            | Self::ResidualEnd => Ok(()),
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dense(dense) => {
                write!(f, "dense({}", dense.outputs)?;
                if !dense.bias {
                    f.write_str(", bias=false")?;
                }
                if let Some(init) = dense.init {
                    write!(f, ", init={init}")?;
                }
                f.write_str(")")
            }
            Self::Dropout { rate: number }
            | Self::AlphaDropout { rate: number }
            | Self::GaussianNoise { std: number } => {
                write!(f, "{}({number})", self.name())
            }
            Self::Prelu { per_unit: true } => f.write_str("prelu(per_unit=true)"),
            Self::Prelu { per_unit: false }
            | Self::BatchNorm
            | Self::LayerNorm
            | Self::RmsNorm
            | Self::Scaling
            | Self::Gated(_)
            | Self::ResidualStart
            | Self::ResidualEnd => f.write_str(self.name()),
            Self::Activation(activation) => activation.fmt(f),
        }
    }
}

/// Returns the only option of a layer, a number.
fn only_number(term: &Term<'_>, place: &str, name: &'static str) -> Result<f32> {
    let options = term.named("layer", &[name])?;
    let example = format!("{}(0.2)", term.name);
    number(place, name, required(&options, place, name, &example)?, "a number")
}

impl FromStr for Layer {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let place = format!("layer `{text}`");
        if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
            let separated = if text.contains(',') { "; separate layers by spaces" } else { "" };
            let wanted = format!("a whole number of at least 1{separated}");
            let layer = Self::from(Dense::new(number(&place, "number of outputs", text, &wanted)?));
            layer.check(&place)?;
            return Ok(layer);
        }
        let term = Term::parse("layer", text)?;
        let plain = PLAIN.iter().find(|(name, ..)| *name == term.name);
        let layer = match term.name {
            "dense" => Self::Dense(Dense::from_term(&term, &place)?),
            "dropout" => Self::Dropout { rate: only_number(&term, &place, "rate")? },
            "alpha_dropout" => Self::AlphaDropout { rate: only_number(&term, &place, "rate")? },
            "gaussian_noise" => Self::GaussianNoise { std: only_number(&term, &place, "std")? },
            "prelu" => {
                let options = term.named("layer", &["per_unit"])?;
                let per_unit = option(&options, "per_unit");
                Self::Prelu {
                    per_unit: per_unit.map_or(Ok(false), |text| number(&place, "per_unit", text, "true or false"))?,
                }
            }
            "softmax" | "log_softmax" => {
                let remedy = "leave the softmax layer out; the last layer's outputs are logits";
                return Err(Error::conflict(place, "softmax_cross_entropy applies the softmax itself", remedy));
            }
            name => match (plain, Activation::from_term(&term, &place)) {
                (Some((_, layer, _)), _) => term.named("layer", &[]).map(|_| *layer)?,
                (None, Some(activation)) => Self::Activation(activation?),
                (None, None) => return Err(Error::unknown("layer", name, &Self::names())),
            },
        };
        layer.check(&place)?;
        Ok(layer)
    }
}

impl TryFrom<String> for Layer {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Layer> for String {
    fn from(layer: Layer) -> Self {
        layer.to_string()
    }
}

impl From<Dense> for Layer {
    fn from(dense: Dense) -> Self {
        Self::Dense(dense)
    }
}

impl From<Activation> for Layer {
    fn from(activation: Activation) -> Self {
        Self::Activation(activation)
    }
}
