//! Tests of `activation`: output = f(input), for each function.

use super::case::{Case, Fill, Values, over_batches};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use approx::assert_relative_eq;
use std::sync::LazyLock;
use wgrad::Activation;
use wgrad::elementwise::{Function, Parameter};
use wgrad::kernels::activation::{self, Params};
use wgrad::plan::Section;
use wgrad::shape::{Dtype, Shape};

/// All activation functions. A parameter is 0.125, which keeps products of whole numbers exact, unless it must be larger.
pub static FUNCTIONS: LazyLock<Vec<Activation>> = LazyLock::new(|| {
    let parameters = |of: &[Parameter]| [0, 1].map(|place| of.get(place).map_or(0.0, |p| p.least.max(0.125)));
    (0..).zip(Function::ALL).map(|(number, f)| Activation::new(number, parameters(f.parameters))).collect()
});

/// Inputs where the functions saturate, bend or jump, and NaN, which must be propagated.
const EXTREMES: [f32; 25] = [
    0.0,
    -0.0,
    1e-30,
    -1e-30,
    0.5,
    -0.5,
    9.9,
    -9.9,
    10.1,
    -17.0,
    89.0,
    -89.0,
    100.0,
    -100.0,
    3e38,
    f32::NAN,
    1e-8,
    -1e-6,
    1e-4,
    -1e-2,
    0.1,
    0.6249,
    -0.6251,
    0.3466,
    -0.3465,
];

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
    let input = case.batch("input", shape, Fill::Real(6.0));
    let output = case.batch_output("output", Dtype::F32, shape);
    let op = activation::op(&case.plan, function, input, output);
    case.with(op)
}

fn hard() -> impl Iterator<Item = Case> {
    FUNCTIONS.iter().map(|f| on(*f, &EXTREMES))
}

fn on(function: Activation, inputs: &[f32]) -> Case {
    let mut case = case(function, Shape::new(inputs.len(), 1), inputs.len(), Values::Special, 1);
    let input = case.op().views[0];
    case.set_f32(input, inputs);
    case
}

/// Returns f(x) in f64.
pub fn formula(activation: Activation, x: f64) -> f64 {
    activation.function().double[0](x, activation.parameters().map(f64::from))
}

/// Returns f′ in f64, from the input or the output.
pub fn derivative(activation: Activation, argument: f64) -> f64 {
    activation.function().double[1](argument, activation.parameters().map(f64::from))
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let p: &Params = seen.params();
    let f = |x: &f64| formula(p.activation(), *x);
    vec![Expected::Numbers(seen.numbers(0)[..seen.live(0)].iter().map(f).collect())]
}

/// tanh_shrink near 0 and gelu far below 0 lose digits by cancellation, as PyTorch's do.
#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.015) > 140_000);
}

#[test]
fn saturated_values_are_exact() {
    let at = |function, x: f32| Seen::new(&on(function, &[x])).results(1)[0];
    assert_eq!([at(Activation::tanh(), 100.0), at(Activation::tanh(), -100.0)], [1.0, -1.0]);
    assert_eq!([at(Activation::tanh(), f32::INFINITY), at(Activation::sigmoid(), 100.0)], [1.0, 1.0]);
    assert_eq!([at(Activation::sigmoid(), f32::NEG_INFINITY), at(Activation::relu(), -1e30)], [0.0, 0.0]);
    assert_relative_eq!(at(Activation::sigmoid(), -80.0), (-80.0f64).exp(), max_relative = 1e-5);
}

#[test]
fn the_kink_belongs_to_the_left_side() {
    let at = |function, x: f32| Seen::new(&on(function, &[x])).results(1)[0];
    assert_eq!([at(Activation::step(), 0.0), at(Activation::step(), f32::MIN_POSITIVE)], [0.0, 1.0]);
    assert_eq!(at(Activation::leaky_relu(0.125), -8.0), -1.0);
}

#[test]
fn nan_passes() {
    // For the step function, too: a 0 would look like a result.
    for function in FUNCTIONS.iter().copied() {
        assert!(Seen::new(&on(function, &[1.0, f32::NAN])).results(1)[1].is_nan(), "{function:?} swallows NaN");
    }
}
