//! Initialization of parameters.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, collected};
use crate::network::Activation;
use crate::rng::{Philox, Stream};
use crate::text::{Term, number, option, required, term};

/// Initial distribution of a layer's weights; biases start at zero.
///
/// Its text form is `zeros`, `constant(0.1)`, `normal(0.02)`, `truncated_normal(0.02)`, `xavier_uniform`,
/// `xavier_normal`, `he_uniform`, `he_normal`, `lecun_uniform`, `lecun_normal`, `orthogonal` or `sparse(0.9,
/// std=0.01)`. Names and formulas are those of PyTorch's `torch.nn.init` (He is `kaiming_…` there, with mode `fan_in`).
/// The gain is that of the activation after the layer; see [`Activation::gain`]. Layers between the two, such as
/// dropout, are skipped. A dense layer that ends a residual block starts at zeros; see
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
    /// All weights are `value`.
    Constant {
        /// Value of each weight.
        value: f32,
    },
    /// Normal distribution with mean 0 and standard deviation `std`.
    Normal {
        /// Standard deviation.
        std: f32,
    },
    /// Normal distribution with mean 0 and standard deviation `std`. Draws beyond ±2·`std` are repeated.
    TruncatedNormal {
        /// Standard deviation before truncation.
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
    /// Uniform in ±√(3 / inputs); LeCun et al. 1998.
    LecunUniform,
    /// Normal with standard deviation 1 / √inputs; LeCun et al. 1998.
    LecunNormal,
    /// Random matrix with orthogonal rows, or orthogonal columns if there are fewer columns than rows; each has the
    /// gain as its norm. Saxe et al. 2014. The time grows with inputs · outputs · the smaller of the two.
    Orthogonal,
    /// Normal distribution with mean 0, in which a fraction of the weights of each input, rounded up to whole weights,
    /// is zero; Martens 2010.
    Sparse {
        /// Fraction of weights that are zero, from 0 to 1.
        sparsity: f32,
        /// Standard deviation of the weights that are not zero; default 0.01 in the text form.
        std: f32,
    },
}

/// Initialization that [`Init::from_str`](FromStr::from_str) accepts.
struct Kind {
    name: &'static str,
    /// Names of the parameters, with the default if there is one.
    parameters: &'static [(&'static str, Option<f32>)],
    example: &'static str,
    formula: &'static str,
    make: fn(&[f32]) -> Init,
}

const STD: (&str, Option<f32>) = ("std", None);

/// All initializations.
const KINDS: [Kind; 12] = [
    kind("zeros", &[], "zeros", "0", |_| Init::Zeros),
    kind("constant", &[("value", None)], "constant(value=0.1)", "value", |p| Init::Constant { value: p[0] }),
    kind("normal", &[STD], "normal(std=0.02)", "normal with standard deviation std", |p| Init::Normal { std: p[0] }),
    kind("truncated_normal", &[STD], "truncated_normal(std=0.02)", "normal with std, cut off at ±2·std", |p| {
        Init::TruncatedNormal { std: p[0] }
    }),
    kind("xavier_uniform", &[], "xavier_uniform", "uniform in ±gain·√(6 / (inputs + outputs))", |_| {
        Init::XavierUniform
    }),
    kind("xavier_normal", &[], "xavier_normal", "normal with std gain·√(2 / (inputs + outputs))", |_| {
        Init::XavierNormal
    }),
    kind("he_uniform", &[], "he_uniform", "uniform in ±gain·√(3 / inputs)", |_| Init::HeUniform),
    kind("he_normal", &[], "he_normal", "normal with std gain / √inputs", |_| Init::HeNormal),
    kind("lecun_uniform", &[], "lecun_uniform", "uniform in ±√(3 / inputs)", |_| Init::LecunUniform),
    kind("lecun_normal", &[], "lecun_normal", "normal with std 1 / √inputs", |_| Init::LecunNormal),
    kind("orthogonal", &[], "orthogonal", "W·Wᵀ or Wᵀ·W = gain²·I", |_| Init::Orthogonal),
    kind(
        "sparse",
        &[("sparsity", None), ("std", Some(0.01))],
        "sparse(sparsity=0.9, std=0.01)",
        "normal; per input, a fraction sparsity is 0",
        |p| Init::Sparse { sparsity: p[0], std: p[1] },
    ),
];

const fn kind(
    name: &'static str,
    parameters: &'static [(&'static str, Option<f32>)],
    example: &'static str,
    formula: &'static str,
    make: fn(&[f32]) -> Init,
) -> Kind {
    Kind { name, parameters, example, formula, make }
}

impl Kind {
    fn parse(&self, term: &Term<'_>) -> Result<Init> {
        let place = format!("initialization `{}`", self.name);
        let names: Vec<&str> = self.parameters.iter().map(|(name, _)| *name).collect();
        let options = term.named("initialization", &names)?;
        let value = |(name, default): &(&str, Option<f32>)| match (option(&options, name), default) {
            (None, Some(default)) => Ok(*default),
            _ => number(&place, name, required(&options, &place, name, self.example)?, "a number"),
        };
        let values = self.parameters.iter().map(value).collect::<Result<Vec<f32>>>()?;
        let init = (self.make)(&values);
        init.check().map(|()| init)
    }
}

impl Init {
    /// Names of all initializations.
    pub const NAMES: [&str; KINDS.len()] = {
        let mut names = [""; KINDS.len()];
        let mut at = 0;
        while at < names.len() {
            names[at] = KINDS[at].name;
            at += 1;
        }
        names
    };

    /// Returns the example text and the formula of each initialization, for `wgrad list`.
    #[doc(hidden)]
    pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
        KINDS.iter().map(|kind| (kind.example, kind.formula))
    }

    /// Returns the default initialization of weights before an activation: [`Init::HeUniform`] before ReLU and
    /// functions like it (leaky_relu, relu6, elu, celu, gelu, gelu_tanh, silu, hard_swish, mish), else
    /// [`Init::XavierUniform`].
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

    /// Returns the name and the values of the parameters, as in the text form.
    fn parts(self) -> (&'static str, Vec<f32>) {
        match self {
            Self::Zeros => ("zeros", vec![]),
            Self::Constant { value } => ("constant", vec![value]),
            Self::Normal { std } => ("normal", vec![std]),
            Self::TruncatedNormal { std } => ("truncated_normal", vec![std]),
            Self::XavierUniform => ("xavier_uniform", vec![]),
            Self::XavierNormal => ("xavier_normal", vec![]),
            Self::HeUniform => ("he_uniform", vec![]),
            Self::HeNormal => ("he_normal", vec![]),
            Self::LecunUniform => ("lecun_uniform", vec![]),
            Self::LecunNormal => ("lecun_normal", vec![]),
            Self::Orthogonal => ("orthogonal", vec![]),
            Self::Sparse { sparsity, std } => ("sparse", vec![sparsity, std]),
        }
    }

    /// Checks that the parameters are in range.
    ///
    /// # Errors
    /// A value that is not finite, a negative standard deviation, or a sparsity that is not from 0 to 1.
    ///
    /// # Examples
    /// ```
    /// assert!(wgrad::Init::Normal { std: -1.0 }.check().is_err());
    /// ```
    pub fn check(self) -> Result<()> {
        let place = format!("initialization `{}`", self.parts().0);
        let finite = |name: &str, value: f32, least: f32, wanted: &str| {
            let holds = value.is_finite() && value >= least;
            if holds { Ok(()) } else { Err(Error::value(place.clone(), name, value, wanted)) }
        };
        match self {
            Self::Constant { value } => finite("value", value, f32::MIN, "finite"),
            Self::Normal { std } | Self::TruncatedNormal { std } => finite("std", std, 0.0, "finite and at least 0"),
            Self::Sparse { sparsity, .. } if !(0.0..=1.0).contains(&sparsity) => {
                Err(Error::value(place, "sparsity", sparsity, "at least 0 and at most 1"))
            }
            Self::Sparse { std, .. } => finite("std", std, 0.0, "finite and at least 0"),
            Self::Zeros
            | Self::XavierUniform
            | Self::XavierNormal
            | Self::HeUniform
            | Self::HeNormal
            | Self::LecunUniform
            | Self::LecunNormal
            | Self::Orthogonal => Ok(()),
        }
    }

    /// Draws a weight matrix of shape [outputs, inputs], row-major. `following` is the activation after the layer, and
    /// `index` the layer's index in the network. The same seed and index give the same weights.
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
            Self::Constant { value } => value,
            Self::Normal { std } | Self::Sparse { std, .. } => normal(f64::from(std)),
            Self::TruncatedNormal { std } => loop {
                let value = normal(1.0);
                if value.abs() <= 2.0 {
                    break value * std;
                }
            },
            Self::XavierUniform => uniform(gain * (6.0 / fans).sqrt()),
            Self::XavierNormal => normal(gain * (2.0 / fans).sqrt()),
            Self::HeUniform => uniform(gain * (3.0 / fan_in).sqrt()),
            Self::HeNormal => normal(gain / fan_in.sqrt()),
            Self::LecunUniform => uniform((3.0 / fan_in).sqrt()),
            Self::LecunNormal => normal(1.0 / fan_in.sqrt()),
            Self::Orthogonal => normal(1.0),
        };
        let (place, count) = (format!("parameters of layer {index}"), inputs.saturating_mul(outputs));
        let mut weights = collected(&place, count, (0..count).map(|_| draw()))?;
        match self {
            Self::Orthogonal => orthogonalize(&mut weights, inputs, gain, &place)?,
            Self::Sparse { sparsity, .. } => {
                let zeros = (f64::from(sparsity) * outputs as f64).ceil() as usize;
                let mut order = collected(&place, outputs, 0..outputs)?;
                for input in 0..inputs {
                    random.shuffle(&mut order);
                    order[..zeros].iter().for_each(|output| weights[output * inputs + input] = 0.0);
                }
            }
            _ => {}
        }
        Ok(weights)
    }
}

/// Makes the rows of a matrix, or its columns if there are fewer, orthogonal with the length `gain`. Each vector goes
/// through Gram–Schmidt twice in f64, so that rounding errors do not grow with the number of vectors.
fn orthogonalize(weights: &mut [f32], inputs: usize, gain: f64, place: &str) -> Result<()> {
    let outputs = weights.len() / inputs.max(1);
    let (count, length) = (outputs.min(inputs), outputs.max(inputs));
    // Index in `weights` of element `i` of `vector`.
    let at = |vector: usize, i: usize| if outputs <= inputs { vector * inputs + i } else { i * inputs + vector };
    let numbers = (0..count * length).map(|n| f64::from(weights[at(n / length, n % length)]));
    let mut vectors = collected(place, count * length, numbers)?;
    for number in 0..count {
        let (before, rest) = vectors.split_at_mut(number * length);
        let own = &mut rest[..length];
        for _ in 0..2 {
            for other in before.chunks_exact(length) {
                let along = dot(own, other);
                own.iter_mut().zip(other).for_each(|(own, other)| *own -= along * other);
            }
            let scale = 1.0 / dot(own, own).sqrt();
            own.iter_mut().for_each(|own| *own *= scale);
        }
        own.iter().enumerate().for_each(|(i, value)| weights[at(number, i)] = (gain * value) as f32);
    }
    Ok(())
}

/// Returns the dot product, computed in eight partial sums.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a, b) = (a.chunks(8), b.chunks(8));
    for (a, b) in a.zip(b) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    sums.iter().sum()
}

impl fmt::Display for Init {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, values) = self.parts();
        f.write_str(&term(name, &values.iter().map(f32::to_string).collect::<Vec<_>>()))
    }
}

impl FromStr for Init {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let term = Term::parse("initialization", text)?;
        match KINDS.iter().find(|kind| kind.name == term.name) {
            Some(kind) => kind.parse(&term),
            None => Err(Error::unknown("initialization", term.name, &Self::NAMES)),
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
