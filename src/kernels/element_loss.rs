//! Mean over columns of a loss per element, with its gradient.
//!
//! Formulas: `row_loss[r] = Σ꜀ l(z, t) / n`, `grad[r, c] = l′(z, t) / n · scale`, with l and its derivative l′ with
//! respect to z from `src/elementwise/losses.rs`. Symbols: r a row of the batch, c one of n columns, z the output and t
//! the target there, scale = 1 / number of rows of the step.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | output | rows×columns | read |
//! | 3 | targets | rows×columns | read |
//! | 4 | row_loss | rows×1 | write |
//! | 5 | grad | rows×columns | write |
//! | 6 | flag | 1 | atomic min with the step's index if the loss of a row is not finite |
//!
//! Derivative: written to `grad` along with the loss. Tolerance: [`Rounded`] computes the rounding errors from the
//! declaration of l, and the roundings of a sum of n terms, which the reference sums in f64.

use crate::elementwise::numbers::Rounded;
use crate::elementwise::{ElementLoss, MOST_PARAMETERS};
use crate::kernels::shared::row_loss::{self, Params};
use crate::kernels::shared::{self, row_prelude};
use crate::numeric::UNIT_ROUNDOFF;
use crate::plan::{Call, Kernel, Op, Shader, StepUse, Tolerance, WorkItem};

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "element_loss",
    bindings: row_loss::NUMBERS,
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::BatchRow,
    flops: |words, shapes| {
        let p: &Params = bytemuck::from_bytes(bytemuck::cast_slice(words));
        function(p).flops * shapes[0].elements() as u64
    },
    reference,
    fast: None,
    tolerance,
    shader: Shader {
        prelude,
        ..row_loss::shader(
            include_str!("../../shaders/element_loss.wgsl"),
            &[
                shared::STEP,
                shared::LINEAR_INDEX,
                shared::FINITE,
                shared::FUNCTIONS,
                shared::ABOVE,
                shared::TREE,
                shared::ROW,
                shared::ROW_LOSS,
            ],
        )
    },
};

/// Returns the WGSL prelude: the layout of rows, and the op's own loss function.
fn prelude(op: &Op) -> String {
    row_prelude(op) + &op.params::<Params>().loss().function().wgsl()
}

/// Returns the element-wise loss. `kernels::loss::kernel` chooses this kernel only for losses that have one.
fn function(p: &Params) -> &'static ElementLoss {
    p.loss().function().element().unwrap_or_else(|| panic!("{} has no loss per element", p.loss()))
}

/// The reference implementation.
pub fn reference(call: Call<'_>) {
    let (p, step, rows) = (*call.params::<Params>(), *call.step, call.items.len());
    let [output, target, row_loss, grad, flag] = call.args();
    let (output, target, row_loss, grad) = (output.f32(), target.f32(), row_loss.f32_mut(), grad.f32_mut());
    let (row_loss, live) = (&mut row_loss[..rows], rows * p.columns as usize);
    let (output, target, grad) = (&output[..live], &target[..live], &mut grad[..live]);
    (function(&p).rows)(output, target, p.loss().parameters(), step.loss_scale, row_loss, grad);
    let flag = flag.atomic();
    for found in row_loss {
        let loss = *found;
        row_loss::write(found, loss, &step, flag);
    }
}

fn tolerance(before: &Call<'_>, after: &Call<'_>) -> Vec<Tolerance> {
    let p = before.params::<Params>();
    let columns = p.columns as usize;
    let mut losses = vec![0.0; after.f32(2).len()];
    let mut gradients = vec![0.0; after.f32(3).len()];
    for r in 0..before.items.len() {
        let all = r * columns..(r + 1) * columns;
        let outputs: Vec<_> = before.f32(0)[all.clone()].iter().map(|z| Rounded::exact_f32(*z)).collect();
        let (loss, found) = rounded(function(p), p.loss().parameters(), before.step.loss_scale, &outputs, |c| {
            before.f32(1)[r * columns + c]
        });
        losses[r] = loss.error();
        gradients[all].iter_mut().zip(found).for_each(|(gradient, found)| *gradient = found.error());
    }
    vec![Tolerance::Each(losses), Tolerance::Each(gradients), Tolerance::Exact]
}

/// Returns the loss of a row and its gradients, with their rounding errors. Errors of the outputs are propagated.
pub(crate) fn rounded(
    function: &ElementLoss,
    parameters: [f32; MOST_PARAMETERS],
    scale: f32,
    outputs: &[Rounded],
    target: impl Fn(usize) -> f32,
) -> (Rounded, Vec<Rounded>) {
    let ([loss, derivative], parameters) = (function.rounded, parameters.map(Rounded::exact_f32));
    let (n, scale) = (Rounded::exact(outputs.len() as f64), Rounded::exact_f32(scale));
    let (mut sum, mut error, mut size) = (0.0, 0.0, 0.0);
    let mut gradients = Vec::with_capacity(outputs.len());
    for (c, z) in outputs.iter().enumerate() {
        let t = Rounded::exact_f32(target(c));
        let term = loss(*z, t, parameters);
        sum += term.value;
        error += term.error();
        size += term.value.abs() + term.error();
        gradients.push(derivative(*z, t, parameters) / n * scale);
    }
    // In any order, the device rounds each term at most n − 1 times. The reference rounds the sum once.
    let rounding = outputs.len() as f64 * UNIT_ROUNDOFF * size;
    (Rounded::new(sum, error + rounding) / n, gradients)
}
