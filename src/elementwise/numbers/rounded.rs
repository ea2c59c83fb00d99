//! Numbers with rounding errors: how far two correct computations in f32 may be apart.
//!
//! Running error analysis (Higham, *Accuracy and Stability of Numerical Algorithms*, §3.3): each operation adds its own error
//! to what its operands carry. Accuracies of operations are those of WGSL (§15.7.4), for both sides; those of functions are
//! those of `shaders/shared/functions.wgsl`.

use super::operator;
use crate::numeric::{EXPONENTIAL_ERROR, LOG_1P_ERROR, Sum, UNIT_ROUNDOFF, or_flushed};

/// A number, and the largest difference between two correct computations of it.
#[derive(Clone, Copy, Debug)]
pub struct Rounded {
    /// The number.
    pub value: f64,
    /// Largest difference.
    pub error: f64,
}

/// Kind of number.
pub type Number = Rounded;

/// Largest error of WGSL's division, in units of the roundoff, on both sides: 2.5 ULP, and a correctly rounded one.
const DIVISION: f64 = 6.0;

impl Rounded {
    /// Creates a number without error.
    pub fn exact(value: f64) -> Self {
        Self { value, error: 0.0 }
    }

    /// [`Rounded::exact`], of f32.
    pub fn exact_f32(value: f32) -> Self {
        Self::exact(value.into())
    }

    /// Creates a sum with its tolerance.
    pub fn sum(sum: &Sum) -> Self {
        Self { value: sum.value, error: sum.tolerance() }
    }

    /// Creates the result of an operation whose operands carry the error `carried`, and which adds `units` of its size.
    fn new(value: f64, carried: f64, units: f64) -> Self {
        Self { value, error: or_flushed(carried + units * UNIT_ROUNDOFF * (value.abs() + carried)) }
    }

    /// Returns `true` if multiplying by it rounds nothing.
    fn keeps(self) -> bool {
        self.error == 0.0 && (self.value == 0.0 || self.value.abs() == 1.0)
    }
}

/// A constant, which is rounded to f32.
impl From<f64> for Rounded {
    fn from(value: f64) -> Self {
        Self { value, error: (value - f64::from(value as f32)).abs() }
    }
}

/// Rounds a sum once on each side, unless a term is an exact 0.
fn add(a: Rounded, b: Rounded) -> Rounded {
    let exact = [a, b].iter().any(|term| term.value == 0.0 && term.error == 0.0);
    Rounded::new(a.value + b.value, a.error + b.error, if exact { 0.0 } else { 2.0 })
}

operator!(Rounded, Add, add, |a, b| add(a, b));
operator!(Rounded, Sub, sub, |a, b| add(a, -b));
operator!(Rounded, Mul, mul, |a, b| {
    let carried = a.value.abs() * b.error + b.value.abs() * a.error + a.error * b.error;
    Rounded::new(a.value * b.value, carried, if a.keeps() || b.keeps() { 0.0 } else { 2.0 })
});
operator!(Rounded, Div, div, |a, b| {
    let (value, least) = (a.value / b.value, b.value.abs() - b.error);
    let carried = if least > 0.0 { (a.error + value.abs() * b.error) / least } else { f64::INFINITY };
    let exact = a.value == 0.0 && a.error == 0.0;
    Rounded::new(value, carried, if exact { 0.0 } else { DIVISION })
});

impl std::ops::Neg for Rounded {
    type Output = Self;

    fn neg(self) -> Self {
        Self { value: -self.value, ..self }
    }
}

/// |x|
pub fn abs(x: Rounded) -> Rounded {
    Rounded { value: x.value.abs(), ..x }
}

/// b if x ≤ 0, else a. Where rounding decides on the sign of x, either is correct.
pub fn above(x: impl Into<Rounded>, a: impl Into<Rounded>, b: impl Into<Rounded>) -> Rounded {
    let (x, a, b) = (x.into(), a.into(), b.into());
    let (chosen, other) = if x.value <= 0.0 { (b, a) } else { (a, b) };
    if x.error == 0.0 || x.value.abs() > x.error {
        return chosen;
    }
    Rounded { error: chosen.error.max((other.value - chosen.value).abs() + other.error), ..chosen }
}

/// erf x. Near 0, `erf` is x + x·p(x²) with |p| ≤ 0.38, at most 3 units. Elsewhere it is 1 − e^−q with e^−q ≤ 0.19: q
/// has at most 12 units relative to |q|, of which q·e^−q ≤ 0.32 reach the result, the exponential 4 and the difference one, 6
/// units in all relative to 0.8. The reference is within one.
pub fn erf(x: impl Into<Rounded>) -> Rounded {
    let x = x.into();
    let nearest = (x.value.abs() - x.error).max(0.0);
    let steepest = std::f64::consts::FRAC_2_SQRT_PI * (-nearest * nearest).exp();
    Rounded::new(crate::numeric::erf_f64(x.value), (x.error * steepest).min(2.0), 8.0)
}

/// eˣ, for x up to 88. Results below the normal range may be 0 on one side.
pub fn exponential(x: impl Into<Rounded>) -> Rounded {
    let x = x.into();
    let value = x.value.exp();
    let carried = value * x.error.exp_m1();
    Rounded { value, error: or_flushed(carried + EXPONENTIAL_ERROR * (value + carried)) + f64::from(f32::MIN_POSITIVE) }
}

/// ln(1 + x), for x ≥ 0.
pub fn log_1p(x: impl Into<Rounded>) -> Rounded {
    let x = x.into();
    let value = x.value.ln_1p();
    // The derivative is at most 1.
    Rounded { value, error: or_flushed(x.error + LOG_1P_ERROR * (value + x.error)) }
}

/// √x. WGSL's accuracy is that of 1 / inverseSqrt(x).
pub fn sqrt(x: impl Into<Rounded>) -> Rounded {
    let x = x.into();
    let value = x.value.sqrt();
    let carried = if value > 0.0 { (x.error / value).min(x.error.sqrt()) } else { x.error.sqrt() };
    Rounded::new(value, carried, 2.0 * DIVISION)
}

/// tanh x. Near 0, WGSL's `tanh_of` is x + x³·p(x²) with |x²·p| ≤ 0.12: one unit from the last sum, half a unit from the rest,
/// one from p. Elsewhere it is (1 − e)/(1 + e) with e ≤ 0.29 known to 4 units: 2.6 units for 1 − e, 1.9 for 1 + e, 5 for the
/// quotient. The reference is within 4 units, so the two differ by at most 16.
pub fn tanh_of(x: impl Into<Rounded>) -> Rounded {
    let x = x.into();
    let steepest = (x.value.abs() - x.error).max(0.0).cosh().powi(-2);
    let carried = (x.error * steepest).min(2.0);
    let value = x.value.tanh();
    Rounded::new(value, carried, 16.0)
}
