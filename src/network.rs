//! A network as plain data: how many input columns, and which layers follow.
//!
//! [`Network`] is a list of [`Layer`]s. It knows no device and holds no numbers; `lower` turns it into a plan.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::init::Init;
use crate::text::{Term, number, option, required, split_outside_parentheses};

/// Kernels count elements in 32 bits; the largest network uses half of what these can count.
const MOST_PARAMETERS: u128 = 1 << 31;

/// Most layers of all kinds: some thousand times what anybody trains. A model file takes a few bytes for each, a plan many.
const MOST_LAYERS: usize = 1 << 16;

/// Inputs and layers, in the order in which data flows through them.
///
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

/// One module of a network; numbers of layers in messages and parameter names count all of them, as
/// PyTorch's `Sequential` does. Written as in [`Network::parse`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum Layer {
    /// y = x·Wᵀ + b.
    Dense(Dense),
    /// y = f(x), element by element.
    Activation(Activation),
    /// In training each element is 0 with probability `rate`, else divided by 1 − `rate`; in evaluation y = x.
    Dropout {
        /// Probability of being dropped, in [0, 1).
        rate: f32,
    },
}

/// A dense (fully connected) layer: weight `[outputs, inputs]`, bias `[outputs]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dense {
    /// Number of output columns.
    pub outputs: usize,
    /// Whether a bias is added; default true.
    pub bias: bool,
    /// How the weights start; by default [`Init::default_before`] the activation that follows.
    pub init: Option<Init>,
}

/// A function applied to each element.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Activation {
    /// 1 for x > 0, else 0; its derivative is 0 everywhere.
    Step,
    /// x.
    Identity,
    /// 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// tanh x.
    Tanh,
    /// max(x, 0), with derivative 0 at 0.
    Relu,
    /// x for x > 0, else slope·x, with derivative slope at 0.
    LeakyRelu {
        /// Slope for negative x, at least 0; default 0.01.
        slope: f32,
    },
}

impl Network {
    /// A network of `columns` input columns and no layer yet.
    pub fn input(columns: usize) -> Self {
        Self { input: columns, layers: Vec::new() }
    }

    /// Adds a layer.
    pub fn layer(mut self, layer: impl Into<Layer>) -> Self {
        self.layers.push(layer.into());
        self
    }

    /// Adds a dense layer of `outputs` columns with bias and default initialisation.
    pub fn dense(self, outputs: usize) -> Self {
        self.layer(Dense::new(outputs))
    }

    /// Adds a step function.
    pub fn step(self) -> Self {
        self.layer(Activation::Step)
    }

    /// Adds the identity.
    pub fn identity(self) -> Self {
        self.layer(Activation::Identity)
    }

    /// Adds a sigmoid.
    pub fn sigmoid(self) -> Self {
        self.layer(Activation::Sigmoid)
    }

    /// Adds a hyperbolic tangent.
    pub fn tanh(self) -> Self {
        self.layer(Activation::Tanh)
    }

    /// Adds a rectified linear unit.
    pub fn relu(self) -> Self {
        self.layer(Activation::Relu)
    }

    /// Adds a leaky rectified linear unit.
    pub fn leaky_relu(self, slope: f32) -> Self {
        self.layer(Activation::LeakyRelu { slope })
    }

    /// Adds dropout with the given probability of dropping.
    pub fn dropout(self, rate: f32) -> Self {
        self.layer(Layer::Dropout { rate })
    }

    /// Reads layers from text, separated by blanks: a number or `dense(128, bias=false, init=he_normal)`,
    /// `relu`, `leaky_relu(0.01)`, `dropout(0.2)`, `sigmoid`, `tanh`, `step`, `identity`.
    ///
    /// # Errors
    /// Unknown names (with the nearest known one), sizes of 0, values out of range.
    pub fn parse(input: usize, text: &str) -> Result<Self> {
        let words = split_outside_parentheses(text, char::is_whitespace)
            .ok_or_else(|| Error::value("network", "text", format!("`{text}`"), "balanced in its parentheses"))?;
        let layers = words.into_iter().map(str::parse).collect::<Result<_>>()?;
        let network = Self { input, layers };
        network.check()?;
        Ok(network)
    }

    /// Number of input columns.
    pub fn inputs(&self) -> usize {
        self.input
    }

    /// Number of output columns: that of the last dense layer.
    pub fn outputs(&self) -> usize {
        self.layers.iter().rev().find_map(|l| l.as_dense()).map_or(self.input, |d| d.outputs)
    }

    /// The layers, first to last.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The dense layers with the number of each among all layers, and its number of input columns.
    pub fn dense_layers(&self) -> impl Iterator<Item = (usize, Dense, usize)> {
        let mut columns = self.input;
        self.layers.iter().enumerate().filter_map(move |(number, layer)| {
            let dense = layer.as_dense()?;
            Some((number, dense, std::mem::replace(&mut columns, dense.outputs)))
        })
    }

    /// The activation that is applied to the output of layer `number` (dropout is passed over).
    pub fn activation_after(&self, number: usize) -> Option<Activation> {
        self.layers[number + 1..].iter().take_while(|l| l.as_dense().is_none()).find_map(|layer| match layer {
            Layer::Activation(activation) => Some(*activation),
            _ => None,
        })
    }

    /// Number of trainable parameters.
    pub fn parameter_count(&self) -> usize {
        self.dense_layers().map(|(_, dense, inputs)| dense.outputs * (inputs + usize::from(dense.bias))).sum()
    }

    /// Checks sizes and values that the types alone cannot.
    ///
    /// # Errors
    /// No input columns, no dense layer, more than 65,536 layers, a layer without outputs, rates and slopes out of range.
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
    /// A dense layer of `outputs` columns, with bias and default initialisation.
    pub fn new(outputs: usize) -> Self {
        Self { outputs, bias: true, init: None }
    }

    /// Leaves the bias out.
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

    /// Sets how the weights start.
    pub fn init(mut self, init: Init) -> Self {
        self.init = Some(init);
        self
    }
}

impl Activation {
    /// PyTorch's `calculate_gain`: what keeps the variance of a signal through this function.
    pub fn gain(self) -> f64 {
        match self {
            Self::Step | Self::Identity | Self::Sigmoid => 1.0,
            Self::Tanh => 5.0 / 3.0,
            Self::Relu => 2f64.sqrt(),
            Self::LeakyRelu { slope } => (2.0 / (1.0 + f64::from(slope).powi(2))).sqrt(),
        }
    }
}

const NAMES: [&str; 8] = ["dense", "step", "identity", "sigmoid", "tanh", "relu", "leaky_relu", "dropout"];

impl Layer {
    /// The layer's kind, as written in a network's text.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Dense(_) => "dense",
            Self::Dropout { .. } => "dropout",
            Self::Activation(Activation::Step) => "step",
            Self::Activation(Activation::Identity) => "identity",
            Self::Activation(Activation::Sigmoid) => "sigmoid",
            Self::Activation(Activation::Tanh) => "tanh",
            Self::Activation(Activation::Relu) => "relu",
            Self::Activation(Activation::LeakyRelu { .. }) => "leaky_relu",
        }
    }

    /// The dense layer, where it is one.
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
            Self::Activation(Activation::LeakyRelu { slope }) if !(slope.is_finite() && slope >= 0.0) => {
                Err(Error::value(
                    place,
                    "slope",
                    slope,
                    "finite and at least 0 (its derivative is taken from the output's sign)",
                ))
            }
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
            Self::Activation(Activation::LeakyRelu { slope }) => write!(f, "leaky_relu({slope})"),
            _ => f.write_str(self.name()),
        }
    }
}

impl FromStr for Layer {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let place = format!("layer `{text}`");
        if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
            let layer =
                Self::from(Dense::new(number(&place, "number of outputs", text, "a whole number of at least 1")?));
            layer.check(&place)?;
            return Ok(layer);
        }
        let term = Term::parse("layer", text)?;
        let plain = |activation| term.named("layer", &[]).map(|_| Self::Activation(activation));
        let layer = match term.name {
            "dense" => Self::Dense(Dense::from_term(&term, &place)?),
            "dropout" => {
                let options = term.named("layer", &["rate"])?;
                Self::Dropout {
                    rate: number(&place, "rate", required(&options, &place, "rate", "dropout(0.2)")?, "a number")?,
                }
            }
            "step" => plain(Activation::Step)?,
            "identity" => plain(Activation::Identity)?,
            "sigmoid" => plain(Activation::Sigmoid)?,
            "tanh" => plain(Activation::Tanh)?,
            "relu" => plain(Activation::Relu)?,
            "leaky_relu" => {
                let options = term.named("layer", &["slope"])?;
                let slope =
                    option(&options, "slope").map_or(Ok(0.01), |text| number(&place, "slope", text, "a number"))?;
                Self::Activation(Activation::LeakyRelu { slope })
            }
            "softmax" | "log_softmax" => {
                let remedy = "leave the softmax layer out; the last layer's outputs are logits";
                return Err(Error::conflict(place, "softmax_cross_entropy applies the softmax itself", remedy));
            }
            name => return Err(Error::unknown("layer", name, &NAMES)),
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
