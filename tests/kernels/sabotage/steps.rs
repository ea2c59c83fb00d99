//! Faulty kernels: fused steps.

use super::{Sabotage, at_step, changed, flagging, reading, skip, writing};
use std::sync::atomic::Ordering;
use wgrad::kernels::mlp_step_fused::{self, Params};
use wgrad::kernels::mlp_step_sum;
use wgrad::plan::{Call, Kernel};

pub(super) const TABLE: &[Sabotage] = &[
    ("mlp_step_fused", "another loss", |call| {
        changed(call, PLAIN, |p: &mut Params, _| p.loss ^= u32::from(p.loss < 2))
    }),
    ("mlp_step_fused", "workgroups of twice the rows", |call| {
        changed(call, PLAIN, |p: &mut Params, _| p.chunk *= 2);
    }),
    ("mlp_step_fused", "last live row left out", |call| {
        at_step(call, PLAIN, |step| step.rows = step.rows.saturating_sub(1));
    }),
    ("mlp_step_fused", "the first activation forgotten", |call| {
        changed(call, PLAIN, |p: &mut Params, _| p.layer0 &= 0xFFFF);
    }),
    ("mlp_step_fused", "the slope of leaky_relu turned", |call| {
        changed(call, PLAIN, |p: &mut Params, _| p.alpha = -p.alpha);
    }),
    ("mlp_step_fused", "the loss's parameter forgotten", |call| {
        changed(call, PLAIN, |p: &mut Params, _| p.loss_alpha = 0.0);
    }),
    ("mlp_step_fused", "the loss scale forgotten", |call| at_step(call, PLAIN, |step| step.loss_scale = 1.0)),
    ("mlp_step_fused", "the first bias is the second", |call| {
        let bias = call.params::<Params>().network()[0].bias;
        reading(call, PLAIN, 0, |parameters| parameters[bias..bias + 2].swap(0, 1));
    }),
    ("mlp_step_fused", "the filling is not 0", |call| {
        let weight = call.params::<Params>().network()[0];
        writing(call, PLAIN, 3, |partial, _| partial[weight.outputs * weight.inputs] = 1);
    }),
    ("mlp_step_fused", "the flag stays up", |call| flagging(call, PLAIN, 5, |_, _| ())),
    ("mlp_step_fused_traced", "x of the last layer is not written", |call| {
        let layers = call.params::<Params>().network();
        let (begin, end) = (layers[layers.len() - 1].output, layers[0].gradient);
        writing(call, TRACED, 6, |trace, old| skip(trace, old, |i| (begin..end).contains(&i)));
    }),
    ("mlp_step_fused_traced", "d of the first layer is that of the next step", |call| {
        let begin = call.params::<Params>().network()[0].gradient;
        writing(call, TRACED, 6, |trace, _| trace[begin..].rotate_left(1));
    }),
    ("mlp_step_fused_traced", "dead rows are written", |call| {
        let (layer, rows) = (call.params::<Params>().network()[0], call.step.rows as usize);
        let dead = layer.output + rows * layer.outputs;
        writing(call, TRACED, 6, |trace, _| trace[dead] = 0);
    }),
    ("mlp_step_fused_traced", "the last activation forgotten", forgets_the_last),
    ("mlp_step_fused_traced", "the flag records the batch index", |call| {
        let batch_index = call.step.batch_index;
        flagging(call, TRACED, 5, |flag, own| {
            flag.fetch_min(if own == u32::MAX { own } else { batch_index }, Ordering::Relaxed);
        });
    }),
    ("mlp_step_sum", "the last part left out", |call| {
        changed(call, SUM, |p: &mut mlp_step_sum::Params, _| p.parts -= 1);
    }),
    ("mlp_step_sum", "the last element left out", |call| {
        writing(call, SUM, 1, |gradients, old| skip(gradients, old, |i| i == old.len() - 1));
    }),
    ("mlp_step_sum", "the flag stays up", |call| flagging(call, SUM, 2, |_, _| ())),
];

const PLAIN: &Kernel = &mlp_step_fused::KERNEL;
const TRACED: &Kernel = &mlp_step_fused::TRACED;
const SUM: &Kernel = &mlp_step_sum::KERNEL;

fn forgets_the_last(call: Call<'_>) {
    changed(call, TRACED, |p: &mut Params, _| {
        let words: &mut [u32] = bytemuck::cast_slice_mut(std::slice::from_mut(p));
        words[8 + words[3] as usize] &= 0xFFFF;
    });
}
