//! The tests' one comparator. It fails closed: a NaN on one side, or a bound that is not finite, is a difference.

use wgrad::plan::Bound;

/// What an oracle expects of a written view's live elements.
#[derive(Clone, Debug)]
pub enum Expected {
    /// Numbers, each within the kernel's bound.
    Numbers(Vec<f64>),
    /// Words, bit for bit.
    Words(Vec<u32>),
}

impl Expected {
    /// Number of live elements.
    pub fn elements(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Words(words) => words.len(),
        }
    }
}

/// Panics where a number is further from what is expected than its bound allows.
pub fn assert_close(place: &str, found: &[f64], expected: &[f64], bound: &Bound) {
    assert_eq!(found.len(), expected.len(), "{place}: another number of elements");
    for i in 0..found.len() {
        let allowed = match bound {
            Bound::Exact => 0.0,
            Bound::Each(bounds) => bounds[i],
        };
        assert!(
            is_close(found[i], expected[i], allowed),
            "{place}: element {i} is {}, expected {}, bound {allowed:e}",
            found[i],
            expected[i]
        );
    }
}

/// Whether a number lies within a bound of another. What the formula says is NaN must be NaN, what it says is infinite
/// must be that infinity.
pub fn is_close(found: f64, expected: f64, allowed: f64) -> bool {
    found == expected
        || (found.is_nan() && expected.is_nan())
        || (allowed.is_finite() && (found - expected).abs() <= allowed)
}
