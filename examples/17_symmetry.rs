//! Symmetry: hidden units that begin with equal weights stay equal, so many units are worth one.
//!
//! The network has four tanh units and learns XOR, which takes two units at least. Expected:
//! - All weights zero: each hidden output is tanh(0) = 0, and each output weight 0, so every weight's gradient is a product with a
//!   factor 0. Nothing ever changes; the loss stays at ln 2 = 0.6931, that of always answering "one half".
//! - All weights 0.5: the four units get the same gradients and stay equal, bit for bit. The loss stays above 0.3.
//! - Random weights (Xavier): the units differ, each learns its own line, and the loss falls below 0.01.

#[path = "shared/chart.rs"]
mod chart;

use wgrad::{Adam, Dense, Device, Fit, Init, Loss, Network, Tensor, Trainer, data};

const EPOCHS: usize = 500;

fn main() -> wgrad::Result<()> {
    let zeros = train("zeros", Init::Zeros)?;
    let equal = train("all 0.5", Init::Constant { value: 0.5 })?;
    let random = train("random", Init::XavierUniform)?;
    let [last_zeros, last_equal, last_random] = [&zeros, &equal, &random].map(|run| run.losses[EPOCHS - 1].1);
    assert!(
        (last_zeros - 2f64.ln()).abs() < 1e-6 && zeros.weights.iter().all(|weight| *weight == 0.0),
        "nothing changes"
    );
    assert!(
        equal.weights.chunks(2).all(|unit| unit == &equal.weights[..2]) && last_equal > 0.3,
        "the units stay equal"
    );
    assert!(random.weights.chunks(2).skip(1).all(|unit| unit != &random.weights[..2]) && last_random < 0.01);
    let panel = chart::Panel {
        title: "XOR with four hidden units".into(),
        x: "epoch".into(),
        y: "loss".into(),
        log: true,
        lines: vec![zeros.losses, equal.losses, random.losses],
    };
    chart::save("symmetry.svg", &["all weights 0", "all weights 0.5", "random weights"], 1, &[panel])
}

struct Run {
    /// Epoch and loss.
    losses: Vec<(f64, f64)>,
    /// Weights of the four hidden units after training, two for each.
    weights: Vec<f32>,
}

fn train(name: &str, init: Init) -> wgrad::Result<Run> {
    let network = Network::input(2).layer(Dense::new(4).init(init)).tanh().layer(Dense::new(1).init(init));
    let mut trainer = Trainer::builder(network)
        .loss(Loss::binary_cross_entropy())
        .optimizer(Adam::new(0.05))
        .batch(4)
        .seed(7)
        .build(&Device::cpu())?;
    let history = trainer.fit(&data::xor(), Fit::epochs(EPOCHS))?;
    let parameters: Vec<Tensor> = trainer.parameters()?;
    let weights = parameters[0].values.clone();
    let units = weights.chunks(2).map(|unit| format!("({:.2}, {:.2})", unit[0], unit[1])).collect::<Vec<_>>().join(" ");
    let losses: Vec<_> = history.epochs.iter().map(|epoch| (epoch.epoch as f64, epoch.loss)).collect();
    println!("{name:<8} loss {:.4}, weights of the hidden units {units}", losses[EPOCHS - 1].1);
    Ok(Run { losses, weights })
}
