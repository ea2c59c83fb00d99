//! Faulty kernels: matrix multiplications and dense layers.

use super::{Sabotage, at_step, changed, each, flagging, reading, skip, writing};
use std::sync::atomic::Ordering;
use wgrad::kernels::{dense_forward, dense_grad_input, dense_grad_weight, matmul};
use wgrad::plan::{Call, Kernel, Step};

pub(super) const TABLE: &[Sabotage] = &[
    ("matmul_nt", "b is taken as transposed already", |call| {
        let (p, rows) = (*call.params::<matmul::Params>(), call.items.len());
        let [a, b, out] = call.args();
        matmul::reference_nn(&p, rows, a.f32(), b.f32(), out.f32_mut());
    }),
    ("matmul_nt", "last term of each sum missing", |call| nt(call, 0, 1, false)),
    ("matmul_nt", "first term of each sum missing", |call| nt(call, 1, 0, false)),
    ("matmul_nt", "adds to what was there", |call| nt(call, 0, 0, true)),
    ("matmul_nt", "last column skipped", |call| {
        let n = call.params::<matmul::Params>().n as usize;
        writing(call, &matmul::NT, 2, |out, old| skip(out, old, |i| i % n == n - 1));
    }),
    ("matmul_nt", "columns beyond a tile of 64 skipped", |call| {
        let n = call.params::<matmul::Params>().n as usize;
        writing(call, &matmul::NT, 2, |out, old| skip(out, old, |i| i % n >= 64));
    }),
    ("matmul_nt", "row 16, the first of the second tile, skipped", |call| {
        let n = call.params::<matmul::Params>().n as usize;
        writing(call, &matmul::NT, 2, |out, old| skip(out, old, |i| i / n == 16));
    }),
    ("matmul_nn", "b is taken as transposed", |call| {
        let (p, rows) = (*call.params::<matmul::Params>(), call.items.len());
        let [a, b, out] = call.args();
        matmul::reference_nt(&p, rows, a.f32(), b.f32(), out.f32_mut());
    }),
    ("matmul_nn", "last row skipped", |call| {
        let n = call.params::<matmul::Params>().n as usize;
        let rows = call.items.len();
        writing(call, &matmul::NN, 2, |out, old| skip(out, old, |i| i / n == rows - 1));
    }),
    ("matmul_tn", "dead rows summed", |call| tn(call, |p, _| p.k as usize)),
    ("matmul_tn", "last live row missing", |call| tn(call, |_, rows| rows.saturating_sub(1))),
    ("matmul_tn", "operands swapped", |call| {
        let (p, rows, items) = (*call.params::<matmul::Params>(), call.step.rows as usize, call.items.clone());
        let [a, b, out] = call.args();
        let swapped = matmul::Params { n: p.m, m: p.n, ..p };
        if p.n >= p.m {
            matmul::reference_tn(&swapped, rows, items, b.f32(), a.f32(), out.f32_mut());
        }
    }),
    ("dense_forward", "bias dropped", |call| reading(call, FORWARD, 2, |bias| bias.fill(0))),
    ("dense_forward", "bias of the next output", |call| reading(call, FORWARD, 2, |bias| bias.rotate_left(1))),
    ("dense_forward", "activation missing", |call| forward(call, |p, _| p.function = 0)),
    ("dense_forward", "slope ignored", |call| forward(call, |p, _| p.alpha = 0.0)),
    ("dense_forward", "dropout missing", |call| forward(call, |p, _| p.threshold = 0)),
    ("dense_forward", "dropout of another layer", |call| forward(call, |p, _| p.layer += 1)),
    ("dense_forward", "dropout of the step before", |call| forward(call, |_, step| step.index -= 1)),
    ("dense_forward", "dropout by the row of the part", |call| forward(call, |_, step| step.first_row = 0)),
    ("dense_forward", "kept outputs not scaled", |call| forward(call, |p, _| p.scale = 1.0)),
    ("dense_forward_kept", "the output kept", |call| {
        // The argument of f is its result.
        let function = call.params::<dense_forward::Params>().activation();
        writing(call, &dense_forward::KEPT, 4, |kept, _| each(kept, |x| function.apply(x)));
    }),
    ("dense_forward_kept", "last element not kept", |call| {
        writing(call, &dense_forward::KEPT, 4, |kept, old| {
            let last = kept.len() - 1;
            skip(kept, old, |i| i == last);
        });
    }),
    ("dense_grad_input", "derivative missing", |call| grad_input(call, |p, _| p.function = 0)),
    ("dense_grad_input", "derivative from the scaled output", |call| grad_input(call, |p, _| p.keep = 1.0)),
    ("dense_grad_input", "dropout missing", |call| grad_input(call, |p, _| p.threshold = 0)),
    ("dense_grad_input", "dropout of another row", |call| grad_input(call, |_, step| step.first_row += 1)),
    ("dense_grad_input", "kept gradients not scaled", |call| grad_input(call, |p, _| p.scale = 1.0)),
    ("dense_grad_input", "weight of the next input", |call| {
        reading(call, &dense_grad_input::KERNEL, 1, |weight| weight.rotate_left(1));
    }),
    ("dense_grad_weight", "bias gradient dropped", |call| {
        writing(call, GRAD_WEIGHT, 3, |bias, old| bias.copy_from_slice(old));
    }),
    ("dense_grad_weight", "bias gradient zero", |call| writing(call, GRAD_WEIGHT, 3, |bias, _| bias.fill(0))),
    ("dense_grad_weight", "dead rows summed", |call| {
        let batch = call.f32(0).len() as u32 / call.params::<dense_grad_weight::Params>().outputs;
        at_step(call, GRAD_WEIGHT, |step| step.rows = batch);
    }),
    ("dense_grad_weight", "first live row only", |call| {
        at_step(call, GRAD_WEIGHT, |step| step.rows = step.rows.min(1));
    }),
    ("dense_grad_weight", "flag never set", |call| flagging(call, GRAD_WEIGHT, 4, |_, _| ())),
    ("dense_grad_weight", "flag overwritten, no minimum", |call| {
        flagging(call, GRAD_WEIGHT, 4, |flag, own| flag.store(own, Ordering::Relaxed));
    }),
    ("dense_grad_weight", "flag records the batch index", |call| {
        at_step(call, GRAD_WEIGHT, |step| step.index = step.batch_index);
    }),
];

const FORWARD: &Kernel = &dense_forward::KERNEL;
const GRAD_WEIGHT: &Kernel = &dense_grad_weight::KERNEL;

fn forward(call: Call<'_>, change: fn(&mut dense_forward::Params, &mut Step)) {
    changed(call, FORWARD, change);
}

fn grad_input(call: Call<'_>, change: fn(&mut dense_grad_input::Params, &mut Step)) {
    changed(call, &dense_grad_input::KERNEL, change);
}

/// Computes a · bᵀ without some terms at either end.
fn nt(call: Call<'_>, skip_first: usize, skip_last: usize, add: bool) {
    let (p, rows) = (*call.params::<matmul::Params>(), call.items.len());
    let [a, b, out] = call.args();
    let (a, b, out, n, k) = (a.f32(), b.f32(), out.f32_mut(), p.n as usize, p.k as usize);
    for (i, j) in (0..rows).flat_map(|i| (0..n).map(move |j| (i, j))) {
        let old = if add { out[i * n + j] } else { 0.0 };
        out[i * n + j] = (skip_first..k - skip_last).fold(old, |sum, l| sum + a[i * k + l] * b[j * k + l]);
    }
}

fn tn(call: Call<'_>, rows: fn(&matmul::Params, usize) -> usize) {
    let (p, items) = (*call.params::<matmul::Params>(), call.items.clone());
    let rows = rows(&p, call.step.rows as usize);
    let [a, b, out] = call.args();
    matmul::reference_tn(&p, rows, items, a.f32(), b.f32(), out.f32_mut());
}
