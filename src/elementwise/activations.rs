//! Declarations of the activation functions. Formulas and defaults are PyTorch's; names are in snake case. Unlike
//! PyTorch's, softplus has no linear branch.
//!
//! Every function propagates NaN. `above(c, a, b)` is b if c ≤ 0, else a. So if c is NaN, a must be NaN. `exponential`
//! is called only with arguments of at most 0, so that nothing overflows. eˣ − 1 is written as tanh(x/2)·(eˣ + 1),
//! which loses no digits near 0. (1 + tanh u)/2 is written as the sigmoid of 2u.
//!
//! `d(y)` computes the derivative from the output y, `d(x)` from the input x, which the forward pass then keeps. `d(y)`
//! is used if its error stays within a few ULP of the derivative's largest value. This must hold even if dropout scaled
//! y and the backward pass scaled it back.

use super::declare::functions;

functions! {
    identity() "x";
        f(x) { x }
        d(y) { 1.0 }
    step() "1 for x > 0, else 0";
        f(x) { above(x, above(-x, x, 1.0), 0.0) }
        d(y) { 0.0 }
    sigmoid() "1 / (1 + e^-x)";
        f(x) { let e = exponential(-abs(x)); above(x, 1.0, e) / (1.0 + e) }
        d(y) { y * (1.0 - y) }
    tanh() "tanh x" gain 5.0 / 3.0;
        f(x) { tanh_of(x) }
        d(y) { (1.0 - y) * (1.0 + y) }
    relu() "max(x, 0)" gain 2f64.sqrt(), rectifies;
        f(x) { above(x, x, 0.0) }
        d(y) { above(y, 1.0, 0.0) }
    leaky_relu(slope = 0.01 >= 0.0) "x for x > 0, else slope·x" gain (2.0 / (1.0 + slope * slope)).sqrt(), rectifies;
        f(x) { above(x, x, slope * x) }
        d(y) { above(y, 1.0, slope) }
    hard_sigmoid() "x / 6 + 1/2, at least 0 and at most 1";
        f(x) { above(x + 3.0, above(3.0 - x, (x + 3.0) / 6.0, 1.0), 0.0) }
        d(x) { above(x + 3.0, above(3.0 - x, 0.16666666666666667, 0.0), 0.0) }
    log_sigmoid() "ln sigmoid x";
        f(x) { above(x, 0.0, x) - log_1p(exponential(-abs(x))) }
        d(x) { let e = exponential(-abs(x)); above(x, e, 1.0) / (1.0 + e) }
    hard_tanh() "x, at least -1 and at most 1";
        f(x) { above(x + 1.0, above(1.0 - x, x, 1.0), -1.0) }
        d(x) { above(x + 1.0, above(1.0 - x, 1.0, 0.0), 0.0) }
    tanh_shrink() "x - tanh x";
        f(x) { x - tanh_of(x) }
        d(x) { let t = tanh_of(x); t * t }
    relu6() "x, at least 0 and at most 6" gain 2f64.sqrt(), rectifies;
        f(x) { above(x, above(6.0 - x, x, 6.0), 0.0) }
        d(x) { above(x, above(6.0 - x, 1.0, 0.0), 0.0) }
    elu(alpha = 1.0 >= 0.0) "x for x > 0, else alpha·(e^x - 1)" gain 2f64.sqrt(), rectifies;
        f(x) {
            let z = above(x, 0.0, x);
            above(x, x, alpha * (tanh_of(0.5 * z) * (exponential(z) + 1.0)))
        }
        d(y) { above(y, 1.0, y + alpha) }
    celu(alpha = 1.0 >= 0.000001) "x for x > 0, else alpha·(e^(x/alpha) - 1)" gain 2f64.sqrt(), rectifies;
        f(x) {
            let z = above(x, 0.0, x / alpha);
            above(x, x, alpha * (tanh_of(0.5 * z) * (exponential(z) + 1.0)))
        }
        d(y) { above(y, 1.0, y / alpha + 1.0) }
    selu() "1.0507·x for x > 0, else 1.7581·(e^x - 1)" gain 0.75;
        f(x) {
            let z = above(x, 0.0, x);
            above(x, 1.0507009873554805 * x, 1.7580993408473766 * (tanh_of(0.5 * z) * (exponential(z) + 1.0)))
        }
        d(y) { above(y, 1.0507009873554805, y + 1.7580993408473766) }
    gelu() "x·(1 + erf(x/sqrt 2)) / 2" gain 2f64.sqrt(), rectifies;
        f(x) { 0.5 * x * (1.0 + erf(0.7071067811865476 * x)) }
        d(x) { 0.5 * (1.0 + erf(0.7071067811865476 * x)) + x * (0.3989422804014327 * exponential(-0.5 * x * x)) }
    gelu_tanh() "x·(1 + tanh(0.79788·(x + 0.044715·x^3))) / 2" gain 2f64.sqrt(), rectifies;
        f(x) {
            let z = above(20.0 - abs(x), x, above(x, 20.0, -20.0));
            let u = 1.5957691216057308 * (z + 0.044715 * z * z * z);
            let e = exponential(-abs(u));
            x * (above(u, 1.0, e) / (1.0 + e))
        }
        d(x) {
            let z = above(20.0 - abs(x), x, above(x, 20.0, -20.0));
            let u = 1.5957691216057308 * (z + 0.044715 * z * z * z);
            let e = exponential(-abs(u));
            let s = above(u, 1.0, e) / (1.0 + e);
            s + z * (e / ((1.0 + e) * (1.0 + e))) * (1.5957691216057308 + 0.21406444881780074 * z * z)
        }
    silu() "x·sigmoid x" gain 2f64.sqrt(), rectifies;
        f(x) { let e = exponential(-abs(x)); x * (above(x, 1.0, e) / (1.0 + e)) }
        d(x) {
            let e = exponential(-abs(x));
            let s = above(x, 1.0, e) / (1.0 + e);
            s * (1.0 + x * (above(x, e, 1.0) / (1.0 + e)))
        }
    hard_swish() "x·hard_sigmoid x" gain 2f64.sqrt(), rectifies;
        f(x) { above(x + 3.0, above(3.0 - x, x * ((x + 3.0) / 6.0), x), 0.0) }
        d(x) { above(x + 3.0, above(3.0 - x, x / 3.0 + 0.5, 1.0), 0.0) }
    mish() "x·tanh(softplus x)" gain 2f64.sqrt(), rectifies;
        f(x) {
            let e = exponential(-abs(x));
            let n = above(x, 1.0 + 2.0 * e, e * (e + 2.0));
            x * (n / (n + above(x, 2.0 * (e * e), 2.0)))
        }
        d(x) {
            let e = exponential(-abs(x));
            let n = above(x, 1.0 + 2.0 * e, e * (e + 2.0));
            let c = above(x, 2.0 * (e * e), 2.0);
            let t = n / (n + c);
            let s = above(x, 1.0, e) / (1.0 + e);
            t + x * ((c / (n + c)) * (1.0 + t) * s)
        }
    softplus(beta = 1.0 >= 0.000001) "ln(1 + e^(beta·x)) / beta";
        f(x) { above(x, x, 0.0) + log_1p(exponential(-abs(beta * x))) / beta }
        d(x) { let z = beta * x; let e = exponential(-abs(z)); above(z, 1.0, e) / (1.0 + e) }
    softsign() "x / (1 + |x|)";
        f(x) { x / (1.0 + abs(x)) }
        d(x) { let q = 1.0 / (1.0 + abs(x)); q * q }
    soft_shrink(lambda = 0.5 >= 0.0) "sign(x)·max(|x| - lambda, 0)";
        f(x) { above(x - lambda, x - lambda, above(-x - lambda, x + lambda, 0.0)) }
        d(y) { above(abs(y), 1.0, 0.0) }
    hard_shrink(lambda = 0.5 >= 0.0) "x for |x| > lambda, else 0";
        f(x) { above(abs(x) - lambda, x, 0.0) }
        d(y) { above(abs(y), 1.0, 0.0) }
    threshold(least = 0.0 >= f32::MIN, value = 0.0 >= f32::MIN) "x for x > least, else value";
        f(x) { above(x - least, x, value) }
        d(x) { above(x - least, 1.0, 0.0) }
}
