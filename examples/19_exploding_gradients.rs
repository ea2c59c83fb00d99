//! Exploding gradients, and their cure: gradient clipping.
//!
//! The weights of a network of eight ReLU layers begin twice as large as He et al. (2015) advise. Each layer then doubles the
//! signal on its way forward, and the gradient on its way back. Expected:
//! - The gradient's norm in the first step is above 1,000, where weights as advised give less than 10.
//! - Without clipping, a step of that size throws the weights far away: the loss explodes, and training ends with an error that
//!   names the place.
//! - With `clip_norm(1.0)`, a longer gradient is shortened to norm 1, its direction kept. The same network learns, though not as
//!   well as one with weights as advised.

#[path = "shared/chart.rs"]
mod chart;

use wgrad::{Dataset, Dense, Device, Init, Loss, Network, Sgd, Trainer, data};

const DEPTH: usize = 8;
const WIDTH: usize = 64;
/// Standard deviation of He et al. for `WIDTH` inputs: √(2 / WIDTH).
const HE: f32 = 0.1768;

fn main() -> wgrad::Result<()> {
    let (advised, large) = (first_norms(HE)?, first_norms(2.0 * HE)?);
    let total = |norms: &[(f64, f64)]| norms.iter().map(|(_, norm)| norm * norm).sum::<f64>().sqrt();
    println!(
        "norm of the first gradient: {:.0} as advised, {:.0} with doubled weights",
        total(&advised),
        total(&large)
    );
    assert!(total(&advised) < 10.0 && total(&large) > 1000.0, "doubled weights make gradients explode");
    let runs = [losses(HE, None)?, losses(2.0 * HE, None)?, losses(2.0 * HE, Some(1.0))?];
    let ends = runs
        .each_ref()
        .map(|losses| losses[losses.len().saturating_sub(28)..].iter().map(|(_, l)| l).sum::<f64>() / 28.0);
    println!("as advised: loss {:.3} at the end", ends[0]);
    println!("doubled weights: ended in step {}", runs[1].len() + 1);
    println!("doubled weights, clip_norm(1.0): loss {:.3} at the end", ends[2]);
    assert!(runs[1].len() < 10, "without clipping, training ends soon");
    assert!(ends[0] < 0.1 && ends[2] < 1.2, "with clipping, the network learns");
    let panels = [("first gradient", "layer", "norm", vec![advised, large]), ("training", "step", "loss", runs.into())];
    let panels = panels.map(|(title, x, y, lines)| chart::Panel {
        title: title.into(),
        x: x.into(),
        y: y.into(),
        log: true,
        lines,
    });
    chart::save("exploding_gradients.svg", &["as advised", "doubled weights", "doubled, clip_norm(1.0)"], 2, &panels)
}

fn trainer(std: f32, clip: Option<f64>) -> wgrad::Result<Trainer> {
    let hidden = Dense::new(WIDTH).init(Init::Normal { std });
    let network = (0..DEPTH).fold(Network::input(64), |network, _| network.layer(hidden).relu()).dense(10);
    let builder = Trainer::builder(network)
        .loss(Loss::softmax_cross_entropy())
        .optimizer(Sgd::new(0.03))
        .preprocessing(wgrad::Standardization::fit(&data::digits())?)
        .batch(64)
        .seed(7);
    match clip {
        Some(norm) => builder.clip_norm(norm),
        None => builder,
    }
    .build(&Device::cpu())
}

/// Number of each dense layer, from 1, and the norm of its weight gradient in the first step.
fn first_norms(std: f32) -> wgrad::Result<Vec<(f64, f64)>> {
    let (mut trainer, (input, classes)) = (trainer(std, None)?, batch(&data::digits(), 0));
    trainer.step(&input, &classes)?.value()?;
    let gradients = trainer.gradients()?;
    let weights = gradients.iter().filter(|gradient| gradient.name.ends_with("weight"));
    let norms = weights.map(|weight| weight.values.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt());
    Ok(norms.enumerate().map(|(layer, norm)| (layer as f64 + 1.0, norm)).collect())
}

/// Loss of each step, as far as training comes.
fn losses(std: f32, clip: Option<f64>) -> wgrad::Result<Vec<(f64, f64)>> {
    let (digits, mut trainer, mut losses) = (data::digits(), trainer(std, clip)?, Vec::new());
    for step in 0..840 {
        let (input, classes) = batch(&digits, step);
        match trainer.step(&input, &classes).and_then(|loss| loss.value()) {
            Ok(loss) => losses.push((step as f64 + 1.0, f64::from(loss))),
            Err(error) => {
                println!("{error}");
                break;
            }
        }
    }
    Ok(losses)
}

/// Rows and classes of a batch of 64 digits.
fn batch(digits: &Dataset, step: usize) -> (Vec<f32>, Vec<u32>) {
    let batch = digits.select(&(0..64).map(|row| (64 * step + row) % digits.len()).collect::<Vec<_>>());
    (batch.input().into(), batch.class_indices().unwrap_or_default().into())
}
