//! Networks as plain data: the number of input columns and a list of [`Layer`]s.
//!
//! A [`Network`] has no device and no parameters; [`lower`](crate::lower::lower) turns it into a plan.

use std::fmt;

use serde::{Deserialize, Serialize};

pub use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::init::Init;
pub use crate::layer::{Dense, Gate, Layer};
#[doc(hidden)]
pub use crate::layer::{Initial, LayerTensor, Node, TensorKind};
use crate::text::split_outside_parentheses;

/// Largest number of parameters. Kernels count elements in 32 bits; this is half of that range.
const MOST_PARAMETERS: u128 = 1 << 31;

/// Largest number of layers of all kinds, far above practical depths. The limit bounds the memory that a corrupt model
/// file can request.
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

    /// Adds alpha dropout, [`Layer::AlphaDropout`], with probability `rate`, in [0, 1).
    ///
    /// # Examples
    /// ```
    /// use wgrad::Network;
    /// assert_eq!(Network::input(2).dense(8).selu().alpha_dropout(0.1), Network::parse(2, "8 selu alpha_dropout(0.1)")?);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn alpha_dropout(self, rate: f32) -> Self {
        self.layer(Layer::AlphaDropout { rate })
    }

    /// Adds Gaussian noise, [`Layer::GaussianNoise`], with standard deviation `std`, at least 0.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Network;
    /// assert_eq!(Network::input(2).gaussian_noise(0.1).dense(8), Network::parse(2, "gaussian_noise(0.1) 8")?);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn gaussian_noise(self, std: f32) -> Self {
        self.layer(Layer::GaussianNoise { std })
    }

    /// Adds batch normalization with a trained weight and bias, [`Layer::BatchNorm`].
    ///
    /// # Examples
    /// ```
    /// use wgrad::Network;
    /// assert_eq!(Network::input(2).dense(8).batch_norm().relu(), Network::parse(2, "8 batch_norm relu")?);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn batch_norm(self) -> Self {
        self.layer(Layer::BatchNorm)
    }

    /// Adds parametric ReLU with a single trained slope for all columns, [`Layer::Prelu`].
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Layer, Network};
    /// assert_eq!(Network::input(2).dense(8).prelu(), Network::parse(2, "8 prelu")?);
    /// let per_unit = Network::input(2).dense(8).layer(Layer::Prelu { per_unit: true });
    /// assert_eq!(per_unit, Network::parse(2, "8 prelu(per_unit=true)")?);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn prelu(self) -> Self {
        self.layer(Layer::Prelu { per_unit: false })
    }

    /// Adds gated linear units, [`Layer::Gated`], which halve the number of columns.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Gate, Network};
    /// let network = Network::input(2).dense(8).gated(Gate::Silu);
    /// assert_eq!(network, Network::parse(2, "8 swiglu")?);
    /// assert_eq!(network.outputs(), 4);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn gated(self, gate: Gate) -> Self {
        self.layer(Layer::Gated(gate))
    }

    /// Adds scaling with a trained factor per column, [`Layer::Scaling`].
    ///
    /// # Examples
    /// ```
    /// use wgrad::Network;
    /// assert_eq!(Network::input(2).scaling().dense(8), Network::parse(2, "scaling 8")?);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn scaling(self) -> Self {
        self.layer(Layer::Scaling)
    }

    /// Adds layer normalization with a trained weight and bias, [`Layer::LayerNorm`].
    ///
    /// # Examples
    /// ```
    /// use wgrad::Network;
    /// assert_eq!(Network::input(2).dense(8).layer_norm().relu(), Network::parse(2, "8 layer_norm relu")?);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn layer_norm(self) -> Self {
        self.layer(Layer::LayerNorm)
    }

    /// Adds root mean square normalization with a trained weight, [`Layer::RmsNorm`].
    ///
    /// # Examples
    /// ```
    /// use wgrad::Network;
    /// assert_eq!(Network::input(2).dense(8).rms_norm().relu(), Network::parse(2, "8 rms_norm relu")?);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn rms_norm(self) -> Self {
        self.layer(Layer::RmsNorm)
    }

    /// Adds a residual block y = x + f(x). `layers` adds the layers of f to a network. If f changes the number of
    /// columns, the block is y = x·Wᵀ + f(x), with a weight matrix W that the end of the block owns.
    ///
    /// By default, the weights of a dense layer that ends a block start at zero, so that f(x) = 0 and a deep network
    /// trains like a shallow one at first. [`Dense::init`](crate::Dense::init) sets another initialization.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Network;
    /// let network = Network::input(8).dense(64).relu().residual(|block| block.dense(64).relu().dense(64)).dense(10);
    /// assert_eq!(network, Network::parse(8, "64 relu [64 relu 64] 10")?);
    /// assert_eq!(network.to_string(), "8 → dense(64) relu [dense(64) relu dense(64)] dense(10)");
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn residual(mut self, layers: impl FnOnce(Self) -> Self) -> Self {
        let block = layers(Self::input(self.outputs()));
        self.layers.push(Layer::ResidualStart);
        self.layers.extend(block.layers);
        self.layer(Layer::ResidualEnd)
    }

    /// Parses layers, separated by whitespace. A number such as `128` is a dense layer, as is `dense(128, bias=false,
    /// init=he_normal)`. Other layers are `dropout(0.2)`, `alpha_dropout(0.2)`, `gaussian_noise(0.1)`, `batch_norm`,
    /// `layer_norm`, `rms_norm`, `prelu`, `glu`, `swiglu`, `geglu`, `scaling`, and activation functions such as `relu`
    /// or `leaky_relu(0.01)`: all names of [`Activation::all`]. Brackets around layers add their input to their output,
    /// as in `64 relu [64 relu 64] relu 10`; see [`Network::residual`].
    ///
    /// # Errors
    /// Unknown names (the message has the nearest known name), unbalanced parentheses or brackets, values out of range,
    /// and the errors of [`Network::check`].
    ///
    /// # Examples
    /// ```
    /// use wgrad::Network;
    /// let network = Network::parse(64, "128 relu dropout(0.1) 10")?;
    /// assert_eq!(network, Network::input(64).dense(128).relu().dropout(0.1).dense(10));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn parse(input: usize, text: &str) -> Result<Self> {
        let spaced = text.replace('[', " [ ").replace(']', " ] ");
        let words = split_outside_parentheses(&spaced, char::is_whitespace)
            .ok_or_else(|| Error::value("network", "text", format!("`{text}`"), "text with balanced parentheses"))?;
        let layers = words.into_iter().map(str::parse).collect::<Result<_>>()?;
        let network = Self { input, layers };
        network.check()?;
        Ok(network)
    }

    /// Sets the initialization of all dense layers whose initialization is not set.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Init, Network};
    /// let network = Network::parse(2, "dense(3, init=zeros) relu 1")?.with_init(Init::Orthogonal);
    /// assert_eq!(network, Network::parse(2, "dense(3, init=zeros) relu dense(1, init=orthogonal)")?);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn with_init(mut self, init: Init) -> Self {
        for layer in &mut self.layers {
            if let Layer::Dense(dense) = layer {
                dense.init = dense.init.or(Some(init));
            }
        }
        self
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

    /// Returns the number of output columns of the last layer, or of input columns if there are no layers.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(wgrad::Network::input(64).dense(10).relu().outputs(), 10);
    /// ```
    pub fn outputs(&self) -> usize {
        self.layers.iter().fold(self.input, |columns, layer| layer.outputs(columns))
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

    /// Returns the dense layers, each with its index among all layers and its number of input columns.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Dense, Network};
    /// let network = Network::input(64).dense(128).relu().dense(10);
    /// assert!(network.dense_layers().eq([(0, Dense::new(128), 64), (2, Dense::new(10), 128)]));
    /// ```
    pub fn dense_layers(&self) -> impl Iterator<Item = (usize, Dense, usize)> {
        self.nodes().filter_map(|node| Some((node.number, node.layer.as_dense()?, node.inputs)))
    }

    /// Returns the layers, each with its index and its number of input columns. The end of a residual block also has
    /// the start of the block.
    #[doc(hidden)]
    pub fn nodes(&self) -> impl Iterator<Item = Node> {
        let (mut columns, mut open) = (self.input, Vec::new());
        self.layers.iter().enumerate().map(move |(number, layer)| {
            let inputs = columns;
            let start = match layer {
                Layer::ResidualStart => {
                    open.push((number, inputs));
                    None
                }
                Layer::ResidualEnd => open.pop(),
                _ => None,
            };
            columns = layer.outputs(inputs);
            Node { number, layer: *layer, inputs, start }
        })
    }

    /// Returns the tensors of all layers, each with the index of its layer.
    #[doc(hidden)]
    pub fn tensors(&self) -> impl Iterator<Item = (usize, LayerTensor)> {
        self.nodes().flat_map(|node| node.tensors().into_iter().map(move |tensor| (node.number, tensor)))
    }

    /// Returns the first activation between layer `number` and the next dense layer. `None` if there is no activation.
    /// A `prelu` layer counts as `leaky_relu(0.25)`, its function before training.
    ///
    /// # Panics
    /// If `number` is not the index of a layer.
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
            Layer::Prelu { .. } => Some(Activation::leaky_relu(0.25)),
            Layer::Dense(_)
            | Layer::Dropout { .. }
            | Layer::AlphaDropout { .. }
            | Layer::GaussianNoise { .. }
            | Layer::Scaling
            | Layer::Gated(_)
            | Layer::BatchNorm
            | Layer::LayerNorm
            | Layer::RmsNorm
            | Layer::ResidualStart
            | Layer::ResidualEnd => None,
        })
    }

    /// Returns the default initialization of the weights of layer `number`. It is zeros for a dense layer at the end of
    /// a residual block, where dropout may follow it; otherwise [`Init::default_before`] the next activation.
    pub(crate) fn default_init(&self, number: usize) -> Init {
        let next = self.layers[number + 1..].iter().find(|layer| !layer.is_noise());
        match (self.layers[number], next) {
            (Layer::Dense(_), Some(Layer::ResidualEnd)) => Init::Zeros,
            _ => Init::default_before(self.activation_after(number)),
        }
    }

    /// Returns the number of trainable parameters.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(wgrad::Network::input(2).dense(3).relu().dense(1).parameter_count(), 2 * 3 + 3 + 3 + 1);
    /// ```
    pub fn parameter_count(&self) -> usize {
        self.tensors().filter(|(_, tensor)| tensor.is_trained()).map(|(_, tensor)| tensor.elements()).sum()
    }

    /// Checks the layers' sizes and options, and the network's limits.
    ///
    /// # Errors
    /// No input columns, no layer with trained parameters, gated units of an odd number of columns, a residual block
    /// without layers or with only one bracket, more than 65,536 layers, more than 2³¹ parameters, a layer without
    /// outputs, or a rate, slope or standard deviation out of range.
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
        if !self.tensors().any(|(_, tensor)| tensor.is_trained()) {
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
        self.check_blocks()?;
        self.check_halves()?;
        let size = |(_, LayerTensor { shape, .. }): (usize, LayerTensor)| shape.iter().map(|n| *n as u128).product();
        let parameters = self.tensors().map(size).fold(0, u128::saturating_add);
        if parameters > MOST_PARAMETERS {
            let wanted = format!("at most {MOST_PARAMETERS}: use narrower layers");
            return Err(Error::value("network", "number of parameters", parameters, &wanted));
        }
        self.layers
            .iter()
            .enumerate()
            .try_for_each(|(number, layer)| layer.check(&format!("layer {number} ({})", layer.name())))
    }

    /// Checks that gated units have an even number of columns.
    fn check_halves(&self) -> Result<()> {
        let is_odd = |node: &Node| matches!(node.layer, Layer::Gated(_)) && node.inputs % 2 == 1;
        let Some(Node { number, layer, inputs, .. }) = self.nodes().find(is_odd) else { return Ok(()) };
        let problem = format!("it halves the number of its columns, {inputs}, which is odd");
        let remedy = format!("give the layer before it {} outputs", inputs + 1);
        Err(Error::conflict(format!("layer {number} ({})", layer.name()), problem, remedy))
    }

    /// Checks that brackets match, and that each block has a layer besides noise.
    fn check_blocks(&self) -> Result<()> {
        const EXAMPLE: &str = "put both brackets around the block's layers, as in `[64 relu 64]`";
        let fail = |number: usize, problem: &str| {
            let place = format!("layer {number} ({})", self.layers[number].name());
            Err(Error::conflict(place, problem, EXAMPLE))
        };
        let mut open = Vec::new();
        for (number, layer) in self.layers.iter().enumerate() {
            if *layer == Layer::ResidualStart {
                open.push(number);
            } else if *layer == Layer::ResidualEnd {
                let Some(start) = open.pop() else { return fail(number, "no residual block is open here") };
                let inside = &self.layers[start + 1..number];
                if inside.iter().all(Layer::is_noise) {
                    return fail(start, "the residual block has no layers, or only noise such as dropout");
                }
            }
        }
        open.pop().map_or(Ok(()), |start| fail(start, "the residual block is not closed"))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} →", self.input)?;
        let mut space = " ";
        self.layers.iter().try_for_each(|layer| {
            let before = if *layer == Layer::ResidualEnd { "" } else { space };
            space = if *layer == Layer::ResidualStart { "" } else { " " };
            write!(f, "{before}{layer}")
        })
    }
}
