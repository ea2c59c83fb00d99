//! Updates of the optimizers, one per kernel. `crate::optim` has their settings and the sources of the formulas.
//!
//! `normal` replaces numbers below the smallest normal number by 0. A state whose gradients are 0 would otherwise decay
//! into subnormal numbers and stay there, since 0.9 times a few units rounds to the same few units. Processors are many
//! times slower on subnormal numbers.

use super::update::updates;

updates! {
    (p, g, rate, kept, decay, share)

    /// Stochastic gradient descent without momentum.
    SGD = sgd[](;) flops 4 {
        p = normal(p * kept - rate * g);
    }

    /// Stochastic gradient descent with momentum. `fresh` is 1 − dampening, and 1 in the first step.
    SGD_MOMENTUM = sgd_momentum[momentum](factor, nesterov; fresh) flops 8 {
        momentum = normal(factor * momentum + fresh * g);
        p = normal(p * kept - rate * above(nesterov, g + factor * momentum, momentum));
    }

    /// RMSprop. `square` is the mean of g².
    RMSPROP = rmsprop[square](alpha, one_minus_alpha, epsilon;) flops 10, never_negative square {
        square = normal(alpha * square + one_minus_alpha * g * g);
        p = normal(p * kept - rate * (g / (sqrt(square) + epsilon)));
    }

    /// RMSprop with momentum. `factor` is the momentum factor.
    RMSPROP_MOMENTUM = rmsprop_momentum[square, momentum](alpha, one_minus_alpha, epsilon, factor;) flops 12,
    never_negative square {
        square = normal(alpha * square + one_minus_alpha * g * g);
        momentum = normal(factor * momentum + g / (sqrt(square) + epsilon));
        p = normal(p * kept - rate * momentum);
    }

    /// RMSprop with the variance of the gradient in place of its mean square.
    RMSPROP_CENTERED = rmsprop_centered[square, mean](alpha, one_minus_alpha, epsilon;) flops 15, never_negative square {
        square = normal(alpha * square + one_minus_alpha * g * g);
        mean = normal(alpha * mean + one_minus_alpha * g);
        let variance = square - mean * mean;
        p = normal(p * kept - rate * (g / (sqrt(above(variance, variance, 0.0)) + epsilon)));
    }

    /// RMSprop with variance and momentum.
    RMSPROP_CENTERED_MOMENTUM = rmsprop_centered_momentum[square, mean, momentum]
    (alpha, one_minus_alpha, epsilon, factor;) flops 17, never_negative square {
        square = normal(alpha * square + one_minus_alpha * g * g);
        mean = normal(alpha * mean + one_minus_alpha * g);
        let variance = square - mean * mean;
        momentum = normal(factor * momentum + g / (sqrt(above(variance, variance, 0.0)) + epsilon));
        p = normal(p * kept - rate * momentum);
    }

    /// Adagrad. `slower` is the decay factor of the learning rate.
    ADAGRAD = adagrad[sum](epsilon, initial; slower) flops 9, never_negative sum {
        sum = normal(sum + g * g);
        p = normal(p * kept - rate * slower * (g / (sqrt(sum + initial) + epsilon)));
    }

    /// Adadelta. `square` is the mean of g², and `change` the mean of d².
    ADADELTA = adadelta[square, change](rho, one_minus_rho, epsilon;) flops 17, never_negative square, change {
        square = normal(rho * square + one_minus_rho * g * g);
        let d = g * (sqrt(change + epsilon) / sqrt(square + epsilon));
        change = normal(rho * change + one_minus_rho * d * d);
        p = normal(p * kept - rate * d);
    }

    /// Adam and AdamW. `correction1` is 1 − β₁ᵗ and `correction2_root` √(1 − β₂ᵗ). The quotient is computed before
    /// `size` multiplies it, since `size`·m can be subnormal.
    ADAMW = adamw[m, v](beta1, one_minus_beta1, beta2, one_minus_beta2, epsilon; correction1, correction2_root) flops 16,
    never_negative v {
        let size = rate / correction1;
        let root_factor = 1.0 / correction2_root;
        m = normal(beta1 * m + one_minus_beta1 * g);
        v = normal(beta2 * v + one_minus_beta2 * g * g);
        p = normal(p * kept - size * (m / (sqrt(v) * root_factor + epsilon)));
    }

    /// Schedule-free AdamW. The parameters are y, between z and the average of z. `correction2_root` is √(1 − β₂ᵗ).
    ADAMW_SCHEDULE_FREE = adamw_schedule_free[v, z](beta1, beta2, one_minus_beta2, epsilon; correction2_root) flops 20,
    averaged z, never_negative v {
        v = normal(beta2 * v + one_minus_beta2 * g * g);
        let change = rate * (g / (sqrt(v) / correction2_root + epsilon)) + rate * decay * p;
        p = normal(p + share * (z - p) - (1.0 - beta1 * (1.0 - share)) * change);
        z = normal(z - change);
    }

    /// Adam and AdamW with the largest mean square so far (AMSGrad).
    AMSGRAD = amsgrad[m, v, largest](beta1, one_minus_beta1, beta2, one_minus_beta2, epsilon; correction1, correction2_root)
    flops 17, never_negative v, largest {
        let size = rate / correction1;
        let root_factor = 1.0 / correction2_root;
        m = normal(beta1 * m + one_minus_beta1 * g);
        v = normal(beta2 * v + one_minus_beta2 * g * g);
        largest = normal(above(v - largest, v, largest));
        p = normal(p * kept - size * (m / (sqrt(largest) * root_factor + epsilon)));
    }

    /// LAMB: the direction of a step whose length depends on norms of the whole tensor. Corrections are those of AdamW.
    LAMB = lamb[m, v, direction](beta1, one_minus_beta1, beta2, one_minus_beta2, epsilon; correction1, correction2_root)
    flops 16, direction direction, never_negative v {
        m = normal(beta1 * m + one_minus_beta1 * g);
        v = normal(beta2 * v + one_minus_beta2 * g * g);
        direction = normal(m / correction1 / (sqrt(v) / correction2_root + epsilon) + decay * p);
    }

    /// NAdam. `current` and `next` are the factors of gradient and m, `correction2_root` is √(1 − β₂ᵗ).
    NADAM = nadam[m, v](beta1, one_minus_beta1, beta2, one_minus_beta2, epsilon; current, next, correction2_root) flops 19,
    never_negative v {
        let root_factor = 1.0 / correction2_root;
        m = normal(beta1 * m + one_minus_beta1 * g);
        v = normal(beta2 * v + one_minus_beta2 * g * g);
        p = normal(p * kept - rate * ((current * g + next * m) / (sqrt(v) * root_factor + epsilon)));
    }

    /// RAdam. `correction1` is 1 − β₁ᵗ; `rectified` is the factor of the adaptive learning rate, or 0 in the first
    /// steps, which are not adaptive.
    RADAM = radam[m, v](beta1, one_minus_beta1, beta2, one_minus_beta2, epsilon; correction1, rectified) flops 16,
    never_negative v {
        m = normal(beta1 * m + one_minus_beta1 * g);
        v = normal(beta2 * v + one_minus_beta2 * g * g);
        let adapted = m * (rectified / (sqrt(v) + epsilon));
        p = normal(p * kept - rate / correction1 * above(rectified, adapted, m));
    }

    /// Adamax. `largest` is u of [`crate::Adamax`], and `correction1` is 1 − β₁ᵗ.
    ADAMAX = adamax[m, largest](beta1, one_minus_beta1, beta2, epsilon; correction1) flops 12, never_negative largest {
        m = normal(beta1 * m + one_minus_beta1 * g);
        let decayed = beta2 * largest;
        let size = abs(g) + epsilon;
        largest = normal(above(decayed - size, decayed, size));
        p = normal(p * kept - rate / correction1 * (m / largest));
    }

    /// Lion. The parameter is updated with m of the step before.
    LION = lion[m](beta1, one_minus_beta1, beta2, one_minus_beta2;) flops 9 {
        let direction = beta1 * m + one_minus_beta1 * g;
        p = normal(p * kept - rate * above(direction, 1.0, above(-direction, -1.0, 0.0)));
        m = normal(beta2 * m + one_minus_beta2 * g);
    }

    /// Adan. `started` is 0 in the first step, which has no previous gradient, and 1 later. Corrections are 1 − βᵗ;
    /// `correction3_root` is √(1 − β₃ᵗ). Decoupled weight decay divides the parameter by 1 + `rate`·`decay`.
    ADAN = adan[m, difference, square, previous]
    (beta1, one_minus_beta1, beta2, one_minus_beta2, beta3, one_minus_beta3, epsilon;
    started, correction1, correction2, correction3_root) flops 33, never_negative square {
        let d = started * (g - previous);
        let look = g + beta2 * d;
        m = normal(beta1 * m + one_minus_beta1 * g);
        difference = normal(beta2 * difference + one_minus_beta2 * d);
        square = normal(beta3 * square + one_minus_beta3 * look * look);
        let root = sqrt(square) / correction3_root + epsilon;
        let change = rate * (m / correction1 / root) + rate * beta2 * (difference / correction2 / root);
        p = normal((p - change) / (1.0 + rate * decay));
        previous = normal(g);
    }
}
