//! Layers of a network: their text, and the tensors that they own.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::activation::Activation;
use crate::elementwise::Function;
use crate::error::{Error, Result};
use crate::init::Init;
use crate::text::{Term, number, option, required};

/// Layer of a network. Its text is that of [`Network::parse`](crate::Network::parse).
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
    /// In training, sets each element to 0 with probability `rate` and divides the others by 1 − `rate`. In evaluation y = x.
    Dropout {
        /// Probability of setting an element to 0, in [0, 1).
        rate: f32,
    },
    /// Layer normalization, as `torch.nn.LayerNorm`: y = (x − mean) / √(variance + 10⁻⁵)·w + b for each row, with weight w and
    /// bias b, both trained.
    LayerNorm,
    /// Root mean square normalization, as `torch.nn.RMSNorm` with `eps=1e-5`: y = x / √(mean of x² + 10⁻⁵)·w for each row, with a
    /// trained weight w.
    RmsNorm,
    /// Start of a residual block, `[`: y = x.
    ResidualStart,
    /// End of a residual block, `]`: y = x + s, with the input s of the block; y = x + s·Wᵀ if the widths differ.
    ResidualEnd,
}

/// Dense (fully connected) layer y = x·Wᵀ + b with weight W of shape `[outputs, inputs]` and bias b of shape `[outputs]`.
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
    /// Use of a bias; default true.
    pub bias: bool,
    /// Initialization of the weights; by default zeros at the end of a residual block, else [`Init::default_before`] the next
    /// activation.
    pub init: Option<Init>,
}

/// Tensor that a layer owns. Plans, model files, checkpoints and initialization read these lists, and know no layer.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq)]
pub struct LayerTensor {
    /// Name within the layer, as in PyTorch.
    pub name: &'static str,
    /// `[outputs, inputs]`, or the length of a vector.
    pub shape: Vec<usize>,
    /// Values before the first step.
    pub initial: Initial,
    /// Use in training.
    pub kind: TensorKind,
}

/// Values of a tensor before the first step.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initial {
    /// Drawn from this distribution, or from the layer's default.
    Weights(Option<Init>),
    /// The same number everywhere.
    Constant(f32),
}

/// Use of a tensor in training.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TensorKind {
    /// It has a gradient. `decay` is true for matrices, to which weight decay is applied by convention. Today's optimizers
    /// apply it to all tensors, as PyTorch does without parameter groups.
    Trained {
        /// Weight decay by convention.
        decay: bool,
    },
    /// Statistic of past batches: it has no gradient, and is stored with the parameters.
    Running,
}

impl LayerTensor {
    fn trained(name: &'static str, shape: Vec<usize>, initial: Initial) -> Self {
        let decay = shape.len() > 1;
        Self { name, shape, initial, kind: TensorKind::Trained { decay } }
    }

    /// Returns `true` if it has a gradient.
    #[doc(hidden)]
    pub fn is_trained(&self) -> bool {
        matches!(self.kind, TensorKind::Trained { .. })
    }

    /// Returns the number of elements; saturates.
    #[doc(hidden)]
    pub fn elements(&self) -> usize {
        self.shape.iter().fold(1, |product, length| product.saturating_mul(*length))
    }
}

/// Layer with its place in a network.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// Number of the layer.
    pub number: usize,
    /// The layer.
    pub layer: Layer,
    /// Number of input columns.
    pub inputs: usize,
    /// For the end of a residual block, the number of the layer that starts it, and its number of input columns.
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
    /// Returns the names of all kinds of layers.
    fn names() -> Vec<&'static str> {
        let activations = Function::ALL.iter().map(|function| function.name);
        std::iter::once("dense").chain(activations).chain(["dropout", "layer_norm", "rms_norm"]).collect()
    }

    /// Returns the kind of layer, as in the text of a network.
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
            Self::LayerNorm => "layer_norm",
            Self::RmsNorm => "rms_norm",
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

    /// Returns the tensors that the layer owns if it has this number of input columns. `shortcut` is the number of input
    /// columns of the residual block that the layer ends.
    fn tensors(&self, inputs: usize, shortcut: Option<usize>) -> Vec<LayerTensor> {
        match *self {
            Self::Dense(Dense { outputs, bias, init }) => {
                let weight = LayerTensor::trained("weight", vec![outputs, inputs], Initial::Weights(init));
                let bias = bias.then(|| LayerTensor::trained("bias", vec![outputs], Initial::Constant(0.0)));
                std::iter::once(weight).chain(bias).collect()
            }
            Self::LayerNorm | Self::RmsNorm => {
                let tensor = |name, value| LayerTensor::trained(name, vec![inputs], Initial::Constant(value));
                let bias = (*self == Self::LayerNorm).then(|| tensor("bias", 0.0));
                std::iter::once(tensor("weight", 1.0)).chain(bias).collect()
            }
            Self::ResidualEnd => {
                let projected = shortcut.filter(|shortcut| *shortcut != inputs);
                let weight = |shortcut| LayerTensor::trained("weight", vec![inputs, shortcut], Initial::Weights(None));
                projected.map(weight).into_iter().collect()
            }
            Self::Activation(_) | Self::Dropout { .. } | Self::ResidualStart => Vec::new(),
        }
    }

    /// Returns the number of output columns if it has this number of input columns.
    pub(crate) fn outputs(&self, inputs: usize) -> usize {
        match self {
            Self::Dense(dense) => dense.outputs,
            Self::Activation(_)
            | Self::Dropout { .. }
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
            Self::Dropout { rate } if !(0.0..1.0).contains(&rate) => {
                Err(Error::value(place, "rate", rate, "at least 0 and below 1"))
            }
            Self::Activation(activation) => activation.check(place),
            Self::Dense(_)
            | Self::Dropout { .. }
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
            Self::Dropout { rate } => write!(f, "dropout({rate})"),
            Self::LayerNorm | Self::RmsNorm | Self::ResidualStart | Self::ResidualEnd => f.write_str(self.name()),
            Self::Activation(activation) => activation.fmt(f),
        }
    }
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
        let layer = match term.name {
            "[" if text == "[" => Self::ResidualStart,
            "]" if text == "]" => Self::ResidualEnd,
            "dense" => Self::Dense(Dense::from_term(&term, &place)?),
            "dropout" => {
                let options = term.named("layer", &["rate"])?;
                Self::Dropout {
                    rate: number(&place, "rate", required(&options, &place, "rate", "dropout(0.2)")?, "a number")?,
                }
            }
            "layer_norm" => term.named("layer", &[]).map(|_| Self::LayerNorm)?,
            "rms_norm" => term.named("layer", &[]).map(|_| Self::RmsNorm)?,
            "softmax" | "log_softmax" => {
                let remedy = "leave the softmax layer out; the last layer's outputs are logits";
                return Err(Error::conflict(place, "softmax_cross_entropy applies the softmax itself", remedy));
            }
            name => match Activation::from_term(&term, &place) {
                Some(activation) => Self::Activation(activation?),
                None => return Err(Error::unknown("layer", name, &Self::names())),
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
