//! Binary cross-entropy from logits with its gradient.
//!
//! Formulas, z the output, t the target: `row_loss[r] = Σ꜀ (max(z, 0) − z·t + ln(1 + e⁻|ᶻ|)) / n`, which equals
//! −t·ln σ(z) − (1 − t)·ln(1 − σ(z)) without overflow; grad = (σ(z) − t) / n · scale.
//! Letters: r a row of the batch, c one of n columns, scale = 1 / rows of the whole batch.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | output | rows×columns | read |
//! | 3 | targets | rows×columns | read |
//! | 4 | row_loss | rows×1 | write |
//! | 5 | grad | rows×columns | write |
//! | 6 | flag | 1 | atomic: lowered to the step's index where a row's loss is not finite |
//!
//! Derivative: written to `grad` along with the loss.
//! Rounding: n terms; exp and ln to WGSL's accuracy (3 + 2·|x| ULP; absolute 2⁻²¹ near 1).

use std::sync::atomic::AtomicU32;

use crate::kernels::activation;
use crate::kernels::shared::row_loss::{self, Params};
use crate::numeric::{LOGARITHM_ERROR, UNIT_ROUNDOFF, exponential_error, or_flushed};
use crate::plan::{Bound, Call, Kernel, Lane, Step, StepUse};

/// Code of the sigmoid in `activation`.
const SIGMOID: u32 = 2;

/// See the module.
pub static KERNEL: Kernel = Kernel {
    name: "binary_cross_entropy",
    bindings: row_loss::NUMBERS,
    params: Params::FIELDS,
    step: StepUse::One,
    lane: Lane::BatchRow,
    flops: |_, s| FLOPS * s[0].elements() as u64,
    reference: |call| {
        let (p, step, rows) = (*call.params::<Params>(), *call.step, call.lanes.len());
        let [output, target, row_loss, grad, flag] = call.slots();
        reference(&p, &step, rows, output.f32(), target.f32(), row_loss.f32_mut(), grad.f32_mut(), flag.atomic());
    },
    fast: None,
    bound,
    shader: row_loss::shader(include_str!("../../shaders/binary_cross_entropy.wgsl"), row_loss::ELEMENTWISE),
};

/// Operations an element.
const FLOPS: u64 = 12;

/// The plain twin.
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
            let z = output[i];
            loss += z.max(0.0) - z * target[i] + (1.0 + (-z.abs()).exp()).ln();
            grad[i] = (activation::apply(SIGMOID, 0.0, z) - target[i]) / n * step.loss_scale;
        }
        loss /= n;
        row_loss::write(&mut row_loss[r], loss, step, flag);
    }
}

fn bound(before: &Call<'_>, after: &Call<'_>) -> Vec<Bound> {
    let columns = before.params::<Params>().columns as usize;
    let (output, target) = (before.f32(0), before.f32(1));
    let (live, n) = (before.lanes.len(), columns as f64);
    let mut losses = vec![0.0; after.f32(2).len()];
    let mut gradients = vec![0.0; after.f32(3).len()];
    for i in 0..live * columns {
        let (z, t) = (f64::from(output[i]), f64::from(target[i]));
        let e = (-z.abs()).exp();
        let magnitude = z.max(0.0) + (z * t).abs() + e.ln_1p();
        let logarithm = LOGARITHM_ERROR + e / (1.0 + e) * exponential_error(z.abs().min(90.0));
        losses[i / columns] += (2.0 * (columns + 4) as f64 * UNIT_ROUNDOFF * magnitude + logarithm) / n;
        // The difference from the target is rounded relative to itself.
        let sigmoid = activation::error(SIGMOID, 0.0, z, 0.0);
        let rounding = 8.0 * UNIT_ROUNDOFF * f64::from(after.f32(3)[i].abs());
        gradients[i] = or_flushed(sigmoid / n * f64::from(before.step.loss_scale) + rounding);
    }
    vec![Bound::Each(losses), Bound::Each(gradients), Bound::Exact]
}
