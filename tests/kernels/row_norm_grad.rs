//! Tests of `row_norm_grad`: the gradient with respect to the input.

use super::case::{Case, Fill, Values, over_rows};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use wgrad::kernels::row_norm::Params;
use wgrad::kernels::row_norm_grad;
use wgrad::plan::Section;
use wgrad::shape::{Dtype, Shape};

pub fn cases() -> Vec<Case> {
    let both = [true, false].into_iter();
    both.flat_map(|centered| over_rows(|shape, live, values, seed| case(shape, live, values, seed, centered))).collect()
}

fn case(shape: Shape, live: usize, values: Values, seed: usize, centered: bool) -> Case {
    let mut case = Case::new(Section::Gradients, live, values, seed);
    let grad_output = case.batch("grad_output", shape, Fill::Real(1.0));
    let input = case.batch("input", shape, Fill::Real(2.0));
    let statistics = case.batch("statistics", Shape::new(shape.rows, 2), Fill::Between(0.25, 2.0));
    let weight = case.tensor("weight", Shape::vector(shape.columns), Fill::Real(1.5));
    let grad_input = case.batch_output("grad_input", Dtype::F32, shape);
    let op = row_norm_grad::op(&case.plan, centered, [grad_output, input, statistics, weight, grad_input]);
    case.with(op)
}

/// With d = grad_output·weight and x = (input − m)·s: s·(d − mean(d) − x·mean(d·x)), the mean of d only if centered.
fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let [grad_output, input, statistics, weight] = [0, 1, 2, 3].map(|binding| seen.numbers(binding));
    let columns = weight.len();
    let mut gradients = Vec::new();
    for r in 0..seen.live(0) / columns {
        let (mean, scale) = (statistics[2 * r], statistics[2 * r + 1]);
        let x: Vec<f64> = (0..columns).map(|c| (input[r * columns + c] - mean) * scale).collect();
        let d: Vec<f64> = (0..columns).map(|c| grad_output[r * columns + c] * weight[c]).collect();
        let centered = f64::from(seen.params::<Params>().centered);
        let of_d = centered * d.iter().sum::<f64>() / columns as f64;
        let of_products = d.iter().zip(&x).map(|(d, x)| d * x).sum::<f64>() / columns as f64;
        gradients.extend((0..columns).map(|c| scale * (d[c] - of_d - x[c] * of_products)));
    }
    vec![Expected::Numbers(gradients)]
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.01) > 30_000);
}
