//! One row's way through a network and back, number by number, as one would compute it with pencil and paper.
//!
//! The network 2 → 2 → 2 with sigmoids, its weights and its row are those of Matt Mazur's "A Step by Step Backpropagation Example"
//! (2015), so his numbers are expected: loss 0.298371109, and after one step with learning rate 0.5 a weight w5 of 0.35891648 and
//! a weight w1 of 0.149780716.
//!
//! Forward, for each unit: z = Σ weight · input + bias, then a = σ(z) = 1 / (1 + e⁻ᶻ). The loss is ½ Σ (a − target)². Backward, with
//! σ′(z) = a (1 − a):
//! - δ of an output is ∂loss/∂z = (a − target) · a (1 − a);
//! - δ of a hidden unit is (Σ weight · δ over the units that it feeds) · a (1 − a);
//! - the gradient of a weight is δ of the unit that it leads to, times the input that it multiplies.

use wgrad::{Device, Loss, Network, Sgd, Tensor, Trainer};

const ROW: [f32; 2] = [0.05, 0.10];
const TARGETS: [f32; 2] = [0.01, 0.99];
const RATE: f64 = 0.5;

fn main() -> wgrad::Result<()> {
    let tensor = |name: &str, shape: &[usize], values: &[f32]| Tensor {
        name: name.into(),
        shape: shape.to_vec(),
        values: values.to_vec(),
    };
    let parameters = [
        tensor("layer0.weight", &[2, 2], &[0.15, 0.20, 0.25, 0.30]),
        tensor("layer0.bias", &[2], &[0.35, 0.35]),
        tensor("layer2.weight", &[2, 2], &[0.40, 0.45, 0.50, 0.55]),
        tensor("layer2.bias", &[2], &[0.60, 0.60]),
    ];
    // The mean of two squares is half their sum, as in the formula above.
    let mut trainer = Trainer::builder(Network::input(2).dense(2).sigmoid().dense(2).sigmoid())
        .loss(Loss::mean_squared_error())
        .optimizer(Sgd::new(RATE))
        .batch(1)
        .build(&Device::cpu())?;
    trainer.set_parameters(&parameters)?;

    println!("forward");
    let outputs = trainer.model()?.layer_outputs(&ROW)?;
    println!("  input        {:?}", ROW);
    for (name, output) in ["z of hidden", "a of hidden", "z of outputs", "a of outputs"].iter().zip(&outputs) {
        println!("  {name:<12} {:?}", output.values);
    }
    let loss = trainer.step(&ROW, &TARGETS)?.value()?;
    println!("  loss         {loss}");

    println!("backward");
    let (hidden, predicted) = (&outputs[1].values, &outputs[3].values);
    let output_deltas: Vec<f32> =
        predicted.iter().zip(TARGETS).map(|(a, target)| (a - target) * a * (1.0 - a)).collect();
    println!("  δ of outputs {output_deltas:?}");
    let weights = &parameters[2].values;
    let hidden_deltas: Vec<f32> = (0..2)
        .map(|unit| {
            let back: f32 = (0..2).map(|output| weights[2 * output + unit] * output_deltas[output]).sum();
            back * hidden[unit] * (1.0 - hidden[unit])
        })
        .collect();
    println!("  δ of hidden  {hidden_deltas:?}");
    let gradients = trainer.gradients()?;
    for gradient in &gradients {
        println!("  {:<18} {:?}", gradient.name, gradient.values);
    }
    for output in 0..2 {
        for unit in 0..2 {
            close(gradients[2].values[2 * output + unit], output_deltas[output] * hidden[unit]);
            close(gradients[0].values[2 * output + unit], hidden_deltas[output] * ROW[unit]);
        }
    }

    println!("update: parameter − {RATE} · gradient");
    let updated = trainer.parameters()?;
    for parameter in &updated {
        println!("  {:<18} {:?}", parameter.name, parameter.values);
    }
    draw(&parameters, [&ROW, hidden, predicted], [&hidden_deltas, &output_deltas])?;
    close(loss, 0.298_371_1);
    close(updated[2].values[0], 0.358_916_5);
    close(updated[0].values[0], 0.149_780_72);
    Ok(())
}

/// Asserts that two numbers agree to six digits.
fn close(number: f32, expected: f32) {
    assert!((number - expected).abs() <= 1e-6 * expected.abs().max(0.1), "{number} instead of {expected}");
}

/// Draws the network: each unit with its a, and its δ below, and each connection with its weight.
fn draw(parameters: &[Tensor], a: [&[f32]; 3], deltas: [&[f32]; 2]) -> wgrad::Result<()> {
    let at = |layer: usize, unit: usize| (90.0 + 230.0 * layer as f64, 80.0 + 170.0 * unit as f64);
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 330\" width=\"640\" height=\"330\">\n\
         <style>text { font: 14px sans-serif; fill: #1a1a1a; text-anchor: middle } .paper { fill: #fff }\n\
         line { stroke: #999 } circle { fill: #cfe5f3 } .delta { fill: #b34700 }\n\
         @media (prefers-color-scheme: dark) { text { fill: #f0f0f0 } .paper { fill: #16181d }\n\
         circle { fill: #1f4a66 } .delta { fill: #e69f00 } }</style>\n\
         <rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n",
    );
    for layer in 0..2 {
        for (to, from) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let ((x1, y1), (x2, y2)) = (at(layer, from), at(layer + 1, to));
            let weight = parameters[2 * layer].values[2 * to + from];
            // A quarter of the way, where lines do not cross.
            let (x, y) = (0.7 * x1 + 0.3 * x2, 0.7 * y1 + 0.3 * y2 - 5.0);
            svg += &format!("<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>\n");
            svg += &format!("<text x=\"{x}\" y=\"{y}\">{weight:.2}</text>\n");
        }
    }
    for layer in 0..3 {
        for unit in 0..2 {
            let ((x, y), value) = (at(layer, unit), a[layer][unit]);
            svg += &format!(
                "<circle cx=\"{x}\" cy=\"{y}\" r=\"34\"/><text x=\"{x}\" y=\"{}\">{value:.4}</text>\n",
                y + 5.0
            );
            if layer > 0 {
                let (delta, below) = (deltas[layer - 1][unit], y + 54.0);
                svg += &format!("<text class=\"delta\" x=\"{x}\" y=\"{below}\">δ {delta:.4}</text>\n");
            }
        }
    }
    for (layer, name) in ["input", "hidden: a, δ", "output: a, δ"].iter().enumerate() {
        svg += &format!("<text x=\"{}\" y=\"26\">{name}</text>\n", at(layer, 0).0);
    }
    std::fs::write("one_row.svg", svg + "</svg>\n")
        .map_err(|error| wgrad::Error::file("one_row.svg".as_ref(), "writing", error))?;
    println!("picture: one_row.svg");
    Ok(())
}
