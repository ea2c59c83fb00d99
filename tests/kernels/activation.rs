//! Tests of `activation`: output = f(input), for each of the six functions.

use super::case::{Case, Fill, Values, over_batches};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use approx::assert_relative_eq;
use wgrad::Activation;
use wgrad::kernels::activation::{self, Params};
use wgrad::plan::Section;
use wgrad::shape::{Dtype, Shape};

/// All activation functions.
pub const FUNCTIONS: [Activation; 6] = [
    Activation::Identity,
    Activation::Step,
    Activation::Sigmoid,
    Activation::Tanh,
    Activation::Relu,
    Activation::LeakyRelu { slope: 0.125 },
];

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
        .into_iter()
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
    FUNCTIONS.into_iter().map(|f| on(f, &EXTREMES))
}

fn on(function: Activation, inputs: &[f32]) -> Case {
    let mut case = case(function, Shape::new(inputs.len(), 1), inputs.len(), Values::Special, 1);
    let input = case.op().views[0];
    case.set_f32(input, inputs);
    case
}

/// Returns f(x) and f′(x) by the table in the kernel's documentation, using exponentials only.
pub fn formula(code: u32, slope: f64, x: f64) -> (f64, f64) {
    let sigmoid = 1.0 / (1.0 + (-x).exp());
    let positive = if x.is_nan() { x } else { f64::from(x > 0.0) };
    let below = (-2.0 * x.abs()).exp_m1();
    match code {
        0 => (x, 1.0),
        1 => (positive, 0.0),
        2 => (sigmoid, sigmoid * (1.0 - sigmoid)),
        // (1 − e⁻²|ˣ|) / (1 + e⁻²|ˣ|), from e⁻²|ˣ| − 1, since the tolerance of tanh is relative near 0.
        3 => ((-below / (2.0 + below)).copysign(x), 4.0 / ((x.exp() + (-x).exp()).powi(2))),
        4 => (x * positive, positive),
        5 => (if x > 0.0 { x } else { slope * x }, if x > 0.0 { 1.0 } else { slope }),
        _ => panic!("no function has code {code}"),
    }
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let p: &Params = seen.params();
    let f = |x: &f64| formula(p.function, f64::from(p.slope), *x).0;
    vec![Expected::Numbers(seen.numbers(0)[..seen.live(0)].iter().map(f).collect())]
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.0) > 140_000);
}

#[test]
fn saturated_values_are_exact() {
    let at = |function, x: f32| Seen::new(&on(function, &[x])).results(1)[0];
    assert_eq!([at(Activation::Tanh, 100.0), at(Activation::Tanh, -100.0)], [1.0, -1.0]);
    assert_eq!([at(Activation::Tanh, f32::INFINITY), at(Activation::Sigmoid, 100.0)], [1.0, 1.0]);
    assert_eq!([at(Activation::Sigmoid, f32::NEG_INFINITY), at(Activation::Relu, -1e30)], [0.0, 0.0]);
    assert_relative_eq!(at(Activation::Sigmoid, -80.0), (-80.0f64).exp(), max_relative = 1e-5);
}

#[test]
fn the_kink_belongs_to_the_left_side() {
    let at = |function, x: f32| Seen::new(&on(function, &[x])).results(1)[0];
    assert_eq!([at(Activation::Step, 0.0), at(Activation::Step, f32::MIN_POSITIVE)], [0.0, 1.0]);
    assert_eq!(at(Activation::LeakyRelu { slope: 0.125 }, -8.0), -1.0);
}

#[test]
fn nan_passes() {
    // For the step function, too: a 0 would look like a result.
    for function in FUNCTIONS {
        assert!(Seen::new(&on(function, &[1.0, f32::NAN])).results(1)[1].is_nan(), "{function:?} swallows NaN");
    }
}
