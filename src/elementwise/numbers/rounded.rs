//! Numbers with rounding errors. They bound how far a device's result may differ from that of the reference
//! implementation.
//!
//! Running error analysis with intervals (Higham, *Accuracy and Stability of Numerical Algorithms*, §3.3 and §26.4):
//! each operation maps the interval of its operands, and widens it by its own error. Accuracies of operations are those
//! of WGSL (§15.7.4). Accuracies of functions are those of `shaders/shared/functions.wgsl`. Both include the error of
//! the reference. Errors are counted in units of the roundoff: 1 ULP is 2 units.

use super::{RowNumber, operator};
use crate::numeric::{EXPONENTIAL_ERROR, LOG_1P_ERROR, Sum, UNIT_ROUNDOFF, erf_f64};

/// Number that the reference computes, and the interval in which the device's number lies.
#[derive(Clone, Copy, Debug)]
pub struct Rounded {
    /// Number that the reference computes.
    pub value: f64,
    low: f64,
    high: f64,
}

/// Number type of this module.
pub type Number = Rounded;

/// Largest error of a division, in units of the roundoff: 2.5 ULP of WGSL and half an ULP of the reference.
const DIVISION: f64 = 6.0;

impl Rounded {
    /// Creates a number that is the same on the device and in the reference.
    pub fn exact(value: f64) -> Self {
        Self::new(value, 0.0)
    }

    /// Creates an operand that is the same on the device and in the reference. A device may flush a subnormal operand
    /// to 0.
    pub fn exact_f32(value: f32) -> Self {
        let exact = Self::exact(value.into());
        match value.is_subnormal() {
            true => Self { low: exact.low.min(0.0), high: exact.high.max(0.0), ..exact },
            false => exact,
        }
    }

    /// Creates a number from which the device's number differs by at most `error`.
    pub fn new(value: f64, error: f64) -> Self {
        Self { value, low: value - error, high: value + error }
    }

    /// Creates a sum with its tolerance.
    pub fn sum(sum: &Sum) -> Self {
        Self::new(sum.value, sum.tolerance())
    }

    /// Returns the largest difference between device and reference.
    pub fn error(self) -> f64 {
        (self.high - self.value).max(self.value - self.low)
    }

    /// Returns `true` if device and reference have the same number.
    fn is_exact(self) -> bool {
        self.low == self.high
    }

    /// Returns `true` if a product with this number is exact.
    fn keeps(self) -> bool {
        self.is_exact() && (self.value == 0.0 || self.value.abs() == 1.0)
    }

    /// Widens the interval by `units` units of the roundoff, relative to its larger end. A result below the normal
    /// range is rounded to a multiple of the smallest number. Device or reference may also flush it to 0 (WGSL
    /// §15.7.2).
    fn widened(self, units: f64) -> Self {
        let rounding = units * UNIT_ROUNDOFF * self.low.abs().max(self.high.abs());
        if rounding == 0.0 && self.is_exact() {
            return self;
        }
        let (least, smallest) = (f64::from(f32::MIN_POSITIVE), f64::from(f32::from_bits(1)));
        let (low, high) = (self.low - rounding, self.high + rounding);
        if low >= least || high <= -least {
            return Self { low, high, ..self };
        }
        // If one side flushes its number to 0, the other may keep it, with its error. Only subnormal numbers are
        // flushed.
        let more = rounding + smallest + self.error().min(least);
        Self { low: self.low.min(0.0) - more, high: self.high.max(0.0) + more, ..self }
    }

    /// Maps all pairs of ends by an operation that is monotone in each operand.
    fn combined(self, other: Self, operation: impl Fn(f64, f64) -> f64) -> Self {
        let ends = [(self.low, other.low), (self.low, other.high), (self.high, other.low), (self.high, other.high)];
        let ends = ends.map(|(a, b)| operation(a, b));
        let [low, high] =
            [f64::min, f64::max].map(|choose: fn(f64, f64) -> f64| ends.into_iter().fold(ends[0], choose));
        Self { value: operation(self.value, other.value), low, high }
    }

    /// Maps both ends by a function that never decreases.
    fn mapped(self, function: impl Fn(f64) -> f64) -> Self {
        Self { value: function(self.value), low: function(self.low), high: function(self.high) }
    }
}

/// A device computes maxima without rounding. In any order, it rounds each term of a sum of n at most n − 1 times. The
/// reference sums in f64 and rounds once.
impl RowNumber for Rounded {
    fn whole(number: usize) -> Self {
        Self::exact(number as f64)
    }

    fn largest(numbers: impl Iterator<Item = Self>) -> Self {
        let larger = |a: f64, b: f64| if b <= a { a } else { b };
        let start = Self::exact(f64::NEG_INFINITY);
        numbers.fold(start, |most, number| Self {
            value: larger(most.value, number.value),
            low: larger(most.low, number.low),
            high: larger(most.high, number.high),
        })
    }

    fn sum(numbers: impl Iterator<Item = Self>) -> Self {
        let (mut sum, mut size, mut count) = (Self::exact(0.0), 0.0, 0.0);
        for Self { value, low, high } in numbers {
            sum = Self { value: sum.value + value, low: sum.low + low, high: sum.high + high };
            size += low.abs().max(high.abs());
            count += 1.0;
        }
        let rounding = count * UNIT_ROUNDOFF * size;
        Self { low: sum.low - rounding, high: sum.high + rounding, ..sum }
    }
}

/// Converts a constant, which device and reference may round to f32.
impl From<f64> for Rounded {
    fn from(value: f64) -> Self {
        Self::new(value, (value - f64::from(value as f32)).abs())
    }
}

/// Adds two numbers. Device and reference round the sum once each, unless a term is an exact 0.
fn add(a: Rounded, b: Rounded) -> Rounded {
    let exact = [a, b].iter().any(|term| term.value == 0.0 && term.is_exact());
    let sum = Rounded { value: a.value + b.value, low: a.low + b.low, high: a.high + b.high };
    sum.widened(if exact { 0.0 } else { 2.0 })
}

operator!(Rounded, Add, add, |a, b| add(a, b));
operator!(Rounded, Sub, sub, |a, b| add(a, -b));
operator!(Rounded, Mul, mul, |a, b| {
    a.combined(b, |a, b| a * b).widened(if a.keeps() || b.keeps() { 0.0 } else { 2.0 })
});
operator!(Rounded, Div, div, |a, b| {
    if b.low <= 0.0 && b.high >= 0.0 {
        return Rounded::new(a.value / b.value, f64::INFINITY);
    }
    a.combined(b, |a, b| a / b).widened(if a.value == 0.0 && a.is_exact() { 0.0 } else { DIVISION })
});

impl std::ops::Neg for Rounded {
    type Output = Self;

    fn neg(self) -> Self {
        Self { value: -self.value, low: -self.high, high: -self.low }
    }
}

/// Returns |x|.
pub fn abs(x: Rounded) -> Rounded {
    let (low, high) = (x.low.abs().min(x.high.abs()), x.low.abs().max(x.high.abs()));
    Rounded { value: x.value.abs(), low: if x.low < 0.0 && x.high > 0.0 { 0.0 } else { low }, high }
}

/// Returns `b` if x ≤ 0, else `a`. If the sign of x depends on rounding, a device may return either.
pub fn above(x: impl Into<Rounded>, a: impl Into<Rounded>, b: impl Into<Rounded>) -> Rounded {
    let (x, a, b) = (x.into(), a.into(), b.into());
    let chosen = if x.value <= 0.0 { b } else { a };
    if x.is_exact() || x.low > 0.0 || x.high <= 0.0 {
        return chosen;
    }
    Rounded { value: chosen.value, low: a.low.min(b.low), high: a.high.max(b.high) }
}

/// Returns cos(2π·t), whose slope is at most 2π. The device computes s·p(s²) with s = 1/4 − |t − round(t)|. Only an s
/// above 1/8 is rounded, by at most one unit. p = 6.28 + s²·q is at least 4. In units relative to p, s²·q has 2.4, the
/// rounded 6.28 has 0.8, and their sum one. The product with s has one more, so 6.2 in all. The reference is within
/// one.
pub fn cosine_of_turns(t: Rounded) -> Rounded {
    let value = crate::numeric::cosine_of_turns_f64(t.value);
    let moved = std::f64::consts::TAU * t.error();
    Rounded { value, low: (value - moved).max(-1.0), high: (value + moved).min(1.0) }.widened(8.0)
}

/// Returns eˣ. Bodies call it only with x ≤ 0, so an interval that reaches beyond 0 is cut there.
pub fn exponential(x: impl Into<Rounded>) -> Rounded {
    x.into().mapped(|x| if x > 0.0 { 1.0 } else { x.exp() }).widened(EXPONENTIAL_ERROR / UNIT_ROUNDOFF)
}

/// Returns 1/√x, for x > 0. WGSL's `sqrt` is as accurate as 1 / `inverseSqrt`: 2 ULP and 2.5 ULP. The division has 2.5
/// ULP more, which gives 14 units. The reference has 2.
pub fn inverse_root(x: Rounded) -> Rounded {
    let root = |x: f64| if x > 0.0 { 1.0 / x.sqrt() } else { f64::INFINITY };
    Rounded { value: root(x.value), low: root(x.high), high: root(x.low) }.widened(16.0)
}

/// Returns ln(1 + x), for x ≥ 0.
pub fn log_1p(x: impl Into<Rounded>) -> Rounded {
    x.into().mapped(f64::ln_1p).widened(LOG_1P_ERROR / UNIT_ROUNDOFF)
}

/// Returns x, or 0 if |x| is below the smallest normal number. The added unit is the rounding error of the reference,
/// which is lost if an end becomes 0.
pub fn normal(x: Rounded) -> Rounded {
    x.mapped(|x| if x.abs() < f64::from(f32::MIN_POSITIVE) { 0.0 } else { x }).widened(1.0)
}

/// Returns √x. An interval that reaches below 0 is cut there. WGSL computes 1 / inverseSqrt(x), with 2 and 2.5 ULP, so
/// 9 units. The reference is within one unit.
pub fn sqrt(x: Rounded) -> Rounded {
    x.mapped(|x| x.max(0.0).sqrt()).widened(10.0)
}

/// Returns tanh x. Near 0, WGSL's `tanh_of` is x + x³·p(x²) with |x²·p| ≤ 0.12: one unit from the last sum, half a unit
/// from the rest, one from p. Elsewhere it is (1 − e)/(1 + e) with e ≤ 0.29 known to 4 units: 2.6 units for 1 − e, 1.9
/// for 1 + e, 5 for the quotient. The reference is within 4 units, so the two differ by at most 16.
pub fn tanh_of(x: impl Into<Rounded>) -> Rounded {
    x.into().mapped(f64::tanh).widened(16.0)
}

/// Returns erf x. Near 0, `erf` is x + x·p(x²) with |p| ≤ 0.13, at most 3 units. Elsewhere it is 1 − e^−q with e^−q ≤
/// 0.19: q has at most 12 units relative to |q|, of which q·e^−q ≤ 0.32 reach the result, the exponential 4 and the
/// difference one, 7 units in all relative to 0.8. The reference is within one unit.
pub fn erf(x: impl Into<Rounded>) -> Rounded {
    x.into().mapped(erf_f64).widened(8.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elementwise::{Function, Side};

    /// Except at jumps, no function or derivative has a slope above 1.3, so no device can be further off than 1.3 times
    /// the error of x. The bounds are larger, since intervals ignore that terms depend on each other. The bound of
    /// gelu_tanh's derivative is the largest.
    #[test]
    fn large_errors_stay_in_proportion() {
        for function in Function::ALL {
            let parameters = [1.0, 0.0];
            for (x, error) in [(0.3, 0.5), (5.0, 2.0), (-4.0, 1.0), (1e6, 800.0), (-1e10, 0.0), (3e38, 0.0)] {
                let jump = if ["step", "hard_shrink", "threshold"].contains(&function.name) { 1.0 } else { 0.0 };
                let x_rounded = Rounded::new(x, error);
                let y = function.rounded[0](x_rounded, parameters.map(Rounded::exact));
                let argument = if function.derivative_from == Side::Input { x_rounded } else { y };
                let derivative = function.rounded[1](argument, parameters.map(Rounded::exact));
                for (which, found) in [y.error(), derivative.error()].into_iter().enumerate() {
                    let most = 60.0 * error + 1e-5 * x.abs() + jump + f64::from(which as u8) * 12.0;
                    assert!(found <= most, "{}, {which}, {x} ± {error}: {found} above {most}", function.name);
                }
            }
        }
    }

    /// A device may flush the operand, which a small divisor would have made large, or the result.
    #[test]
    fn numbers_below_the_normal_range_may_be_flushed() {
        let x = Rounded::exact_f32(1e-39);
        assert!((x / 1e-10).error() >= 1e-29 && (x * 0.5).error() > 5e-40);
        assert_eq!(normal(x * 0.5).error(), 0.0);
        // 4e-39 ± 1 % is flushed to 0 on one side, and may be 4.04e-39 on the other.
        assert!((Rounded::new(4e-2, 4e-4) * 1e-37).error() >= 4.04e-39);
    }

    #[test]
    fn either_branch_may_be_taken_where_rounding_decides() {
        // 0.51 ± 0.1 is 0.56 on one side, and below 0.5, so 0, on the other.
        let x = Rounded::new(0.51, 0.1);
        assert!(above(x - 0.5, x, 0.0).error() >= 0.51);
        assert_eq!(above(Rounded::exact(0.5), 2.0, 3.0).error(), 0.0);
    }
}
