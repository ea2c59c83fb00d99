//! Element-wise functions and losses. Each is declared once, as one text. The macros `functions!` and `losses!`
//! generate every form of the function or loss from this text.
//!
//! A body of `let` statements, `+ - * /` and calls is valid Rust and valid WGSL. The Rust form is compiled for several
//! number types ([`numbers`]):
//!
//! | form | use |
//! |---|---|
//! | [`single`](numbers::single) | reference implementation in f32 |
//! | [`fast`](numbers::fast) | CPU kernels: vectorizable exponentials |
//! | [`double`](numbers::double) | f64, for tests |
//! | [`rounded`](numbers::rounded) | rounding tolerance, by running error analysis |
//! | [`dual`](numbers::dual) | derivative by automatic differentiation, for tests |
//! | WGSL | shaders |
//!
//! Reference and shader come from the same text, so lockstep detects errors of compilers, drivers and devices. Errors
//! in a formula are detected by dual numbers and by PyTorch's values, in tests.

mod activations;
mod declare;
mod declare_losses;
mod declare_row_losses;
mod declared;
mod loss_function;
mod losses;
mod noise;
pub mod noises;
pub mod numbers;
mod row_loss;
mod update;
pub mod updates;

use crate::error::{Error, Result};
pub use declared::{Declaration, Declared};
pub use loss_function::{ElementLoss, Formula, LossFunction, LossKernel, MOST_PARAMETERS, Meaning, Range};
pub use noise::{FastNoise, Noise, NoiseFormula};
use numbers::{Dual, Rounded};
pub use row_loss::{Row, RowFormula, RowLoss, Targets};
pub use update::{Element, MAX_SCALARS, MAX_SETTINGS, MAX_STATES, Shared, Update};

/// Declared function of one number, with up to two parameters.
#[derive(Debug)]
pub struct Function {
    /// Name in the text of networks.
    pub name: &'static str,
    /// Formula as readable text.
    pub formula: &'static str,
    /// Parameters, at most two.
    pub parameters: &'static [Parameter],
    /// Input or output of the function: the number from which the derivative is computed.
    pub derivative_from: Side,
    /// Gain for initialization, from the parameters; see [`Activation::gain`](crate::network::Activation::gain).
    pub gain: fn([f64; 2]) -> f64,
    /// `true` if the default initialization of a layer before the function is the same as before ReLU.
    pub rectifies: bool,
    /// Bodies of function and derivative, in WGSL.
    bodies: [&'static str; 2],
    /// Function and derivative in f32.
    single: [fn(f32, [f32; 2]) -> f32; 2],
    /// Replaces each number x by f(x). Vectorized. Arguments: numbers, parameters.
    fast: fn(&mut [f32], [f32; 2]),
    /// Multiplies each gradient by f′(argument·factor). Vectorized. Arguments: arguments, factor, parameters,
    /// gradients.
    fast_derivative: fn(&[f32], f32, [f32; 2], &mut [f32]),
    /// Function and derivative in f64.
    pub double: [fn(f64, [f64; 2]) -> f64; 2],
    /// Function and derivative, with rounding errors.
    rounded: [fn(Rounded, [Rounded; 2]) -> Rounded; 2],
    /// Function of a dual number.
    pub dual: fn(Dual, [Dual; 2]) -> Dual,
}

/// Parameter of a function.
#[derive(Debug)]
pub struct Parameter {
    /// Name in the text of a function, as in `huber(delta=2)`.
    pub name: &'static str,
    /// Default value; of a list, the first one.
    pub default: f32,
    /// Other default values of a list, at least one; empty for a single number.
    pub more: &'static [f32],
    /// Smallest allowed value.
    pub least: f32,
    /// Largest allowed value.
    pub most: f32,
}

impl Parameter {
    /// Checks that a value is finite and within its limits. `place` is the location that an error names.
    pub(crate) fn check(&self, place: &str, value: f32) -> Result<()> {
        let Self { name, least, most, .. } = *self;
        if value.is_finite() && (least..=most).contains(&value) {
            return Ok(());
        }
        let allowed = match (least == f32::MIN, most == f32::MAX) {
            (true, true) => "finite".into(),
            (false, true) => format!("finite and at least {least}"),
            (true, false) => format!("finite and at most {most}"),
            (false, false) => format!("from {least} to {most}"),
        };
        Err(Error::value(place, name, value, &allowed))
    }
}

/// Number from which a derivative is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The function's input, which is kept for the backward pass.
    Input,
    /// The function's output.
    Output,
}

impl Function {
    /// All functions. Kernels identify a function by its index in this list.
    pub const ALL: &[Self] = activations::ALL;

    /// Returns the WGSL functions `activate` and `derivative`, which choose among the functions with these indices in
    /// [`Self::ALL`].
    pub fn wgsl(numbers: &[u32]) -> String {
        let function = |side: usize, name: &str| {
            let cases: String = numbers
                .iter()
                .skip(1)
                .map(|number| {
                    let body = Self::ALL[*number as usize].body(side);
                    format!("        case {number}u: {{\n{body}        }}\n")
                })
                .collect();
            let first = numbers.first().map_or(String::new(), |number| Self::ALL[*number as usize].body(side));
            let body = match numbers.len() {
                0 | 1 => first,
                _ => format!("    switch function {{\n{cases}        default: {{\n{first}        }}\n    }}\n"),
            };
            format!("fn {name}(function: u32, parameters: vec2<f32>, argument: f32) -> f32 {{\n{body}}}\n")
        };
        function(0, "activate") + &function(1, "derivative")
    }

    /// Returns the WGSL statements of the function (`which` = 0) or its derivative (1), ending in `return`.
    fn body(&self, which: usize) -> String {
        let argument = if which == 1 && self.derivative_from == Side::Output { "y" } else { "x" };
        format!("            let {argument} = argument;\n")
            + &statements(self.parameters, self.bodies[which], "            ")
    }

    /// Returns f(x), computed in f32.
    pub fn apply(&self, x: f32, parameters: [f32; 2]) -> f32 {
        self.single[0](x, parameters)
    }

    /// Returns f′, computed in f32 from the number that [`derivative_from`](Self::derivative_from) names.
    pub fn derivative(&self, argument: f32, parameters: [f32; 2]) -> f32 {
        self.single[1](argument, parameters)
    }

    /// Replaces each value x by f(x). Vectorized.
    pub fn apply_all(&self, values: &mut [f32], parameters: [f32; 2]) {
        (self.fast)(values, parameters);
    }

    /// Multiplies each gradient by f′(argument·`factor`). Vectorized.
    pub fn times_derivative(&self, arguments: &[f32], factor: f32, parameters: [f32; 2], gradients: &mut [f32]) {
        (self.fast_derivative)(arguments, factor, parameters, gradients);
    }

    /// Returns f(x) with its rounding error.
    pub fn rounded(&self, x: Rounded, parameters: [f32; 2]) -> Rounded {
        self.rounded[0](x, parameters.map(Rounded::exact_f32))
    }

    /// Returns f′ with its rounding error.
    pub fn rounded_derivative(&self, argument: Rounded, parameters: [f32; 2]) -> Rounded {
        self.rounded[1](argument, parameters.map(Rounded::exact_f32))
    }
}

impl Declaration for Function {
    const ALL: &'static [Self] = Self::ALL;
    const KIND: &'static str = "activation";

    fn name(&self) -> &'static str {
        self.name
    }

    fn parameters(&self) -> &'static [Parameter] {
        self.parameters
    }
}

/// Returns the WGSL statements of a body, ending in `return`. They read parameters from the vector `parameters`.
fn statements(parameters: &[Parameter], body: &str, indent: &str) -> String {
    let names = parameters.iter().map(|parameter| parameter.name);
    statements_with(names.zip(["parameters.x", "parameters.y"]), body, indent)
}

/// Returns the WGSL statements of a body, ending in `return`. They begin with a `let` for each name and its value.
fn statements_with<'a>(names: impl Iterator<Item = (&'a str, &'a str)>, body: &str, indent: &str) -> String {
    let parameters = names.map(|(name, value)| format!("let {name} = {value};"));
    let (statements, result) = body.rsplit_once(';').unwrap_or(("", body));
    let statements = statements.split(';').filter(|s| !s.trim().is_empty()).map(|s| format!("{};", s.trim()));
    let lines = parameters.chain(statements).chain([format!("return {};", result.trim())]);
    lines.map(|line| format!("{indent}{line}\n")).collect()
}
