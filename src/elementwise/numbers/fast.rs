//! f32 with branch-free exponentials, for loops that are vectorized.

pub use crate::numeric::tanh as tanh_of;
pub use crate::numeric::{cosine_of_turns, erf, exponential, log_1p};

/// Number type of this module.
pub type Number = f32;

/// Returns |x|.
#[inline(always)]
pub fn abs(x: Number) -> Number {
    x.abs()
}

/// Returns `b` if x ≤ 0, else `a`.
#[inline(always)]
pub fn above(x: Number, a: Number, b: Number) -> Number {
    if x <= 0.0 { b } else { a }
}

/// Returns x, or 0 if |x| is below the smallest normal number.
#[inline(always)]
pub fn normal(x: Number) -> Number {
    if x.abs() < f32::MIN_POSITIVE { 0.0 } else { x }
}

/// Returns √x.
#[inline(always)]
pub fn sqrt(x: Number) -> Number {
    x.sqrt()
}
