//! The tests' only comparator. It fails closed: a NaN on one side, or a tolerance that is not finite, is a difference.

use wgrad::plan::Tolerance;

/// Expected live elements of a written view.
#[derive(Clone, Debug)]
pub enum Expected {
    /// Numbers, each within the kernel's tolerance.
    Numbers(Vec<f64>),
    /// Words, equal bit for bit.
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

/// Panics if a number differs from the expected one by more than its tolerance.
pub fn assert_close(place: &str, found: &[f64], expected: &[f64], tolerance: &Tolerance) {
    assert_eq!(found.len(), expected.len(), "{place}: another number of elements");
    for i in 0..found.len() {
        let allowed = match tolerance {
            Tolerance::Exact => 0.0,
            Tolerance::Each(tolerances) => tolerances[i],
        };
        assert!(
            is_close(found[i], expected[i], allowed),
            "{place}: element {i} is {}, expected {}, tolerance {allowed:e}",
            found[i],
            expected[i]
        );
    }
}

/// Returns true if a number is within a tolerance of the expected one. An expected NaN must be NaN, and an expected infinity that
/// infinity.
pub fn is_close(found: f64, expected: f64, allowed: f64) -> bool {
    found == expected
        || (found.is_nan() && expected.is_nan())
        || (allowed.is_finite() && (found - expected).abs() <= allowed)
}
