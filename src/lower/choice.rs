//! Kernels of losses and optimizers.

use crate::kernels::{binary_cross_entropy, mean_squared_error, perceptron, softmax_cross_entropy, update};
use crate::loss::Loss;
use crate::optim::Optimizer;
use crate::plan::{Kernel, Op, Plan, ViewId};

/// Returns the kernel of a loss, which also writes its gradient.
pub(super) fn loss_kernel(loss: Loss) -> &'static Kernel {
    match loss {
        Loss::MeanSquaredError => &mean_squared_error::KERNEL,
        Loss::BinaryCrossEntropy => &binary_cross_entropy::KERNEL,
        Loss::SoftmaxCrossEntropy => &softmax_cross_entropy::KERNEL,
        Loss::Perceptron => &perceptron::KERNEL,
    }
}

/// Creates the op of an optimizer over `[parameters, gradients, norm, flag]` and its states.
pub(super) fn optimizer_op(
    optimizer: Optimizer,
    plan: &Plan,
    max_norm: f32,
    views: [ViewId; 4],
    states: &[ViewId],
) -> Op {
    let rule = optimizer.rule();
    let common = update::Common { max_norm, l2: rule.l2 as f32, decay: rule.decay as f32 };
    let settings: Vec<f32> = rule.settings.iter().map(|(_, value)| *value as f32).collect();
    update::op(plan, rule.update, common, &settings, views, states)
}
