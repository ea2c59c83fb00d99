//! How far apart two correct computations of the same number can be.

/// Largest relative error of one rounded f32 operation.
pub const UNIT_ROUNDOFF: f64 = (f32::EPSILON / 2.0) as f64;

/// Device and reference, where both err alike.
const BOTH_SIDES: f64 = 2.0;

/// Most rounded additions that a term of a sum over rows passes on any device, for up to 7·10⁷ rows: such sums are made in blocks
/// of fixed size. Sixteen at each of four levels of `shaders/shared/blocks.wgsl`, six of a tree and a few more; 65 in
/// [`matmul_over_rows`](crate::numeric::matmul_over_rows). From 65,536 numbers of an invocation on, which are 1.7·10⁷ rows, the
/// fourth level of `blocks.wgsl` takes one more for each 4,096. A product on a GPU may sum more rows in one part:
/// [`depth`](crate::kernels::shared::tiles::depth).
pub const SUM_DEPTH: usize = 128;

/// Whole numbers up to here are exact in f32, and so is any sum of them whose partial sums stay below it.
const WHOLE: f64 = (1 << 24) as f64;

/// A sum in f64 that also keeps what its rounding tolerance needs.
#[derive(Clone, Copy, Debug)]
pub struct Sum {
    /// The sum, as good as exact.
    pub value: f64,
    magnitude: f64,
    terms: usize,
    whole: bool,
    /// True if the reference sums in f64.
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

    /// The same sum made in blocks, in which no term passes more than `depth` roundings, and in f64 by the reference.
    pub fn in_blocks(self, depth: usize) -> Self {
        Self { terms: self.terms.min(depth), exact_reference: true, ..self }
    }

    /// The largest difference between the reference and a device, in whatever order it sums: 0 where all terms are small whole
    /// numbers, whose sums are exact.
    ///
    /// Any order of summing n products in f32 errs by at most (n + 1)·u·Σ|terms| to first order (Higham, *Accuracy
    /// and Stability of Numerical Algorithms*, §3.1), and one more operation may follow. The reference errs as much as the
    /// device, or in blocks, where it sums in f64, by its last two roundings.
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

/// A tolerance that also allows for results below the normal range, which a device may flush to zero (WGSL §15.7.2).
/// A tolerance of 0 stays one: it is declared only where no rounding takes place.
pub fn or_flushed(tolerance: f64) -> f64 {
    if tolerance > 0.0 { tolerance + f64::from(f32::MIN_POSITIVE) } else { tolerance }
}

/// Largest relative error of eˣ, twice for two sides: 4 units, for `exponential` in `shaders/shared/functions.wgsl` as for
/// `numeric::exponential` (whose 1 ULP is tried out). x − n·ln 2 is off by 0.4 units of e⁰ (the product with the rest of ln 2,
/// its representation, the difference), r²·p by 0.3, the two sums by 0.4 and 0.5, all over a power from 0.7 on.
pub const EXPONENTIAL_ERROR: f64 = BOTH_SIDES * 4.0 * UNIT_ROUNDOFF;

/// Largest relative error of ln(1 + x) for x from 0 on, on both sides together: 12 units in `shaders/shared/functions.wgsl`, and
/// 2 by the system's library. There it is k·ln 2 + 2·artanh(s), both positive: the quotient s has 5 units (2.5 ULP, WGSL
/// §15.7.4) and one for its divisor, the series less than one, its sum and product two, the sum with k·ln 2 three; 1 + x, which
/// is used from x = 1 on, half a unit over ln 2.
pub const LOG_1P_ERROR: f64 = 14.0 * UNIT_ROUNDOFF;
