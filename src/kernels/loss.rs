//! Choice of the kernel of a loss function: `element_loss`, or the kernel of a loss that needs the whole row.

use crate::elementwise::{Form, RowLoss};
use crate::kernels::{element_loss, shared, softmax_cross_entropy};
use crate::loss::Loss;
use crate::plan::{Kernel, Op, Plan, ViewId};

/// Returns the kernel of a loss function.
pub fn kernel(loss: Loss) -> &'static Kernel {
    match loss.function().form {
        Form::Element(_) => &element_loss::KERNEL,
        Form::Rows(RowLoss::SoftmaxCrossEntropy) => &softmax_cross_entropy::KERNEL,
    }
}

/// Op of a loss function: computes row_loss and grad from output and target.
pub fn op(loss: Loss, plan: &Plan, output: ViewId, target: ViewId, row_loss: ViewId, grad: ViewId, flag: ViewId) -> Op {
    let shape = plan.shape(output);
    let params = shared::row_loss::Params::new(loss, shape.columns);
    Op::new(kernel(loss), &[output, target, row_loss, grad, flag], &params, shape.rows)
}
