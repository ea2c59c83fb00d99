//! Sabotaged kernels of layers other than dense: normalizations, slopes and gates.

use std::sync::atomic::Ordering;

use super::{Sabotage, at_step, changed, each, flagging, reading, writing};
use wgrad::Activation;
use wgrad::kernels::row_norm::Params;
use wgrad::kernels::{
    batch_norm, batch_norm_eval, batch_norm_grad, gated, gated_grad, row_norm, row_norm_grad, row_norm_grad_weight,
    running_update, slope, slope_grad, vector_sum,
};
use wgrad::plan::Kernel;

const BATCH: &Kernel = &batch_norm::KERNEL;
const BATCH_GRAD: &Kernel = &batch_norm_grad::KERNEL;
const BATCH_EVAL: &Kernel = &batch_norm_eval::KERNEL;
const RUNNING: &Kernel = &running_update::KERNEL;
const SLOPE: &Kernel = &slope::KERNEL;
const SLOPE_GRAD: &Kernel = &slope_grad::KERNEL;
const VECTOR: &Kernel = &vector_sum::KERNEL;
const GATED: &Kernel = &gated::KERNEL;
const GATED_GRAD: &Kernel = &gated_grad::KERNEL;
const FORWARD: &Kernel = &row_norm::KERNEL;
const INPUT: &Kernel = &row_norm_grad::KERNEL;
const WEIGHT: &Kernel = &row_norm_grad_weight::KERNEL;

pub(super) const TABLE: &[Sabotage] = &[
    ("batch_norm", "last live row missing", |call| {
        at_step(call, BATCH, |step| step.rows = step.rows.saturating_sub(1));
    }),
    ("batch_norm", "pending statistics not begun", |call| at_step(call, BATCH, |step| step.first_row = 1)),
    ("batch_norm", "pending statistics always begun", |call| at_step(call, BATCH, |step| step.first_row = 0)),
    ("batch_norm", "weight of the next column", |call| reading(call, BATCH, 1, |weight| weight.rotate_left(1))),
    ("batch_norm", "biased variance in the running one", |call| {
        let rows = call.step.rows as f32;
        writing(call, BATCH, 6, |pending, _| each(pending, |x| x * (rows - 1.0).max(1.0) / rows.max(1.0)));
    }),
    ("batch_norm_eval", "mean of the next column", |call| reading(call, BATCH_EVAL, 3, |mean| mean.rotate_left(1))),
    ("batch_norm_eval", "epsilon forgotten", |call| {
        reading(call, BATCH_EVAL, 4, |var| each(var, |x| (x - 1e-5).max(1e-12)));
    }),
    ("batch_norm_grad", "last live row missing", |call| {
        at_step(call, BATCH_GRAD, |step| step.rows = step.rows.saturating_sub(1));
    }),
    ("batch_norm_grad", "statistics of the next column", |call| {
        reading(call, BATCH_GRAD, 2, |statistics| statistics.rotate_left(1));
    }),
    ("batch_norm_grad", "statistics in another order", |call| {
        reading(call, BATCH_GRAD, 2, |statistics| statistics.rotate_left(statistics.len() / 3));
    }),
    ("batch_norm_grad", "flag never set", |call| flagging(call, BATCH_GRAD, 6, |_, _| ())),
    ("running_update", "decay of one micro-batch", |call| at_step(call, RUNNING, |step| step.first_row = 0)),
    ("running_update", "a bad step is applied", |call| {
        flagging(call, RUNNING, 2, |flag, own| {
            flag.fetch_min(own, Ordering::Relaxed);
        });
    }),
    ("running_update", "an overflow is recorded for this step", |call| {
        let index = call.step.index;
        flagging(call, RUNNING, 2, |flag, own| {
            flag.fetch_min(if own < u32::MAX { index } else { own }, Ordering::Relaxed);
        });
    }),
    ("slope", "negative elements kept", |call| {
        reading(call, SLOPE, 0, |input| each(input, f32::abs));
    }),
    ("slope", "slope of the next column", |call| reading(call, SLOPE, 1, |weight| weight.rotate_left(1))),
    ("slope_grad", "last live row missing", |call| {
        at_step(call, SLOPE_GRAD, |step| step.rows = step.rows.saturating_sub(1));
    }),
    ("slope_grad", "slope of the next column", |call| reading(call, SLOPE_GRAD, 2, |weight| weight.rotate_left(1))),
    ("slope_grad", "flag never set", |call| flagging(call, SLOPE_GRAD, 5, |_, _| ())),
    ("vector_sum", "last element missing", |call| {
        reading(call, VECTOR, 0, |input| input[input.len() - 1] = 0);
    }),
    ("vector_sum", "flag never set", |call| flagging(call, VECTOR, 2, |_, _| ())),
    ("gated", "halves swapped", |call| {
        let columns = call.params::<gated::Params>().columns as usize;
        reading(call, GATED, 0, |input| input.chunks_exact_mut(2 * columns).for_each(|row| row.rotate_left(columns)));
    }),
    ("gated", "gate not applied", |call| {
        let identity = Activation::identity().number();
        changed(call, GATED, |p: &mut gated::Params, _| p.function = identity);
    }),
    ("gated_grad", "halves swapped", |call| {
        let columns = call.params::<gated::Params>().columns as usize;
        reading(call, GATED_GRAD, 1, |input| {
            input.chunks_exact_mut(2 * columns).for_each(|row| row.rotate_left(columns));
        });
    }),
    ("gated_grad", "gradient of the next column", |call| {
        reading(call, GATED_GRAD, 0, |grad| grad.rotate_left(1));
    }),
    ("row_norm", "mean not subtracted", |call| changed(call, FORWARD, |p: &mut Params, _| p.centered = 0)),
    ("row_norm", "mean always subtracted", |call| changed(call, FORWARD, |p: &mut Params, _| p.centered = 1)),
    ("row_norm", "weight of the next column", |call| reading(call, FORWARD, 1, |weight| weight.rotate_left(1))),
    ("row_norm", "bias dropped", |call| reading(call, FORWARD, 2, |bias| bias.fill(0))),
    ("row_norm", "last column read as 0", |call| {
        let columns = call.params::<Params>().columns as usize;
        reading(call, FORWARD, 0, |input| (columns - 1..input.len()).step_by(columns).for_each(|i| input[i] = 0));
    }),
    ("row_norm_grad", "mean of the gradient not subtracted", |call| {
        changed(call, INPUT, |p: &mut Params, _| p.centered = 0);
    }),
    ("row_norm_grad", "weight of the next column", |call| reading(call, INPUT, 3, |weight| weight.rotate_left(1))),
    ("row_norm_grad", "mean and scale swapped", |call| {
        reading(call, INPUT, 2, |statistics| statistics.chunks_exact_mut(2).for_each(|row| row.swap(0, 1)));
    }),
    ("row_norm_grad_weight", "last live row missing", |call| {
        at_step(call, WEIGHT, |step| step.rows = step.rows.saturating_sub(1));
    }),
    ("row_norm_grad_weight", "input not scaled", |call| {
        reading(call, WEIGHT, 2, |statistics| {
            statistics.iter_mut().skip(1).step_by(2).for_each(|scale| *scale = 1f32.to_bits());
        });
    }),
    ("row_norm_grad_weight", "flag never set", |call| flagging(call, WEIGHT, 5, |_, _| ())),
];
