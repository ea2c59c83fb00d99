//! Sabotaged normalizations.

use super::{Sabotage, at_step, changed, flagging, reading};
use wgrad::kernels::row_norm::Params;
use wgrad::kernels::{row_norm, row_norm_grad, row_norm_grad_weight};
use wgrad::plan::Kernel;

const FORWARD: &Kernel = &row_norm::KERNEL;
const INPUT: &Kernel = &row_norm_grad::KERNEL;
const WEIGHT: &Kernel = &row_norm_grad_weight::KERNEL;

pub(super) const TABLE: &[Sabotage] = &[
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
