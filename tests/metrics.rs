//! Metrics against numbers worked by hand, in scikit-learn's conventions.

use approx::assert_relative_eq;
use wgrad::{Dataset, Device, Loss, Model, Network, Result, Trainer};

/// A model whose outputs are its inputs.
fn mirror(columns: usize, loss: Loss) -> Result<Model> {
    let network = Network::input(columns).dense(columns);
    let mut model = Trainer::builder(network).loss(loss).build(&Device::cpu())?.into_model()?;
    model.parameters[0].values = (0..columns * columns).map(|at| f32::from(at % (columns + 1) == 0)).collect();
    Ok(model)
}

/// Errors of the first column are 1, 0, 2 and 0, around a mean of 3; of the second 3, 0, 0 and -4, around 5.
#[test]
fn a_regression_s_errors_are_means_over_outputs() -> Result<()> {
    let (outputs, targets) = ([2., 3., 2., 0., 5., 10., 6., 6.], [1., 0., 2., 0., 3., 10., 6., 10.]);
    let data = Dataset::numbers("errors", 2, &outputs, 2, &targets)?;
    let found = mirror(2, Loss::MeanSquaredError)?.evaluate(&data)?;
    assert_relative_eq!(found.metric("loss")?, (5.0 + 25.0) / 8.0);
    assert_relative_eq!(found.metric("mae")?, (3.0 / 4.0 + 7.0 / 4.0) / 2.0);
    assert_relative_eq!(found.metric("rmse")?, ((5.0f64 / 4.0).sqrt() + 2.5) / 2.0);
    assert_relative_eq!(found.metric("r2")?, ((1.0 - 5.0 / 14.0) + (1.0 - 25.0 / 100.0)) / 2.0);
    assert_eq!(found.score(), Some(("r2", found.metric("r2")?)));
    let message = found.metric("accuracy").expect_err("a regression has none").to_string();
    assert!(message.contains("known: loss, r2, mae, rmse"), "{message}");
    Ok(())
}

#[test]
fn a_constant_target_has_an_r2_of_1_or_0() -> Result<()> {
    let model = mirror(1, Loss::MeanSquaredError)?;
    let met = model.evaluate(&Dataset::numbers("met", 1, &[4.0, 4.0], 1, &[4.0, 4.0])?)?;
    assert_eq!((met.r2, met.mae, met.rmse), (Some(1.0), Some(0.0), Some(0.0)));
    let missed = model.evaluate(&Dataset::numbers("missed", 1, &[4.0, 5.0], 1, &[4.0, 4.0])?)?;
    assert_eq!((missed.r2, missed.mae, missed.rmse), (Some(0.0), Some(0.5), Some(0.5f64.sqrt())));
    Ok(())
}

#[test]
fn classes_have_no_errors_of_a_regression() -> Result<()> {
    let data = Dataset::classes("classes", 2, &[1., 0., 0., 1.], &[0, 1], ["a", "b"])?;
    let found = mirror(2, Loss::SoftmaxCrossEntropy)?.evaluate(&data)?;
    assert_eq!((found.accuracy, found.r2, found.mae, found.rmse), (Some(1.0), None, None, None));
    Ok(())
}
