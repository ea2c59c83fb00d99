//! The optimizers: settings, defaults, and the rules of their updates.

use serde::{Deserialize, Serialize};

use super::declare::{check, in_range, optimizers, range_of, setter, type_of, wanted};
use super::{Rule, SGD_MOMENTUM};
use crate::elementwise::{MAX_SCALARS, updates};
use crate::error::Result;
use crate::text::{Term, number, shortest, term};

optimizers! {
    /// AdamW (`torch.optim.AdamW`; Loshchilov and Hutter 2019): [`Adam`] with decoupled weight decay.
    AdamW = "adamw" "as adam, after p is multiplied by 1 - rate·weight_decay" {
        learning_rate = 1e-3,
        /// Decay rate β₁ of the mean gradient m, in [0, 1).
        beta1: Fraction = 0.9,
        /// Decay rate β₂ of the mean square v, in [0, 1).
        beta2: Fraction = 0.999,
        /// ε, added to the bias-corrected root of v.
        epsilon: Positive = 1e-8,
        /// Decoupled weight decay.
        weight_decay: NotNegative = 0.01,
        /// `true` to use the largest v so far in place of v (AMSGrad; Reddi et al. 2018).
        amsgrad: Flag = false,
    }
    |o| adam(o.amsgrad, o.weight_decay, true, [o.beta1, o.beta2, o.epsilon]);
    |o, t| [correction(o.beta1, t), correction(o.beta2, t).sqrt()];

    /// Adam (`torch.optim.Adam`; Kingma and Ba 2015), with weight decay as an L2 penalty.
    ///
    /// m ← β₁·m + (1 − β₁)·g; v ← β₂·v + (1 − β₂)·g²; p ← p − η·(m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε).
    Adam = "adam" "p - rate·m/c1 / (sqrt(v)/c2 + epsilon), m and v means of g and g^2" {
        learning_rate = 1e-3,
        /// Decay rate β₁ of the mean gradient m, in [0, 1).
        beta1: Fraction = 0.9,
        /// Decay rate β₂ of the mean square v, in [0, 1).
        beta2: Fraction = 0.999,
        /// ε, added to the bias-corrected root of v.
        epsilon: Positive = 1e-8,
        /// Weight decay (L2 penalty).
        weight_decay: NotNegative = 0.0,
        /// `true` to use the largest v so far in place of v (AMSGrad; Reddi et al. 2018).
        amsgrad: Flag = false,
    }
    |o| adam(o.amsgrad, o.weight_decay, false, [o.beta1, o.beta2, o.epsilon]);
    |o, t| [correction(o.beta1, t), correction(o.beta2, t).sqrt()];

    /// NAdam (`torch.optim.NAdam`; Dozat 2016): Adam with Nesterov momentum.
    ///
    /// With μₜ = β₁·(1 − 0.5·0.96^(t·ψ)) and Πₜ their product: m and v as in [`Adam`];
    /// p ← p − η·((1 − μₜ) / (1 − Πₜ)·g + μₜ₊₁ / (1 − Πₜ₊₁)·m) / (√(v / (1 − β₂ᵗ)) + ε).
    NAdam = "nadam" "as adam, with Nesterov momentum" {
        learning_rate = 2e-3,
        /// Decay rate β₁ of the mean gradient m, in [0, 1).
        beta1: Fraction = 0.9,
        /// Decay rate β₂ of the mean square v, in [0, 1).
        beta2: Fraction = 0.999,
        /// ε, added to the bias-corrected root of v.
        epsilon: Positive = 1e-8,
        /// Weight decay, an L2 penalty unless `decoupled`.
        weight_decay: NotNegative = 0.0,
        /// `true` for decoupled weight decay, as in [`AdamW`].
        decoupled: Flag = false,
        /// ψ, the speed at which the momentum factor approaches β₁.
        momentum_decay: NotNegative = 0.004,
    }
    |o| Rule::new(&updates::NADAM, o.weight_decay, o.decoupled, &moments(o.beta1, o.beta2, o.epsilon));
    |o, t| {
        let [(factor, product), (next, both)] = [t, t + 1].map(|t| nadam_momentum(o.beta1, o.momentum_decay, t));
        [(1.0 - factor) / (1.0 - product), next / (1.0 - both), correction(o.beta2, t).sqrt()]
    };

    /// RAdam (`torch.optim.RAdam`; Liu et al. 2020): Adam whose learning rate is adaptive only where the variance of 1
    /// / √v is tractable.
    ///
    /// m and v as in [`Adam`]; p ← p − η·(m / (1 − β₁ᵗ))·rₜ·√(1 − β₂ᵗ) / (√v + ε), and p ← p − η·m / (1 − β₁ᵗ) in the
    /// first steps, with rₜ the rectification term of the paper.
    RAdam = "radam" "as adam, but without sqrt(v) in the first steps" {
        learning_rate = 1e-3,
        /// Decay rate β₁ of the mean gradient m, in [0, 1).
        beta1: Fraction = 0.9,
        /// Decay rate β₂ of the mean square v, in [0, 1).
        beta2: Fraction = 0.999,
        /// ε, added to √v.
        epsilon: Positive = 1e-8,
        /// Weight decay, an L2 penalty unless `decoupled`.
        weight_decay: NotNegative = 0.0,
        /// `true` for decoupled weight decay, as in [`AdamW`].
        decoupled: Flag = false,
    }
    |o| Rule::new(&updates::RADAM, o.weight_decay, o.decoupled, &moments(o.beta1, o.beta2, o.epsilon));
    |o, t| [correction(o.beta1, t), radam_rectification(o.beta2, t)];

    /// Adamax (`torch.optim.Adamax`; Kingma and Ba 2015, section 7.1).
    ///
    /// m ← β₁·m + (1 − β₁)·g; u ← max(β₂·u, |g| + ε); p ← p − η·(m / (1 − β₁ᵗ)) / u.
    Adamax = "adamax" "p - rate·m/c1 / u, m mean of g, u = max(beta2·u, |g| + epsilon)" {
        learning_rate = 2e-3,
        /// Decay rate β₁ of the mean gradient m, in [0, 1).
        beta1: Fraction = 0.9,
        /// Decay rate β₂ of the largest magnitude u, in [0, 1).
        beta2: Fraction = 0.999,
        /// ε, added to the magnitude of the gradient.
        epsilon: Positive = 1e-8,
        /// Weight decay (L2 penalty).
        weight_decay: NotNegative = 0.0,
    }
    |o| Rule::new(
        &updates::ADAMAX,
        o.weight_decay,
        false,
        &[("beta1", o.beta1), ("one_minus_beta1", 1.0 - o.beta1), ("beta2", o.beta2), ("epsilon", o.epsilon)],
    );
    |o, t| [correction(o.beta1, t)];

    /// Adan (Xie et al. 2022, with the bias corrections of the authors' program). Its decoupled weight decay λ divides
    /// p by 1 + η·λ.
    ///
    /// With the difference d of g from the gradient of the step before (0 in the first step): m ← β₁·m + (1 − β₁)·g; v
    /// ← β₂·v + (1 − β₂)·d; n ← β₃·n + (1 − β₃)·(g + β₂·d)²; p ← (p − η·(m / (1 − β₁ᵗ) + β₂·v / (1 − β₂ᵗ)) / (√(n / (1
    /// − β₃ᵗ)) + ε)) / (1 + η·λ).
    Adan = "adan" "as adam, with Nesterov momentum from differences of gradients" {
        learning_rate = 1e-3,
        /// Decay rate β₁ of the mean gradient m, in [0, 1).
        beta1: Fraction = 0.98,
        /// Decay rate β₂ of the mean difference v, in [0, 1).
        beta2: Fraction = 0.92,
        /// Decay rate β₃ of the mean square n, in [0, 1).
        beta3: Fraction = 0.99,
        /// ε, added to the bias-corrected root of n.
        epsilon: Positive = 1e-8,
        /// Decoupled weight decay λ.
        weight_decay: NotNegative = 0.0,
    }
    |o| Rule::new(
        &updates::ADAN,
        o.weight_decay,
        true,
        &[
            ("beta1", o.beta1),
            ("one_minus_beta1", 1.0 - o.beta1),
            ("beta2", o.beta2),
            ("one_minus_beta2", 1.0 - o.beta2),
            ("beta3", o.beta3),
            ("one_minus_beta3", 1.0 - o.beta3),
            ("epsilon", o.epsilon),
        ],
    );
    |o, t| {
        let root = correction(o.beta3, t).sqrt();
        [f64::from(u8::from(t > 1)), correction(o.beta1, t), correction(o.beta2, t), root]
    };

    /// Schedule-free AdamW (Defazio et al. 2024; `AdamWScheduleFree` of the authors' program), with decoupled weight
    /// decay. It needs no schedule but a warm-up: instead of decreasing the learning rate, it averages.
    ///
    /// The parameters are y, at which gradients are computed. The model, evaluations and the best epoch have their
    /// average x instead, as with [`Builder::average`](crate::trainer::Builder::average). v as in [`Adam`];
    /// d = g / (√(v / (1 − β₂ᵗ)) + ε) + λ·y; z ← z − η·d; x ← x + c·(z − x); y ← y + c·(z' − y) − η·(1 − β₁·(1 − c))·d
    /// with z' the z of before, which is β₁·x + (1 − β₁)·z. c = ηₜ² / (η₁² + … + ηₜ²): 1 / t without a warm-up.
    AdamWScheduleFree = "adamw_schedule_free" "p = beta1·x + (1 - beta1)·z, z - rate·g / (sqrt(v)/c2 + epsilon), x mean of z" {
        learning_rate = 2.5e-3,
        /// Share β₁ of the average x in the parameters y, in [0, 1).
        beta1: Fraction = 0.9,
        /// Decay rate β₂ of the mean square v, in [0, 1).
        beta2: Fraction = 0.999,
        /// ε, added to the bias-corrected root.
        epsilon: Positive = 1e-8,
        /// Decoupled weight decay, computed from y.
        weight_decay: NotNegative = 0.0,
    }
    |o| {
        let [beta1, _, beta2, one_minus_beta2, epsilon] = moments(o.beta1, o.beta2, o.epsilon);
        Rule::new(&updates::ADAMW_SCHEDULE_FREE, o.weight_decay, true, &[beta1, beta2, one_minus_beta2, epsilon])
    };
    |o, t| [correction(o.beta2, t).sqrt()];

    /// Lion (Chen et al. 2023), with decoupled weight decay.
    ///
    /// p ← p − η·sign(β₁·m + (1 − β₁)·g), then m ← β₂·m + (1 − β₂)·g.
    Lion = "lion" "p - rate·sign(beta1·m + (1 - beta1)·g), m mean of g by beta2" {
        learning_rate = 1e-4,
        /// Weight β₁ of m in the direction of the step, in [0, 1).
        beta1: Fraction = 0.9,
        /// Decay rate β₂ of the mean gradient m, in [0, 1).
        beta2: Fraction = 0.99,
        /// Decoupled weight decay.
        weight_decay: NotNegative = 0.0,
    }
    |o| Rule::new(&updates::LION, o.weight_decay, true, &moments(o.beta1, o.beta2, 0.0)[..4]);
    |_o, _t| [0.0; 0];

    /// LAMB (You et al. 2020, algorithm 2 with bias corrections), for large batches: [`AdamW`]'s direction, with a step
    /// per tensor that is as long as the learning rate times the tensor's own norm.
    ///
    /// m and v as in [`Adam`]; u = m / (1 − β₁ᵗ) / (√(v / (1 − β₂ᵗ)) + ε) + λ·p; p ← p − η·(‖p‖ / ‖u‖)·u, with norms of
    /// the tensor, and without the ratio where one of them is 0. As in the paper, this holds for biases, too; NVIDIA's
    /// apex has it as `FusedLAMB` with `use_nvlamb`.
    Lamb = "lamb" "p - rate·u·|p|/|u|, u = m/c1 / (sqrt(v)/c2 + epsilon) + weight_decay·p" {
        learning_rate = 1e-3,
        /// Decay rate β₁ of the mean gradient m, in [0, 1).
        beta1: Fraction = 0.9,
        /// Decay rate β₂ of the mean square v, in [0, 1).
        beta2: Fraction = 0.999,
        /// ε, added to the bias-corrected root.
        epsilon: Positive = 1e-6,
        /// Decoupled weight decay λ, which is part of the direction u.
        weight_decay: NotNegative = 0.01,
    }
    |o| Rule::new(&updates::LAMB, o.weight_decay, true, &moments(o.beta1, o.beta2, o.epsilon));
    |o, t| [correction(o.beta1, t), correction(o.beta2, t).sqrt()];

    /// RMSprop (`torch.optim.RMSprop`; Tieleman and Hinton 2012).
    ///
    /// v ← α·v + (1 − α)·g²; d = g / (√v + ε); p ← p − η·d, or with momentum b ← momentum·b + d and p ← p − η·b. If
    /// `centered`, the root is that of the variance v − m², with m ← α·m + (1 − α)·g. A variance that rounding makes
    /// negative counts as 0.
    RmsProp = "rmsprop" "p - rate·g / (sqrt(v) + epsilon), v mean of g^2" {
        learning_rate = 0.01,
        /// Decay rate α of the mean square v, in [0, 1).
        alpha: Fraction = 0.99,
        /// ε, added to the root.
        epsilon: Positive = 1e-8,
        /// Weight decay (L2 penalty).
        weight_decay: NotNegative = 0.0,
        /// Momentum factor, in [0, 1).
        momentum: Fraction = 0.0,
        /// `true` to divide by the root of the variance of g, in place of its mean square v.
        centered: Flag = false,
    }
    |o| {
        let (update, count) = match (o.centered, o.momentum > 0.0) {
            (false, false) => (&updates::RMSPROP, 3),
            (false, true) => (&updates::RMSPROP_MOMENTUM, 4),
            (true, false) => (&updates::RMSPROP_CENTERED, 3),
            (true, true) => (&updates::RMSPROP_CENTERED_MOMENTUM, 4),
        };
        let settings = [
            ("alpha", o.alpha),
            ("one_minus_alpha", 1.0 - o.alpha),
            ("epsilon", o.epsilon),
            ("factor", o.momentum),
        ];
        Rule::new(update, o.weight_decay, false, &settings[..count])
    };
    |_o, _t| [0.0; 0];

    /// Adagrad (`torch.optim.Adagrad`; Duchi et al. 2011).
    ///
    /// s ← s + g²; p ← p − η / (1 + (t − 1)·rate_decay)·g / (√(s + initial) + ε).
    Adagrad = "adagrad" "p - rate·g / (sqrt(s) + epsilon), s sum of g^2" {
        learning_rate = 0.01,
        /// Decay of the learning rate (PyTorch's `lr_decay`).
        rate_decay: NotNegative = 0.0,
        /// Number added to the sum of squares (PyTorch's `initial_accumulator_value`).
        initial: NotNegative = 0.0,
        /// ε, added to the root.
        epsilon: Positive = 1e-10,
        /// Weight decay (L2 penalty).
        weight_decay: NotNegative = 0.0,
    }
    |o| Rule::new(&updates::ADAGRAD, o.weight_decay, false, &[("epsilon", o.epsilon), ("initial", o.initial)]);
    |o, t| [1.0 / (1.0 + (t - 1) as f64 * o.rate_decay)];

    /// Adadelta (`torch.optim.Adadelta`; Zeiler 2012).
    ///
    /// v ← ρ·v + (1 − ρ)·g²; d = g·√(u + ε) / √(v + ε); u ← ρ·u + (1 − ρ)·d²; p ← p − η·d.
    Adadelta = "adadelta" "p - rate·d, d = g·sqrt((u + epsilon) / (v + epsilon)), v, u means of g^2, d^2" {
        learning_rate = 1.0,
        /// Decay rate ρ of both means, in [0, 1).
        rho: Fraction = 0.9,
        /// ε, added under both roots.
        epsilon: Positive = 1e-6,
        /// Weight decay (L2 penalty).
        weight_decay: NotNegative = 0.0,
    }
    |o| Rule::new(
        &updates::ADADELTA,
        o.weight_decay,
        false,
        &[("rho", o.rho), ("one_minus_rho", 1.0 - o.rho), ("epsilon", o.epsilon)],
    );
    |_o, _t| [0.0; 0];

    /// Stochastic gradient descent, optionally with momentum (`torch.optim.SGD`).
    ///
    /// b ← momentum·b + (1 − dampening)·g, where the first step has no dampening; p ← p − η·b, or with Nesterov
    /// momentum p ← p − η·(g + momentum·b).
    Sgd = "sgd" "p - rate·b, b = momentum·b + (1 - dampening)·g" {
        learning_rate = 0.01,
        /// Momentum factor, in [0, 1).
        momentum: Fraction = 0.0,
        /// Fraction of the gradient that is not added to the momentum buffer b, in [0, 1).
        dampening: Fraction = 0.0,
        /// `true` for Nesterov momentum, which needs momentum above 0 and no dampening.
        nesterov: Flag = false,
        /// Weight decay (L2 penalty).
        weight_decay: NotNegative = 0.0,
    }
    |o| match o.momentum {
        0.0 => Rule::new(&updates::SGD, o.weight_decay, false, &[]),
        momentum => {
            let settings = [("factor", momentum), ("nesterov", f64::from(u8::from(o.nesterov)))];
            Rule::new(&updates::SGD_MOMENTUM, o.weight_decay, false, &settings)
        }
    };
    |o, t| [if t == 1 { 1.0 } else { 1.0 - o.dampening }];
}
/// Returns the rule of Adam and AdamW, with or without AMSGrad.
fn adam(amsgrad: bool, weight_decay: f64, decoupled: bool, [beta1, beta2, epsilon]: [f64; 3]) -> Rule {
    let update = if amsgrad { &updates::AMSGRAD } else { &updates::ADAMW };
    Rule::new(update, weight_decay, decoupled, &moments(beta1, beta2, epsilon))
}

/// Returns the settings of updates with two moving averages. 1 − β is computed here in f64, so that it is rounded to
/// f32 only once.
fn moments(beta1: f64, beta2: f64, epsilon: f64) -> [(&'static str, f64); 5] {
    [
        ("beta1", beta1),
        ("one_minus_beta1", 1.0 - beta1),
        ("beta2", beta2),
        ("one_minus_beta2", 1.0 - beta2),
        ("epsilon", epsilon),
    ]
}
/// Returns the bias correction 1 − βᵗ.
fn correction(beta: f64, t: u64) -> f64 {
    1.0 - beta.powi(t.min(i32::MAX as u64) as i32)
}

/// Returns NAdam's momentum factor μₜ of step t, and the product of the factors of steps 1 to t. The loop ends when the
/// product is so small that 1 − product rounds to 1.
fn nadam_momentum(beta1: f64, momentum_decay: f64, t: u64) -> (f64, f64) {
    let factor = |t: u64| beta1 * (1.0 - 0.5 * 0.96f64.powf(t as f64 * momentum_decay));
    let mut product = 1.0;
    for step in 1..=t {
        product *= factor(step);
        if product < f64::EPSILON / 8.0 {
            break;
        }
    }
    (factor(t), product)
}

/// Returns RAdam's factor rₜ·√(1 − β₂ᵗ) of step t, or 0 where the variance is not tractable.
fn radam_rectification(beta2: f64, t: u64) -> f64 {
    let (longest, corrected) = (2.0 / (1.0 - beta2) - 1.0, correction(beta2, t));
    let length = longest - 2.0 * t as f64 * (1.0 - corrected) / corrected;
    if length <= 5.0 {
        return 0.0;
    }
    let ratio = |length: f64| (length - 4.0) * (length - 2.0) / length;
    (ratio(length) / ratio(longest) * corrected).sqrt()
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nadam_momentum_is_the_product_of_all_factors() {
        // β₁ = 0.5 and no decay: every factor is 0.5·(1 − 0.5) = 0.25.
        assert_eq!(nadam_momentum(0.5, 0.0, 2), (0.25, 0.0625));
    }

    #[test]
    fn radam_is_not_adaptive_in_the_first_five_steps() {
        let factors: Vec<f64> = (1..8).map(|t| radam_rectification(0.999, t)).collect();
        assert!(factors[..5].iter().all(|factor| *factor == 0.0) && factors[5] > 0.0, "{factors:?}");
    }
}
