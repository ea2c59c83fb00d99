//! Networks as plain data: the number of input columns and a list of [`Layer`]s.
//!
//! A [`Network`] has no device and no parameters; [`lower`](crate::lower::lower) turns it into a plan.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use crate::activation::Activation;
use crate::elementwise::Function;
use crate::error::{Error, Result};
use crate::init::Init;
use crate::text::{Term, number, option, required, split_outside_parentheses};

/// Largest number of parameters. Kernels count elements in 32 bits; this is half of that range.
const MOST_PARAMETERS: u128 = 1 << 31;

/// Largest number of layers of all kinds, far above practical depths. It bounds the memory of a plan made from a model file.
const MOST_LAYERS: usize = 1 << 16;

/// Network: the number of input columns, and layers in the order of the forward pass.
///
/// # Examples
/// ```
/// use wgrad::{Dense, Network};
/// let built = Network::input(64).dense(128).relu().dropout(0.1).layer(Dense::new(10));
/// let parsed = Network::parse(64, "128 relu dropout(0.1) 10")?;
/// assert_eq!(built, parsed);
/// assert_eq!(parsed.to_string(), "64 → dense(128) relu dropout(0.1) dense(10)");
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    input: usize,
    layers: Vec<Layer>,
}

/// Layer of a network. Its text is that of [`Network::parse`].
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
    /// Initialization of the weights; by default [`Init::default_before`] the next activation.
    pub init: Option<Init>,
}

impl Network {
    /// Creates a network with `columns` input columns and no layers.
    ///
    /// # Examples
    /// ```
    /// let network = wgrad::Network::input(2).dense(3).relu().dense(1);
    /// assert_eq!((network.inputs(), network.outputs()), (2, 1));
    /// ```
    pub fn input(columns: usize) -> Self {
        Self { input: columns, layers: Vec::new() }
    }

    /// Adds a layer: a [`Layer`], [`Dense`] or [`Activation`].
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Activation, Dense, Network};
    /// let network = Network::input(2).layer(Dense::new(3).without_bias()).layer(Activation::tanh());
    /// assert_eq!(network.to_string(), "2 → dense(3, bias=false) tanh");
    /// ```
    pub fn layer(mut self, layer: impl Into<Layer>) -> Self {
        self.layers.push(layer.into());
        self
    }

    /// Adds a dense layer with `outputs` output columns, a bias and the default initialization.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Network;
    /// assert_eq!(Network::input(2).dense(3).to_string(), "2 → dense(3)");
    /// ```
    pub fn dense(self, outputs: usize) -> Self {
        self.layer(Dense::new(outputs))
    }

    /// Adds dropout, which in training sets elements to 0 with probability `rate`, in [0, 1).
    ///
    /// # Examples
    /// ```
    /// use wgrad::Network;
    /// assert_eq!(Network::input(2).dense(1).dropout(0.2).to_string(), "2 → dense(1) dropout(0.2)");
    /// ```
    pub fn dropout(self, rate: f32) -> Self {
        self.layer(Layer::Dropout { rate })
    }

    /// Parses layers, separated by whitespace. A number such as `128` is a dense layer, as is
    /// `dense(128, bias=false, init=he_normal)`. The others are `dropout(0.2)` and the activation functions, such as `relu` or
    /// `leaky_relu(0.01)`: all names of [`Activation::all`].
    ///
    /// # Errors
    /// Unknown names (the message has the nearest known one), unbalanced parentheses, values out of range, and the errors of
    /// [`Network::check`].
    ///
    /// # Examples
    /// ```
    /// use wgrad::Network;
    /// let network = Network::parse(64, "128 relu dropout(0.1) 10")?;
    /// assert_eq!(network, Network::input(64).dense(128).relu().dropout(0.1).dense(10));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn parse(input: usize, text: &str) -> Result<Self> {
        let words = split_outside_parentheses(text, char::is_whitespace)
            .ok_or_else(|| Error::value("network", "text", format!("`{text}`"), "text with balanced parentheses"))?;
        let layers = words.into_iter().map(str::parse).collect::<Result<_>>()?;
        let network = Self { input, layers };
        network.check()?;
        Ok(network)
    }

    /// Returns the number of input columns.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(wgrad::Network::input(64).dense(10).inputs(), 64);
    /// ```
    pub fn inputs(&self) -> usize {
        self.input
    }

    /// Returns the number of output columns: that of the last dense layer, or the number of inputs if there is none.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(wgrad::Network::input(64).dense(10).relu().outputs(), 10);
    /// ```
    pub fn outputs(&self) -> usize {
        self.layers.iter().rev().find_map(|l| l.as_dense()).map_or(self.input, |d| d.outputs)
    }

    /// Returns the layers, first to last.
    ///
    /// # Examples
    /// ```
    /// let network = wgrad::Network::input(64).dense(10).relu();
    /// assert_eq!(network.layers()[1].name(), "relu");
    /// ```
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Returns the dense layers, each with its number among all layers and its number of input columns.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Dense, Network};
    /// let network = Network::input(64).dense(128).relu().dense(10);
    /// assert!(network.dense_layers().eq([(0, Dense::new(128), 64), (2, Dense::new(10), 128)]));
    /// ```
    pub fn dense_layers(&self) -> impl Iterator<Item = (usize, Dense, usize)> {
        let mut columns = self.input;
        self.layers.iter().enumerate().filter_map(move |(number, layer)| {
            let dense = layer.as_dense()?;
            Some((number, dense, std::mem::replace(&mut columns, dense.outputs)))
        })
    }

    /// Returns the first activation between layer `number` and the next dense layer, if there is one. Dropout is skipped.
    ///
    /// # Panics
    /// There is no layer `number`.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Activation, Network};
    /// let network = Network::input(2).dense(3).dropout(0.1).relu().dense(1);
    /// assert_eq!(network.activation_after(0), Some(Activation::relu()));
    /// assert_eq!(network.activation_after(3), None);
    /// ```
    pub fn activation_after(&self, number: usize) -> Option<Activation> {
        self.layers[number + 1..].iter().take_while(|l| l.as_dense().is_none()).find_map(|layer| match layer {
            Layer::Activation(activation) => Some(*activation),
            _ => None,
        })
    }

    /// Returns the number of trainable parameters.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(wgrad::Network::input(2).dense(3).relu().dense(1).parameter_count(), 2 * 3 + 3 + 3 + 1);
    /// ```
    pub fn parameter_count(&self) -> usize {
        self.dense_layers().map(|(_, dense, inputs)| dense.outputs * (inputs + usize::from(dense.bias))).sum()
    }

    /// Checks sizes and values.
    ///
    /// # Errors
    /// No input columns, no dense layer, more than 65,536 layers, more than 2³¹ parameters, a layer without outputs, or a
    /// rate, slope or standard deviation out of range.
    ///
    /// # Examples
    /// ```
    /// assert!(wgrad::Network::input(2).dense(1).check().is_ok());
    /// assert!(wgrad::Network::input(2).relu().check().is_err());
    /// ```
    pub fn check(&self) -> Result<()> {
        if self.input == 0 {
            return Err(Error::value("network", "number of input columns", 0, "at least 1"));
        }
        if self.dense_layers().next().is_none() {
            return Err(Error::conflict(
                "network",
                "there is no dense layer, so nothing to train",
                "add one, as in `Network::input(64).dense(10)`",
            ));
        }
        if self.layers.len() > MOST_LAYERS {
            let wanted = format!("at most {MOST_LAYERS}");
            return Err(Error::value("network", "number of layers", self.layers.len(), &wanted));
        }
        let size = |(_, dense, inputs): (usize, Dense, usize)| dense.outputs as u128 * (inputs as u128 + 1);
        let parameters = self.dense_layers().map(size).fold(0, u128::saturating_add);
        if parameters > MOST_PARAMETERS {
            let wanted = format!("at most {MOST_PARAMETERS}: use narrower layers");
            return Err(Error::value("network", "number of parameters", parameters, &wanted));
        }
        self.layers
            .iter()
            .enumerate()
            .try_for_each(|(number, layer)| layer.check(&format!("layer {number} ({})", layer.name())))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} →", self.input)?;
        self.layers.iter().try_for_each(|layer| write!(f, " {layer}"))
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
        std::iter::once("dense").chain(activations).chain(["dropout"]).collect()
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

    fn check(&self, place: &str) -> Result<()> {
        match *self {
            Self::Dense(Dense { init: Some(init), .. }) if init.check().is_err() => init.check(),
            Self::Dense(Dense { outputs: 0, .. }) => Err(Error::value(place, "number of outputs", 0, "at least 1")),
            Self::Dropout { rate } if !(0.0..1.0).contains(&rate) => {
                Err(Error::value(place, "rate", rate, "at least 0 and below 1"))
            }
            Self::Activation(activation) => activation.check(place),
            _ => Ok(()),
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
            "dense" => Self::Dense(Dense::from_term(&term, &place)?),
            "dropout" => {
                let options = term.named("layer", &["rate"])?;
                Self::Dropout {
                    rate: number(&place, "rate", required(&options, &place, "rate", "dropout(0.2)")?, "a number")?,
                }
            }
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
