//! How parameters start.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, collected};
use crate::network::Activation;
use crate::rng::{Philox, Stream};
use crate::text::{Term, number, required};

/// The distribution that a layer's weights are drawn from; biases start at zero.
///
/// Written as `zeros`, `normal(0.02)`, `xavier_uniform`, `xavier_normal`, `he_uniform`, `he_normal`.
/// Names and formulas are those of PyTorch's `torch.nn.init` (He is its `kaiming_…`, mode `fan_in`), with
/// the gain of the activation that follows the layer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum Init {
    /// All zero: for a single layer only, since equal units stay equal.
    Zeros,
    /// Normal with mean 0 and this standard deviation.
    Normal {
        /// Standard deviation.
        std: f32,
    },
    /// Uniform in ±gain·√(6 / (inputs + outputs)); Glorot and Bengio 2010.
    XavierUniform,
    /// Normal with standard deviation gain·√(2 / (inputs + outputs)).
    XavierNormal,
    /// Uniform in ±gain·√(3 / inputs); He et al. 2015.
    HeUniform,
    /// Normal with standard deviation gain / √inputs.
    HeNormal,
}

const NAMES: [&str; 6] = ["zeros", "normal", "xavier_uniform", "xavier_normal", "he_uniform", "he_normal"];

impl Init {
    /// What a layer uses when nothing is said: He (uniform) before the ReLU family, Xavier (uniform) elsewhere.
    pub fn default_before(following: Option<Activation>) -> Self {
        match following {
            Some(Activation::Relu | Activation::LeakyRelu { .. }) => Self::HeUniform,
            _ => Self::XavierUniform,
        }
    }

    fn normal(term: &Term<'_>) -> Result<Self> {
        let place = "initialisation `normal`";
        let options = term.named("initialisation", &["std"])?;
        let std: f32 = number(place, "std", required(&options, place, "std", "normal(0.02)")?, "a number")?;
        let init = Self::Normal { std };
        init.check().map(|()| init)
    }

    /// Checks the values.
    ///
    /// # Errors
    /// A standard deviation that is negative or not finite.
    pub fn check(self) -> Result<()> {
        match self {
            Self::Normal { std } if !(std.is_finite() && std >= 0.0) => {
                Err(Error::value("initialisation `normal`", "std", std, "finite and at least 0"))
            }
            _ => Ok(()),
        }
    }

    /// A weight matrix [outputs, inputs], row-major; `index` is the layer's number.
    ///
    /// # Errors
    /// Too little memory.
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
        let term = Term::parse("initialisation", text)?;
        let plain = |init| term.named("initialisation", &[]).map(|_| init);
        match term.name {
            "zeros" => plain(Self::Zeros),
            "normal" => Self::normal(&term),
            "xavier_uniform" => plain(Self::XavierUniform),
            "xavier_normal" => plain(Self::XavierNormal),
            "he_uniform" => plain(Self::HeUniform),
            "he_normal" => plain(Self::HeNormal),
            name => Err(Error::unknown("initialisation", name, &NAMES)),
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
