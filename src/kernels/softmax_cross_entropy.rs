//! Softmax and cross-entropy from logits, with the gradient.
//!
//! Formulas, with the outputs z and the class t of the row, `e꜀ = e^(z꜀ − max z)`, others = Σ e꜀ over all c except t,
//! total = others + e_t:
//! `row_loss[r] = (max z − z_t) + ln(1 + (others + (e_t − 1)))`, which equals −ln softmax(z)_t;
//! `grad[r, c] = e꜀ / total · scale`, and −others / total · scale for c = t, which equals (softmax(z)꜀ − [c = t]) ·
//! scale.
//! Label smoothing ε adds `ε·(z_t − mean z)` to the loss, and `ε·([c = t] − 1/n) · scale` to the gradient.
//! If t is the largest, e_t − 1 is 0 and the loss is ln(1 + others): nothing cancels, however confident the prediction
//! is. Otherwise others is at least 1.
//! Symbols: r a row of the batch, c one of n columns, scale = 1 / number of rows of the step.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | output | rows×columns | read |
//! | 3 | targets | rows×1 | read |
//! | 4 | row_loss | rows×1 | write |
//! | 5 | grad | rows×columns | write |
//! | 6 | flag | 1 | atomic min with the step's index if the loss of a row is not finite |
//!
//! Derivative: written to `grad` along with the loss.
//! Rounding: n positive terms, which the reference sums in f64; e and ln(1 + x) are relative, see `numeric::rounding`.
//! z − max z is not rounded before the exponential: the reference computes it in f64, the fast CPU kernel corrects for
//! the rounding error, and the shader keeps it in two parts.

use std::sync::atomic::AtomicU32;

use crate::kernels::shared::row_loss::{self, Params};
use crate::kernels::shared::{self, row_prelude};
use crate::numeric::{EXPONENTIAL_ERROR, LOG_1P_ERROR, UNIT_ROUNDOFF, exponential, log_1p, or_flushed, widest};
use crate::plan::{Call, Kernel, Shader, Step, StepUse, Tolerance, WorkItem};

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "softmax_cross_entropy",
    bindings: row_loss::CLASSES,
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::BatchRow,
    flops: |_, s| FLOPS * s[0].elements() as u64,
    reference: |call| {
        let (p, step, rows) = (*call.params::<Params>(), *call.step, call.items.len());
        let [output, target, row_loss, grad, flag] = call.args();
        reference(&p, &step, rows, output.f32(), target.words(), row_loss.f32_mut(), grad.f32_mut(), flag.atomic());
    },
    fast: Some(fast),
    tolerance,
    shader: Shader {
        prelude: |op| format!("{}const SMOOTHS = {};\n", row_prelude(op), op.params::<Params>().alpha > 0.0),
        ..row_loss::shader(
            include_str!("../../shaders/softmax_cross_entropy.wgsl"),
            &[
                shared::STEP,
                shared::LINEAR_INDEX,
                shared::FINITE,
                shared::FUNCTIONS,
                shared::TREE,
                shared::ROW,
                shared::ROW_LOSS,
            ],
        )
    },
};

/// Floating-point operations per element.
const FLOPS: u64 = 8;

/// The reference implementation.
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
        let class = target[r] as usize;
        let mut others = 0.0;
        for c in 0..columns {
            let e = (f64::from(logits[c]) - f64::from(largest)).exp() as f32;
            others += if c == class { 0.0 } else { f64::from(e) };
            grad[r * columns + c] = e;
        }
        let (others, own) = (others as f32, grad[r * columns + class]);
        let total = others + own;
        for c in 0..columns {
            let share = if c == class { -others } else { grad[r * columns + c] } / total;
            let smoothed = if p.alpha > 0.0 { share + smoothing(p, c == class) } else { share };
            grad[r * columns + c] = smoothed * step.loss_scale;
        }
        let loss = (largest - logits[class]) + (others + (own - 1.0)).ln_1p();
        let loss = if p.alpha > 0.0 { loss + p.alpha * (spread(logits, class) / columns as f32) } else { loss };
        row_loss::write(&mut row_loss[r], loss, step, flag);
    }
}

/// Returns the term that label smoothing adds to a gradient before scaling.
fn smoothing(p: &Params, is_class: bool) -> f32 {
    let n = p.columns as f32;
    if is_class { p.alpha * (n - 1.0) / n } else { -p.alpha / n }
}

/// Returns the sum of the differences between the logit of the class and every logit.
fn spread(logits: &[f32], class: usize) -> f32 {
    logits.iter().map(|z| f64::from(logits[class]) - f64::from(*z)).sum::<f64>() as f32
}

/// Number of rows whose logarithms are one vectorized loop.
const LOGARITHMS: usize = 16;

/// Same computation as [`reference`], in passes, so that the exponentials of all rows are one vectorized loop.
fn fast(call: Call<'_>) {
    let (p, step) = (*call.params::<Params>(), *call.step);
    let columns = p.columns as usize;
    let [output, target, row_loss, grad, flag] = call.args();
    let (output, target, row_loss, grad, flag) =
        (output.f32(), target.words(), row_loss.f32_mut(), grad.f32_mut(), flag.atomic());
    below_largest(columns, output, row_loss, grad);
    exponentials(grad);
    put_back(columns, output, row_loss, grad);
    let rows = output.chunks_exact(columns).zip(grad.chunks_exact_mut(columns));
    let mut rows = target.iter().zip(rows);
    for row_loss in row_loss.chunks_mut(LOGARITHMS) {
        let mut terms = [0.0; LOGARITHMS];
        for ((loss, term), (class, (logits, row))) in row_loss.iter_mut().zip(&mut terms).zip(&mut rows) {
            let class = *class as usize;
            let own = std::mem::take(&mut row[class]);
            let others = gradient_of_row(row, own, class, step.loss_scale);
            *term = others + (own - 1.0);
            *loss -= logits[class];
            if p.alpha > 0.0 {
                *loss += p.alpha * (spread(logits, class) / columns as f32);
                let add = |(c, gradient): (usize, &mut f32)| *gradient += smoothing(&p, c == class) * step.loss_scale;
                row.iter_mut().enumerate().for_each(add);
            }
        }
        logarithms(&mut terms);
        for (row_loss, term) in row_loss.iter_mut().zip(terms) {
            let loss = *row_loss + term;
            row_loss::write(row_loss, loss, &step, flag);
        }
    }
}

widest! {
    /// Computes the largest logit of each row, and each logit minus that largest one.
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

    /// Replaces each x by ln(1 + x).
    fn logarithms(terms: &mut [f32]) {
        terms.iter_mut().for_each(|x| *x = log_1p(*x));
    }

    /// Corrects each exponential for the rounding error of z − max z, which is found by Knuth's two-sum.
    fn put_back(columns: usize, logits: &[f32], largest: &[f32], powers: &mut [f32]) {
        let rows = logits.chunks_exact(columns).zip(powers.chunks_exact_mut(columns));
        for ((logits, powers), largest) in rows.zip(largest) {
            for (z, power) in logits.iter().zip(powers) {
                let below = z - largest;
                let of_largest = below - z;
                let rounded = (z - (below - of_largest)) - (largest + of_largest);
                // An exponential of 0 stays 0, even if the difference is infinite.
                *power += if *power == 0.0 { 0.0 } else { *power * rounded };
            }
        }
    }
}

/// Turns a row of exponentials into its gradient. `own` is the exponential of the target class, whose place in the row
/// holds 0. Returns the sum of the other exponentials.
fn gradient_of_row(row: &mut [f32], own: f32, class: usize, scale: f32) -> f32 {
    let others = row.iter().map(|e| f64::from(*e)).sum::<f64>() as f32;
    let factor = scale / (others + own);
    row.iter_mut().for_each(|e| *e *= factor);
    row[class] = -others * factor;
    others
}

fn tolerance(before: &Call<'_>, after: &Call<'_>) -> Vec<Tolerance> {
    let Params { columns, alpha, .. } = *before.params::<Params>();
    let columns = columns as usize;
    let mut losses = vec![0.0; after.f32(2).len()];
    let mut gradients = vec![0.0; after.f32(3).len()];
    for r in 0..before.items.len() {
        let logits = &before.f32(0)[r * columns..(r + 1) * columns];
        let largest = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let below = |c: usize| (f64::from(logits[c]) - largest).max(-100.0);
        let total: f64 = (0..columns).map(|c| below(c).exp()).sum();
        // Relative error of an exponential, and of the sum of exponentials; all terms are positive.
        let power = EXPONENTIAL_ERROR + 4.0 * UNIT_ROUNDOFF;
        let relative = power + 2.0 * (columns + 4) as f64 * UNIT_ROUNDOFF;
        let class = before.words(1)[r] as usize;
        let distance = (largest - f64::from(logits[class])).max(0.0);
        let others: f64 = (0..columns).filter(|c| *c != class).map(|c| below(c).exp()).sum();
        let inner = (others + below(class).exp_m1()).max(0.0);
        // An error of the terms of ln(1 + x), including a flushed exponential, changes the result by 1/(1 + x) of that
        // error.
        let terms = or_flushed(relative * others)
            + if distance > 0.0 { power * below(class).exp() + 8.0 * UNIT_ROUNDOFF } else { 0.0 };
        let rounding = 8.0 * UNIT_ROUNDOFF * (distance + inner.ln_1p());
        // Label smoothing adds a sum of n differences, a quotient, a product, and a sum with the rest.
        let epsilon = f64::from(alpha);
        let differences: f64 = logits.iter().map(|z| (f64::from(logits[class]) - f64::from(*z)).abs()).sum();
        let smoothing = epsilon * differences / columns as f64;
        let smoothing = if epsilon > 0.0 {
            or_flushed(
                2.0 * (columns + 8) as f64 * UNIT_ROUNDOFF * smoothing
                    + 2.0 * UNIT_ROUNDOFF * (distance + inner.ln_1p()),
            )
        } else {
            0.0
        };
        losses[r] = or_flushed(terms / (1.0 + inner) + LOG_1P_ERROR * inner.ln_1p() + rounding) + smoothing;
        for c in 0..columns {
            let share = if c == class { others / total } else { below(c).exp() / total };
            // Errors of the total, of the exponential or the sum of the others, of a quotient accurate to 2.5 ULP, and
            // of the scaling.
            let error = or_flushed(share * (2.0 * relative + 16.0 * UNIT_ROUNDOFF));
            // Rounding errors of a product, a quotient, the sum and the scaling.
            let smoothing = epsilon * if c == class { (columns - 1) as f64 } else { 1.0 } / columns as f64;
            let added = UNIT_ROUNDOFF * (12.0 * smoothing + 4.0 * share);
            let error = error + if smoothing > 0.0 { or_flushed(added) } else { 0.0 };
            gradients[r * columns + c] = or_flushed(error * f64::from(before.step.loss_scale));
        }
    }
    vec![Tolerance::Each(losses), Tolerance::Each(gradients), Tolerance::Exact]
}
