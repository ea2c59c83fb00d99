//! Regression: how far will a patient's diabetes have come in a year, from ten measurements?
//!
//! Expected: an R² of about 0.5 on 88 held-out patients, which is what linear regression reaches too (Efron et al.
//! 2004): most of what these measurements tell is linear. Inputs are standardised by the trainer, the target here,
//! both from the training part alone; without that the loss begins at about 29,000.

use wgrad::{AdamW, Dataset, Device, Fit, Loss, Network, Schedule, Split, Standardisation, Targets, Trainer};

const TABLE: &str = include_str!("../data/diabetes.csv");
const EPOCHS: usize = 100;

fn main() -> wgrad::Result<()> {
    let data = Dataset::from_csv_text("diabetes", TABLE, Some("progression"))?;
    let (train, validation, test) = data.split(Split::parts(0.6, 0.2).seed(7))?;
    let scale = Standardisation::fit(&Dataset::numbers("target", 1, targets(&train), 1, targets(&train))?)?;
    let mut trainer = Trainer::builder(Network::input(10).dense(16).tanh().dense(1))
        .loss(Loss::MeanSquaredError)
        .optimizer(AdamW::new(1e-2).weight_decay(0.1))
        .schedule(Schedule::cosine((EPOCHS * train.len().div_ceil(32)) as u64))
        .preprocessing(Standardisation::fit(&train)?)
        .batch(32)
        .seed(7)
        .build(&Device::cpu())?;
    let (train, validation) = (scaled(&train, &scale)?, scaled(&validation, &scale)?);
    trainer.fit(&train, Fit::epochs(EPOCHS).validate(&validation).restore_best())?;

    let r2 = trainer.evaluate(&scaled(&test, &scale)?)?.metric("r2")?;
    let (mean, deviation) = (scale.mean()[0], scale.scale()[0]);
    let predictions: Vec<f32> = trainer.predict(&test.input())?.iter().map(|y| y * deviation + mean).collect();
    println!("predicted  truth");
    for (prediction, truth) in predictions.iter().zip(targets(&test)).take(8) {
        println!("{prediction:>9.0}  {truth:>5}");
    }
    let off = predictions.iter().zip(targets(&test)).map(|(y, t)| (y - t).abs()).sum::<f32>() / test.len() as f32;
    println!("R² {r2:.3} on {} patients, {off:.0} off in the mean", test.len());
    assert!(r2 > 0.4 && off < 50.0, "the mean alone has an R² of 0 and is about 65 off");
    Ok(())
}

fn targets(data: &Dataset) -> &[f32] {
    match data.targets() {
        Targets::Numbers { values, .. } => values,
        Targets::Classes { .. } => &[],
    }
}

/// The same rows, with targets of mean 0 and deviation 1 as far as the training part tells.
fn scaled(data: &Dataset, scale: &Standardisation) -> wgrad::Result<Dataset> {
    let mut values = targets(data).to_vec();
    scale.apply(&mut values)?;
    Dataset::numbers(data.name(), data.inputs(), &data.input(), 1, &values)
}
