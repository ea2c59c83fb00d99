// Math functions for which WGSL guarantees too little accuracy. The error of its `tanh` is bounded only absolutely, so
// small values have large relative errors. The error of its `exp` grows with the argument, and it has no ln(1 + x). The
// functions here use additions, multiplications and divisions only, and have a small relative error; see
// src/numeric/rounding.rs. Needs finite.wgsl.
//
// No shader calls the built-in functions. NaN is propagated: the functions use `select` with comparisons, which are
// false for NaN, and never `max` or `min`, which may return their other argument.

const LOG2_E = 1.44269504;

// ln 2 as a short number plus the rest, so that integers times the short number are exact.
const LN2_SHORT = 0.693359375;
const LN2_REST = -2.12194440e-4;

// Below this, eˣ is less than the smallest normal number and becomes 0.
const LEAST_EXPONENT = -87.33654;

// Returns e^(a + b), for sums up to 88. Where a is an integer and the larger part, nothing is rounded before the
// reduction by ln 2. Coefficients as in src/numeric/exponential.rs.
fn exponential_of_sum(a: f32, b: f32) -> f32 {
    let n = round((a + b) * LOG2_E);
    let r = (a - n * LN2_SHORT) + (b - n * LN2_REST);
    var p = 1.9875691e-4;
    p = p * r + 1.3982e-3;
    p = p * r + 8.333452e-3;
    p = p * r + 4.1665796e-2;
    p = p * r + 1.6666665e-1;
    p = p * r + 0.5;
    // Clamped: n may be out of range where the result is not used.
    let power = bitcast<f32>(bitcast<u32>(i32(clamp(n, -126.0, 127.0)) + 127) << 23u);
    return select((p * (r * r) + r + 1.0) * power, 0.0, a + b < LEAST_EXPONENT);
}

// Returns eˣ, for x up to 88.
fn exponential(x: f32) -> f32 {
    return exponential_of_sum(x, 0.0);
}

// Returns e^(z − most), for z up to `most`. Subtracts integer and fractional parts separately, since the difference
// would be rounded.
fn exponential_below(z: f32, most: f32) -> f32 {
    let power = exponential_of_sum(floor(z) - floor(most), (z - floor(z)) - (most - floor(most)));
    return select(power, 0.0, z - most < LEAST_EXPONENT);
}

// Returns ln(1 + x), for x ≥ 0, as k·ln 2 + ln(1 + f), with 1 + x = 2ᵏ·(1 + f) and f < 1. ln(1 + f) is 2·artanh(f / (2
// + f)). `twice` is 2·f / (2 + f), since half of a small x may be subnormal. Where k is 0, f is x itself, unrounded.
fn log_1p(x: f32) -> f32 {
    let bits = bitcast<u32>(1.0 + x);
    let small = x < 1.0;
    let k = select(f32(bits >> 23u) - 127.0, 0.0, small);
    let f = select(bitcast<f32>((bits & 0x7fffffu) | 0x3f800000u) - 1.0, x, small);
    let twice = f / (1.0 + 0.5 * f);
    let z = 0.25 * twice * twice;
    var p = 1.0 / 15.0;
    p = p * z + 1.0 / 13.0;
    p = p * z + 1.0 / 11.0;
    p = p * z + 1.0 / 9.0;
    p = p * z + 1.0 / 7.0;
    p = p * z + 1.0 / 5.0;
    p = p * z + 1.0 / 3.0;
    let sum = k * 0.693147181 + (twice + twice * (p * z));
    // Returns x itself if it is infinite or NaN.
    return select(x, sum, is_finite(x));
}

// Returns tanh x, by an odd polynomial near 0. Coefficients as in src/numeric/exponential.rs.
fn tanh_of(x: f32) -> f32 {
    let z = x * x;
    var p = -5.7049886e-3;
    p = p * z + 2.063909e-2;
    p = p * z - 5.3739715e-2;
    p = p * z + 1.3331442e-1;
    p = p * z - 3.3333283e-1;
    let e = exponential(-2.0 * abs(x));
    let far = (1.0 - e) / (1.0 + e);
    return select(select(far, -far, x < 0.0), p * z * x + x, abs(x) < 0.625);
}

// Returns cos(2π·t), as s·p(s²). Coefficients as in src/numeric/exponential.rs.
fn cosine_of_turns(t: f32) -> f32 {
    let s = 0.25 - abs(t - round(t));
    let z = s * s;
    var p = 39.71092;
    p = p * z - 76.57499;
    p = p * z + 81.602234;
    p = p * z - 41.34168;
    p = p * z + 6.2831855;
    return p * s;
}

// Returns erf x, by an odd polynomial near 0. Coefficients as in src/numeric/exponential.rs.
fn erf(x: f32) -> f32 {
    let z = x * x;
    var p = -5.976896e-4;
    p = p * z + 4.990981e-3;
    p = p * z - 2.6765568e-2;
    p = p * z + 1.12818025e-1;
    p = p * z - 3.7612495e-1;
    p = p * z + 1.2837915e-1;
    let near = p * x + x;
    let t = select(abs(x), 4.0, abs(x) > 4.0);
    var q = 2.0909474e-5;
    q = q * t - 4.3230213e-4;
    q = q * t + 4.160523e-3;
    q = q * t - 2.5091486e-2;
    q = q * t + 1.082366e-1;
    q = q * t + 6.333867e-1;
    q = q * t + 1.1294951;
    q = q * t - 1.7055093e-4;
    let far = 1.0 - exponential(-q);
    return select(select(far, -far, x < 0.0), near, abs(x) < 0.93);
}
