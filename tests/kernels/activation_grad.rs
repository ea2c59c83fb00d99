//! Tests of `activation_grad`: grad_input = grad_output · f′(output).

use super::activation::{FUNCTIONS, derivative, formula};
use super::case::{Case, Fill, Values, over_batches};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use wgrad::Activation;
use wgrad::kernels::activation_grad::{self, Params};
use wgrad::plan::Section;
use wgrad::shape::{Dtype, Shape};

pub fn cases() -> Vec<Case> {
    FUNCTIONS
        .iter()
        .copied()
        .flat_map(|f| over_batches(|s, live, v, seed| case(f, s, live, v, seed)))
        .chain(hard())
        .collect()
}

fn case(function: Activation, shape: Shape, live: usize, values: Values, seed: usize) -> Case {
    let mut case = Case::new(Section::Gradients, live, values, seed);
    let grad_output = case.batch("grad_output", shape, Fill::Real(2.0));
    let output = case.batch("output", shape, arguments(function, 1.0));
    let grad_input = case.batch_output("grad_input", Dtype::F32, shape);
    let op = activation_grad::op(&case.plan, function, grad_output, output, grad_input);
    case.with(op)
}

/// Saturated outputs, and the kink.
fn hard() -> impl Iterator<Item = Case> {
    FUNCTIONS.iter().copied().map(|function| {
        let mut case = case(function, Shape::new(2, 3), 2, Values::Special, 2);
        let output = case.op().views[1];
        case.set_f32(output, &[0.0, 1.0, -0.0, 0.999_999_94, 1e-30, 0.5]);
        case
    })
}

/// Numbers from which the derivative is computed, times `scale`: inputs, or values that the function can return.
pub fn arguments(function: Activation, scale: f64) -> Fill {
    let [low, high] = [-1e4, 1e4].map(|x| formula(function, x));
    if function.keeps_input() || high > 100.0 {
        Fill::Real(3.0 * scale)
    } else {
        Fill::Between(low * scale, high * scale)
    }
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let p: &Params = seen.params();
    let (gradient, output) = (seen.numbers(0), seen.numbers(1));
    let element = |i| gradient[i] * derivative(p.activation(), output[i]);
    vec![Expected::Numbers((0..seen.live(1)).map(element).collect())]
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.001) > 140_000);
}
