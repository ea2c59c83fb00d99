//! Rounding tolerances: bounds on the difference between two correct computations of the same number.

/// Largest relative error of one rounded f32 operation.
pub const UNIT_ROUNDOFF: f64 = (f32::EPSILON / 2.0) as f64;

/// Factor for the errors of device and reference together, if both have the same bound.
const BOTH_SIDES: f64 = 2.0;

/// Maximum number of rounded additions per term in a sum over rows, on any device, for up to 7·10⁷ rows. Such sums are
/// computed in blocks of fixed size. In `shaders/shared/blocks.wgsl`, a term takes part in sixteen additions at each of
/// four levels, in six of the reduction tree, and in a few more. In
/// [`matmul_over_rows`](crate::numeric::matmul_over_rows) it takes part in 65. From 65,536 numbers per invocation on
/// (1.7·10⁷ rows), the fourth level of `blocks.wgsl` has one more addition for every 4,096 numbers. A matmul on a GPU
/// may sum more rows in one part: [`depth`](crate::kernels::shared::tiles::depth).
pub const SUM_DEPTH: usize = 128;

/// Integers up to this value are exact in f32. So are their sums, if all partial sums stay below this value.
const WHOLE: f64 = (1 << 24) as f64;

/// Sum of products in f64, with the data that its rounding tolerance needs.
#[derive(Clone, Copy, Debug)]
pub struct Sum {
    /// Value of the sum. Its own rounding error is negligible.
    pub value: f64,
    magnitude: f64,
    terms: usize,
    whole: bool,
    /// `true` if the reference sums in f64.
    exact_reference: bool,
}

impl Default for Sum {
    fn default() -> Self {
        Self { value: 0.0, magnitude: 0.0, terms: 0, whole: true, exact_reference: false }
    }
}

impl Sum {
    /// Adds the product of two f32 numbers.
    pub fn add(&mut self, a: f32, b: f32) {
        let term = f64::from(a) * f64::from(b);
        self.value += term;
        self.magnitude += term.abs();
        self.terms += 1;
        self.whole &= a.fract() == 0.0 && b.fract() == 0.0;
    }

    /// Returns the same sum with the tolerance for a computation in blocks. The caller promises that a device rounds
    /// each term at most `depth` times, and that the reference sums in f64.
    pub fn in_blocks(self, depth: usize) -> Self {
        Self { terms: self.terms.min(depth), exact_reference: true, ..self }
    }

    /// Returns the largest difference between the reference and a device, whatever its order of summation. It is 0 if
    /// all terms are small integers, whose sums are exact.
    ///
    /// For any order, the error of a sum of n products in f32 is at most (n + 1)·u·Σ|terms| to first order (Higham,
    /// *Accuracy and Stability of Numerical Algorithms*, §3.1), and one more operation may follow. The reference has
    /// the same error as the device. For a sum [in blocks](Self::in_blocks), the reference sums in f64, and has only
    /// the error of its last two roundings.
    pub fn tolerance(&self) -> f64 {
        if self.whole && self.magnitude < WHOLE {
            return 0.0;
        }
        let device = (self.terms + 2) as f64;
        let reference = if self.exact_reference { 2.0 } else { device };
        // Results below the normal range may be flushed to zero.
        (device + reference) * UNIT_ROUNDOFF * self.magnitude + f64::from(f32::MIN_POSITIVE)
    }
}

/// Returns the tolerance, plus the smallest normal f32: a device may flush smaller results to zero (WGSL §15.7.2). A
/// tolerance of 0 stays 0, since it means that nothing is rounded.
pub fn or_flushed(tolerance: f64) -> f64 {
    if tolerance > 0.0 { tolerance + f64::from(f32::MIN_POSITIVE) } else { tolerance }
}

/// Largest relative error of eˣ on the device and in the reference together, 4 units of roundoff each. It holds for
/// `exponential` in `shaders/shared/functions.wgsl` and for `numeric::exponential` (tests measure 1 ULP). Computing the
/// reduced argument r = x − n·ln 2 adds 0.4 units: the multiplication by the rest of ln 2, the representation of this
/// rest, and the difference. Computing r²·p adds 0.3 units, and the two sums 0.4 and 0.5 units. The exponential of the
/// reduced argument is at least 0.7.
pub const EXPONENTIAL_ERROR: f64 = BOTH_SIDES * 4.0 * UNIT_ROUNDOFF;

/// Largest relative error of ln(1 + x) for x ≥ 0, on the device and in the reference together: 12 units of roundoff in
/// `shaders/shared/functions.wgsl`, and 2 in the system library. The shader computes k·ln 2 + 2·artanh(s), both
/// positive. The quotient s has 5 units (2.5 ULP, WGSL §15.7.4) and one for its divisor, the series less than one, its
/// sum and multiplication two, and the sum with k·ln 2 three. For x ≥ 1, the rounding of 1 + x by half an ULP adds at
/// most 1/ln 2 units.
pub const LOG_1P_ERROR: f64 = 14.0 * UNIT_ROUNDOFF;
