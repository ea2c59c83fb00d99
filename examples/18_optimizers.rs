//! Optimizers, compared on one problem: digits, the same network, seed and batches, each at the best of seven learning rates.
//!
//! Expected: plain gradient descent (SGD) learns slowest, with the largest learning rate. Momentum sums past gradients, and reaches
//! a loss several times lower. RMSprop and Adam divide each parameter's step by the size of its gradients, so all parameters
//! move alike: rates of 0.01 to 0.03 are best, a tenth of SGD's. Lion moves each parameter by the same amount, so its rate is the
//! smallest. All rates were tried for all optimizers; the training loss says nothing about new digits.

#[path = "shared/chart.rs"]
mod chart;

use wgrad::{Adam, Device, Fit, Lion, Loss, Network, Optimizer, RmsProp, Sgd, Trainer, data};

const EPOCHS: usize = 12;

type Make = fn(f64) -> Optimizer;

fn main() -> wgrad::Result<()> {
    let optimizers: [(&str, Make); 5] = [
        ("SGD", |rate| Sgd::new(rate).into()),
        ("SGD, momentum 0.9", |rate| Sgd::new(rate).momentum(0.9).into()),
        ("RMSprop", |rate| RmsProp::new(rate).into()),
        ("Adam", |rate| Adam::new(rate).into()),
        ("Lion", |rate| Lion::new(rate).into()),
    ];
    let mut curves = Vec::new();
    println!("{:<18} {:>9} {:>14} {:>14}", "optimizer", "best rate", "loss, epoch 1", "loss, last");
    for (name, make) in optimizers {
        let mut best: Option<(f64, Vec<(f64, f64)>)> = None;
        for rate in [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3] {
            let losses = train(make(rate))?;
            if best.as_ref().is_none_or(|(_, former)| losses[EPOCHS - 1].1 < former[EPOCHS - 1].1) {
                best = Some((rate, losses));
            }
        }
        let Some((rate, losses)) = best else { continue };
        println!("{name:<18} {rate:>9} {:>14.4} {:>14.4}", losses[0].1, losses[EPOCHS - 1].1);
        curves.push((rate, losses));
    }
    let last = |index: usize| curves[index].1[EPOCHS - 1].1;
    assert!((1..curves.len()).all(|index| last(index) < last(0)), "plain gradient descent is the slowest");
    let lines = curves.into_iter().map(|(_, losses)| losses).collect();
    let panel = chart::Panel {
        title: "digits, 64-64-10".into(),
        x: "epoch".into(),
        y: "training loss".into(),
        log: true,
        lines,
    };
    chart::save("optimizers.svg", &optimizers.map(|(name, _)| name), 1, &[panel])
}

/// Training loss of each epoch.
fn train(optimizer: Optimizer) -> wgrad::Result<Vec<(f64, f64)>> {
    let digits = data::digits();
    let mut trainer = Trainer::builder(Network::input(64).dense(64).relu().dense(10))
        .loss(Loss::softmax_cross_entropy())
        .optimizer(optimizer)
        .preprocessing(wgrad::Standardization::fit(&digits)?)
        .batch(64)
        .seed(7)
        .build(&Device::cpu())?;
    let history = trainer.fit(&digits, Fit::epochs(EPOCHS))?;
    Ok(history.epochs.iter().map(|epoch| (epoch.epoch as f64, epoch.loss)).collect())
}
