//! Weights of rows: losses and gradients are weighted means, exactly so in short batches, with gradient accumulation and after a
//! resumption; evaluations are weighted alike.

use approx::assert_relative_eq;
use wgrad::data::ClassWeights;
use wgrad::model::Labels;
use wgrad::{
    Adam, Checkpoints, Dataset, Device, Error, Fit, Loss, Network, Result, Sgd, Standardization, Trainer, data,
};

/// A linear network with one output, its weight 2 and its bias 0.5.
fn linear(loss: Loss, batch: usize, accumulate: usize) -> Result<Trainer> {
    let builder = Trainer::builder(Network::input(1).dense(1)).loss(loss).optimizer(Sgd::new(0.125));
    let mut trainer = builder.batch(batch).accumulate(accumulate).build(&Device::cpu())?;
    let mut parameters = trainer.parameters()?;
    (parameters[0].values, parameters[1].values) = (vec![2.0], vec![0.5]);
    trainer.set_parameters(&parameters)?;
    Ok(trainer)
}

/// Outputs are 0.5, 2.5 and −1.5, and errors 1.5, −0.5 and −3.5. Σ w = 8; Σ w·e² = 2·2.25 + 5·0.25 + 12.25 = 18.
#[test]
fn the_loss_of_a_step_is_the_weighted_mean() -> Result<()> {
    let (x, t, w) = ([0.0, 1.0, -1.0], [-1.0, 3.0, 2.0], [2.0, 5.0, 1.0]);
    for (batch, accumulate) in [(3, 1), (8, 1), (1, 3), (2, 2)] {
        let mut trainer = linear(Loss::mean_squared_error(), batch, accumulate)?;
        assert_eq!(trainer.step_weighted(&x, &t, &w)?.value()?, 18.0 / 8.0, "{batch}, {accumulate}");
        let gradients = trainer.gradients()?;
        // 2/8·Σ w·e·x = (−2.5 + 3.5)/4, and 2/8·Σ w·e = (3 − 2.5 − 3.5)/4.
        assert_eq!((gradients[0].values[0], gradients[1].values[0]), (0.25, -0.75), "{batch}, {accumulate}");
        // Without weights again: Σ e² = 14.75 before the step.
        let mut trainer = linear(Loss::mean_squared_error(), batch, accumulate)?;
        trainer.step_weighted(&x, &t, &[0.0; 3])?;
        assert_eq!(trainer.gradients()?.iter().map(|tensor| tensor.values[0]).collect::<Vec<_>>(), [0.0, 0.0]);
        assert_relative_eq!(trainer.step(&x, &t)?.value()?, 14.75 / 3.0);
    }
    Ok(())
}

#[test]
fn weights_that_do_not_fit_are_refused() -> Result<()> {
    let xor = data::xor();
    for (weights, problem) in [
        (vec![1.0; 3], "the number of weights is 3"),
        (vec![1.0, -0.5, 1.0, 1.0], "row 1 (from 0): the weight is -0.5, but must be finite and at least 0"),
        (vec![1.0, 1.0, f32::NAN, 1.0], "row 2 (from 0): the weight is NaN"),
        (vec![0.0; 4], "the weights of all 4 rows are 0"),
    ] {
        let message = xor.clone().weighted(weights).expect_err(problem).to_string();
        assert!(message.contains(problem), "{message}");
    }
    let mut trainer = linear(Loss::mean_squared_error(), 4, 1)?;
    assert!(trainer.step_weighted(&[0.0], &[0.0], &[1.0, 1.0]).is_err());
    // A part of a data set may have no weight.
    let part = xor.weighted(vec![0.0, 0.0, 1.0, 1.0])?.select(&[0, 1]);
    let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    let mut trainer = builder.build(&Device::cpu())?;
    for message in [trainer.load(&part).err(), trainer.evaluate(&part).err()] {
        assert!(message.expect("no weight").to_string().contains("the weights of all 2 rows are 0"));
    }
    Ok(())
}

/// Whole numbers, so that sums are exact in any order.
fn rows() -> (Vec<[f32; 2]>, Vec<u32>) {
    let row = |at: i16| [f32::from(at * 7 % 5 - 2), f32::from(at * 3 % 4 - 1)];
    ((0..24).map(row).collect(), (0..24).map(|at| at / 2 % 3).collect())
}

fn classes(rows: &[[f32; 2]], classes: &[u32]) -> Result<Dataset> {
    Dataset::classes("rows", 2, rows.as_flattened(), classes, ["a", "b", "c"])
}

/// A data set with row `at` as often as its weight, `at % 3`, against one with weights; in one batch, so that steps have the same
/// rows. Only the order of sums differs: two roundings of 24 terms each, in f32, of losses and gradients below 4.
#[test]
fn a_weight_of_2_is_that_of_two_rows() -> Result<()> {
    let (x, t) = rows();
    let repeated: Vec<usize> = (0..24).flat_map(|at| std::iter::repeat_n(at, at % 3)).collect();
    let plain = classes(&x, &t)?;
    let (weighted, repeated) =
        (plain.clone().weighted((0..24).map(|at| (at % 3) as f32).collect())?, plain.select(&repeated));
    for (device, loss) in
        [(Device::cpu(), Loss::softmax_cross_entropy()), (Device::reference(), Loss::smoothed_cross_entropy(0.1))]
    {
        let trained = |data: &Dataset| -> Result<_> {
            let builder = Trainer::builder(Network::input(2).dense(5).tanh().dense(3)).loss(loss);
            let mut trainer = builder.optimizer(Sgd::new(0.5)).batch(64).build(&device)?;
            let history = trainer.fit(data, Fit::epochs(4).validate(data))?;
            Ok((trainer.parameters()?, history, trainer.evaluate(data)?))
        };
        let (one, other) = (trained(&weighted)?, trained(&repeated)?);
        for (one, other) in one.0.iter().zip(&other.0) {
            for (one, other) in one.values.iter().zip(&other.values) {
                assert!((one - other).abs() < 4.0 * 2.0 * 24.0 * f32::EPSILON, "{one} and {other}");
            }
        }
        for (one, other) in one.1.epochs.iter().zip(&other.1.epochs) {
            assert_relative_eq!(one.loss, other.loss, max_relative = 1e-5);
        }
        assert_eq!((one.2.rows, other.2.rows), (24, 24));
        for metric in
            ["loss", "accuracy", "log_loss", "balanced_accuracy", "f_beta", "roc_auc", "pr_auc", "brier_score"]
        {
            assert_relative_eq!(one.2.metric(metric)?, other.2.metric(metric)?, max_relative = 1e-5);
        }
        assert_eq!(one.2.metrics.len(), other.2.metrics.len());
    }
    Ok(())
}

/// Weights of 1 give the results without weights, except that a fused step is not used.
#[test]
fn weights_of_1_change_nothing_on_the_cpu() -> Result<()> {
    let (x, t) = rows();
    let plain = classes(&x, &t)?;
    let weighted = plain.clone().weighted(vec![1.0; 24])?;
    let trained = |data: &Dataset| -> Result<_> {
        let builder = Trainer::builder(Network::input(2).dense(5).relu().dropout(0.3).dense(3));
        let builder = builder.loss(Loss::softmax_cross_entropy()).optimizer(Adam::new(0.01)).batch(5).accumulate(2);
        let mut trainer = builder.build(&Device::cpu())?;
        let history = trainer.fit(data, Fit::epochs(3))?;
        Ok((trainer.parameters()?, history.epochs[2].loss))
    };
    assert_eq!(trained(&plain)?, trained(&weighted)?);
    assert_ne!(plain.checksum(), weighted.checksum(), "checkpoints tell them apart");
    Ok(())
}

/// Mean absolute errors 1 and 3 with weights 3 and 1, in targets of scale 4, and labels.
#[test]
fn evaluations_of_numbers_and_labels_are_weighted() -> Result<()> {
    let scaling = Standardization::new(vec![10.0], vec![4.0])?;
    let numbers =
        Dataset::numbers("numbers", 1, &[0.0, 0.0, 0.0], 1, &[11.0, 13.0, 50.0])?.weighted(vec![3.0, 1.0, 0.0])?;
    for loss in [Loss::mean_absolute_error(), Loss::huber(100.0)] {
        let builder = Trainer::builder(Network::input(1).dense(1)).loss(loss).target_scaling(scaling.clone());
        let mut trainer = builder.optimizer(Sgd::new(0.0)).build(&Device::cpu())?;
        let mut parameters = trainer.parameters()?;
        parameters[0].values = vec![1.0];
        trainer.set_parameters(&parameters)?;
        let found = trainer.evaluate(&numbers)?;
        assert_eq!(found.metric("mae")?, 1.5);
        assert_relative_eq!(found.metric("rmse")?, 3f64.sqrt());
        // (3·1 + 1·3) / 4, and with halves of squares (3·0.5 + 1·4.5) / 4.
        let wanted = 1.5;
        assert_relative_eq!(found.loss, wanted, max_relative = 1e-6);
        // The loss of training is on the same scale.
        let history = trainer.fit(&numbers, Fit::epochs(1))?;
        assert_relative_eq!(history.epochs[0].loss, wanted, max_relative = 1e-6);
    }
    let labels =
        Dataset::numbers("labels", 2, &[1.0, 1.0, 1.0, -1.0], 2, &[1.0, 1.0, 0.0, 0.0])?.weighted(vec![1.0, 3.0])?;
    let mut model =
        Trainer::builder(Network::input(2).dense(2)).loss(Loss::hinge()).build(&Device::cpu())?.into_model()?;
    model.parameters[0].values = vec![1.0, 0.0, 0.0, 1.0];
    let found = model.evaluate(&labels)?;
    assert_eq!((found.accuracy, found.exact_match), (Some((2.0 + 3.0) / 8.0), Some(0.25)));
    // Only the first label of the second row is on the wrong side: its loss is 2, and the mean of its row 1.
    assert_eq!(found.loss, 3.0 / 4.0);
    Ok(())
}

#[test]
fn class_weights_are_those_of_scikit_learn() -> Result<()> {
    // compute_class_weight("balanced", classes=[0, 1, 2], y=[0]*6 + [1]*3 + [2]): 10 / (3·6), 10 / (3·3), 10 / 3.
    let classes = [0, 0, 0, 0, 0, 0, 1, 1, 1, 2];
    let data = Dataset::classes("rows", 1, &[0.0; 10], &classes, ["a", "b", "c", "never"])?;
    let balanced = data.clone().class_weighted(&ClassWeights::Balanced)?;
    let wanted = classes.map(|class| [10.0 / 18.0, 10.0 / 9.0, 10.0 / 3.0][class as usize] as f32);
    assert_eq!(balanced.weights(), Some(&wanted[..]));
    // On top of the weights of rows; b has the weight 1.
    let twice = data.clone().weighted(vec![2.0; 10])?.class_weighted(&" a = 0.5, c=3".parse()?)?;
    assert_eq!(twice.weights(), Some(&[1., 1., 1., 1., 1., 1., 2., 2., 2., 6.][..]));
    for (text, problem) in [
        ("a:1", "`a:1`, but must be `balanced`, or as in `no=1,yes=5`"),
        ("a=x", "`a=x`"),
        ("nevr=1", "unknown class `nevr`, did you mean `never`?"),
        ("a=-1", "the weight of class `a` is -1"),
        ("a=0,b=0,c=0", "the weights of all 10 rows are 0"),
    ] {
        let message =
            text.parse().and_then(|weights| data.clone().class_weighted(&weights)).expect_err(text).to_string();
        assert!(message.contains(problem), "{message}");
    }
    assert!(data::xor().class_weighted(&ClassWeights::Balanced).is_err(), "its targets are numbers");
    let texts = ["balanced", "no=1,yes=5"].map(|text| text.parse::<ClassWeights>().map(|weights| weights.to_string()));
    assert_eq!(texts.into_iter().collect::<Result<Vec<_>>>()?, ["balanced", "no=1,yes=5"]);
    Ok(())
}

#[test]
fn a_resumed_training_with_weights_gives_the_same_bits() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let (x, t) = rows();
    let data = classes(&x, &t)?.weighted((0..24).map(|at| 0.25 + (at % 5) as f32).collect())?;
    let trainer = || {
        let builder = Trainer::builder(Network::input(2).dense(5).tanh().dense(3)).loss(Loss::softmax_cross_entropy());
        builder.optimizer(Adam::new(0.02)).batch(5).steps_per_submission(1).build(&Device::cpu())
    };
    let checkpoints = || Checkpoints::in_folder(folder.path()).every_steps(1).resume();
    let mut whole = trainer()?;
    let history = whole.fit(&data, Fit::epochs(3))?;
    let mut submissions = 0;
    let stopped = trainer()?.fit(
        &data,
        Fit::epochs(3).checkpoints(checkpoints()).on_submission(|_| {
            submissions += 1;
            if submissions == 7 { std::ops::ControlFlow::Break(()) } else { std::ops::ControlFlow::Continue(()) }
        }),
    )?;
    assert!(stopped.stopped && stopped.epochs.len() == 1, "it stops in the second epoch");
    let mut resumed = trainer()?;
    let second = resumed.fit(&data, Fit::epochs(3).checkpoints(checkpoints()))?;
    assert_eq!((second.epochs, resumed.parameters()?), (history.epochs, whole.parameters()?));
    let other = data.clone().weighted(vec![1.0; 24])?;
    assert!(trainer()?.fit(&other, Fit::epochs(3).checkpoints(checkpoints())).is_err(), "other weights are other data");
    Ok(())
}

#[test]
fn a_row_without_weight_must_still_have_a_finite_loss() -> Result<()> {
    let mut trainer = linear(Loss::mean_squared_error(), 2, 1)?;
    let labels: Labels<'_> = (&[0.0, 3e38]).into();
    let stepped = trainer.step_weighted(&[0.0, 1.0], labels, &[1.0, 0.0]).and_then(|_| trainer.parameters());
    assert!(matches!(stepped, Err(Error::NotFinite { .. })), "{stepped:?}");
    Ok(())
}
