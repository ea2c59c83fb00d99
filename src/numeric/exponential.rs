//! Exponentials and a cosine without branches, so that loops over them are vectorized. eˣ and erf are accurate to 1
//! ULP, tanh to 2, the cosine to 3.5 (`tests/numeric.rs` checks millions of numbers). Coefficients of eˣ and tanh are
//! those of the Cephes library (S. L. Moshier, `expf.c`, `tanhf.c`).

/// For smaller x, eˣ is below the smallest normal number, and the result is 0.
const LEAST: f32 = -87.336_54;

/// Returns eˣ for x up to 88; 0 if eˣ is below the normal range.
#[inline(always)]
pub fn exponential(x: f32) -> f32 {
    // 1.5·2²³: adding it leaves the nearest integer in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 as a short number plus the rest, so that n times the short number is exact.
    const LN2: [f32; 2] = [355.0 / 512.0, -2.121_944_4e-4];
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN2[0] - n * LN2[1];
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_2e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    let power = f32::from_bits(shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23);
    let y = (p * (r * r) + r + 1.0) * power;
    let y = if x < LEAST { 0.0 } else { y };
    // A NaN is returned unchanged.
    if x.is_nan() { x } else { y }
}

/// Returns tanh x, accurate to 2 ULP.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let z = x * x;
    let mut p = -5.704_988_6e-3;
    p = p * z + 2.063_909e-2;
    p = p * z - 5.373_971_5e-2;
    p = p * z + 1.333_144_2e-1;
    p = p * z - 3.333_328_3e-1;
    let near = p * z * x + x;
    let e = exponential(-2.0 * x.abs());
    let far = (1.0 - e) / (1.0 + e);
    (if x.abs() < 0.625 { near } else { far }).copysign(x)
}

/// Returns ln(1 + x) for x ≥ 0, computed like `log_1p` in `shaders/shared/functions.wgsl`.
#[inline(always)]
pub fn log_1p(x: f32) -> f32 {
    let bits = (1.0 + x).to_bits();
    let is_small = x < 1.0;
    let k = if is_small { 0.0 } else { (bits >> 23) as f32 - 127.0 };
    let f = if is_small { x } else { f32::from_bits((bits & 0x7f_ffff) | 0x3f80_0000) - 1.0 };
    let twice = f / (1.0 + 0.5 * f);
    let z = 0.25 * twice * twice;
    let mut p = 1.0 / 15.0;
    p = p * z + 1.0 / 13.0;
    p = p * z + 1.0 / 11.0;
    p = p * z + 1.0 / 9.0;
    p = p * z + 1.0 / 7.0;
    p = p * z + 1.0 / 5.0;
    p = p * z + 1.0 / 3.0;
    let sum = k * std::f32::consts::LN_2 + (twice + twice * (p * z));
    if x.is_finite() { sum } else { x }
}

/// Returns cos(2π·t), as s·p(s²) with s = 1/4 − |t − round(t)| and a minimax polynomial p.
#[inline(always)]
pub fn cosine_of_turns(t: f32) -> f32 {
    // 1.5·2²³, as in `exponential`: t is rounded to a whole number. From 2²² on, no t is between two of them.
    const ROUND: f32 = 12_582_912.0;
    let whole = if t.abs() < 4_194_304.0 { (t + ROUND) - ROUND } else { t };
    let s = 0.25 - (t - whole).abs();
    let z = s * s;
    let mut p = 39.710_92;
    p = p * z - 76.574_99;
    p = p * z + 81.602_234;
    p = p * z - 41.341_68;
    p = p * z + 6.283_185_5;
    p * s
}

/// Returns cos(2π·t) in f64. For the reference, not for speed.
pub fn cosine_of_turns_f64(t: f64) -> f64 {
    // As a sine, it is accurate near its zeros.
    (std::f64::consts::TAU * (0.25 - (t - t.round()).abs())).sin()
}

/// Returns erf x: an odd polynomial near 0, else 1 − e^−q with a polynomial q. Both are minimax fits to double
/// precision.
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    let z = x * x;
    let mut p = -5.976_896e-4;
    p = p * z + 4.990_981e-3;
    p = p * z - 2.676_556_8e-2;
    p = p * z + 1.128_180_25e-1;
    p = p * z - 3.761_249_5e-1;
    p = p * z + 1.283_791_5e-1;
    let near = p * x + x;
    // From 4 on, the result rounds to 1.
    let t = if x.abs() > 4.0 { 4.0 } else { x.abs() };
    let mut q = 2.090_947_4e-5;
    q = q * t - 4.323_021_3e-4;
    q = q * t + 4.160_523e-3;
    q = q * t - 2.509_148_6e-2;
    q = q * t + 1.082_366e-1;
    q = q * t + 6.333_867e-1;
    q = q * t + 1.129_495_1;
    q = q * t - 1.705_509_3e-4;
    let far = 1.0 - exponential(-q);
    (if x.abs() < 0.93 { near } else { far }).copysign(x)
}

/// Returns erf x in f64. It is the sum e^(−x²)·2/√π·Σ 2ⁿ·x²ⁿ⁺¹ / (1·3·…·(2n + 1)), whose terms are all positive
/// (Abramowitz and Stegun, 7.1.6). It is slow; only references and tolerances use it.
pub fn erf_f64(x: f64) -> f64 {
    if x.is_nan() || x.abs() > 6.0 {
        return if x.is_nan() { x } else { x.signum() };
    }
    let (mut term, mut sum, mut odd) = (x, x, 1.0);
    while term.abs() > 1e-17 * sum.abs() {
        odd += 2.0;
        term *= 2.0 * x * x / odd;
        sum += term;
    }
    std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
}
