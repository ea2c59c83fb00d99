//! Choice of the kernel of a loss function: `element_loss`, `whole_row_loss`, or `softmax_cross_entropy`.

use crate::elementwise::LossKernel;
use crate::kernels::{element_loss, shared, softmax_cross_entropy, whole_row_loss};
use crate::loss::{Loss, TargetKind};
use crate::plan::{Kernel, Op, Plan, ViewId};

/// Returns the kernel of a loss function.
pub fn kernel(loss: Loss) -> &'static Kernel {
    match loss.function().kernel {
        LossKernel::Element(_) => &element_loss::KERNEL,
        LossKernel::Row(_) if loss.target_kind() == TargetKind::Class => &whole_row_loss::CLASSES,
        LossKernel::Row(_) => &whole_row_loss::NUMBERS,
        LossKernel::Softmax => &softmax_cross_entropy::KERNEL,
    }
}

/// Creates the op of a loss function, which computes row_loss and grad from output and target.
pub fn op(loss: Loss, plan: &Plan, output: ViewId, target: ViewId, row_loss: ViewId, grad: ViewId, flag: ViewId) -> Op {
    let shape = plan.shape(output);
    let params = shared::row_loss::Params::new(loss, shape.columns);
    Op::new(kernel(loss), &[output, target, row_loss, grad, flag], &params, shape.rows)
}
