//! Activation functions against PyTorch, dual numbers and finite differences. Kernels are tested in `tests/kernels`.

use approx::{assert_abs_diff_eq, assert_relative_eq};
use wgrad::elementwise::Function;
use wgrad::elementwise::numbers::Dual;
use wgrad::{Activation, Layer};

/// Returns f(x) (0), or f′ from the number that it is computed from (1), in f64.
fn value(activation: Activation, which: usize, x: f64) -> f64 {
    activation.function().double[which](x, activation.parameters().map(f64::from))
}

/// Values and derivatives by `tests/golden/activations.py`. A function without a row there is an error. PyTorch's
/// hard_sigmoid and hard_swish multiply by 1/6 in f32.
#[test]
fn every_function_and_derivative_is_that_of_pytorch() {
    let golden: serde_json::Value = serde_json::from_str(include_str!("golden/activations.json")).expect("JSON");
    for function in Function::ALL {
        let is_of = |text: &&String| text.split('(').next() == Some(function.name);
        let golden = golden.as_object().expect("rows by function");
        let text = golden.keys().find(is_of).unwrap_or_else(|| panic!("no golden numbers of {}", function.name));
        let Ok(Layer::Activation(activation)) = text.parse() else { panic!("{text} is no activation") };
        for row in golden[text].as_array().expect("rows") {
            let [x, y, slope] = [0, 1, 2].map(|column| row[column].as_f64().expect("a number"));
            let argument = if activation.keeps_input() { x } else { value(activation, 0, x) };
            assert_relative_eq!(value(activation, 0, x), y, max_relative = 1e-7, epsilon = 1e-15);
            assert_relative_eq!(value(activation, 1, argument), slope, max_relative = 1e-7, epsilon = 1e-12);
        }
    }
}

#[test]
fn declared_derivatives_are_those_of_dual_numbers_and_finite_differences() {
    for function in Activation::all() {
        for x in [-7.3, -3.2, -1.1, -0.7, -0.06, 0.05, 0.2, 0.8, 1.9, 4.1, 7.7] {
            let argument = if function.keeps_input() { x } else { value(function, 0, x) };
            let found = value(function, 1, argument);
            let parameters = function.parameters().map(|parameter| Dual::from(f64::from(parameter)));
            let dual = (function.function().dual)(Dual::variable(x), parameters).slope;
            let step = 1e-6;
            let finite = (value(function, 0, x + step) - value(function, 0, x - step)) / (2.0 * step);
            assert_abs_diff_eq!(found, dual, epsilon = 1e-12);
            assert_abs_diff_eq!(found, finite, epsilon = 1e-8);
        }
    }
}
