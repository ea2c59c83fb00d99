//! Tests of `dense_forward`: output = drop(f(input · weightᵀ + bias)).

use super::activation::{FUNCTIONS, formula};
use super::case::{Case, Fill, Values, over_matmuls};
use super::compare::Expected;
use super::dropout::keeps;
use super::memory::Seen;
use super::prove::{prove, whole_numbers_are_exact};
use wgrad::Activation;
use wgrad::kernels::dense_forward::{self, Params};
use wgrad::kernels::dropout::Mask;
use wgrad::plan::Section;
use wgrad::shape::{Dtype, Shape};

/// Every activation function, with and without dropout.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for rate in [0.0, 0.5] {
        cases.extend(over_matmuls(|sizes, live, values, seed| {
            case(FUNCTIONS[(seed + if rate > 0.0 { 3 } else { 0 }) % FUNCTIONS.len()], rate, sizes, live, values, seed)
        }));
    }
    cases
}

fn case(
    f: Activation,
    rate: f32,
    [rows, outputs, inputs]: [usize; 3],
    live: usize,
    values: Values,
    seed: usize,
) -> Case {
    let mut case = Case::new(Section::Gradients, live, values, seed);
    let input = case.batch("input", Shape::new(rows, inputs), Fill::Real(1.0));
    let weight = case.tensor("weight", Shape::new(outputs, inputs), Fill::Real(1.0));
    let bias = case.tensor("bias", Shape::vector(outputs), Fill::Real(1.0));
    let output = case.batch_output("output", Dtype::F32, Shape::new(rows, outputs));
    let mask = if rate > 0.0 { Mask::new(seed, rate) } else { Mask::NONE };
    // The argument of f is kept in every other case.
    let kept = (seed % 2 == 1).then(|| case.batch_output("kept", Dtype::F32, Shape::new(rows, outputs)));
    let op = dense_forward::op(&case.plan, f, mask, input, weight, bias, output, kept);
    case.with(op)
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let p: &Params = seen.params();
    let [input, weight, bias] = [0, 1, 2].map(|binding| seen.numbers(binding));
    let (outputs, inputs) = (seen.shape(1).rows, seen.shape(1).columns);
    let argument = |i: usize| {
        let (r, o) = (i / outputs, i % outputs);
        let product: f64 = (0..inputs).map(|i| input[r * inputs + i] * weight[o * inputs + i]).sum();
        product + bias[o]
    };
    let element = |i: usize| {
        let kept = keeps(p.threshold, seen.step(), p.layer, i / outputs, i % outputs);
        if kept { formula(p.activation(), argument(i)) * f64::from(p.scale) } else { 0.0 }
    };
    let live = 0..seen.live(3);
    let output = Expected::Numbers(live.clone().map(element).collect());
    let kept = (seen.case.op().views.len() == 5).then(|| Expected::Numbers(live.map(argument).collect()));
    std::iter::once(output).chain(kept).collect()
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.005) > 70_000);
}

#[test]
fn whole_numbers() {
    let exact = [Activation::identity(), Activation::step(), Activation::relu()];
    let cases: Vec<Case> = exact
        .into_iter()
        .flat_map(|f| over_matmuls(move |sizes, live, values, seed| case(f, 0.0, sizes, live, values, seed)))
        .collect();
    whole_numbers_are_exact(&cases);
}
