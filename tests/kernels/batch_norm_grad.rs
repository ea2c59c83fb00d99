//! Tests of `batch_norm_grad`: the gradients with respect to weight, bias and input.

use super::case::{Case, Fill, Values, over_rows};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use wgrad::kernels::batch_norm_grad;
use wgrad::plan::Section;
use wgrad::shape::{Dtype, Shape};

/// Includes enough rows that an invocation on a GPU sums in blocks at several levels.
pub fn cases() -> Vec<Case> {
    let many = [(5000, 4999), (70_000, 69_999)].map(|(rows, live)| case(Shape::new(rows, 1), live, Values::Real, rows));
    over_rows(case).into_iter().chain(many).chain(broken()).collect()
}

fn case(shape: Shape, live: usize, values: Values, seed: usize) -> Case {
    let mut case = Case::new(Section::Gradients, live, values, seed);
    let grad_output = case.batch("grad_output", shape, Fill::Real(1.0));
    let input = case.batch("input", shape, Fill::Real(2.0));
    let statistics = case.tensor("statistics", Shape::new(3, shape.columns), Fill::Between(0.25, 2.0));
    let [of_weight, of_bias] = case.pair_of_outputs(["grad_weight", "grad_bias"], [Shape::vector(shape.columns); 2]);
    let grad_input = case.batch_output("grad_input", Dtype::F32, shape);
    let flag = case.flag(u32::MAX);
    let views = [grad_output, input, statistics, of_weight, of_bias, grad_input, flag];
    let op = batch_norm_grad::op(&case.plan, views);
    case.with(op)
}

/// An infinite gradient of the output, with a flag that is not set and one that an earlier step has set; and sums of
/// gradients that overflow, of a column at its mean, so that only the gradient of the bias is infinite.
fn broken() -> Vec<Case> {
    let infinite = [u32::MAX, 2].map(|flag| {
        let mut case = case(Shape::new(4, 2), 3, Values::Special, 1);
        let views = case.op().views.clone();
        case.set_f32(views[0], &[0.5, 0.5, 0.5, f32::INFINITY, 0.5, 0.5, 0.5, 0.5]);
        case.set_f32(views[1], &[0.5; 8]);
        case.set(views[6], vec![flag]);
        case
    });
    let mut biases = case(Shape::new(4, 2), 3, Values::Special, 1);
    let views = biases.op().views.clone();
    biases.set_f32(views[0], &[3e38; 8]);
    biases.set_f32(views[1], &[0.5; 8]);
    biases.set_f32(views[2], &[0.5; 6]);
    infinite.into_iter().chain([biases]).collect()
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let [grad_output, input, statistics] = [0, 1, 2].map(|binding| seen.numbers(binding));
    let (rows, columns) = (seen.rows(), seen.shape(0).columns);
    // In f32 a sum beyond the range is infinite.
    let in_range = |sum: f64| if sum > f64::from(f32::MAX) { f64::INFINITY } else { sum };
    let normal = |r: usize, c: usize| (input[r * columns + c] - statistics[c]) * statistics[columns + c];
    let of_weight: Vec<f64> =
        (0..columns).map(|c| (0..rows).map(|r| grad_output[r * columns + c] * normal(r, c)).sum()).collect();
    let of_bias: Vec<f64> =
        (0..columns).map(|c| in_range((0..rows).map(|r| grad_output[r * columns + c]).sum())).collect();
    let count = rows.max(1) as f64;
    let inputs = (0..rows * columns).map(|i| {
        let (r, c) = (i / columns, i % columns);
        let through = grad_output[i] - (of_bias[c] + normal(r, c) * of_weight[c]) / count;
        statistics[2 * columns + c] * through
    });
    let inputs = Expected::Numbers(inputs.collect());
    let flag = seen.flag(6, &[of_weight.clone(), of_bias.clone()].concat());
    vec![Expected::Numbers(of_weight), Expected::Numbers(of_bias), inputs, flag]
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.02) > 30_000);
}
