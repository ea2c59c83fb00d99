//! Kernels of optimizers.

use crate::kernels::update;
use crate::optim::Optimizer;
use crate::plan::{Op, Plan, ViewId};

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
