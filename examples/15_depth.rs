//! Depth: a plain network of thirty layers does not train. With batch normalization, or in residual blocks, it does.
//!
//! Expected: after fifteen epochs, the accuracy of thirty dense layers with sigmoids is about 10 %, as by guessing. The
//! same layers with batch normalization (Ioffe and Szegedy 2015), or in residual blocks (He et al. 2016), reach about
//! 90 %.

#[path = "shared/chart.rs"]
mod chart;

use wgrad::{Adam, Device, Fit, Loss, Network, Split, Trainer, data};

const LAYERS: usize = 30;

fn main() -> wgrad::Result<()> {
    let (plain, plain_losses) = train("sigmoid 32")?;
    let (normalized, normalized_losses) = train("batch_norm sigmoid 32")?;
    let (residual, residual_losses) = train("[sigmoid 32]")?;
    println!("{LAYERS} dense layers of sigmoids: {:.0} %", 100.0 * plain);
    println!("with batch normalization: {:.0} %", 100.0 * normalized);
    println!("in residual blocks: {:.0} %", 100.0 * residual);
    assert!(plain < 0.2, "the plain network does not train");
    assert!(normalized > 0.7 && residual > 0.7, "the others do");
    let panel = chart::Panel {
        title: format!("{LAYERS} layers of sigmoids"),
        x: "epoch".into(),
        y: "training loss".into(),
        log: true,
        lines: vec![plain_losses, normalized_losses, residual_losses],
    };
    chart::save("depth.svg", &["plain", "batch normalization", "residual blocks"], 1, &[panel])
}

/// Trains a network of 30 dense layers, the hidden ones of 32 units, and returns its accuracy on the test set. `part`
/// is repeated between the first and the last layer.
fn train(part: &str) -> wgrad::Result<(f64, Vec<(f64, f64)>)> {
    let (train, _, test) = data::digits().split(Split::parts(0.7, 0.15).seed(7))?;
    let parts = format!("{part} ").repeat(LAYERS - 2);
    let mut trainer = Trainer::builder(Network::parse(64, &format!("32 {parts} sigmoid 10"))?)
        .loss(Loss::softmax_cross_entropy())
        .optimizer(Adam::new(0.01))
        .batch(64)
        .seed(7)
        .build(&Device::cpu())?;
    let history = trainer.fit(&train, Fit::epochs(15))?;
    let losses = history.epochs.iter().map(|epoch| (epoch.epoch as f64, epoch.loss)).collect();
    Ok((trainer.evaluate(&test)?.accuracy()?, losses))
}
