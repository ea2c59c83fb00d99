//! Dual numbers: forward-mode automatic differentiation in f64.

use super::{RowNumber, operator};

/// A number and its derivative.
#[derive(Clone, Copy, Debug)]
pub struct Dual {
    /// Value of the number.
    pub value: f64,
    /// Derivative of the number.
    pub slope: f64,
}

/// Number type of this module.
pub type Number = Dual;

/// Converts a constant, whose derivative is 0.
impl From<f64> for Dual {
    fn from(value: f64) -> Self {
        Self { value, slope: 0.0 }
    }
}

impl Dual {
    /// Creates the number with respect to which the derivative is taken.
    pub fn variable(value: f64) -> Self {
        Self { value, slope: 1.0 }
    }

    /// Returns f(self) by the chain rule, from the value and the derivative of f.
    fn chain(self, value: f64, derivative: f64) -> Self {
        Self { value, slope: derivative * self.slope }
    }
}

operator!(Dual, Add, add, |a, b| Dual { value: a.value + b.value, slope: a.slope + b.slope });
operator!(Dual, Sub, sub, |a, b| Dual { value: a.value - b.value, slope: a.slope - b.slope });
operator!(Dual, Mul, mul, |a, b| Dual { value: a.value * b.value, slope: a.slope * b.value + a.value * b.slope });
operator!(Dual, Div, div, |a, b| {
    let value = a.value / b.value;
    Dual { value, slope: (a.slope - value * b.slope) / b.value }
});

impl std::ops::Neg for Dual {
    type Output = Self;

    fn neg(self) -> Self {
        Self { value: -self.value, slope: -self.slope }
    }
}

impl RowNumber for Dual {
    fn whole(number: usize) -> Self {
        (number as f64).into()
    }

    fn largest(numbers: impl Iterator<Item = Self>) -> Self {
        let start = Self::from(f64::NEG_INFINITY);
        numbers.fold(start, |most, number| if number.value <= most.value { most } else { number })
    }

    fn sum(numbers: impl Iterator<Item = Self>) -> Self {
        numbers.fold(0.0.into(), |sum, number| sum + number)
    }
}

/// Returns |x|.
pub fn abs(x: Dual) -> Dual {
    x.chain(x.value.abs(), x.value.signum())
}

/// Returns `b` if x ≤ 0, else `a`.
pub fn above(x: impl Into<Dual>, a: impl Into<Dual>, b: impl Into<Dual>) -> Dual {
    if x.into().value <= 0.0 { b.into() } else { a.into() }
}

/// Returns cos(2π·t).
pub fn cosine_of_turns(t: Dual) -> Dual {
    let cosine = crate::numeric::cosine_of_turns_f64;
    t.chain(cosine(t.value), -std::f64::consts::TAU * cosine(t.value - 0.25))
}

/// Returns erf x.
pub fn erf(x: impl Into<Dual>) -> Dual {
    let x = x.into();
    let derivative = std::f64::consts::FRAC_2_SQRT_PI * (-x.value * x.value).exp();
    x.chain(crate::numeric::erf_f64(x.value), derivative)
}

/// Returns eˣ.
pub fn exponential(x: impl Into<Dual>) -> Dual {
    let x = x.into();
    x.chain(x.value.exp(), x.value.exp())
}

/// Returns ln(1 + x).
pub fn log_1p(x: impl Into<Dual>) -> Dual {
    let x = x.into();
    x.chain(x.value.ln_1p(), 1.0 / (1.0 + x.value))
}

/// Returns tanh x.
pub fn tanh_of(x: impl Into<Dual>) -> Dual {
    let x = x.into();
    let tanh = x.value.tanh();
    x.chain(tanh, (1.0 - tanh) * (1.0 + tanh))
}

/// Returns x unchanged. Only updates of optimizers call `normal`, and they are not differentiated.
pub fn normal(x: Dual) -> Dual {
    x
}

/// Returns √x.
pub fn sqrt(x: Dual) -> Dual {
    let root = x.value.sqrt();
    x.chain(root, 0.5 / root)
}
