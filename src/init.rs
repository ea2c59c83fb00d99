//! Initialization of parameters.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, collected};
use crate::network::Activation;
use crate::rng::{Philox, Stream};
use crate::text::{Term, number, required};

/// Initial distribution of a layer's weights; biases start at zero.
///
/// Its text is `zeros`, `normal(0.02)`, `xavier_uniform`, `xavier_normal`, `he_uniform` or `he_normal`.
/// Names and formulas are those of PyTorch's `torch.nn.init` (He is `kaiming_…` there, with mode `fan_in`). The gain is
/// that of the activation after the layer, see [`Activation::gain`]. Dropout and brackets of residual blocks between
/// layer and activation are skipped. A dense layer that ends a residual block starts at zeros, see
/// [`Network::residual`](crate::Network::residual).
///
/// # Examples
/// ```
/// use wgrad::{Dense, Init, Network};
/// let network = Network::input(2).layer(Dense::new(3).init(Init::HeNormal));
/// assert_eq!("normal(0.02)".parse::<Init>()?, Init::Normal { std: 0.02 });
/// assert_eq!(network.to_string(), "2 → dense(3, init=he_normal)");
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum Init {
    /// All weights are zero. Useful for a single layer only: in deeper networks, units with equal weights stay equal.
    Zeros,
    /// Normal distribution with mean 0 and this standard deviation.
    Normal {
        /// Standard deviation.
        std: f32,
    },
    /// Uniform in ±gain·√(6 / (inputs + outputs)); Glorot and Bengio 2010.
    XavierUniform,
    /// Normal with standard deviation gain·√(2 / (inputs + outputs)); Glorot and Bengio 2010.
    XavierNormal,
    /// Uniform in ±gain·√(3 / inputs); He et al. 2015.
    HeUniform,
    /// Normal with standard deviation gain / √inputs; He et al. 2015.
    HeNormal,
}

const NAMES: [&str; 6] = ["zeros", "normal", "xavier_uniform", "xavier_normal", "he_uniform", "he_normal"];

impl Init {
    /// Returns the default before an activation: [`Init::HeUniform`] before ReLU and functions like it (leaky_relu,
    /// relu6, elu, celu, gelu, gelu_tanh, silu, hard_swish, mish), else [`Init::XavierUniform`].
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Activation, Init};
    /// assert_eq!(Init::default_before(Some(Activation::relu())), Init::HeUniform);
    /// assert_eq!(Init::default_before(None), Init::XavierUniform);
    /// ```
    pub fn default_before(following: Option<Activation>) -> Self {
        match following {
            Some(activation) if activation.function().rectifies => Self::HeUniform,
            _ => Self::XavierUniform,
        }
    }

    fn normal(term: &Term<'_>) -> Result<Self> {
        let place = "initialization `normal`";
        let options = term.named("initialization", &["std"])?;
        let std: f32 = number(place, "std", required(&options, place, "std", "normal(0.02)")?, "a number")?;
        let init = Self::Normal { std };
        init.check().map(|()| init)
    }

    /// Checks the values.
    ///
    /// # Errors
    /// The standard deviation is negative or not finite.
    ///
    /// # Examples
    /// ```
    /// assert!(wgrad::Init::Normal { std: -1.0 }.check().is_err());
    /// ```
    pub fn check(self) -> Result<()> {
        match self {
            Self::Normal { std } if !(std.is_finite() && std >= 0.0) => {
                Err(Error::value("initialization `normal`", "std", std, "finite and at least 0"))
            }
            _ => Ok(()),
        }
    }

    /// Draws a weight matrix of shape [outputs, inputs], row-major. `following` is the activation after the layer,
    /// `index` the number of the layer. The same seed and index give the same weights.
    ///
    /// # Errors
    /// [`Error::Memory`] if the matrix does not fit into memory.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Init;
    /// let weights = Init::XavierUniform.weights(4, 2, None, 7, 0)?;
    /// assert_eq!(weights.len(), 8);
    /// // The limit is √(6 / (4 + 2)) = 1.
    /// assert!(weights.iter().all(|weight| weight.abs() <= 1.0));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn weights(
        self,
        inputs: usize,
        outputs: usize,
        following: Option<Activation>,
        seed: u64,
        index: u32,
    ) -> Result<Vec<f32>> {
        let gain = following.map_or(1.0, Activation::gain);
        let (fan_in, fans) = (inputs as f64, (inputs + outputs) as f64);
        let mut random = Philox::new(seed, Stream::Init, index);
        let mut uniform = |limit: f64| (limit * (2.0 * random.uniform() - 1.0)) as f32;
        let mut random = Philox::new(seed, Stream::Init, index);
        let mut normal = |std: f64| (std * random.normal()) as f32;
        let mut draw = || match self {
            Self::Zeros => 0.0,
            Self::Normal { std } => normal(f64::from(std)),
            Self::XavierUniform => uniform(gain * (6.0 / fans).sqrt()),
            Self::XavierNormal => normal(gain * (2.0 / fans).sqrt()),
            Self::HeUniform => uniform(gain * (3.0 / fan_in).sqrt()),
            Self::HeNormal => normal(gain / fan_in.sqrt()),
        };
        let count = inputs.saturating_mul(outputs);
        collected(&format!("parameters of layer {index}"), count, (0..count).map(|_| draw()))
    }
}

impl fmt::Display for Init {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal { std } => write!(f, "normal({std})"),
            Self::Zeros => f.write_str("zeros"),
            Self::XavierUniform => f.write_str("xavier_uniform"),
            Self::XavierNormal => f.write_str("xavier_normal"),
            Self::HeUniform => f.write_str("he_uniform"),
            Self::HeNormal => f.write_str("he_normal"),
        }
    }
}

impl FromStr for Init {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let term = Term::parse("initialization", text)?;
        let plain = |init| term.named("initialization", &[]).map(|_| init);
        match term.name {
            "zeros" => plain(Self::Zeros),
            "normal" => Self::normal(&term),
            "xavier_uniform" => plain(Self::XavierUniform),
            "xavier_normal" => plain(Self::XavierNormal),
            "he_uniform" => plain(Self::HeUniform),
            "he_normal" => plain(Self::HeNormal),
            name => Err(Error::unknown("initialization", name, &NAMES)),
        }
    }
}

impl TryFrom<String> for Init {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Init> for String {
    fn from(init: Init) -> Self {
        init.to_string()
    }
}
