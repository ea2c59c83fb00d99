//! Training: accuracy on test sets, callbacks and early stopping.

use std::ops::ControlFlow;
use wgrad::{
    AdamW, Dataset, Device, Evaluation, Fit, Loss, Network, Result, Schedule, Split, Standardization, Tensor, Trainer,
    data,
};

/// Trains with the command's settings, and evaluates on the test set.
fn held_out(data: &Dataset, hidden: &str, epochs: usize, batch: usize) -> Result<Evaluation> {
    let (train, validation, test) = data.split(Split::parts(0.7, 0.15).seed(7))?;
    let network = Network::parse(data.inputs(), &format!("{hidden} {}", data.outputs()))?;
    let steps = epochs * train.len().div_ceil(batch);
    let mut trainer = Trainer::builder(network)
        .loss(Loss::softmax_cross_entropy())
        .optimizer(AdamW::new(0.01))
        .schedule(Schedule::cosine(steps as u64))
        .batch(batch)
        .seed(7)
        .preprocessing(Standardization::fit(&train)?)
        .build(&Device::cpu())?;
    trainer.fit(&train, Fit::epochs(epochs).validate(&validation).restore_best())?;
    let evaluation = trainer.evaluate(&test)?;
    assert_eq!(trainer.model()?.evaluate(&test)?, evaluation, "the model gives the trainer's evaluation");
    Ok(evaluation)
}

#[test]
fn iris_is_learned() -> Result<()> {
    let evaluation = held_out(&data::iris(), "16 tanh", 100, 16)?;
    assert_eq!(evaluation.rows, 22);
    assert!(evaluation.accuracy()? >= 0.9, "{evaluation:?}");
    Ok(())
}

#[test]
fn moons_are_learned() -> Result<()> {
    let evaluation = held_out(&data::two_moons(1000, 0.2, 0)?, "32 relu 32 relu", 30, 32)?;
    assert_eq!(evaluation.rows, 150);
    assert!(evaluation.accuracy()? >= 0.93, "{evaluation:?}");
    Ok(())
}

fn moons() -> (Dataset, Dataset, Trainer) {
    let moons = data::two_moons(200, 0.2, 0).expect("200 rows");
    let (train, validation, _) = moons.split(Split::parts(0.7, 0.3)).expect("parts");
    let network = Network::parse(2, "8 relu 2").expect("a network");
    let builder = Trainer::builder(network).loss(Loss::softmax_cross_entropy()).optimizer(AdamW::new(0.01)).batch(10);
    (train, validation, builder.steps_per_submission(2).build(&Device::cpu()).expect("a trainer"))
}

#[test]
fn callbacks_stop_training_after_their_step_or_epoch() -> Result<()> {
    let (train, _, mut trainer) = moons();
    let history = trainer.fit(
        &train,
        Fit::epochs(9)
            .on_epoch(|epoch, _| if epoch.epoch == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }),
    )?;
    assert_eq!((history.len(), trainer.steps()), (3, 3 * 14));
    let mut seen = Vec::new();
    let history = trainer.fit(
        &train,
        Fit::epochs(9).on_submission(|progress| {
            seen.push((progress.epoch, progress.step, progress.steps));
            if progress.step >= 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }),
    )?;
    assert_eq!((history.len(), trainer.steps()), (1, 3 * 14 + 4));
    assert_eq!(seen, [(1, 2, 14), (1, 4, 14)]);
    Ok(())
}

#[test]
fn patience_ends_training_and_restores_the_best_epoch() -> Result<()> {
    let (train, validation, mut trainer) = moons();
    let mut best: Option<(f64, Vec<Tensor>)> = None;
    // The same training without patience, epoch by epoch.
    let (_, _, mut shadow) = moons();
    shadow.load(&train)?;
    let history = trainer.fit(&train, Fit::epochs(500).validate(&validation).patience(3))?;
    for epoch in &history.epochs {
        while !shadow.advance()?.epoch_done {}
        let loss = shadow.evaluate(&validation)?.loss;
        assert_eq!(epoch.validation.as_ref().map(|v| v.loss), Some(loss));
        if best.as_ref().is_none_or(|(least, _)| loss < *least) {
            best = Some((loss, shadow.parameters()?));
        }
    }
    let chosen = history.best.expect("there was validation");
    assert_eq!(history.len(), chosen + 3, "three epochs without a better one");
    assert_eq!(trainer.parameters()?, best.expect("an epoch").1);
    Ok(())
}

/// A dense layer that ends a residual block starts at zero, unless its init says otherwise or an activation follows it.
#[test]
fn residual_blocks_start_at_zero() {
    for (layers, number, is_zero) in [
        ("5 [7 relu 5] relu 3", 4, true),
        ("5 [7 relu 5 dropout(0.1)] relu 3", 4, true),
        ("5 [4] 3", 2, true),
        ("5 [4] 3", 3, false),
        ("5 [7 relu 5] relu 3", 2, false),
        ("5 [7 relu 5 relu] 3", 4, false),
        ("5 [7 relu 5 layer_norm] 3", 4, false),
        ("5 [7 relu dense(5, init=he_normal)] 3", 4, false),
        ("5 [7 relu [3]] 3", 6, false),
    ] {
        let network = Network::parse(4, layers).expect("the text is sound");
        let builder = Trainer::builder(network).loss(Loss::softmax_cross_entropy());
        let mut trainer = builder.build(&Device::cpu()).expect("a trainer");
        let parameters = trainer.parameters().expect("read");
        let name = format!("layer{number}.weight");
        let weight = parameters.iter().find(|tensor| tensor.name == name).expect("the layer has a weight");
        assert_eq!(weight.values.iter().all(|value| *value == 0.0), is_zero, "{layers}: {name}");
    }
}
