//! Mean squared error with its gradient.
//!
//! Formulas: `row_loss[r] = Σ꜀ (output − target)² / n`, `grad = 2·(output − target) / n · scale`.
//! Symbols: r a row of the batch, c one of n columns, scale = 1 / rows of the whole batch.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | output | rows×columns | read |
//! | 3 | targets | rows×columns | read |
//! | 4 | row_loss | rows×1 | write |
//! | 5 | grad | rows×columns | write |
//! | 6 | flag | 1 | atomic min with the step's index where the loss of a row is not finite |
//!
//! Derivative: written to `grad` along with the loss.
//! Rounding: a sum of positive terms, relative; four roundings for the gradient.

use std::sync::atomic::AtomicU32;

use crate::kernels::shared::row_loss::{self, Params};
use crate::numeric::{UNIT_ROUNDOFF, or_flushed};
use crate::plan::{Call, Kernel, Step, StepUse, Tolerance, WorkItem};

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "mean_squared_error",
    bindings: row_loss::NUMBERS,
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::BatchRow,
    flops: |_, s| FLOPS * s[0].elements() as u64,
    reference: |call| {
        let (p, step, rows) = (*call.params::<Params>(), *call.step, call.items.len());
        let [output, target, row_loss, grad, flag] = call.args();
        reference(&p, &step, rows, output.f32(), target.f32(), row_loss.f32_mut(), grad.f32_mut(), flag.atomic());
    },
    fast: None,
    tolerance,
    shader: row_loss::shader(include_str!("../../shaders/mean_squared_error.wgsl"), row_loss::ELEMENTWISE),
};

/// Operations per element.
const FLOPS: u64 = 5;

/// The reference implementation.
#[expect(clippy::too_many_arguments, reason = "one for each binding")]
pub fn reference(
    p: &Params,
    step: &Step,
    rows: usize,
    output: &[f32],
    target: &[f32],
    row_loss: &mut [f32],
    grad: &mut [f32],
    flag: &AtomicU32,
) {
    let columns = p.columns as usize;
    let n = columns as f32;
    for r in 0..rows {
        let mut loss = 0.0;
        for i in r * columns..(r + 1) * columns {
            let difference = output[i] - target[i];
            loss += f64::from(difference * difference);
            grad[i] = 2.0 * difference / n * step.loss_scale;
        }
        let loss = loss as f32;
        row_loss::write(&mut row_loss[r], loss / n, step, flag);
    }
}

fn tolerance(before: &Call<'_>, after: &Call<'_>) -> Vec<Tolerance> {
    let columns = before.params::<Params>().columns as usize;
    let (row_loss, grad) = (after.f32(2), after.f32(3));
    let live = before.items.len();
    let mut losses = vec![0.0; row_loss.len()];
    let mut gradients = vec![0.0; grad.len()];
    // All terms are positive, so the tolerance is relative to the sum.
    let relative = 2.0 * (columns + 6) as f64 * UNIT_ROUNDOFF;
    (0..live).for_each(|r| losses[r] = or_flushed(relative * f64::from(row_loss[r])));
    (0..live * columns).for_each(|i| gradients[i] = or_flushed(12.0 * UNIT_ROUNDOFF * f64::from(grad[i].abs())));
    vec![Tolerance::Each(losses), Tolerance::Each(gradients), Tolerance::Exact]
}
