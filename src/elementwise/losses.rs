//! Declarations of the loss functions of an output z and its target t. Formulas and defaults are PyTorch's if PyTorch
//! has the function.
//!
//! Each declaration states the meaning of outputs and the valid targets. The rest of the library reads both from it.
//! The rules of [`activations`](super::activations) hold: `exponential` is called only with arguments of at most 0, and
//! a NaN of z makes the loss NaN. Derivatives are with respect to z. Where the loss is smooth, both branches of `above`
//! have the same limit. Rounding that selects the other branch then changes little.

use super::declare_losses::losses;
use super::loss_function::{Meaning, Range};

losses! {
    /// Mean squared error, `torch.nn.MSELoss`.
    mean_squared_error / mse() "(z - t)^2", Meaning::Number { power: 2 }, Range::Any, {
        flops 5;
        l(z, t) { let d = z - t; d * d }
        d(z, t) { 2.0 * (z - t) }
    }
    /// Mean absolute error, `torch.nn.L1Loss`.
    mean_absolute_error / mae() "|z - t|", Meaning::Number { power: 1 }, Range::Any, {
        flops 6;
        l(z, t) { abs(z - t) }
        d(z, t) { let d = z - t; above(d, 1.0, above(-d, -1.0, 0.0)) }
    }
    /// Huber loss, `torch.nn.HuberLoss`: squared for errors up to delta, linear beyond. With scaled targets, delta is
    /// in standard deviations of the target.
    huber(delta = 1.0 >= 0.000001) "(z - t)^2 / 2 for |z - t| < delta, else delta·(|z - t| - delta/2)",
        Meaning::Number { power: 2 }, Range::Any, {
        flops 12;
        l(z, t) { let d = z - t; above(abs(d) - delta, delta * (abs(d) - 0.5 * delta), 0.5 * d * d) }
        d(z, t) { let d = z - t; above(abs(d) - delta, above(d, delta, -delta), d) }
    }
    /// Smooth L1 loss, `torch.nn.SmoothL1Loss`: the Huber loss divided by beta.
    smooth_l1(beta = 1.0 >= 0.000001) "(z - t)^2 / (2·beta) for |z - t| < beta, else |z - t| - beta/2",
        Meaning::Number { power: 1 }, Range::Any, {
        flops 13;
        l(z, t) { let d = z - t; above(abs(d) - beta, abs(d) - 0.5 * beta, 0.5 * d * d / beta) }
        d(z, t) { let d = z - t; above(abs(d) - beta, above(d, 1.0, -1.0), d / beta) }
    }
    /// Logarithm of the hyperbolic cosine, Keras' `LogCosh`: close to half the squared error for small errors, close to
    /// the absolute error for large ones. With scaled targets, it is computed from the scaled numbers.
    ///
    /// For |z − t| up to 1 it is computed as −ln(1 − tanh²)/2, which loses no digits near 0.
    log_cosh() "ln cosh(z - t)", Meaning::Number { power: 0 }, Range::Any, {
        flops 30;
        l(z, t) {
            let a = abs(z - t);
            let h = tanh_of(above(a - 1.0, 1.0, a));
            above(a - 1.0, a + log_1p(exponential(-2.0 * a)) - 0.6931471805599453, 0.5 * log_1p(h * h / ((1.0 - h) * (1.0 + h))))
        }
        d(z, t) { tanh_of(z - t) }
    }
    /// Quantile (pinball) loss: the best prediction is the q-quantile of the targets. scikit-learn's
    /// `mean_pinball_loss`.
    quantile(q = 0.5 >= 0.000001 <= 0.999999) "q·(t - z) for t > z, else (1 - q)·(z - t)",
        Meaning::Number { power: 1 }, Range::Any, {
        flops 9;
        l(z, t) { let d = t - z; above(d, q * d, (q - 1.0) * d) }
        d(z, t) { let d = t - z; above(d, -q, above(-d, 1.0 - q, 0.0)) }
    }
    /// Negative logarithm of a Poisson likelihood, `torch.nn.PoissonNLLLoss` without the constant term. An output is
    /// the logarithm of the expected count. In e^z, an output above 80 counts as 80, so that nothing overflows.
    poisson() "e^z - t·z", Meaning::LogRate, Range::NotNegative, {
        flops 12;
        l(z, t) {
            let c = above(z - 80.0, 80.0, z);
            let e = exponential(-abs(c));
            above(c, 1.0 / e, e) - t * z
        }
        d(z, t) {
            let c = above(z - 80.0, 80.0, z);
            let e = exponential(-abs(c));
            above(c, 1.0 / e, e) - t
        }
    }
    /// Binary cross-entropy from logits, `torch.nn.BCEWithLogitsLoss`. Several outputs are independent labels
    /// (multi-label). `positive_weight` is PyTorch's `pos_weight`: a factor for targets of 1.
    ///
    /// With a weight of 1, it is computed as |z|·w + ln(1 + e⁻|ᶻ|), where w is 1 − t for z > 0, else t. Nothing
    /// overflows, and nothing cancels for targets from 0 to 1, however confident the prediction is.
    binary_cross_entropy / bce(positive_weight = 1.0 >= 0.0) with weighted_binary_cross_entropy
        "-positive_weight·t·ln sigmoid z - (1 - t)·ln(1 - sigmoid z)", Meaning::Logit, Range::Unit, {
        flops 12;
        l(z, t) {
            let e = exponential(-abs(z));
            let w = above(z, 1.0 - t, positive_weight * t);
            abs(z) * w + (1.0 + (positive_weight - 1.0) * t) * log_1p(e)
        }
        d(z, t) {
            let e = exponential(-abs(z));
            let s = (1.0 + (positive_weight - 1.0) * t) * (e / (1.0 + e));
            above(z, -(s - (1.0 - t)), s - positive_weight * t)
        }
    }
    /// Softmax and cross-entropy from logits, `torch.nn.CrossEntropyLoss`. `label_smoothing` is the fraction of each
    /// target that is spread evenly over all classes.
    softmax_cross_entropy / cross_entropy(label_smoothing = 0.0 >= 0.0 <= 1.0) with smoothed_cross_entropy
        "ln sum e^z - (1 - label_smoothing)·z of the class - label_smoothing·mean z", Meaning::ClassLogits, Range::Class, {
        softmax
    }
    /// Rosenblatt's perceptron criterion, max(0, −(2t − 1)·z). Its gradient is the perceptron learning rule.
    perceptron() "(step z - t)·z", Meaning::Score, Range::Bit, {
        flops 4;
        l(z, t) { (above(z, 1.0, 0.0) - t) * z }
        d(z, t) { above(z, 1.0, 0.0) - t }
    }
    /// Binary focal loss, `torchvision.ops.sigmoid_focal_loss` without alpha: binary cross-entropy times (1 − p)^gamma,
    /// where p is the predicted probability of the target. Confident correct predictions count less.
    ///
    /// Let m be z for a target of 1, and −z for a target of 0. Then 1 − p is the sigmoid of −m, and its power is
    /// e^(−gamma·softplus m).
    focal(gamma = 2.0 >= 0.0) "(1 - p)^gamma·(-ln p), p = sigmoid z for t = 1, else sigmoid(-z)", Meaning::Logit, Range::Bit, {
        flops 30;
        l(z, t) {
            let m = (2.0 * t - 1.0) * z;
            let r = log_1p(exponential(-abs(m)));
            exponential(-gamma * (above(m, m, 0.0) + r)) * (above(m, 0.0, -m) + r)
        }
        d(z, t) {
            let y = 2.0 * t - 1.0;
            let m = y * z;
            let e = exponential(-abs(m));
            let r = log_1p(e);
            let p = above(m, 1.0, e) / (1.0 + e);
            let n = above(m, e, 1.0) / (1.0 + e);
            -y * exponential(-gamma * (above(m, m, 0.0) + r)) * (gamma * p * (above(m, 0.0, -m) + r) + n)
        }
    }
    /// Hinge loss of a linear support vector machine, scikit-learn's `hinge_loss` and Keras' `Hinge`. Targets of 0 and
    /// 1 stand for −1 and 1.
    hinge() "max(0, 1 - (2t - 1)·z)", Meaning::Score, Range::Bit, {
        flops 9;
        l(z, t) { let m = 1.0 - (2.0 * t - 1.0) * z; above(m, m, 0.0) }
        d(z, t) { let y = 2.0 * t - 1.0; above(1.0 - y * z, -y, 0.0) }
    }
    /// Squared hinge loss, Keras' `SquaredHinge`. Targets of 0 and 1 stand for −1 and 1.
    squared_hinge() "max(0, 1 - (2t - 1)·z)^2", Meaning::Score, Range::Bit, {
        flops 12;
        l(z, t) { let m = 1.0 - (2.0 * t - 1.0) * z; let h = above(m, m, 0.0); h * h }
        d(z, t) { let y = 2.0 * t - 1.0; let m = 1.0 - y * z; -2.0 * y * above(m, m, 0.0) }
    }
    /// Modified Huber loss, scikit-learn's `SGDClassifier(loss="modified_huber")`: the squared hinge loss, but linear
    /// for predictions that are far on the wrong side. Targets of 0 and 1 stand for −1 and 1.
    modified_huber() "max(0, 1 - m)^2 for m > -1, else -4m, m = (2t - 1)·z", Meaning::Score, Range::Bit, {
        flops 13;
        l(z, t) {
            let m = (2.0 * t - 1.0) * z;
            let h = above(1.0 - m, 1.0 - m, 0.0);
            above(m + 1.0, h * h, -4.0 * m)
        }
        d(z, t) {
            let y = 2.0 * t - 1.0;
            let m = y * z;
            y * above(m + 1.0, -2.0 * above(1.0 - m, 1.0 - m, 0.0), -4.0)
        }
    }
    /// Softmax and cross-entropy from logits with soft targets, `torch.nn.CrossEntropyLoss` with probabilities: the
    /// targets of a row are a probability per class. With probabilities of 0 and 1 it is softmax cross-entropy.
    soft_cross_entropy() "sum t·(ln sum e^z - z)", Meaning::ClassLogits, Range::Distribution, {
        row(z, t, o, k, n) flops 20;
        max m { z }
        sum s { exponential(z - m) }
        sum w { t }
        sum b { t * (m - z) }
        l { b + w * log_1p(s - 1.0) }
        d { w * exponential(z - m) / s - t }
    }
    /// Kullback–Leibler divergence of the softmax of logits from soft targets, `torch.nn.KLDivLoss` with
    /// `reduction="batchmean"`: soft cross-entropy minus the entropy of the targets. The gradient is that of soft
    /// cross-entropy.
    ///
    /// ln t is computed as −ln(1 + (1 − t)/t). There, a target up to 10⁻³⁷ counts as 0.
    kl_divergence / kl() "sum t·(ln t - z + ln sum e^z)", Meaning::ClassLogits, Range::Distribution, {
        row(z, t, o, k, n) flops 40;
        max m { z }
        sum s { exponential(z - m) }
        sum w { t }
        sum b { t * (m - z) }
        sum h { above(t - 1e-37, t * log_1p((1.0 - t) / t), 0.0) }
        l { (b - h) + w * log_1p(s - 1.0) }
        d { w * exponential(z - m) / s - t }
    }
    /// Multi-class margin loss, `torch.nn.MultiMarginLoss` with `p=1`. An output is the score of a class. The loss is 0
    /// if the score of the right class exceeds all others by the margin.
    multi_margin(margin = 1.0 >= 0.0) "mean over other classes of max(0, margin - z of the class + z), of n outputs",
        Meaning::ClassScore, Range::Class, {
        row(z, t, o, k, n) flops 16;
        sum b { let h = (z - o) + margin; above(t, 0.0, above(h, h, 0.0)) }
        sum w { let h = (z - o) + margin; above(t, 0.0, above(h, 1.0, 0.0)) }
        l { b / n }
        d { let h = (z - o) + margin; above(t, -w, above(h, 1.0, 0.0)) / n }
    }
    /// Negative logarithm of a normal likelihood, `torch.nn.GaussianNLLLoss`. Each target has two outputs: the mean m,
    /// and the logarithm s of the variance. Like PyTorch's `eps`, 10⁻⁶ keeps the variance above 0, but it is added to
    /// the variance. With scaled targets, the loss is that of the scaled numbers.
    ///
    /// With x = s − ln 10⁻⁶ and e = e⁻|ˣ|, ln v is the larger of s and ln 10⁻⁶, plus ln(1 + e): nothing overflows.
    gaussian_nll() "(ln v + (t - m)^2 / v) / 2, v = e^s + 1e-6, outputs m and s", Meaning::Normal, Range::Any, {
        row(z, t, o, k, n) flops 60;
        sum b {
            let s = above(k, z, o);
            let a = t - above(k, o, z);
            let x = s + 13.815510557964274;
            let e = exponential(-abs(x));
            let p = above(x, e, 1.0) / (1.0 + e) * 1000000.0;
            above(k, 0.0, 0.5 * (above(x, s, -13.815510557964274) + log_1p(e) + a * a * p))
        }
        l { b / (0.5 * n) }
        d {
            let s = above(k, z, o);
            let a = t - above(k, o, z);
            let x = s + 13.815510557964274;
            let e = exponential(-abs(x));
            let p = above(x, e, 1.0) / (1.0 + e) * 1000000.0;
            above(k, 0.5 * (above(x, 1.0, e) / (1.0 + e)) * (1.0 - a * a * p), -a * p) / (0.5 * n)
        }
    }
    /// Quantile (pinball) losses of several levels at once: each target has an output per level, in ascending order.
    quantiles()[q = 0.1, 0.5, 0.9; >= 0.000001 <= 0.999999]
        "mean over q of q·(t - z) for t > z, else (1 - q)·(z - t)", Meaning::Quantiles, Range::Any, {
        row(z, t, o, k, n) flops 16;
        sum b { let a = t - z; above(a, o * a, (o - 1.0) * a) }
        l { b / n }
        d { let a = t - z; above(a, -o, above(-a, 1.0 - o, 0.0)) / n }
    }
    /// Cosine distance between the row of outputs and the row of targets, `torch.nn.CosineEmbeddingLoss` of similar
    /// pairs: 1 minus the cosine of the angle between them. Only directions count. 10⁻¹² is added to the square of each
    /// norm, so that a row of zeros has a loss of 1.
    ///
    /// Both rows are first divided by their largest magnitude, so that no square overflows.
    cosine() "1 - sum z·t / (|z|·|t|)", Meaning::Direction, Range::Any, {
        row(z, t, o, k, n) flops 50;
        max a { above(abs(z) - 1e-6, abs(z), 1e-6) }
        max b { above(abs(t) - 1e-6, abs(t), 1e-6) }
        sum w { z / a * (t / b) }
        sum u { z / a * (z / a) }
        sum v { t / b * (t / b) }
        l { 1.0 - w / (sqrt(u + 1e-6 / a * (1e-6 / a)) * sqrt(v + 1e-6 / b * (1e-6 / b))) }
        d {
            let f = sqrt(u + 1e-6 / a * (1e-6 / a));
            let g = sqrt(v + 1e-6 / b * (1e-6 / b));
            (w / (f * g) * (z / a / f) - t / b / g) / f / a
        }
    }
}
