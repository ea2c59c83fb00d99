//! Normalizes each row: layer normalization, or root mean square normalization.
//!
//! Formula: `output[r, c] = (input[r, c] − m)·s·weight[c] + bias[c]`, where m is the mean of the row, or 0 without
//! centering, s = 1/√(v + 10⁻⁵), and v is the mean of (input[r, c] − m)². The statistics of the row are m and s.
//! Symbols: r a row of the batch, c one of n columns.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | input | rows×columns | read |
//! | 3 | weight | 1×columns | read |
//! | 4 | bias | 1×columns | read |
//! | 5 | output | rows×columns | write |
//! | 6 | statistics | rows×2 | write |
//!
//! If v overflows, s is v, so that the output is not finite. Derivative: `row_norm_grad`, `row_norm_grad_weight`.
//! Tolerance: rounding errors as [`Rounded`] computes them; the two sums are [`Sum`] with n / PER_ROW terms and a tree,
//! in f64 in the reference.

use crate::elementwise::numbers::Rounded;
use crate::elementwise::numbers::rounded::{abs, inverse_root};
use crate::kernels::shared::{self, along_row, grid_1d, per_row, row_prelude};
use crate::numeric::{Sum, UNIT_ROUNDOFF, sums_along_row, widest};
use crate::plan::{Binding, Call, Kernel, Op, Plan, Shader, StepUse, Tolerance, ViewId, WorkItem, words};
use crate::shape::Dtype;

words! {
    /// Kernel parameters.
    pub struct Params {
        /// Number of columns.
        columns: u32,
        /// 1 if the mean is subtracted, else 0.
        centered: u32,
    }
}

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "row_norm",
    bindings: &[
        Binding::read("input", Dtype::F32).per_item(),
        Binding::read("weight", Dtype::F32),
        Binding::read("bias", Dtype::F32),
        Binding::write("output", Dtype::F32),
        Binding::write("statistics", Dtype::F32),
    ],
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::BatchRow,
    flops: |_, s| 8 * s[0].elements() as u64,
    reference: |call| {
        let (p, rows) = (*call.params::<Params>(), call.items.len());
        let [input, weight, bias, output, statistics] = call.args();
        reference(&p, rows, input.f32(), weight.f32(), bias.f32(), output.f32_mut(), statistics.f32_mut());
    },
    fast: Some(|call| {
        let p = *call.params::<Params>();
        let [input, weight, bias, output, statistics] = call.args();
        let statistics = statistics.f32_mut().as_chunks_mut().0;
        fast(
            p.columns as usize,
            p.centered == 1,
            [input, weight, bias].map(|view| view.f32()),
            output.f32_mut(),
            statistics,
        );
    }),
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/row_norm.wgsl"),
        shared: &[shared::STEP, shared::LINEAR_INDEX, shared::FINITE, shared::TREE, shared::ROW],
        prelude: row_prelude,
        grid: |_, shapes| grid_1d(shapes[0].rows * per_row(shapes[0].columns)),
        rounds: Some(|_, shapes| 3 * along_row(shapes[0].columns)),
        tiles: None,
    },
};

/// Constant that is added to the variance.
pub const EPSILON: f64 = 1e-5;

/// output = the normalized rows of input.
pub fn op(plan: &Plan, centered: bool, [input, weight, bias, output, statistics]: [ViewId; 5]) -> Op {
    let shape = plan.shape(input);
    let params = Params { columns: shape.columns as u32, centered: centered.into() };
    Op::new(&KERNEL, &[input, weight, bias, output, statistics], &params, shape.rows)
}

/// Returns the mean of the numbers (0 if they are not centered), their variance around it, and the scale 1/√(variance +
/// 10⁻⁵).
pub fn moments(centered: bool, numbers: impl Iterator<Item = f32> + Clone) -> [f64; 3] {
    let count = numbers.clone().count().max(1) as f64;
    let mean = |sum: f64| sum / count;
    let center = if centered { mean(numbers.clone().map(f64::from).sum()) } else { 0.0 };
    let variance = mean(numbers.map(|x| (f64::from(x) - center).powi(2)).sum());
    let scale = if (variance as f32).is_finite() { 1.0 / (variance + EPSILON).sqrt() } else { variance };
    [center, variance, scale]
}

/// Returns [`moments`] with their rounding errors, for sums with at most `depth` additions per term.
pub fn rounded_moments(centered: bool, numbers: impl Iterator<Item = f32> + Clone, depth: usize) -> [Rounded; 3] {
    let count = Rounded::exact(numbers.clone().count().max(1) as f64);
    let mut mean = Rounded::exact(0.0);
    if centered {
        let mut sum = Sum::default();
        numbers.clone().for_each(|x| sum.add(x, 1.0));
        mean = Rounded::sum(&sum.in_blocks(depth)) / count;
    }
    let square = |x: f32| {
        let distance = abs(Rounded::exact_f32(x) - mean);
        distance * distance
    };
    let variance = total(numbers.map(square), depth) / count;
    [mean, variance, inverse_root(variance + Rounded::from(EPSILON))]
}

/// The reference implementation.
pub fn reference(
    p: &Params,
    rows: usize,
    input: &[f32],
    weight: &[f32],
    bias: &[f32],
    output: &mut [f32],
    statistics: &mut [f32],
) {
    let columns = p.columns as usize;
    for r in 0..rows {
        let row = &input[r * columns..(r + 1) * columns];
        let [mean, _, scale] = moments(p.centered == 1, row.iter().copied());
        statistics[2 * r] = mean as f32;
        statistics[2 * r + 1] = scale as f32;
        for c in 0..columns {
            let normal = (f64::from(row[c]) - mean) * scale;
            output[r * columns + c] = (normal * f64::from(weight[c]) + f64::from(bias[c])) as f32;
        }
    }
}

widest! {
    /// Same computation as [`reference`], in f32 vectors; `views` are input, weight and bias.
    fn fast(columns: usize, centered: bool, views: [&[f32]; 3], output: &mut [f32], statistics: &mut [[f32; 2]]) {
        let [input, weight, bias] = views;
        let count = columns as f32;
        let rows = input.chunks_exact(columns).zip(output.chunks_exact_mut(columns)).zip(statistics);
        for ((row, output), statistics) in rows {
            let mean = if centered { sums_along_row([row], |[x]| [x])[0] / count } else { 0.0 };
            let [squares] = sums_along_row([row], |[x]| [(x - mean) * (x - mean)]);
            let variance = squares / count;
            let scale = if variance.is_finite() { 1.0 / (variance + EPSILON as f32).sqrt() } else { variance };
            *statistics = [mean, scale];
            for (((y, x), weight), bias) in output.iter_mut().zip(row).zip(weight).zip(bias) {
                *y = (x - mean) * scale * weight + bias;
            }
        }
    }
}

/// Returns the largest number of rounded additions per term of a sum over a row, on any device.
pub fn depth(columns: usize) -> usize {
    columns.div_ceil(per_row(columns)) + 6
}

/// Returns the sum of numbers with errors. A device adds them in any order, with at most `depth` additions per term.
pub fn total(terms: impl Iterator<Item = Rounded>, depth: usize) -> Rounded {
    let (mut value, mut carried, mut size) = (0.0, 0.0, 0.0);
    for term in terms {
        value += term.value;
        carried += term.error();
        size += term.value.abs() + term.error();
    }
    // A sum below the normal range may be flushed to zero.
    let flushing = if size > 0.0 { f64::from(f32::MIN_POSITIVE) } else { 0.0 };
    Rounded::new(value, carried + (depth + 2) as f64 * UNIT_ROUNDOFF * size + flushing)
}

fn tolerance(before: &Call<'_>, after: &Call<'_>) -> Vec<Tolerance> {
    let p = before.params::<Params>();
    let columns = p.columns as usize;
    let mut outputs = vec![0.0; after.f32(3).len()];
    let mut statistics = vec![0.0; after.f32(4).len()];
    for r in 0..before.items.len() {
        let row = &before.f32(0)[r * columns..(r + 1) * columns];
        let [mean, _, scale] = rounded_moments(p.centered == 1, row.iter().copied(), depth(columns));
        statistics[2 * r] = mean.error();
        statistics[2 * r + 1] = scale.error();
        for c in 0..columns {
            let [weight, bias] = [1, 2].map(|binding| Rounded::exact_f32(before.f32(binding)[c]));
            outputs[r * columns + c] = ((Rounded::exact_f32(row[c]) - mean) * scale * weight + bias).error();
        }
    }
    vec![Tolerance::Each(outputs), Tolerance::Each(statistics)]
}
