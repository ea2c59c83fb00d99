//! Tests of `dense_grad_input_sum`: grad_input = drop(Σₚ partial) · f′ of the layer below.

use super::activation::{FUNCTIONS, derivative};
use super::case::{Case, Fill, Values, over_matmuls};
use super::compare::Expected;
use super::dropout::keeps;
use super::memory::Seen;
use super::prove::prove;
use wgrad::kernels::dense_grad_input_sum::{self, Params};
use wgrad::kernels::dropout::Mask;
use wgrad::plan::Section;
use wgrad::shape::{Dtype, Shape};

/// Every activation function, with and without dropout.
pub fn cases() -> Vec<Case> {
    [0.0, 0.25]
        .into_iter()
        .flat_map(|rate| over_matmuls(move |sizes, live, v, seed| case(rate, sizes, live, v, seed)))
        .collect()
}

fn case(rate: f32, [rows, inputs, k]: [usize; 3], live: usize, values: Values, seed: usize) -> Case {
    let mut case = Case::new(Section::Gradients, live, values, seed);
    let mask = if rate > 0.0 { Mask::new(seed, rate) } else { Mask::NONE };
    let partial = case.tensor("partial", Shape::new(1 + k % 4, rows * inputs), Fill::Real(1.0));
    // Values that every function can return, scaled.
    let lower = case.batch("lower", Shape::new(rows, inputs), Fill::Between(0.0, f64::from(mask.scale)));
    let grad_input = case.batch_output("grad_input", Dtype::F32, Shape::new(rows, inputs));
    let function = FUNCTIONS[(seed + if rate > 0.0 { 3 } else { 0 }) % FUNCTIONS.len()];
    let op = dense_grad_input_sum::op(&case.plan, function, mask, partial, lower, grad_input);
    case.with(op)
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let p: &Params = seen.params();
    let [partial, lower] = [0, 1].map(|binding| seen.numbers(binding));
    let (parts, inputs) = (seen.shape(0), seen.shape(2).columns);
    let element = |at: usize| {
        let sum: f64 = (0..parts.rows).map(|part| partial[part * parts.columns + at]).sum();
        let slope = derivative(p.activation(), lower[at] * f64::from(p.keep));
        let kept = keeps(p.threshold, seen.step(), p.layer, at / inputs, at % inputs);
        if kept { sum * f64::from(p.scale) * slope } else { 0.0 }
    };
    vec![Expected::Numbers((0..seen.live(2)).map(element).collect())]
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.005) > 70_000);
}
