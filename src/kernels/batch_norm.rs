//! Normalizes each column over the rows in use: batch normalization in training.
//!
//! Formula: `output[r, c] = (input[r, c] − m)·s·weight[c] + bias[c]`, with the mean m of the column over the n rows in
//! use, and s = 1/√(v + 10⁻⁵), where v is the mean of (input[r, c] − m)². The statistics of the column are m, s and
//! `s·weight[c]`. The op also adds m and v to the pending running statistics, one micro-batch per run:
//!
//! ```text
//! pending_mean[c] ← k·pending_mean[c] + 0.1·m
//! pending_var[c] ← k·pending_var[c] + 0.1·v·n/(n − 1)          n/(n − 1) is 1 for a single row
//! ```
//!
//! k is 0 for the first micro-batch of a step, whose first_row is 0, and 0.9 for the others. `running_update` adds the
//! result to the running statistics, unless a loss or gradient of the step is not finite. Symbols: r a row in use, c a
//! column.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | input | rows×columns | read |
//! | 3 | weight | 1×columns | read |
//! | 4 | bias | 1×columns | read |
//! | 5 | output | rows×columns | write |
//! | 6 | statistics | 3×columns | write |
//! | 7 | pending_mean | 1×columns | accumulate |
//! | 8 | pending_var | 1×columns | accumulate |
//!
//! If v overflows, s is v, so that the output is not finite. Source: Ioffe and Szegedy 2015; momentum and variances as
//! in `torch.nn.BatchNorm1d`. Derivative: `batch_norm_grad`. In evaluation: `batch_norm_eval`. Tolerance: rounding
//! errors as [`Rounded`] computes them; the two sums are [`Sum`](crate::numeric::Sum) in blocks, one term per row, in
//! f64 in the reference.

use std::ops::Range;

use crate::elementwise::numbers::Rounded;
use crate::kernels::row_norm::{EPSILON, moments, rounded_moments};
use crate::kernels::shared::{self, GROUP, grid_1d_prelude, groups, iterations_per_workgroup};
use crate::numeric::{Matrix, MatrixMut, SUM_DEPTH, first_chunk, sums_over_rows, widest};
use crate::plan::{Binding, Call, Kernel, Op, Plan, Shader, Step, StepUse, Tolerance, ViewId, WorkItem, words};
use crate::shape::Dtype;

words! {
    /// Kernel parameters.
    pub struct Params {
        /// Number of columns.
        columns: u32,
        /// Number of rows of a full batch.
        batch: u32,
    }
}

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "batch_norm",
    bindings: &[
        Binding::read("input", Dtype::F32),
        Binding::read("weight", Dtype::F32),
        Binding::read("bias", Dtype::F32),
        Binding::write("output", Dtype::F32),
        Binding::write("statistics", Dtype::F32),
        Binding::accumulate("pending_mean", Dtype::F32),
        Binding::accumulate("pending_var", Dtype::F32),
    ],
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::Column,
    flops: |_, s| 8 * s[0].elements() as u64,
    reference: |call| with_views(call, reference),
    fast: Some(|call| with_views(call, fast)),
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/batch_norm.wgsl"),
        shared: &[shared::STEP, shared::LINEAR_INDEX, shared::FINITE, shared::TREE, shared::BLOCKS],
        prelude: grid_1d_prelude,
        grid: |_, shapes| groups(shapes[0].columns),
        rounds: Some(|_, shapes| 2 * iterations_per_workgroup(shapes[0].rows) + shapes[0].rows.div_ceil(GROUP) as u64),
        tiles: None,
    },
};

/// Weight of the old value in a running statistic: 1 − PyTorch's momentum of 0.1.
pub const DECAY: f64 = 0.9;

/// output = input, normalized over the rows in use.
pub fn op(plan: &Plan, views: [ViewId; 7]) -> Op {
    let shape = plan.shape(views[0]);
    Op::new(&KERNEL, &views, &Params { columns: shape.columns as u32, batch: shape.rows as u32 }, shape.columns)
}

/// Views of a call. Views that it writes have only the columns of its work items.
pub struct Views<'a> {
    input: Matrix<'a>,
    weight: &'a [f32],
    bias: &'a [f32],
    output: MatrixMut<'a>,
    statistics: MatrixMut<'a>,
    pending: [MatrixMut<'a>; 2],
}

fn with_views(call: Call<'_>, kernel: fn(&Step, Range<usize>, Views<'_>)) {
    let (p, step, items) = (*call.params::<Params>(), *call.step, call.items.clone());
    let (rows, columns) = (p.batch as usize, p.columns as usize);
    let [input, weight, bias, output, statistics, mean, var] = call.args();
    let views = Views {
        input: Matrix::new(input.f32(), step.rows as usize, columns),
        weight: weight.f32(),
        bias: bias.f32(),
        output: output.matrix_mut(rows, columns),
        statistics: statistics.matrix_mut(3, columns),
        pending: [mean, var].map(|pending| pending.matrix_mut(1, columns)),
    };
    kernel(&step, items, views);
}

/// Returns the mean and the unbiased variance of this batch, multiplied by their weight `share` in the running
/// statistics.
fn pending(step: &Step, [mean, variance]: [f64; 2], share: f64) -> [f64; 2] {
    let rows = f64::from(step.rows.max(1));
    [share * mean, share * variance * rows / (rows - 1.0).max(1.0)]
}

/// The reference implementation.
pub fn reference(step: &Step, items: Range<usize>, mut views: Views<'_>) {
    for (own, c) in items.enumerate() {
        let column = (0..step.rows as usize).map(|r| views.input.row(r)[c]);
        let [mean, variance, scale] = moments(true, column);
        for r in 0..step.rows as usize {
            let normal = (f64::from(views.input.row(r)[c]) - mean) * scale;
            views.output.row(r)[own] = (normal * f64::from(views.weight[c]) + f64::from(views.bias[c])) as f32;
        }
        views.statistics.row(0)[own] = mean as f32;
        views.statistics.row(1)[own] = scale as f32;
        views.statistics.row(2)[own] = (scale * f64::from(views.weight[c])) as f32;
        for (pending, added) in views.pending.iter_mut().zip(pending(step, [mean, variance], 1.0 - DECAY)) {
            let before = if step.first_row == 0 { 0.0 } else { DECAY * f64::from(pending.row(0)[own]) };
            pending.row(0)[own] = (before + added) as f32;
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
    let rows = step.rows as usize;
    while first + N <= items.end {
        let (input, own) = (views.input, first - items.start);
        let row = |r: usize| -> [f32; N] { first_chunk(input.row(r), first) };
        let count = f64::from(step.rows.max(1));
        let [sums]: [[f64; N]; 1] = sums_over_rows(rows, |r| [row(r)]);
        let mean: [f32; N] = sums.map(|sum| (sum / count) as f32);
        let [squares]: [[f64; N]; 1] = sums_over_rows(rows, |r| {
            let x = row(r);
            let distances: [f32; N] = std::array::from_fn(|c| x[c] - mean[c]);
            [distances.map(|distance| distance * distance)]
        });
        let variance = squares.map(|sum| sum / count);
        let scale =
            variance.map(|v| if (v as f32).is_finite() { (1.0 / (v + EPSILON).sqrt()) as f32 } else { v as f32 });
        let (weight, bias) = (&views.weight[first..][..N], &views.bias[first..][..N]);
        for r in 0..rows {
            let output = &mut views.output.row(r)[own..][..N];
            for c in 0..N {
                output[c] = (row(r)[c] - mean[c]) * scale[c] * weight[c] + bias[c];
            }
        }
        views.statistics.row(0)[own..][..N].copy_from_slice(&mean);
        views.statistics.row(1)[own..][..N].copy_from_slice(&scale);
        views.statistics.row(2)[own..][..N]
            .copy_from_slice(&std::array::from_fn::<f32, N, _>(|c| scale[c] * weight[c]));
        for c in 0..N {
            let added = pending(step, [mean[c].into(), variance[c]], 1.0 - DECAY);
            for (pending, added) in views.pending.iter_mut().zip(added) {
                let pending = &mut pending.row(0)[own + c];
                let before = if step.first_row == 0 { 0.0 } else { DECAY * f64::from(*pending) };
                *pending = (before + added) as f32;
            }
        }
        first += N;
    }
    first
}

fn tolerance(before: &Call<'_>, _after: &Call<'_>) -> Vec<Tolerance> {
    let (columns, rows) = (before.params::<Params>().columns as usize, before.step.rows as usize);
    let (mut outputs, mut statistics) = (vec![0.0; rows * columns], vec![0.0; 3 * columns]);
    let mut pending = [vec![0.0; columns], vec![0.0; columns]];
    let exact = Rounded::exact_f32;
    for c in 0..columns {
        let column = (0..rows).map(|r| before.f32(0)[r * columns + c]);
        let [mean, variance, scale] = rounded_moments(true, column.clone(), rows.min(SUM_DEPTH));
        let [weight, bias] = [1, 2].map(|binding| exact(before.f32(binding)[c]));
        for (r, x) in column.enumerate() {
            outputs[r * columns + c] = ((exact(x) - mean) * scale * weight + bias).error();
        }
        for (row, statistic) in [mean, scale, scale * weight].into_iter().enumerate() {
            statistics[row * columns + c] = statistic.error();
        }
        let count = rows.max(1) as f64;
        let unbiased = variance * Rounded::exact(count) / Rounded::exact((count - 1.0).max(1.0));
        for (which, statistic) in [mean, unbiased].into_iter().enumerate() {
            let kept = if before.step.first_row == 0 {
                Rounded::exact(0.0)
            } else {
                Rounded::from(DECAY) * exact(before.f32(5 + which)[c])
            };
            pending[which][c] = (kept + statistic * Rounded::from(1.0 - DECAY)).error();
        }
    }
    [outputs, statistics].into_iter().chain(pending).map(Tolerance::Each).collect()
}
