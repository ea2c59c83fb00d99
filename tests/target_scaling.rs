//! Target scaling by the trainer, which returns everything in the units of the targets.

use std::ops::ControlFlow;
use wgrad::{Adam, Checkpoints, Dataset, Device, Error, Fit, Loss, Network, Result, Standardization, Trainer};

/// y = 3·10⁵·x₀ − 10⁵·x₁ + 2·10⁶, on a grid.
fn prices() -> Dataset {
    let rows: Vec<[f64; 2]> = (0..400).map(|at| [f64::from(at % 20) / 10.0, f64::from(at / 20) / 10.0]).collect();
    let targets: Vec<f64> = rows.iter().map(|[a, b]| 3e5 * a - 1e5 * b + 2e6).collect();
    Dataset::from_rows(&rows, targets).expect("it is sound").named("prices")
}

fn builder(outputs: usize) -> wgrad::trainer::Builder {
    Trainer::builder(Network::input(2).dense(outputs))
        .loss(Loss::mean_squared_error())
        .optimizer(Adam::new(0.05))
        .seed(3)
}

#[test]
fn large_targets_train_as_well_as_small_ones() -> Result<()> {
    let data = prices();
    let trained = |builder: wgrad::trainer::Builder| -> Result<f64> {
        let mut trainer = builder.build(&Device::cpu())?;
        trainer.fit(&data, Fit::epochs(30))?;
        trainer.evaluate(&data)?.r2()
    };
    let (raw, scaled) = (trained(builder(1))?, trained(builder(1).scale_targets())?);
    assert!(raw < 0.0 && scaled > 0.999, "R² {raw} without, {scaled} with");
    Ok(())
}

/// A model that predicts the mean of 10⁶ ± 100 has the loss 10⁴, and MAE and RMSE of 100.
#[test]
fn returned_values_are_in_the_units_of_the_targets() -> Result<()> {
    let data = Dataset::from_rows([[0.0, 0.0], [0.0, 0.0]], [1e6 - 100.0, 1e6 + 100.0])?;
    let mut trainer = builder(1).optimizer(Adam::new(1e-9)).scale_targets().build(&Device::cpu())?;
    let (mut progress, mut epochs) = (vec![], vec![]);
    let fit = Fit::epochs(1).validate(&data);
    let fit = fit.on_submission(|seen| {
        progress.push(seen.loss);
        ControlFlow::Continue(())
    });
    let history = trainer.fit(
        &data,
        fit.on_epoch(|epoch, _| {
            epochs.push(epoch.loss);
            ControlFlow::Continue(())
        }),
    )?;
    let near = |found: f64, wanted: f64| assert!((found - wanted).abs() <= 1e-3 * wanted, "{found}, not {wanted}");
    near(history.epochs[0].loss, 1e4);
    assert_eq!((progress, epochs), (vec![history.epochs[0].loss], vec![history.epochs[0].loss]));
    let validation = history.epochs[0].validation.clone().expect("it was validated");
    assert_eq!(validation, trainer.evaluate_with(&data, &[])?);
    for (metric, wanted) in [("loss", 1e4), ("mae", 100.0), ("rmse", 100.0)] {
        near(validation.metric(metric)?, wanted);
    }
    near(f64::from(trainer.predict(&[0.0, 0.0])?[0]), 1e6);
    // The loss of a custom step is that of the scaled targets, ±1.
    near(f64::from(trainer.step(&[0.0; 4], &[1e6 - 100.0, 1e6 + 100.0])?.value()?), 1.0);
    let model = trainer.into_model()?;
    assert_eq!(model.metadata.target_scaling, Some(Standardization::new(vec![1e6], vec![100.0])?));
    near(f64::from(model.predict(&[0.0, 0.0])?[0]), 1e6);
    assert_eq!(model.evaluate_with(&Device::cpu(), &data, &[])?, validation);
    Ok(())
}

/// The second column is a thousandth of the first, and is learned as well.
#[test]
fn each_column_has_a_scale_of_its_own() -> Result<()> {
    let single = prices();
    let values = single.target_values().expect("numbers").iter().map(|value| [*value, value / -1000.0]);
    let rows: Vec<Vec<f32>> = (0..single.len()).map(|row| single.input_row(row).into_owned()).collect();
    let data = Dataset::from_rows(&rows, values.collect::<Vec<[f64; 2]>>())?;
    let mut trainer = builder(2).scale_targets().build(&Device::cpu())?;
    trainer.fit(&data, Fit::epochs(30))?;
    let found = trainer.predict(&[1.0, 1.0])?;
    assert!((found[0] - 2.2e6).abs() < 2e3 && (found[1] + 2.2e3).abs() < 2.0, "{found:?}");
    assert!(trainer.evaluate(&data)?.r2()? > 0.9999);
    Ok(())
}

#[test]
fn the_first_data_set_determines_the_scaling_and_resuming_keeps_it() -> Result<()> {
    let (data, folder) = (prices(), tempfile::tempdir().expect("a folder"));
    let build = || builder(1).scale_targets().build(&Device::cpu());
    let mut whole = build()?;
    whole.fit(&data, Fit::epochs(6))?;
    let mut stopped = build()?;
    let checkpoints = || Checkpoints::in_folder(folder.path());
    let stop = |epoch: &wgrad::Epoch, _: &mut Trainer| {
        if epoch.epoch == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    stopped.fit(&data, Fit::epochs(6).checkpoints(checkpoints()).on_epoch(stop))?;
    drop(stopped);
    let mut resumed = build()?;
    resumed.fit(&data, Fit::epochs(6).checkpoints(checkpoints().resume()))?;
    assert_eq!(resumed.parameters()?, whole.parameters()?);
    // Other rows change nothing.
    let before = whole.model()?.metadata.target_scaling;
    whole.load(&data.select(&[0, 1, 2, 3]))?;
    assert_eq!(whole.model()?.metadata.target_scaling, before);
    // Without scaling, it is another training.
    let fit = Fit::epochs(6).checkpoints(checkpoints().resume());
    let error = builder(1).build(&Device::cpu())?.fit(&data, fit).expect_err("other settings").to_string();
    assert!(error.contains("target_scaling"), "{error}");
    Ok(())
}

#[test]
fn targets_that_cannot_be_scaled_are_refused() -> Result<()> {
    let says = |error: Option<Error>, parts: &[&str]| {
        let error = error.expect("it is refused").to_string();
        parts.iter().for_each(|part| assert!(error.contains(part), "`{part}` is not in: {error}"));
    };
    let classes = Trainer::builder(Network::input(2).dense(2)).loss(Loss::softmax_cross_entropy()).scale_targets();
    says(classes.build(&Device::cpu()).err(), &["softmax_cross_entropy", "scale_targets"]);
    let two = Standardization::new(vec![0.0; 2], vec![1.0; 2])?;
    says(builder(1).target_scaling(two).build(&Device::cpu()).err(), &["target scaling", "2", "1"]);
    let mut trainer = builder(1).scale_targets().build(&Device::cpu())?;
    says(trainer.step(&[0.0; 2], &[1.0]).err(), &["not known yet", "load a data set"]);
    let pair = Dataset::from_rows([[0.0, 0.0], [1.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]])?;
    says(trainer.load(&pair).err(), &["target scaling", "2", "1"]);
    // A row of another data set that is 10²⁰ standard deviations away, whose square overflows.
    let far = Dataset::from_rows([[0.0, 0.0]], [1e26])?.named("far");
    let mut trainer = builder(1).target_scaling(Standardization::new(vec![0.0], vec![1e6])?).build(&Device::cpu())?;
    says(trainer.load(&far).err(), &["far", "row 0", "target0", "1e26", "overflows"]);
    Ok(())
}
