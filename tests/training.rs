//! What a network must reach on rows that it has not seen.

use wgrad::{
    AdamW, Dataset, Device, Evaluation, Fit, Loss, Network, Result, Schedule, Split, Standardisation, Trainer, data,
};

/// Trains with the command's settings and evaluates on the held-out part.
fn held_out(data: &Dataset, hidden: &str, epochs: usize, batch: usize) -> Result<Evaluation> {
    let (train, validation, test) = data.split(Split::parts(0.7, 0.15).seed(7))?;
    let network = Network::parse(data.inputs(), &format!("{hidden} {}", data.outputs()))?;
    let steps = epochs * train.len().div_ceil(batch);
    let mut trainer = Trainer::builder(network)
        .loss(Loss::SoftmaxCrossEntropy)
        .optimizer(AdamW::new(0.01))
        .schedule(Schedule::cosine(steps as u64))
        .batch(batch)
        .seed(7)
        .preprocessing(Standardisation::fit(&train)?)
        .build(&Device::cpu())?;
    trainer.fit(&train, Fit::epochs(epochs).validate(&validation).restore_best())?;
    let evaluation = trainer.evaluate(&test)?;
    assert_eq!(trainer.model()?.evaluate(&test)?, evaluation, "a model is evaluated as its trainer does");
    Ok(evaluation)
}

#[test]
fn iris_is_learnt() -> Result<()> {
    let evaluation = held_out(&data::iris(), "16 tanh", 100, 16)?;
    assert_eq!(evaluation.rows, 22);
    assert!(evaluation.metric("accuracy")? >= 0.9, "{evaluation:?}");
    Ok(())
}

#[test]
fn moons_are_learnt() -> Result<()> {
    let evaluation = held_out(&data::two_moons(1000, 0.2, 0), "32 relu 32 relu", 30, 32)?;
    assert_eq!(evaluation.rows, 150);
    assert!(evaluation.metric("accuracy")? >= 0.93, "{evaluation:?}");
    Ok(())
}
