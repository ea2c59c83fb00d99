//! Gradient of `row_norm` with respect to its input.
//!
//! Formula: `grad_input[r, c] = s·(d[r, c] − a − x[r, c]·b)`, with the statistics m and s of the row,
//! `x[r, c] = (input[r, c] − m)·s`, and `d[r, c] = grad_output[r, c]·weight[c]`. a is the mean of d over the row, or 0
//! without centering. b is the mean of d·x. Symbols: r a row of the batch, c one of n columns.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | grad_output | rows×columns | read |
//! | 3 | input | rows×columns | read |
//! | 4 | statistics | rows×2 | read |
//! | 5 | weight | 1×columns | read |
//! | 6 | grad_input | rows×columns | write |
//!
//! Tolerance: rounding errors as [`Rounded`] computes them; the two sums as in `row_norm`.

use crate::elementwise::numbers::Rounded;
use crate::kernels::row_norm::{Params, depth, total};
use crate::kernels::shared::{self, along_row, grid_1d, per_row, row_prelude};
use crate::numeric::{sums_along_row, widest};
use crate::plan::{Binding, Call, Kernel, Op, Plan, Shader, StepUse, Tolerance, ViewId, WorkItem};
use crate::shape::Dtype;

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "row_norm_grad",
    bindings: &[
        Binding::read("grad_output", Dtype::F32).per_item(),
        Binding::read("input", Dtype::F32).per_item(),
        Binding::read("statistics", Dtype::F32).per_item(),
        Binding::read("weight", Dtype::F32),
        Binding::write("grad_input", Dtype::F32),
    ],
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::BatchRow,
    flops: |_, s| 10 * s[0].elements() as u64,
    reference: |call| {
        let (p, rows) = (*call.params::<Params>(), call.items.len());
        let [grad_output, input, statistics, weight, grad_input] = call.args();
        let views = [grad_output.f32(), input.f32(), statistics.f32(), weight.f32()];
        reference(&p, rows, views, grad_input.f32_mut());
    },
    fast: Some(|call| {
        let p = *call.params::<Params>();
        let [grad_output, input, statistics, weight, grad_input] = call.args();
        let views = [grad_output, input, weight].map(|view| view.f32());
        let statistics = statistics.f32().as_chunks().0;
        fast(p.columns as usize, p.centered == 1, views, statistics, grad_input.f32_mut());
    }),
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/row_norm_grad.wgsl"),
        shared: &[shared::STEP, shared::LINEAR_INDEX, shared::TREE, shared::ROW],
        prelude: row_prelude,
        grid: |_, shapes| grid_1d(shapes[0].rows * per_row(shapes[0].columns)),
        rounds: Some(|_, shapes| 2 * along_row(shapes[0].columns)),
        tiles: None,
    },
};

/// grad_input = the gradient with respect to the input. `views` are all bindings, in order.
pub fn op(plan: &Plan, centered: bool, views: [ViewId; 5]) -> Op {
    let shape = plan.shape(views[0]);
    let params = Params { columns: shape.columns as u32, centered: centered.into() };
    Op::new(&KERNEL, &views, &params, shape.rows)
}

/// The reference implementation; `views` are all bindings that are read, in order.
pub fn reference(p: &Params, rows: usize, views: [&[f32]; 4], grad_input: &mut [f32]) {
    let [grad_output, input, statistics, weight] = views;
    let columns = p.columns as usize;
    for r in 0..rows {
        let [mean, scale] = [0, 1].map(|which| f64::from(statistics[2 * r + which]));
        let normal = |c: usize| (f64::from(input[r * columns + c]) - mean) * scale;
        let weighted = |c: usize| f64::from(grad_output[r * columns + c]) * f64::from(weight[c]);
        let (mut sum, mut product) = (0.0, 0.0);
        for c in 0..columns {
            sum += weighted(c);
            product += weighted(c) * normal(c);
        }
        let count = columns as f64;
        let a = if p.centered == 1 { sum / count } else { 0.0 };
        let b = product / count;
        for c in 0..columns {
            grad_input[r * columns + c] = (scale * (weighted(c) - a - normal(c) * b)) as f32;
        }
    }
}

widest! {
    /// Same computation as [`reference`], in f32 vectors; `views` are grad_output, input and weight.
    fn fast(columns: usize, centered: bool, views: [&[f32]; 3], statistics: &[[f32; 2]], grad_input: &mut [f32]) {
        let [grad_output, input, weight] = views;
        let count = columns as f32;
        let rows = grad_output.chunks_exact(columns).zip(input.chunks_exact(columns)).zip(statistics);
        for (((grads, row), [mean, scale]), out) in rows.zip(grad_input.chunks_exact_mut(columns)) {
            let [sum, products] = sums_along_row([grads, row, weight], |[grad, x, weight]| {
                let weighted = grad * weight;
                [weighted, weighted * ((x - mean) * scale)]
            });
            let (a, b) = (if centered { sum / count } else { 0.0 }, products / count);
            for (((out, grad), x), weight) in out.iter_mut().zip(grads).zip(row).zip(weight) {
                *out = scale * (grad * weight - a - (x - mean) * scale * b);
            }
        }
    }
}

fn tolerance(before: &Call<'_>, after: &Call<'_>) -> Vec<Tolerance> {
    let p = before.params::<Params>();
    let columns = p.columns as usize;
    let mut tolerances = vec![0.0; after.f32(4).len()];
    let number = |binding: usize, place: usize| Rounded::exact_f32(before.f32(binding)[place]);
    let average = |terms: &[Rounded]| total(terms.iter().copied(), depth(columns)) / Rounded::exact(columns as f64);
    for r in 0..before.items.len() {
        let [mean, scale] = [0, 1].map(|which| number(2, 2 * r + which));
        let normal: Vec<_> = (0..columns).map(|c| (number(1, r * columns + c) - mean) * scale).collect();
        let weighted: Vec<_> = (0..columns).map(|c| number(0, r * columns + c) * number(3, c)).collect();
        let products: Vec<_> = weighted.iter().zip(&normal).map(|(weighted, normal)| *weighted * *normal).collect();
        let a = if p.centered == 1 { average(&weighted) } else { Rounded::exact(0.0) };
        let b = average(&products);
        for c in 0..columns {
            tolerances[r * columns + c] = (scale * (weighted[c] - a - normal[c] * b)).error();
        }
    }
    vec![Tolerance::Each(tolerances)]
}
