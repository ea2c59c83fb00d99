//! Softmax and cross-entropy from logits, with the gradient.
//!
//! Formulas, z the row's outputs, t its class: `row_loss[r] = ln Σ꜀ e^(z꜀ − max z) − (z_t − max z)`,
//! `grad[r, c] = (softmax(z)꜀ − [c = t]) · scale`. Subtracting the largest logit keeps every power at most 1.
//! Letters: r a row of the batch, c one of n columns, scale = 1 / rows of the whole batch.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | output | rows×columns | read |
//! | 3 | targets | rows×1 | read |
//! | 4 | row_loss | rows×1 | write |
//! | 5 | grad | rows×columns | write |
//! | 6 | flag | 1 | atomic: lowered to the step's index where a row's loss is not finite |
//!
//! Derivative: written to `grad` along with the loss.
//! Rounding: n terms; exp and ln to WGSL's accuracy (3 + 2·|x| ULP; absolute 2⁻²¹ near 1).

use std::sync::atomic::AtomicU32;

use crate::kernels::shared;
use crate::kernels::shared::row_loss::{self, Params};
use crate::numeric::{LOGARITHM_ERROR, UNIT_ROUNDOFF, exponential, exponential_error, or_flushed, widest};
use crate::plan::{Bound, Call, Kernel, Lane, Step, StepUse};

/// See the module.
pub static KERNEL: Kernel = Kernel {
    name: "softmax_cross_entropy",
    bindings: row_loss::CLASSES,
    params: Params::FIELDS,
    step: StepUse::One,
    lane: Lane::BatchRow,
    flops: |_, s| FLOPS * s[0].elements() as u64,
    reference: |call| {
        let (p, step, rows) = (*call.params::<Params>(), *call.step, call.lanes.len());
        let [output, target, row_loss, grad, flag] = call.slots();
        reference(&p, &step, rows, output.f32(), target.words(), row_loss.f32_mut(), grad.f32_mut(), flag.atomic());
    },
    fast: Some(fast),
    bound,
    shader: row_loss::shader(
        include_str!("../../shaders/softmax_cross_entropy.wgsl"),
        &[shared::STEP, shared::LINE, shared::FINITE, shared::TREE, shared::ROW, shared::ROW_LOSS],
    ),
};

/// Operations an element.
const FLOPS: u64 = 8;

/// The plain twin.
#[expect(clippy::too_many_arguments, reason = "one for each binding")]
pub fn reference(
    p: &Params,
    step: &Step,
    rows: usize,
    output: &[f32],
    target: &[u32],
    row_loss: &mut [f32],
    grad: &mut [f32],
    flag: &AtomicU32,
) {
    let columns = p.columns as usize;
    for r in 0..rows {
        let logits = &output[r * columns..(r + 1) * columns];
        let mut largest = logits[0];
        for z in logits {
            largest = if *z <= largest { largest } else { *z };
        }
        let mut total = 0.0;
        for c in 0..columns {
            let e = (logits[c] - largest).exp();
            total += e;
            grad[r * columns + c] = e;
        }
        let class = target[r] as usize;
        for c in 0..columns {
            let probability = grad[r * columns + c] / total;
            grad[r * columns + c] = (probability - f32::from(c == class)) * step.loss_scale;
        }
        let loss = total.ln() - (logits[class] - largest);
        row_loss::write(&mut row_loss[r], loss, step, flag);
    }
}

/// The plain twin in three passes, so that all rows' exponentials are one loop of vectors.
fn fast(call: Call<'_>) {
    let (columns, step) = (call.params::<Params>().columns as usize, *call.step);
    let [output, target, row_loss, grad, flag] = call.slots();
    let (output, target, row_loss, grad, flag) =
        (output.f32(), target.words(), row_loss.f32_mut(), grad.f32_mut(), flag.atomic());
    below_largest(columns, output, row_loss, grad);
    exponentials(grad);
    for (r, row) in grad.chunks_exact_mut(columns).enumerate() {
        let class = target[r] as usize;
        let total = gradient_of_row(row, step.loss_scale);
        row[class] -= step.loss_scale;
        let loss = total.ln() - (output[r * columns + class] - row_loss[r]);
        row_loss::write(&mut row_loss[r], loss, &step, flag);
    }
}

widest! {
    /// Each row's largest logit, and how far below it the logits are.
    fn below_largest(columns: usize, logits: &[f32], largest: &mut [f32], below: &mut [f32]) {
        let rows = logits.chunks_exact(columns).zip(below.chunks_exact_mut(columns));
        for ((logits, below), largest) in rows.zip(largest) {
            *largest = logits.iter().fold(logits[0], |largest, z| if *z <= largest { largest } else { *z });
            below.iter_mut().zip(logits).for_each(|(below, z)| *below = z - *largest);
        }
    }

    fn exponentials(values: &mut [f32]) {
        values.iter_mut().for_each(|x| *x = exponential(*x));
    }
}

/// Makes softmax·scale of a row's exponentials, and returns their sum.
fn gradient_of_row(row: &mut [f32], scale: f32) -> f32 {
    let total: f32 = row.iter().sum();
    let factor = scale / total;
    row.iter_mut().for_each(|e| *e *= factor);
    total
}

fn bound(before: &Call<'_>, after: &Call<'_>) -> Vec<Bound> {
    let columns = before.params::<Params>().columns as usize;
    let mut losses = vec![0.0; after.f32(2).len()];
    let mut gradients = vec![0.0; after.f32(3).len()];
    for r in 0..before.lanes.len() {
        let logits = &before.f32(0)[r * columns..(r + 1) * columns];
        let largest = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let below = |c: usize| (f64::from(logits[c]) - largest).max(-100.0);
        let total: f64 = (0..columns).map(|c| below(c).exp()).sum();
        let shared = (0..columns).map(|c| below(c).exp() * exponential_error(below(c))).sum::<f64>() / total;
        let relative = shared + 2.0 * (columns + 4) as f64 * UNIT_ROUNDOFF;
        let class = before.words(1)[r] as usize;
        let distance = largest - f64::from(logits[class]);
        losses[r] = relative + LOGARITHM_ERROR + 8.0 * UNIT_ROUNDOFF * (total.ln() + distance);
        for c in 0..columns {
            let probability = below(c).exp() / total;
            // Taking 1 away, and scaling, are rounded relative to what comes of them.
            let rounding = 4.0 * UNIT_ROUNDOFF * (probability - f64::from(u8::from(c == class))).abs();
            let error = probability * (relative + exponential_error(below(c))) + rounding;
            gradients[r * columns + c] = or_flushed(error * f64::from(before.step.loss_scale));
        }
    }
    vec![Bound::Each(losses), Bound::Each(gradients), Bound::Exact]
}
