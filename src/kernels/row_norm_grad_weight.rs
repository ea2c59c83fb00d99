//! Gradients of `row_norm` with respect to weight and bias, with a check that they are finite.
//!
//! Formula: `grad_weight[c] = Σᵣ grad_output[r, c]·(input[r, c] − m[r])·s[r]`, `grad_bias[c] = Σᵣ grad_output[r, c]`,
//! with the statistics m and s of each row; flag = min(flag, index of the step) if any gradient is not finite.
//! Symbols: r a row in use of the batch, c a column.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | grad_output | rows×columns | read |
//! | 3 | input | rows×columns | read |
//! | 4 | statistics | rows×2 | read |
//! | 5 | grad_weight | 1×columns | write |
//! | 6 | grad_bias | 1×columns | write |
//! | 7 | flag | 1 | atomic |
//!
//! Rounding: [`Sum`] in blocks, one term per row; the terms of grad_weight are [`Rounded`].

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::elementwise::numbers::Rounded;
use crate::kernels::row_norm::total;
use crate::kernels::shared::{self, grid_1d_prelude, groups, iterations_per_workgroup};
use crate::numeric::{Matrix, SUM_DEPTH, Sum, all_finite, first_chunk, sums_over_rows, widest};
use crate::plan::{Binding, Call, Kernel, Op, Plan, Shader, Step, StepUse, Tolerance, ViewId, WorkItem, words};
use crate::shape::Dtype;

words! {
    /// Kernel parameters.
    pub struct Params {
        /// Number of columns.
        columns: u32,
    }
}

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "row_norm_grad_weight",
    bindings: &[
        Binding::read("grad_output", Dtype::F32),
        Binding::read("input", Dtype::F32),
        Binding::read("statistics", Dtype::F32),
        Binding::write("grad_weight", Dtype::F32),
        Binding::write("grad_bias", Dtype::F32),
        Binding::atomic("flag"),
    ],
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::Part,
    flops: |_, s| 5 * s[0].elements() as u64,
    reference: |call| {
        let (p, step, items) = (*call.params::<Params>(), *call.step, call.items.clone());
        let [grad_output, input, statistics, grad_weight, grad_bias, flag] = call.args();
        let views = [grad_output.f32(), input.f32(), statistics.f32()];
        reference(&p, &step, items, views, [grad_weight.f32_mut(), grad_bias.f32_mut()], flag.atomic());
    },
    fast: Some(|call| {
        let (p, step, items) = (*call.params::<Params>(), *call.step, call.items.clone());
        let (rows, columns) = (step.rows as usize, p.columns as usize);
        let [grad_output, input, statistics, grad_weight, grad_bias, flag] = call.args();
        let matrices = [grad_output, input].map(|view| Matrix::new(view.f32(), rows, columns).columns(items.clone()));
        let gradients = [grad_weight.f32_mut(), grad_bias.f32_mut()];
        if !fast(matrices, statistics.f32().as_chunks().0, gradients) {
            flag.atomic().fetch_min(step.index, Ordering::Relaxed);
        }
    }),
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/row_norm_grad_weight.wgsl"),
        shared: &[shared::STEP, shared::LINEAR_INDEX, shared::TREE, shared::BLOCKS, shared::FINITE],
        prelude: grid_1d_prelude,
        grid: |_, shapes| groups(shapes[3].elements()),
        rounds: Some(|_, shapes| iterations_per_workgroup(shapes[0].rows)),
        tiles: None,
    },
};

/// Number of columns that the reference implementation sums together, since neighbors share a cache line.
const TOGETHER: usize = 16;

/// grad_weight and grad_bias = the gradients with respect to weight and bias.
pub fn op(plan: &Plan, views: [ViewId; 6]) -> Op {
    let columns = plan.shape(views[0]).columns;
    Op::new(&KERNEL, &views, &Params { columns: columns as u32 }, columns)
}

/// The reference implementation; grad_weight and grad_bias begin at column `items.start`.
pub fn reference(
    p: &Params,
    step: &Step,
    items: Range<usize>,
    [grad_output, input, statistics]: [&[f32]; 3],
    [grad_weight, grad_bias]: [&mut [f32]; 2],
    flag: &AtomicU32,
) {
    let columns = p.columns as usize;
    for first in items.clone().step_by(TOGETHER) {
        let own = first..items.end.min(first + TOGETHER);
        let (mut weights, mut biases) = ([0.0; TOGETHER], [0.0; TOGETHER]);
        for r in 0..step.rows as usize {
            let [mean, scale] = [0, 1].map(|which| f64::from(statistics[2 * r + which]));
            for c in own.clone() {
                let grad = f64::from(grad_output[r * columns + c]);
                weights[c - first] += grad * ((f64::from(input[r * columns + c]) - mean) * scale);
                biases[c - first] += grad;
            }
        }
        for c in own {
            let [weight, bias] = [weights[c - first] as f32, biases[c - first] as f32];
            grad_weight[c - items.start] = weight;
            grad_bias[c - items.start] = bias;
            if !(weight.is_finite() && bias.is_finite()) {
                flag.fetch_min(step.index, Ordering::Relaxed);
            }
        }
    }
}

widest! {
    /// Same computation as [`reference`], several columns at a time, in vectors. Returns `true` if all gradients are
    /// finite.
    fn fast(matrices: [Matrix<'_>; 2], statistics: &[[f32; 2]], gradients: [&mut [f32]; 2]) -> bool {
        let [weights, biases] = gradients;
        let first = columns::<16>(matrices, statistics, 0, [&mut *weights, &mut *biases]);
        columns::<1>(matrices, statistics, first, [&mut *weights, &mut *biases]);
        all_finite(weights) && all_finite(biases)
    }
}

/// Sums the columns from `first` on, `N` at a time. Returns the first remaining column.
#[inline(always)]
fn columns<const N: usize>(
    [grad_output, input]: [Matrix<'_>; 2],
    statistics: &[[f32; 2]],
    mut first: usize,
    mut gradients: [&mut [f32]; 2],
) -> usize {
    while first + N <= input.column_count() {
        let totals: [[f64; N]; 2] = sums_over_rows(input.row_count(), |r| {
            let [grad, x] = [grad_output, input].map(|matrix| first_chunk::<N>(matrix.row(r), first));
            let [mean, scale] = statistics[r];
            [std::array::from_fn(|c| grad[c] * ((x[c] - mean) * scale)), grad]
        });
        for (gradients, totals) in gradients.iter_mut().zip(totals) {
            gradients[first..][..N].copy_from_slice(&totals.map(|total| total as f32));
        }
        first += N;
    }
    first
}

fn tolerance(before: &Call<'_>, _after: &Call<'_>) -> Vec<Tolerance> {
    let (columns, rows) = (before.params::<Params>().columns as usize, before.step.rows as usize);
    let number = |binding: usize, place: usize| Rounded::exact_f32(before.f32(binding)[place]);
    let weight = |c: usize| {
        let normal = |r: usize| (number(1, r * columns + c) - number(2, 2 * r)) * number(2, 2 * r + 1);
        let terms = (0..rows).map(|r| number(0, r * columns + c) * normal(r));
        total(terms, rows.min(SUM_DEPTH)).error()
    };
    let bias = |c: usize| {
        let mut sum = Sum::default();
        (0..rows).for_each(|r| sum.add(before.f32(0)[r * columns + c], 1.0));
        sum.in_blocks(SUM_DEPTH).tolerance()
    };
    let [weights, biases]: [Vec<f64>; 2] = [(0..columns).map(weight).collect(), (0..columns).map(bias).collect()];
    vec![Tolerance::Each(weights), Tolerance::Each(biases), Tolerance::Exact]
}
