//! Activation functions and their derivatives, drawn.
//!
//! In the backward pass, each layer multiplies the gradient by the derivative of its activation. Expected: the derivative of a
//! sigmoid is at most 1/4, so ten sigmoids make a gradient at least a million times smaller. That of tanh is 1 at zero, but below
//! 0.01 beyond ±3: such a unit is saturated and hardly learns. A ReLU's derivative is 1 for all positive inputs and 0 for all
//! negative ones: a unit with negative inputs alone is dead. The others were made to be smooth, or not to be 0 anywhere.

#[path = "shared/chart.rs"]
mod chart;

use wgrad::Activation;

fn main() -> wgrad::Result<()> {
    println!(
        "{:<28} {:>7} {:>7} {:>7} {:>12} {:>12}",
        "function", "f(−1)", "f(0)", "f(1)", "smallest f′", "largest f′"
    );
    let inputs: Vec<f32> = (-400..=400).map(|step| step as f32 / 100.0).collect();
    let mut panels = Vec::new();
    for function in Activation::all() {
        let derivatives = inputs.iter().map(|x| function.derivative_at(*x));
        let (low, high) =
            derivatives.fold((f32::MAX, f32::MIN), |(low, high), slope| (low.min(slope), high.max(slope)));
        let [below, zero, above] = [-1.0, 0.0, 1.0].map(|x| function.apply(x));
        println!("{:<28} {below:>7.3} {zero:>7.3} {above:>7.3} {low:>12.3} {high:>12.3}", function.signature());
        let line = |f: &dyn Fn(f32) -> f32| inputs.iter().map(|x| (f64::from(*x), f64::from(f(*x)))).collect();
        let lines = vec![line(&|x| function.apply(x)), line(&|x| function.derivative_at(x))];
        panels.push(chart::Panel { title: function.signature(), lines, ..Default::default() });
    }
    let largest = |function: Activation| inputs.iter().map(|x| function.derivative_at(*x)).fold(0.0, f32::max);
    assert_eq!((largest(Activation::sigmoid()), largest(Activation::tanh())), (0.25, 1.0));
    assert!(Activation::tanh().derivative_at(3.0) < 0.01, "tanh saturates");
    assert!(inputs.iter().filter(|x| **x < 0.0).all(|x| Activation::relu().derivative_at(*x) == 0.0), "a ReLU can die");
    chart::save("activations.svg", &["f(x)", "derivative f′(x)"], 4, &panels)
}
