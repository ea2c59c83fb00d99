//! Tests of `batch_norm`: batch normalization in training.

use super::case::{Case, Fill, Values, over_rows};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use wgrad::kernels::batch_norm;
use wgrad::plan::Section;
use wgrad::shape::{Dtype, Shape};

/// Columns around 0, columns far from it, and columns of equal numbers, in first and in later micro-batches; enough rows
/// that an invocation on a GPU sums in blocks at several levels; and a column whose variance overflows.
pub fn cases() -> Vec<Case> {
    let fills = [Fill::Real(2.0), Fill::Between(20.0, 22.0), Fill::Same(0.75f32.to_bits())];
    let all = fills.into_iter().zip([1000, 0, 1000]);
    all.flat_map(|(fill, first_row)| {
        over_rows(|shape, live, values, seed| case(shape, live, values, seed, fill, first_row))
    })
    .chain(
        [(5000, 4999), (70_000, 69_999)]
            .map(|(rows, live)| case(Shape::new(rows, 1), live, Values::Real, rows, Fill::Real(2.0), 0)),
    )
    .chain([huge()])
    .collect()
}

fn huge() -> Case {
    let mut case = case(Shape::new(2, 1), 2, Values::Special, 2, Fill::Real(1.0), 0);
    let input = case.op().views[0];
    case.set_f32(input, &[1e30, -1e30]);
    case
}

fn case(shape: Shape, live: usize, values: Values, seed: usize, fill: Fill, first_row: u32) -> Case {
    let mut case = Case::new(Section::Gradients, live, values, seed);
    case.steps[case.batch_index].first_row = first_row;
    let input = case.batch("input", shape, fill);
    let vector = Shape::vector(shape.columns);
    let weight = case.tensor("weight", vector, Fill::Real(1.5));
    let bias = case.tensor("bias", vector, Fill::Between(0.5, 1.0));
    let output = case.batch_output("output", Dtype::F32, shape);
    let statistics = case.output("statistics", Dtype::F32, Shape::new(3, shape.columns));
    let mean = case.state("pending_mean", vector, Fill::Real(1.0));
    let var = case.state("pending_var", vector, Fill::Positive(2.0));
    let op = batch_norm::op(&case.plan, [input, weight, bias, output, statistics, mean, var]);
    case.with(op)
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let [input, weight, bias] = [0, 1, 2].map(|binding| seen.numbers(binding));
    let (rows, columns) = (seen.rows(), weight.len());
    let mut outputs = vec![0.0; rows * columns];
    let (mut means, mut scales) = (Vec::new(), Vec::new());
    let mut pending = [5, 6].map(|binding| seen.numbers(binding));
    for c in 0..columns {
        let column: Vec<f64> = (0..rows).map(|r| input[r * columns + c]).collect();
        let count = rows.max(1) as f64;
        let mean = column.iter().sum::<f64>() / count;
        let variance = column.iter().map(|x| x * x - 2.0 * x * mean + mean * mean).sum::<f64>() / count;
        let overflows = variance > f64::from(f32::MAX);
        let variance = if overflows { f64::INFINITY } else { variance.max(0.0) };
        let scale = if overflows { f64::INFINITY } else { 1.0 / (variance + 1e-5).sqrt() };
        for (r, x) in column.iter().enumerate() {
            outputs[r * columns + c] = (x - mean) * scale * weight[c] + bias[c];
        }
        means.push(mean);
        scales.push(scale);
        let unbiased = if rows > 1 { variance * count / (count - 1.0) } else { variance };
        for (pending, statistic) in pending.iter_mut().zip([mean, unbiased]) {
            let kept = if seen.step().first_row == 0 { 0.0 } else { 0.9 * pending[c] };
            pending[c] = kept + 0.1 * statistic;
        }
    }
    let factors: Vec<f64> = scales.iter().zip(&weight).map(|(scale, weight)| scale * weight).collect();
    let statistics = [means, scales, factors].concat();
    [outputs, statistics].into_iter().chain(pending).map(Expected::Numbers).collect()
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.01) > 100_000);
}
