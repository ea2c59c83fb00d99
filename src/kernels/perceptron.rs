//! Rosenblatt's perceptron criterion with its gradient.
//!
//! Formulas: `error = step(output) − target`, `row_loss[r] = Σ꜀ error·output / n`, `grad = error / n · scale`;
//! step(z) = 1 for z > 0, else 0. For targets 0 and 1 the loss is max(0, −(2·target − 1)·output).
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
//! Rounding: a sum of n terms |error·output|, which are exactly 0 for correct outputs; three roundings for the
//! gradient.

use std::sync::atomic::AtomicU32;

use crate::kernels::shared::row_loss::{self, Params};
use crate::numeric::{UNIT_ROUNDOFF, or_flushed};
use crate::plan::{Call, Kernel, Step, StepUse, Tolerance, WorkItem};

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "perceptron",
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
    shader: row_loss::shader(include_str!("../../shaders/perceptron.wgsl"), row_loss::ELEMENTWISE),
};

/// Operations per element.
const FLOPS: u64 = 4;

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
            let error = f32::from(output[i] > 0.0) - target[i];
            loss += f64::from(error * output[i]);
            grad[i] = error / n * step.loss_scale;
        }
        let loss = loss as f32;
        row_loss::write(&mut row_loss[r], loss / n, step, flag);
    }
}

fn tolerance(before: &Call<'_>, after: &Call<'_>) -> Vec<Tolerance> {
    let columns = before.params::<Params>().columns as usize;
    let (output, target, row_loss, grad) = (before.f32(0), before.f32(1), after.f32(2), after.f32(3));
    let live = before.items.len();
    let mut losses = vec![0.0; row_loss.len()];
    let mut gradients = vec![0.0; grad.len()];
    for r in 0..live {
        let term = |i: usize| f64::from(((f32::from(output[i] > 0.0) - target[i]) * output[i]).abs());
        let magnitude: f64 = (r * columns..(r + 1) * columns).map(term).sum();
        losses[r] = or_flushed(2.0 * (columns + 6) as f64 * UNIT_ROUNDOFF * magnitude / columns as f64);
    }
    (0..live * columns).for_each(|i| gradients[i] = or_flushed(12.0 * UNIT_ROUNDOFF * f64::from(grad[i].abs())));
    vec![Tolerance::Each(losses), Tolerance::Each(gradients), Tolerance::Exact]
}
