//! Regression: progression of diabetes after one year, from ten measurements of a patient.
//!
//! Expected: an R² of about 0.5 on the 88 patients of the test set. Linear regression reaches the same (Efron et al.
//! 2004), since the dependence is mostly linear. The trainer standardizes inputs and target with means and scales of
//! the training set alone. Without that, the loss begins at about 29,000.

use wgrad::{AdamW, Dataset, Device, Fit, Loss, Network, Schedule, Split, Standardization, Trainer};

const TABLE: &str = include_str!("../data/diabetes.csv");
const EPOCHS: usize = 100;

fn main() -> wgrad::Result<()> {
    let data = Dataset::from_csv_text("diabetes", TABLE, Some("progression"))?;
    let (train, validation, test) = data.split(Split::parts(0.6, 0.2).seed(7))?;
    let mut trainer = Trainer::builder(Network::input(10).dense(16).tanh().dense(1))
        .loss(Loss::mean_squared_error())
        .optimizer(AdamW::new(1e-2).weight_decay(0.1))
        .schedule(Schedule::cosine((EPOCHS * train.len().div_ceil(32)) as u64))
        .preprocessing(Standardization::fit(&train)?)
        .scale_targets()
        .batch(32)
        .seed(7)
        .build(&Device::cpu())?;
    trainer.fit(&train, Fit::epochs(EPOCHS).validate(&validation).restore_best())?;

    // The model reverses the scaling: its predictions and metrics are in the table's units.
    let model = trainer.into_model()?;
    let (found, predictions) = (model.evaluate(&test)?, model.predict(&test.input())?);
    println!("predicted  truth");
    for (prediction, truth) in predictions.iter().zip(test.target_values().unwrap_or_default()).take(8) {
        println!("{prediction:>9.0}  {truth:>5}");
    }
    let (r2, mae) = (found.r2()?, found.metric("mae")?);
    println!("R² {r2:.3}, MAE {mae:.0} on {} patients", test.len());
    assert!(r2 > 0.4 && mae < 50.0, "always predicting the mean has an R² of 0 and an MAE of about 65");
    Ok(())
}
