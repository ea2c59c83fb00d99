//! Tests of `dense_forward_sum`: output = drop(f(Σₚ partial + bias)).

use super::activation::{FUNCTIONS, formula};
use super::case::{Case, Fill, Values, over_matmuls};
use super::compare::Expected;
use super::dropout::keeps;
use super::memory::Seen;
use super::prove::prove;
use wgrad::kernels::dense_forward_sum::{self, Params};
use wgrad::kernels::dropout::Mask;
use wgrad::plan::Section;
use wgrad::shape::{Dtype, Shape};

/// Every activation function, with and without dropout.
pub fn cases() -> Vec<Case> {
    [0.0, 0.5]
        .into_iter()
        .flat_map(|rate| over_matmuls(move |sizes, live, v, seed| case(rate, sizes, live, v, seed)))
        .collect()
}

fn case(rate: f32, [rows, outputs, k]: [usize; 3], live: usize, values: Values, seed: usize) -> Case {
    let mut case = Case::new(Section::Gradients, live, values, seed);
    let partial = case.tensor("partial", Shape::new(1 + k % 4, rows * outputs), Fill::Real(1.0));
    let bias = case.tensor("bias", Shape::vector(outputs), Fill::Real(1.0));
    let output = case.batch_output("output", Dtype::F32, Shape::new(rows, outputs));
    let mask = if rate > 0.0 { Mask::new(seed, rate) } else { Mask::NONE };
    let function = FUNCTIONS[(seed + if rate > 0.0 { 3 } else { 0 }) % FUNCTIONS.len()];
    // The argument of f is kept in every other case.
    let kept = (seed % 2 == 1).then(|| case.batch_output("kept", Dtype::F32, Shape::new(rows, outputs)));
    let op = dense_forward_sum::op(&case.plan, function, mask, partial, bias, output, kept);
    case.with(op)
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let p: &Params = seen.params();
    let [partial, bias] = [0, 1].map(|binding| seen.numbers(binding));
    let (parts, outputs) = (seen.shape(0), seen.shape(2).columns);
    let argument = |i: usize| {
        let sum: f64 = (0..parts.rows).map(|part| partial[part * parts.columns + i]).sum();
        sum + bias[i % outputs]
    };
    let element = |i: usize| {
        let kept = keeps(p.threshold, seen.step(), p.layer, i / outputs, i % outputs);
        if kept { formula(p.activation(), argument(i)) * f64::from(p.scale) } else { 0.0 }
    };
    let live = 0..seen.live(2);
    let output = Expected::Numbers(live.clone().map(element).collect());
    let kept = (seen.case.op().views.len() == 4).then(|| Expected::Numbers(live.map(argument).collect()));
    std::iter::once(output).chain(kept).collect()
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.005) > 70_000);
}
