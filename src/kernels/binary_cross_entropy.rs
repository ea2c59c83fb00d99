//! Binary cross-entropy from logits with its gradient.
//!
//! Formulas, with output z, target t, e = e⁻|ᶻ|, and the distance w of the target from the nearer side, 1 − t for z >
//! 0, else t:
//! `row_loss[r] = Σ꜀ (|z|·w + ln(1 + e)) / n`, which equals −t·ln σ(z) − (1 − t)·ln(1 − σ(z)) without overflow;
//! grad = ±(e/(1 + e) − w) / n · scale, with − for z > 0, which equals (σ(z) − t) / n · scale.
//! For targets from 0 to 1 nothing cancels in the loss, however confident the prediction is.
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
//! Rounding: n positive terms, which the reference sums in f64; e and ln(1 + e) are relative, see `numeric::rounding`.

use std::sync::atomic::AtomicU32;

use crate::kernels::shared::row_loss::{self, Params};
use crate::numeric::{EXPONENTIAL_ERROR, LOG_1P_ERROR, UNIT_ROUNDOFF, or_flushed};
use crate::plan::{Call, Kernel, Step, StepUse, Tolerance, WorkItem};

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "binary_cross_entropy",
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
    shader: row_loss::shader(include_str!("../../shaders/binary_cross_entropy.wgsl"), row_loss::ELEMENTWISE),
};

/// Operations per element.
const FLOPS: u64 = 12;

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
            let (z, t) = (output[i], target[i]);
            let e = (-z.abs()).exp();
            let w = if z > 0.0 { 1.0 - t } else { t };
            loss += f64::from(z.abs() * w + e.ln_1p());
            let derivative = e / (1.0 + e) - w;
            grad[i] = (if z > 0.0 { -derivative } else { derivative }) / n * step.loss_scale;
        }
        let loss = loss as f32;
        row_loss::write(&mut row_loss[r], loss / n, step, flag);
    }
}

fn tolerance(before: &Call<'_>, after: &Call<'_>) -> Vec<Tolerance> {
    let columns = before.params::<Params>().columns as usize;
    let (output, target) = (before.f32(0), before.f32(1));
    let (live, n) = (before.items.len(), columns as f64);
    let mut losses = vec![0.0; after.f32(2).len()];
    let mut gradients = vec![0.0; after.f32(3).len()];
    for i in 0..live * columns {
        let (z, t) = (f64::from(output[i]), f64::from(target[i]));
        let e = (-z.abs()).exp();
        let w = if z > 0.0 { (1.0 - t).abs() } else { t.abs() };
        let magnitude = z.abs() * w + e.ln_1p();
        let functions = (LOG_1P_ERROR + EXPONENTIAL_ERROR) * e.ln_1p();
        // Either side may flush a small exponential.
        losses[i / columns] += or_flushed(2.0 * (columns + 6) as f64 * UNIT_ROUNDOFF * magnitude + functions) / n;
        // 1 + e and the quotient have 8 units on both sides; the difference is rounded relative to itself.
        let terms = (EXPONENTIAL_ERROR + 8.0 * UNIT_ROUNDOFF) * e / (1.0 + e) + 2.0 * UNIT_ROUNDOFF * w;
        let rounding = 8.0 * UNIT_ROUNDOFF * f64::from(after.f32(3)[i].abs());
        gradients[i] = or_flushed(or_flushed(terms) / n * f64::from(before.step.loss_scale) + rounding);
    }
    vec![Tolerance::Each(losses), Tolerance::Each(gradients), Tolerance::Exact]
}
