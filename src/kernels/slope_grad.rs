//! Gradients of `slope` with respect to weight and input, with a check that those of the weights are finite.
//!
//! Formula, with k = 1 if keeps_positive = 1 and input[r, c] > 0, else 0:
//!
//! ```text
//! grad_weight[c] = Σᵣ (1 − k)·grad_output[r, c]·input[r, c]
//! grad_input[r, c] = grad_output[r, c]·(k + (1 − k)·weight[c])
//! flag = min(flag, index of the step) if any grad_weight is not finite
//! ```
//!
//! Symbols: r a row in use, c a column. If one weight belongs to all columns, `vector_sum` adds up its gradients.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | grad_output | rows×columns | read |
//! | 3 | input | rows×columns | read |
//! | 4 | weight | 1×columns or 1×1 | read |
//! | 5 | grad_weight | 1×columns | write |
//! | 6 | grad_input | rows×columns | write |
//! | 7 | flag | 1 | atomic |
//!
//! Rounding: [`Sum`] in blocks, one term per row; otherwise one multiplication.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::elementwise::numbers::Rounded;
use crate::kernels::shared::{self, GROUP, grid_1d_prelude, groups, iterations_per_workgroup};
use crate::numeric::{Matrix, MatrixMut, SUM_DEPTH, Sum, first_chunk, sums_over_rows, widest};
use crate::plan::{Binding, Call, Kernel, Op, Plan, Shader, Step, StepUse, Tolerance, ViewId, WorkItem, words};
use crate::shape::Dtype;

words! {
    /// Kernel parameters.
    pub struct Params {
        /// Number of columns.
        columns: u32,
        /// Number of weights: 1, or one per column.
        weights: u32,
        /// 1 if positive elements are copied unchanged, else 0.
        keeps_positive: u32,
        /// Number of rows of a full batch.
        batch: u32,
    }
}

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "slope_grad",
    bindings: &[
        Binding::read("grad_output", Dtype::F32),
        Binding::read("input", Dtype::F32),
        Binding::read("weight", Dtype::F32),
        Binding::write("grad_weight", Dtype::F32),
        Binding::write("grad_input", Dtype::F32),
        Binding::atomic("flag"),
    ],
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::Column,
    flops: |_, s| 3 * s[0].elements() as u64,
    reference: |call| with_views(call, reference),
    fast: Some(|call| with_views(call, fast)),
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/slope_grad.wgsl"),
        shared: &[shared::STEP, shared::LINEAR_INDEX, shared::TREE, shared::BLOCKS, shared::FINITE],
        prelude: grid_1d_prelude,
        grid: |_, shapes| groups(shapes[0].columns),
        rounds: Some(|_, shapes| iterations_per_workgroup(shapes[0].rows) + shapes[0].rows.div_ceil(GROUP) as u64),
        tiles: None,
    },
};

/// grad_weight and grad_input = the gradients, computed from grad_output.
pub fn op(plan: &Plan, keeps_positive: bool, views: [ViewId; 6]) -> Op {
    let (shape, weights) = (plan.shape(views[0]), plan.shape(views[2]).columns as u32);
    let (columns, batch) = (shape.columns as u32, shape.rows as u32);
    let params = Params { columns, weights, keeps_positive: keeps_positive.into(), batch };
    Op::new(&KERNEL, &views, &params, shape.columns)
}

/// Views of a call. Views that it writes have only the columns of its work items.
pub struct Views<'a> {
    p: Params,
    grad_output: Matrix<'a>,
    input: Matrix<'a>,
    weight: &'a [f32],
    grad_weight: MatrixMut<'a>,
    grad_input: MatrixMut<'a>,
    flag: &'a AtomicU32,
}

impl Views<'_> {
    /// Returns `true` if element `x` of the input is copied unchanged.
    fn keeps(&self, x: f32) -> bool {
        self.p.keeps_positive == 1 && x > 0.0
    }

    fn slope(&self, column: usize) -> f32 {
        self.weight[if self.p.weights == 1 { 0 } else { column }]
    }
}

fn with_views(call: Call<'_>, kernel: fn(&Step, Range<usize>, Views<'_>)) {
    let (p, step, items) = (*call.params::<Params>(), *call.step, call.items.clone());
    let (rows, columns) = (p.batch as usize, p.columns as usize);
    let [grad_output, input, weight, grad_weight, grad_input, flag] = call.args();
    let views = Views {
        p,
        grad_output: Matrix::new(grad_output.f32(), step.rows as usize, columns),
        input: Matrix::new(input.f32(), step.rows as usize, columns),
        weight: weight.f32(),
        grad_weight: grad_weight.matrix_mut(1, columns),
        grad_input: grad_input.matrix_mut(rows, columns),
        flag: flag.atomic(),
    };
    kernel(&step, items, views);
}

/// The reference implementation.
pub fn reference(step: &Step, items: Range<usize>, mut views: Views<'_>) {
    for (own, c) in items.enumerate() {
        let mut sum = 0.0;
        for r in 0..step.rows as usize {
            let (grad, x) = (views.grad_output.row(r)[c], views.input.row(r)[c]);
            sum += if views.keeps(x) { 0.0 } else { f64::from(grad) * f64::from(x) };
            let slope = if views.keeps(x) { 1.0 } else { views.slope(c) };
            views.grad_input.row(r)[own] = grad * slope;
        }
        let sum = sum as f32;
        views.grad_weight.row(0)[own] = sum;
        if !sum.is_finite() {
            views.flag.fetch_min(step.index, Ordering::Relaxed);
        }
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
    while first + N <= items.end {
        let (grad_output, input, own) = (views.grad_output, views.input, first - items.start);
        let slopes: [f32; N] = std::array::from_fn(|c| views.slope(first + c));
        let keeps_positive = views.p.keeps_positive == 1;
        let [totals]: [[f64; N]; 1] = sums_over_rows(step.rows as usize, |r| {
            let [grad, x] = [grad_output, input].map(|matrix| first_chunk::<N>(matrix.row(r), first));
            [std::array::from_fn(|c| if keeps_positive & (x[c] > 0.0) { 0.0 } else { grad[c] * x[c] })]
        });
        for r in 0..step.rows as usize {
            let [grad, x] = [grad_output, input].map(|matrix| &matrix.row(r)[first..][..N]);
            let grad_input = &mut views.grad_input.row(r)[own..][..N];
            for c in 0..N {
                let is_kept = keeps_positive & (x[c] > 0.0);
                grad_input[c] = grad[c] * if is_kept { 1.0 } else { slopes[c] };
            }
        }
        let totals = totals.map(|total| total as f32);
        views.grad_weight.row(0)[own..][..N].copy_from_slice(&totals);
        if !totals.iter().all(|total| total.is_finite()) {
            views.flag.fetch_min(step.index, Ordering::Relaxed);
        }
        first += N;
    }
    first
}

fn tolerance(before: &Call<'_>, _after: &Call<'_>) -> Vec<Tolerance> {
    let p = before.params::<Params>();
    let (columns, rows) = (p.columns as usize, before.step.rows as usize);
    let (grad_output, input) = (before.f32(0), before.f32(1));
    let keeps = |x: f32| p.keeps_positive == 1 && x > 0.0;
    let weight = |c: usize| {
        let mut sum = Sum::default();
        for i in (0..rows).map(|r| r * columns + c).filter(|i| !keeps(input[*i])) {
            sum.add(grad_output[i], input[i]);
        }
        sum.in_blocks(SUM_DEPTH).tolerance()
    };
    let input = |i: usize| {
        let slope = before.f32(2)[if p.weights == 1 { 0 } else { i % columns }];
        let grad = Rounded::exact_f32(grad_output[i]);
        if keeps(input[i]) { grad.error() } else { (grad * Rounded::exact_f32(slope)).error() }
    };
    let weights = Tolerance::Each((0..columns).map(weight).collect());
    vec![weights, Tolerance::Each((0..rows * columns).map(input).collect()), Tolerance::Exact]
}
