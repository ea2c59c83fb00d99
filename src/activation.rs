//! Activation functions; `src/elementwise/activations.rs` declares them.

use std::fmt;

use crate::elementwise::numbers::Rounded;
use crate::elementwise::{Declared, Function, Side};
use crate::error::Result;
use crate::text::Term;

/// Activation function, applied to each element. Each function has a constructor, such as [`Activation::relu`]. Its
/// `Display` text has the syntax of [`Network::parse`](crate::Network::parse).
///
/// # Examples
/// ```
/// use wgrad::{Activation, Layer};
/// assert_eq!("leaky_relu".parse::<Layer>()?, Layer::Activation(Activation::leaky_relu(0.01)));
/// assert_eq!(Activation::leaky_relu(0.2).to_string(), "leaky_relu(0.2)");
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq)]
pub struct Activation(Declared<Function, 2>);

impl Activation {
    /// Creates the function with index `number` in [`Function::ALL`]. Keeps both `parameters` as they are.
    pub(crate) const fn exactly(number: u32, parameters: [f32; 2]) -> Self {
        Self(Declared::exactly(number, parameters))
    }

    /// Creates the function with index `number` in [`Function::ALL`]. Parameters that it does not have become 0.
    ///
    /// # Panics
    /// If `number` is not an index of [`Function::ALL`].
    #[doc(hidden)]
    pub fn new(number: u32, parameters: [f32; 2]) -> Self {
        Self(Declared::new(number, parameters))
    }

    /// Returns all functions, with the default of every parameter.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Activation;
    /// assert!(Activation::all().any(|activation| activation == Activation::leaky_relu(0.01)));
    /// ```
    pub fn all() -> impl Iterator<Item = Self> {
        Declared::all().map(Self)
    }

    /// Returns the index of the function in [`Function::ALL`]. Kernels identify the function by this number.
    #[doc(hidden)]
    pub fn number(self) -> u32 {
        self.0.number()
    }

    /// Returns the values of both parameters; 0 for a parameter that the function does not have.
    #[doc(hidden)]
    pub fn parameters(self) -> [f32; 2] {
        self.0.values()
    }

    /// Returns f(x), computed in f32.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(wgrad::Activation::relu().apply(-2.0), 0.0);
    /// ```
    pub fn apply(self, x: f32) -> f32 {
        self.function().apply(x, self.parameters())
    }

    /// Returns f′(x), computed in f32. Where f has a kink, it is the derivative that the backward pass uses.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(wgrad::Activation::sigmoid().derivative_at(0.0), 0.25);
    /// ```
    pub fn derivative_at(self, x: f32) -> f32 {
        self.derivative(if self.keeps_input() { x } else { self.apply(x) })
    }

    /// Returns f′, computed in f32. `argument` is the input or the output of f; see [`Self::keeps_input`].
    #[doc(hidden)]
    pub fn derivative(self, argument: f32) -> f32 {
        self.function().derivative(argument, self.parameters())
    }

    /// Replaces each value x by f(x). Vectorized, for fast CPU kernels.
    #[doc(hidden)]
    pub fn apply_all(self, values: &mut [f32]) {
        self.function().apply_all(values, self.parameters());
    }

    /// Multiplies `gradients[i]` by f′(`arguments[i]`·`factor`) for each i. Vectorized, for fast CPU kernels.
    #[doc(hidden)]
    pub fn times_derivative(self, arguments: &[f32], factor: f32, gradients: &mut [f32]) {
        self.function().times_derivative(arguments, factor, self.parameters(), gradients);
    }

    /// Returns f(x) with its rounding error.
    #[doc(hidden)]
    pub fn rounded(self, x: Rounded) -> Rounded {
        self.function().rounded(x, self.parameters())
    }

    /// Returns f′ with its rounding error. `argument` is the input or the output of f; see [`Self::keeps_input`].
    #[doc(hidden)]
    pub fn rounded_derivative(self, argument: Rounded) -> Rounded {
        self.function().rounded_derivative(argument, self.parameters())
    }

    /// Returns the declaration of the function.
    #[doc(hidden)]
    pub fn function(self) -> &'static Function {
        self.0.declaration()
    }

    /// Returns `true` if the derivative is computed from the input, not from the output.
    #[doc(hidden)]
    pub fn keeps_input(self) -> bool {
        self.function().derivative_from == Side::Input
    }

    /// Returns the name, as in the text of a network.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(wgrad::Activation::leaky_relu(0.2).name(), "leaky_relu");
    /// ```
    pub fn name(self) -> &'static str {
        self.function().name
    }

    /// Returns the name with all parameters.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(wgrad::Activation::leaky_relu(0.2).signature(), "leaky_relu(slope=0.2)");
    /// ```
    pub fn signature(self) -> String {
        self.0.signature()
    }

    /// Returns the formula as readable text: x is an input.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(wgrad::Activation::relu().formula(), "max(x, 0)");
    /// ```
    pub fn formula(self) -> &'static str {
        self.function().formula
    }

    /// Returns the gain with which [`Init`](crate::Init) preserves the variance of a signal. The gain is that of
    /// PyTorch's `torch.nn.init.calculate_gain`. For a function that PyTorch does not list, it is √2 if the function
    /// resembles ReLU, else 1.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Activation;
    /// assert_eq!((Activation::tanh().gain(), Activation::relu().gain()), (5.0 / 3.0, 2f64.sqrt()));
    /// ```
    pub fn gain(self) -> f64 {
        (self.function().gain)(self.parameters().map(f64::from))
    }

    /// Parses a term, such as `leaky_relu(0.2)`. Returns `None` if no function has the term's name.
    pub(crate) fn from_term(term: &Term<'_>, place: &str) -> Option<Result<Self>> {
        Declared::from_term(term, place).map(|declared| declared.map(Self))
    }

    /// Checks that the parameters are in their declared ranges. `place` is the location that an error names.
    pub(crate) fn check(self, place: &str) -> Result<()> {
        self.0.check(place)
    }
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match (self.function().parameters.len(), self.parameters()) {
            (0, _) => Ok(()),
            (1, [first, _]) => write!(f, "({first})"),
            (_, [first, second]) => write!(f, "({first}, {second})"),
        }
    }
}

impl fmt::Debug for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Activation({self})")
    }
}
