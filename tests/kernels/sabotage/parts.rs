//! Faulty kernels: split matrix multiplications, and the sums of their parts.

use super::{Sabotage, at_step, changed, flagging, reading, skip, writing};
use wgrad::kernels::matmul_split::Params;
use wgrad::kernels::{dense_forward_sum, dense_grad_input_sum, dense_grad_weight_sum, matmul_split};
use wgrad::plan::Kernel;

pub(super) const TABLE: &[Sabotage] = &[
    ("matmul_split_nt", "each part sums all terms", |call| changed(call, NT, |p: &mut Params, _| p.chunk = p.k)),
    ("matmul_split_nt", "parts overlap by a term", |call| changed(call, NT, |p: &mut Params, _| p.chunk -= 1)),
    ("matmul_split_nt", "last column skipped", |call| {
        let n = call.params::<Params>().n as usize;
        writing(call, NT, 2, |partial, old| skip(partial, old, |i| i % n == n - 1));
    }),
    ("matmul_split_nn", "parts of one term less", |call| changed(call, NN, |p: &mut Params, _| p.chunk -= 1)),
    ("matmul_split_nn", "b by the next term", |call| reading(call, NN, 1, |b| b.rotate_left(1))),
    ("matmul_split_tn", "dead rows summed", |call| {
        let batch = call.params::<Params>().k;
        at_step(call, TN, |step| step.rows = batch);
    }),
    ("matmul_split_tn", "last live row missing", |call| {
        at_step(call, TN, |step| step.rows = step.rows.saturating_sub(1));
    }),
    ("matmul_split_tn", "sums of columns left out", |call| {
        let p = *call.params::<Params>();
        let products = (p.m * p.n) as usize;
        let part_size = products + p.m as usize;
        writing(call, TN, 2, |partial, old| skip(partial, old, |i| i % part_size >= products));
    }),
    ("dense_forward_sum", "last part left out", |call| {
        changed(call, FORWARD, |p: &mut dense_forward_sum::Params, _| p.parts -= 1);
    }),
    ("dense_forward_sum", "first part counted twice", |call| {
        let (parts, size) = (call.params::<dense_forward_sum::Params>().parts as usize, part_size(call.params));
        reading(call, FORWARD, 0, |partial| partial.copy_within(..size, (parts - 1) * size));
    }),
    ("dense_forward_sum", "bias dropped", |call| reading(call, FORWARD, 1, |bias| bias.fill(0))),
    ("dense_forward_sum", "activation missing", |call| {
        changed(call, FORWARD, |p: &mut dense_forward_sum::Params, _| p.function = 0);
    }),
    ("dense_forward_sum", "dropout of the step before", |call| at_step(call, FORWARD, |step| step.index -= 1)),
    ("dense_forward_sum", "kept outputs not scaled", |call| {
        changed(call, FORWARD, |p: &mut dense_forward_sum::Params, _| p.scale = 1.0);
    }),
    ("dense_forward_sum_kept", "bias missing in what is kept", |call| {
        let (bias, outputs) = (call.f32(1), call.params::<dense_forward_sum::Params>().outputs as usize);
        writing(call, &dense_forward_sum::KEPT, 3, |kept, _| {
            (0..kept.len()).for_each(|i| kept[i] = (f32::from_bits(kept[i]) - bias[i % outputs]).to_bits());
        });
    }),
    ("dense_forward_sum_kept", "last element not kept", |call| {
        writing(call, &dense_forward_sum::KEPT, 3, |kept, old| {
            let last = kept.len() - 1;
            skip(kept, old, |i| i == last);
        });
    }),
    ("dense_grad_input_sum", "last part left out", |call| {
        changed(call, GRAD_INPUT, |p: &mut dense_grad_input_sum::Params, _| p.parts -= 1);
    }),
    ("dense_grad_input_sum", "derivative missing", |call| {
        changed(call, GRAD_INPUT, |p: &mut dense_grad_input_sum::Params, _| p.function = 0);
    }),
    ("dense_grad_input_sum", "derivative from the scaled output", |call| {
        changed(call, GRAD_INPUT, |p: &mut dense_grad_input_sum::Params, _| p.keep = 1.0);
    }),
    ("dense_grad_input_sum", "dropout missing", |call| {
        changed(call, GRAD_INPUT, |p: &mut dense_grad_input_sum::Params, _| p.threshold = 0);
    }),
    ("dense_grad_weight_sum", "last part left out", |call| {
        changed(call, GRAD_WEIGHT, |p: &mut dense_grad_weight_sum::Params, _| p.parts -= 1);
    }),
    ("dense_grad_weight_sum", "bias gradient zero", |call| writing(call, GRAD_WEIGHT, 2, |bias, _| bias.fill(0))),
    ("dense_grad_weight_sum", "flag never set", |call| flagging(call, GRAD_WEIGHT, 3, |_, _| ())),
    ("dense_grad_weight_sum", "flag records the batch index", |call| {
        at_step(call, GRAD_WEIGHT, |step| step.index = step.batch_index);
    }),
];

const NT: &Kernel = &matmul_split::NT;
const NN: &Kernel = &matmul_split::NN;
const TN: &Kernel = &matmul_split::TN;
const FORWARD: &Kernel = &dense_forward_sum::KERNEL;
const GRAD_INPUT: &Kernel = &dense_grad_input_sum::KERNEL;
const GRAD_WEIGHT: &Kernel = &dense_grad_weight_sum::KERNEL;

/// Returns the number of elements per part, from the parameters of `dense_forward_sum`.
fn part_size(params: &[u32]) -> usize {
    params[1] as usize
}
