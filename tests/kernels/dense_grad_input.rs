//! Tests of `dense_grad_input`: grad_input = drop(grad_output · weight) · f′ of the layer below.

use super::activation::{FUNCTIONS, derivative};
use super::activation_grad::arguments;
use super::case::{Case, Fill, Values, over_matmuls};
use super::compare::Expected;
use super::dropout::keeps;
use super::memory::Seen;
use super::prove::{prove, whole_numbers_are_exact};
use wgrad::Activation;
use wgrad::kernels::dense_grad_input::{self, Params};
use wgrad::kernels::dropout::Mask;
use wgrad::plan::Section;
use wgrad::shape::{Dtype, Shape};

/// Every activation function, with and without dropout.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for rate in [0.0, 0.25] {
        cases.extend(over_matmuls(|sizes, live, values, seed| {
            case(FUNCTIONS[(seed + if rate > 0.0 { 3 } else { 0 }) % FUNCTIONS.len()], rate, sizes, live, values, seed)
        }));
    }
    cases
}

fn case(
    f: Activation,
    rate: f32,
    [rows, inputs, outputs]: [usize; 3],
    live: usize,
    values: Values,
    seed: usize,
) -> Case {
    let mut case = Case::new(Section::Gradients, live, values, seed);
    let mask = if rate > 0.0 { Mask::new(seed, rate) } else { Mask::NONE };
    let grad_output = case.batch("grad_output", Shape::new(rows, outputs), Fill::Real(1.0));
    let weight = case.tensor("weight", Shape::new(outputs, inputs), Fill::Real(1.0));
    // Values that the function can return, scaled.
    let lower = case.batch("lower", Shape::new(rows, inputs), arguments(f, f64::from(mask.scale)));
    let grad_input = case.batch_output("grad_input", Dtype::F32, Shape::new(rows, inputs));
    let op = dense_grad_input::op(&case.plan, f, mask, grad_output, weight, lower, grad_input);
    case.with(op)
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let p: &Params = seen.params();
    let [grad_output, weight, lower] = [0, 1, 2].map(|binding| seen.numbers(binding));
    let (outputs, inputs) = (seen.shape(1).rows, seen.shape(1).columns);
    let element = |at: usize| {
        let (r, i) = (at / inputs, at % inputs);
        let product: f64 = (0..outputs).map(|o| grad_output[r * outputs + o] * weight[o * inputs + i]).sum();
        let slope = derivative(p.activation(), lower[at] * f64::from(p.keep));
        if keeps(p.threshold, seen.step(), p.layer, r, i) { product * f64::from(p.scale) * slope } else { 0.0 }
    };
    vec![Expected::Numbers((0..seen.live(3)).map(element).collect())]
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
