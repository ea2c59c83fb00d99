//! Tests of `activation_grad`: grad_input = grad_output · f′(output).

use super::activation::{FUNCTIONS, formula};
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
        .into_iter()
        .flat_map(|f| over_batches(|s, live, v, seed| case(f, s, live, v, seed)))
        .chain(hard())
        .collect()
}

fn case(function: Activation, shape: Shape, live: usize, values: Values, seed: usize) -> Case {
    let mut case = Case::new(Section::Gradients, live, values, seed);
    let grad_output = case.batch("grad_output", shape, Fill::Real(2.0));
    // Values that the function can return.
    let output = match function {
        Activation::Sigmoid => Fill::Between(0.0, 1.0),
        Activation::Tanh => Fill::Between(-1.0, 1.0),
        _ => Fill::Real(3.0),
    };
    let output = case.batch("output", shape, output);
    let grad_input = case.batch_output("grad_input", Dtype::F32, shape);
    let op = activation_grad::op(&case.plan, function, grad_output, output, grad_input);
    case.with(op)
}

/// Saturated outputs, and the kink.
fn hard() -> impl Iterator<Item = Case> {
    FUNCTIONS.into_iter().map(|function| {
        let mut case = case(function, Shape::new(2, 3), 2, Values::Special, 2);
        let output = case.op().views[1];
        case.set_f32(output, &[0.0, 1.0, -0.0, 0.999_999_94, 1e-30, 0.5]);
        case
    })
}

/// Returns f′ as a function of y = f(x).
pub fn derivative(code: u32, slope: f64, y: f64) -> f64 {
    match code {
        2 => y * (1.0 - y),
        3 => 1.0 - y * y,
        // The other functions keep the sign of x, or have a constant derivative.
        _ => formula(code, slope, y).1,
    }
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let p: &Params = seen.params();
    let (gradient, output) = (seen.numbers(0), seen.numbers(1));
    let element = |i| gradient[i] * derivative(p.function, f64::from(p.slope), output[i]);
    vec![Expected::Numbers((0..seen.live(1)).map(element).collect())]
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.001) > 140_000);
}

#[test]
fn the_derivative_from_the_output_is_that_from_the_input() {
    for (code, function) in FUNCTIONS.into_iter().enumerate() {
        for x in [-3.0, -0.7, 0.2, 1.9] {
            let (y, expected) = formula(code as u32, 0.125, x);
            approx::assert_relative_eq!(derivative(code as u32, 0.125, y), expected, max_relative = 1e-12);
            let (step, slope) = (1e-6, |x| formula(code as u32, 0.125, x).0);
            let finite = (slope(x + step) - slope(x - step)) / (2.0 * step);
            approx::assert_abs_diff_eq!(expected, finite, epsilon = 1e-9);
            assert_eq!(wgrad::kernels::activation::Function::from(function).code, code as u32);
        }
    }
}
