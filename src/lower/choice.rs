//! Kernels of optimizers.

use crate::kernels::{adamw, rmsprop, sgd};
use crate::optim::{Adam, AdamW, Optimizer, RmsProp, Sgd};
use crate::plan::{Op, Plan, ViewId};

/// Creates the op of an optimizer over `[parameters, gradients, norm, flag]` and its states.
pub(super) fn optimizer_op(
    optimizer: Optimizer,
    plan: &Plan,
    max_norm: f32,
    views: [ViewId; 4],
    states: &[ViewId],
) -> Op {
    let [parameter, gradient, norm, flag] = views;
    let adam = |beta1: f64, beta2: f64, epsilon: f64, l2: f64, decay: f64| {
        let params = adamw::Params {
            beta1: beta1 as f32,
            one_minus_beta1: (1.0 - beta1) as f32,
            beta2: beta2 as f32,
            one_minus_beta2: (1.0 - beta2) as f32,
            epsilon: epsilon as f32,
            l2: l2 as f32,
            decay: decay as f32,
            max_norm,
        };
        adamw::op(plan, &params, parameter, gradient, states[0], states[1], norm, flag)
    };
    match optimizer {
        Optimizer::Sgd(Sgd { momentum, nesterov, weight_decay, .. }) => {
            let params = sgd::Params {
                momentum: momentum as f32,
                nesterov: u32::from(nesterov),
                l2: weight_decay as f32,
                max_norm,
            };
            sgd::op(plan, &params, parameter, gradient, norm, flag, states.first().copied())
        }
        Optimizer::RmsProp(RmsProp { alpha, epsilon, weight_decay, .. }) => {
            let params = rmsprop::Params {
                alpha: alpha as f32,
                one_minus_alpha: (1.0 - alpha) as f32,
                epsilon: epsilon as f32,
                l2: weight_decay as f32,
                max_norm,
            };
            rmsprop::op(plan, &params, parameter, gradient, states[0], norm, flag)
        }
        Optimizer::Adam(Adam { beta1, beta2, epsilon, weight_decay, .. }) => {
            adam(beta1, beta2, epsilon, weight_decay, 0.0)
        }
        Optimizer::AdamW(AdamW { beta1, beta2, epsilon, weight_decay, .. }) => {
            adam(beta1, beta2, epsilon, 0.0, weight_decay)
        }
    }
}
