//! Training, predictions and evaluations with losses of whole rows.

use approx::{assert_abs_diff_eq, assert_relative_eq};
use wgrad::loss::Task;
use wgrad::{Adam, Dataset, Device, Fit, Loss, Model, Network, Trainer, data};

/// Trains with full batches, without hidden layers, from `Trainer::builder`'s default seed.
fn trained(data: &Dataset, outputs: usize, loss: Loss, epochs: usize) -> Model {
    let builder = Trainer::builder(Network::input(data.inputs()).dense(outputs)).loss(loss).batch(data.len());
    let builder = if loss.scales_targets() { builder.scale_targets() } else { builder };
    let mut trainer = builder.optimizer(Adam::new(0.05)).build(&Device::cpu()).expect("a trainer");
    trainer.fit(data, Fit::epochs(epochs)).expect("it trains");
    trainer.into_model().expect("a model")
}

#[test]
fn a_normal_distribution_has_the_mean_and_the_standard_deviation_of_the_targets() {
    // Around 300, ±50; around −100, ±200.
    let rows: Vec<(f32, f32)> = (0..40)
        .flat_map(|i| if i % 2 == 0 { [(0.0, 350.0), (1.0, 100.0)] } else { [(0.0, 250.0), (1.0, -300.0)] })
        .collect();
    let (x, y): (Vec<f32>, Vec<f32>) = rows.into_iter().unzip();
    let data = Dataset::numbers("two distributions", 1, &x, 1, &y).expect("a data set");
    let model = trained(&data, 2, Loss::gaussian_nll(), 1500);
    let found = model.predict(&[0.0, 1.0]).expect("predicted");
    for (found, wanted) in found.iter().zip([300.0, 50.0, -100.0, 200.0]) {
        assert_relative_eq!(*found, wanted, max_relative = 0.02);
    }
    let evaluation = model.evaluate(&data).expect("evaluated");
    assert_relative_eq!(evaluation.mae.expect("numbers have it"), 125.0, max_relative = 0.02);
    // The loss of the scaled targets: ln σ + 1/2, less the logarithm of the scale.
    let scale = model.metadata.target_scaling.as_ref().expect("targets are scaled").scale()[0];
    let wanted = (50f64.ln() + 200f64.ln()) / 2.0 + 0.5 - scale.ln();
    assert_abs_diff_eq!(evaluation.loss, wanted, epsilon = 0.01);
    assert!(model.predict_classes(&[0.0]).is_err());
}

#[test]
fn quantiles_are_those_of_the_targets_in_their_unit() {
    let y: Vec<f32> = (0..=200).map(|i| 10.0 * i as f32).collect();
    let data = Dataset::numbers("a uniform distribution", 1, &[1.0; 201], 1, &y).expect("a data set");
    let model = trained(&data, 3, Loss::quantiles([0.1, 0.4, 0.9]), 1500);
    let found = model.predict(&[1.0]).expect("predicted");
    for (found, wanted) in found.iter().zip([200.0, 800.0, 1800.0]) {
        assert_abs_diff_eq!(*found, wanted, epsilon = 30.0);
    }
    let evaluation = model.evaluate(&data).expect("evaluated");
    let mean = |term: &dyn Fn(f64) -> f64| y.iter().map(|y| term(f64::from(*y))).sum::<f64>() / 201.0;
    let pinball = |level: f64, z: f64| mean(&|y| if y > z { level * (y - z) } else { (1.0 - level) * (z - y) });
    let of = |level: f64, place: usize| pinball(level, found[place].into());
    assert_relative_eq!(evaluation.loss, (of(0.1, 0) + of(0.4, 1) + of(0.9, 2)) / 3.0, max_relative = 1e-5);
    // The level closest to 0.5 predicts.
    let wanted = mean(&|y| (y - f64::from(found[1])).abs());
    assert_relative_eq!(evaluation.mae.expect("numbers have it"), wanted, max_relative = 1e-5);
}

#[test]
fn soft_targets_are_learnt_and_only_certain_ones_have_an_accuracy() {
    let x = [1.0, 0.0, 0.0, 1.0];
    let soft = [0.7, 0.2, 0.1, 0.0, 0.25, 0.75];
    let data = Dataset::numbers("soft", 2, &x, 3, &soft).expect("a data set");
    for loss in [Loss::soft_cross_entropy(), Loss::kl_divergence()] {
        let model = trained(&data, 3, loss, 600);
        assert_eq!((loss.task(3), model.predict_classes(&x).expect("classes")), (Task::MultiClass, vec![0, 2]));
        for (found, wanted) in model.predict(&x).expect("predicted").iter().zip(soft) {
            assert_abs_diff_eq!(*found, wanted, epsilon = 0.01);
        }
        let evaluation = model.evaluate(&data).expect("evaluated");
        assert_eq!(evaluation.accuracy, None, "no row has one class");
        assert!(model.confusion(&data).is_err());
        if loss == Loss::kl_divergence() {
            assert_abs_diff_eq!(evaluation.loss, 0.0, epsilon = 0.01);
        }
        let certain = Dataset::numbers("certain", 2, &x, 3, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]).expect("a data set");
        let evaluation = model.evaluate(&certain).expect("evaluated");
        assert_eq!(evaluation.accuracy, Some(0.5));
        assert_eq!(model.confusion(&certain).expect("classes").accuracy(), 0.5);
        let probabilities = model.predict(&x).expect("predicted");
        let wanted = -(f64::from(probabilities[0]).ln() + f64::from(probabilities[4]).ln()) / 2.0;
        assert_relative_eq!(evaluation.loss, wanted, max_relative = 1e-4);
        assert_relative_eq!(evaluation.metric("log_loss").expect("probabilities"), wanted, max_relative = 1e-4);
    }
    let wrong = Dataset::numbers("counts", 2, &x, 3, &[1.0, 0.0, 0.0, 0.0, 1.0, 1.0]).expect("a data set");
    let model = trained(&data, 3, Loss::soft_cross_entropy(), 1);
    let message = model.evaluate(&wrong).expect_err("a sum of 2").to_string();
    assert!(
        message.contains("row 1") && message.contains("sum of probabilities") && message.contains('2'),
        "{message}"
    );
}

#[test]
fn margins_separate_classes_and_give_no_probabilities() {
    let iris = data::iris();
    let model = trained(&iris, 3, Loss::multi_margin(1.0), 400);
    let evaluation = model.evaluate(&iris).expect("evaluated");
    assert!(evaluation.accuracy.expect("classes") > 0.95, "{evaluation:?}");
    assert!(evaluation.metric("log_loss").is_err() && evaluation.metric("roc_auc").is_ok());
    let outputs = model.predict(&[5.1, 3.5, 1.4, 0.2]).expect("predicted");
    assert_eq!(outputs, [1.0, 0.0, 0.0], "1 at the class with the largest score");
    let mut outputs = outputs;
    assert!(model.metadata.log_probabilities(&mut outputs).is_err());
}

#[test]
fn the_cosine_aligns_outputs_with_targets_of_any_length() {
    let x = [1.0, 0.0, 0.0, 1.0];
    let data = Dataset::numbers("directions", 2, &x, 3, &[1.0, 2.0, 2.0, -200.0, 0.0, 0.0]).expect("a data set");
    let model = trained(&data, 3, Loss::cosine(), 800);
    let evaluation = model.evaluate(&data).expect("evaluated");
    assert!(evaluation.loss < 1e-3 && evaluation.r2.is_none() && evaluation.mae.is_none(), "{evaluation:?}");
    let found = model.predict(&x).expect("predicted");
    assert_abs_diff_eq!(found[1] / found[0], 2.0, epsilon = 0.1);
    assert!(found[3] < 0.0);
}
