//! Gradients of `batch_norm` with respect to weight, bias and input, with a check that the first two are finite.
//!
//! Formula, with the statistics m, s and f = s·weight of the column, and `x[r, c] = (input[r, c] − m)·s`:
//!
//! ```text
//! grad_weight[c] = Σᵣ grad_output[r, c]·x[r, c]
//! grad_bias[c] = Σᵣ grad_output[r, c]
//! grad_input[r, c] = f·(grad_output[r, c] − grad_bias[c]/n − x[r, c]·grad_weight[c]/n)
//! flag = min(flag, index of the step) if grad_weight or grad_bias is not finite
//! ```
//!
//! Symbols: r one of the n rows in use, c a column. The last two terms of grad_input are the derivatives through mean
//! and variance.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | grad_output | rows×columns | read |
//! | 3 | input | rows×columns | read |
//! | 4 | statistics | 3×columns | read |
//! | 5 | grad_weight | 1×columns | write |
//! | 6 | grad_bias | 1×columns | write |
//! | 7 | grad_input | rows×columns | write |
//! | 8 | flag | 1 | atomic |
//!
//! Rounding: [`Sum`] in blocks, one term per row; otherwise [`Rounded`].

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::elementwise::numbers::Rounded;
use crate::kernels::batch_norm::Params;
use crate::kernels::row_norm::total;
use crate::kernels::shared::{self, GROUP, grid_1d_prelude, groups, iterations_per_workgroup};
use crate::numeric::{Matrix, MatrixMut, SUM_DEPTH, Sum, first_chunk, sums_over_rows, widest};
use crate::plan::{Binding, Call, Kernel, Op, Plan, Shader, Step, StepUse, Tolerance, ViewId, WorkItem};
use crate::shape::Dtype;

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "batch_norm_grad",
    bindings: &[
        Binding::read("grad_output", Dtype::F32),
        Binding::read("input", Dtype::F32),
        Binding::read("statistics", Dtype::F32),
        Binding::write("grad_weight", Dtype::F32),
        Binding::write("grad_bias", Dtype::F32),
        Binding::write("grad_input", Dtype::F32),
        Binding::atomic("flag"),
    ],
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::Column,
    flops: |_, s| 12 * s[0].elements() as u64,
    reference: |call| with_views(call, reference),
    fast: Some(|call| with_views(call, fast)),
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/batch_norm_grad.wgsl"),
        shared: &[shared::STEP, shared::LINEAR_INDEX, shared::TREE, shared::BLOCKS, shared::FINITE],
        prelude: grid_1d_prelude,
        grid: |_, shapes| groups(shapes[0].columns),
        rounds: Some(|_, shapes| {
            iterations_per_workgroup(shapes[0].rows) + (GROUP + shapes[0].rows.div_ceil(GROUP)) as u64
        }),
        tiles: None,
    },
};

/// grad_weight, grad_bias and grad_input = the gradients, computed from grad_output.
pub fn op(plan: &Plan, views: [ViewId; 7]) -> Op {
    let shape = plan.shape(views[0]);
    Op::new(&KERNEL, &views, &Params { columns: shape.columns as u32, batch: shape.rows as u32 }, shape.columns)
}

/// Views of a call. Views that it writes have only the columns of its work items.
pub struct Views<'a> {
    grad_output: Matrix<'a>,
    input: Matrix<'a>,
    statistics: Matrix<'a>,
    /// grad_weight and grad_bias.
    sums: [MatrixMut<'a>; 2],
    grad_input: MatrixMut<'a>,
    flag: &'a AtomicU32,
}

impl Views<'_> {
    /// Records the step in the flag if these gradients are not all finite.
    fn watch(&self, step: &Step, gradients: impl IntoIterator<Item = f32>) {
        if !gradients.into_iter().all(f32::is_finite) {
            self.flag.fetch_min(step.index, Ordering::Relaxed);
        }
    }
}

fn with_views(call: Call<'_>, kernel: fn(&Step, Range<usize>, Views<'_>)) {
    let (p, step, items) = (*call.params::<Params>(), *call.step, call.items.clone());
    let (rows, columns) = (p.batch as usize, p.columns as usize);
    let [grad_output, input, statistics, grad_weight, grad_bias, grad_input, flag] = call.args();
    let views = Views {
        grad_output: Matrix::new(grad_output.f32(), step.rows as usize, columns),
        input: Matrix::new(input.f32(), step.rows as usize, columns),
        statistics: Matrix::new(statistics.f32(), 3, columns),
        sums: [grad_weight, grad_bias].map(|sums| sums.matrix_mut(1, columns)),
        grad_input: grad_input.matrix_mut(rows, columns),
        flag: flag.atomic(),
    };
    kernel(&step, items, views);
}

/// The reference implementation.
pub fn reference(step: &Step, items: Range<usize>, mut views: Views<'_>) {
    let count = f64::from(step.rows.max(1));
    for (own, c) in items.enumerate() {
        let [mean, scale, factor] = [0, 1, 2].map(|which| f64::from(views.statistics.row(which)[c]));
        let terms = |views: &Views<'_>, r: usize| {
            let normal = (f64::from(views.input.row(r)[c]) - mean) * scale;
            [f64::from(views.grad_output.row(r)[c]), normal]
        };
        let (mut weight, mut bias) = (0.0, 0.0);
        for r in 0..step.rows as usize {
            let [grad, normal] = terms(&views, r);
            weight += grad * normal;
            bias += grad;
        }
        // A sum that overflows makes the gradient of the input infinite or NaN.
        let sums = [weight, bias].map(|sum| sum as f32);
        let [of_weight, of_bias] = sums.map(|sum| f64::from(sum) / count);
        for r in 0..step.rows as usize {
            let [grad, normal] = terms(&views, r);
            let through = grad - of_bias - normal * of_weight;
            views.grad_input.row(r)[own] = (factor * through) as f32;
        }
        views.sums.iter_mut().zip(sums).for_each(|(all, sum)| all.row(0)[own] = sum);
        views.watch(step, sums);
    }
}

widest! {
    /// Computes several columns at a time, in vectors.
    fn fast(step: &Step, items: Range<usize>, views: Views<'_>) {
        let mut views = views;
        let first = columns::<16>(step, &items, items.start, &mut views);
        columns::<1>(step, &items, first, &mut views);
    }
}

/// Computes the columns from `first` on, `N` at a time. Returns the first remaining column.
#[inline(always)]
fn columns<const N: usize>(step: &Step, items: &Range<usize>, mut first: usize, views: &mut Views<'_>) -> usize {
    let (rows, count) = (step.rows as usize, step.rows.max(1) as f32);
    while first + N <= items.end {
        let (grad_output, input, own) = (views.grad_output, views.input, first - items.start);
        let [mean, scale, factor] = [0, 1, 2].map(|which| first_chunk::<N>(views.statistics.row(which), first));
        let terms_of = |r: usize| [grad_output, input].map(|matrix| first_chunk::<N>(matrix.row(r), first));
        let totals: [[f64; N]; 2] = sums_over_rows(rows, |r| {
            let [grad, x] = terms_of(r);
            [std::array::from_fn(|c| grad[c] * ((x[c] - mean[c]) * scale[c])), grad]
        });
        let sums = totals.map(|totals| totals.map(|total| total as f32));
        let [of_weight, of_bias] = sums.map(|sums| sums.map(|sum| sum / count));
        for r in 0..rows {
            let [grad, x] = terms_of(r);
            let grad_input = &mut views.grad_input.row(r)[own..][..N];
            for c in 0..N {
                let through = grad[c] - of_bias[c] - (x[c] - mean[c]) * scale[c] * of_weight[c];
                grad_input[c] = factor[c] * through;
            }
        }
        views.sums.iter_mut().zip(&sums).for_each(|(all, sums)| all.row(0)[own..][..N].copy_from_slice(sums));
        views.watch(step, sums.into_iter().flatten());
        first += N;
    }
    first
}

fn tolerance(before: &Call<'_>, _after: &Call<'_>) -> Vec<Tolerance> {
    let (columns, rows) = (before.params::<Params>().columns as usize, before.step.rows as usize);
    let (mut weights, mut biases, mut inputs) = (vec![0.0; columns], vec![0.0; columns], vec![0.0; rows * columns]);
    let number = |binding: usize, place: usize| Rounded::exact_f32(before.f32(binding)[place]);
    let count = Rounded::exact(rows.max(1) as f64);
    for c in 0..columns {
        let [mean, scale, factor] = [0, 1, 2].map(|row| number(2, row * columns + c));
        let normal = |r: usize| (number(1, r * columns + c) - mean) * scale;
        let grad = |r: usize| number(0, r * columns + c);
        let weight = total((0..rows).map(|r| grad(r) * normal(r)), rows.min(SUM_DEPTH));
        let mut sum = Sum::default();
        (0..rows).for_each(|r| sum.add(before.f32(0)[r * columns + c], 1.0));
        let bias = Rounded::sum(&sum.in_blocks(SUM_DEPTH));
        (weights[c], biases[c]) = (weight.error(), bias.error());
        for r in 0..rows {
            let through = grad(r) - bias / count - normal(r) * (weight / count);
            inputs[r * columns + c] = (factor * through).error();
        }
    }
    [weights, biases, inputs].map(Tolerance::Each).into_iter().chain([Tolerance::Exact]).collect()
}
