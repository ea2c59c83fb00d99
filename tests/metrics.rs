//! Metrics against values computed by hand, with scikit-learn's conventions.

use approx::assert_relative_eq;
use std::ops::ControlFlow;
use wgrad::loss::Task;
use wgrad::metrics::{Metric, Needs, Predictions};
use wgrad::model::Confusion;
use wgrad::{
    Checkpoints, Dataset, Device, Evaluation, Fit, History, Loss, Model, Network, Result, Sgd, Split, Standardization,
    Trainer, data,
};

/// Returns a model whose outputs equal its inputs.
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
    let found = mirror(2, Loss::mean_squared_error())?.evaluate(&data)?;
    assert_relative_eq!(found.metric("loss")?, (5.0 + 25.0) / 8.0);
    assert_relative_eq!(found.metric("mae")?, (3.0 / 4.0 + 7.0 / 4.0) / 2.0);
    assert_relative_eq!(found.metric("rmse")?, ((5.0f64 / 4.0).sqrt() + 2.5) / 2.0);
    assert_relative_eq!(found.metric("r2")?, ((1.0 - 5.0 / 14.0) + (1.0 - 25.0 / 100.0)) / 2.0);
    assert_eq!(found.score(), Some(("r2", found.metric("r2")?)));
    let message = found.metric("accuracy").expect_err("a regression has none").to_string();
    assert!(
        message.contains("`accuracy`: it is not in this evaluation, which has: loss, r2, mae, rmse, "),
        "{message}"
    );
    let message = found.metric("rsme").expect_err("it is unknown").to_string();
    assert!(message.contains("unknown metric `rsme`, did you mean `rmse`?"), "{message}");
    Ok(())
}

#[test]
fn a_constant_target_has_an_r2_of_1_or_0() -> Result<()> {
    let model = mirror(1, Loss::mean_squared_error())?;
    let met = model.evaluate(&Dataset::numbers("met", 1, &[4.0, 4.0], 1, &[4.0, 4.0])?)?;
    assert_eq!((met.r2, met.mae, met.rmse), (Some(1.0), Some(0.0), Some(0.0)));
    let missed = model.evaluate(&Dataset::numbers("missed", 1, &[4.0, 5.0], 1, &[4.0, 4.0])?)?;
    assert_eq!((missed.r2, missed.mae, missed.rmse), (Some(0.0), Some(0.5), Some(0.5f64.sqrt())));
    Ok(())
}

#[test]
fn classes_have_no_errors_of_a_regression() -> Result<()> {
    let data = Dataset::classes("classes", 2, &[1., 0., 0., 1.], &[0, 1], ["a", "b"])?;
    let found = mirror(2, Loss::softmax_cross_entropy())?.evaluate(&data)?;
    assert_eq!((found.accuracy, found.r2, found.mae, found.rmse), (Some(1.0), None, None, None));
    Ok(())
}

/// Returns the probability of each class, computed in f64 from logits.
fn softmax(logits: &[f32]) -> Vec<f64> {
    let exponentials = logits.iter().map(|z| f64::from(*z).exp());
    let total: f64 = exponentials.clone().sum();
    exponentials.map(|e| e / total).collect()
}

/// Three evaluated batches, and ties among the outputs of two classes. (Ties of a softmax depend on how it is rounded.)
#[test]
fn an_evaluation_has_all_metrics_of_its_predictions() -> Result<()> {
    let rows = 1100;
    let logits: Vec<f32> = (0..rows * 3).map(|at| 4.0 * (at as f32 * 0.7).sin()).collect();
    let actual: Vec<u32> = (0..rows as u32).map(|row| row * 7 % 11 % 3).collect();
    let probabilities: Vec<f64> = logits.chunks(3).flat_map(softmax).collect();
    let of_three = Dataset::classes("three", 3, &logits, &actual, ["a", "b", "c"])?;
    let single: Vec<f32> = logits[..rows].iter().map(|z| z.round()).collect();
    let binary: Vec<u32> = actual.iter().map(|class| class % 2).collect();
    let of_two = Dataset::classes("two", 1, &single, &binary, ["a", "b"])?;
    let of_class_1: Vec<f64> = single.iter().map(|z| 1.0 / (1.0 + (-f64::from(*z)).exp())).collect();
    let scores: Vec<f64> = single.iter().map(|z| f64::from(*z)).collect();
    let targets: Vec<f32> = logits.iter().map(|z| z * 0.5 + (z * 9.0).sin()).collect();
    let of_numbers = Dataset::numbers("numbers", 3, &logits, 3, &targets)?;
    let [targets, outputs] = [&targets, &logits].map(|all| all.iter().map(|y| f64::from(*y)).collect::<Vec<_>>());
    for (loss, columns, data, predictions, kind) in [
        (
            Loss::softmax_cross_entropy(),
            3,
            &of_three,
            Predictions::probabilities(&actual, &probabilities),
            Needs::Probabilities,
        ),
        (
            Loss::binary_cross_entropy(),
            1,
            &of_two,
            Predictions::probabilities(&binary, &of_class_1),
            Needs::Probabilities,
        ),
        (Loss::perceptron(), 1, &of_two, Predictions::scores(&binary, &scores), Needs::Scores),
        (
            Loss::mean_squared_error(),
            3,
            &of_numbers,
            Predictions::numbers(&targets, &outputs).columns(3),
            Needs::Numbers,
        ),
    ] {
        let model = mirror(columns, loss)?;
        for device in [Device::cpu(), Device::reference()] {
            let found = model.evaluate_on(&device, data)?;
            let mut count = 1;
            for metric in Metric::all() {
                let has = match metric.needs() {
                    Needs::Probabilities => kind == Needs::Probabilities,
                    Needs::Numbers | Needs::Labels => kind == metric.needs(),
                    _ => kind != Needs::Numbers,
                };
                assert_eq!(found.metric(metric.name()).is_ok(), has, "{loss}: {metric}");
                if has {
                    count += 1;
                    // The matmul of the mirror is exact, so that only sums are rounded.
                    assert_relative_eq!(
                        found.metric(metric.name())?,
                        metric.compute(&predictions)?,
                        max_relative = 1e-12
                    );
                }
            }
            assert!(count > 7, "{loss}: {count}");
            let json = serde_json::to_value(&found).expect("JSON");
            assert_eq!(json.as_object().expect("an object").len(), count + 1, "all metrics, loss and rows: {json}");
            let read: Evaluation = serde_json::from_value(json).expect("an evaluation");
            assert_eq!(read, found);
        }
    }
    Ok(())
}

#[test]
fn metrics_can_be_requested_with_parameters() -> Result<()> {
    let logits = [[0.5, 1.5, -1.0], [2.0, 0.0, 1.0], [0.0, 0.5, 0.25]];
    let data = Dataset::classes("rows", 3, logits.as_flattened(), &[0, 0, 2], ["a", "b", "c"])?;
    let model = mirror(3, Loss::softmax_cross_entropy())?;
    let wanted: Vec<Metric> = vec!["top_k_accuracy(k=2)".parse()?, "f_beta(beta=2, average=micro)".parse()?];
    let found = model.evaluate_with(&Device::cpu(), &data, &wanted)?;
    assert_eq!(found.metric("top_k_accuracy(k=2)")?, 1.0);
    assert_relative_eq!(found.metric("f_beta(2,micro)")?, 1.0 / 3.0);
    assert_eq!(found.metrics.len(), 2);
    let message = found.metric("log_loss").expect_err("it was not requested").to_string();
    assert!(message.contains("request it with `evaluate_with`"), "{message}");
    // Class b has no rows: all metrics but one are there; a request of that one is an error.
    let all = model.evaluate(&data)?;
    assert!(all.metric("roc_auc").is_err() && all.metric("pr_auc").is_ok());
    for (metric, problem) in [
        ("roc_auc", "undefined, since no row, or every row, is of class 1"),
        ("mae", "it needs numbers, but loss function and targets give probabilities"),
        ("precision(average=binary)", "a class is 2, but must be 0 or 1"),
    ] {
        let message = model.evaluate_with(&Device::cpu(), &data, &[metric.parse()?]).expect_err(metric).to_string();
        assert!(message.contains(problem), "{metric}: {message}");
    }
    // Several outputs that are 0 or 1 each are labels. One row has no order, and label 1 is neither actual nor predicted.
    let several = Dataset::numbers("several", 2, &[1.0, -1.0], 2, &[1.0, 0.0])?;
    let model = mirror(2, Loss::binary_cross_entropy())?;
    let found = model.evaluate(&several)?;
    assert_eq!(
        (found.accuracy, found.metrics.keys().map(String::as_str).collect::<Vec<_>>()),
        (Some(1.0), vec!["f_beta", "pr_auc", "precision", "recall"])
    );
    assert_eq!((found.metric("recall")?, found.metric("recall(average=micro)").is_err()), (0.5, true));
    let message =
        model.evaluate_with(&Device::cpu(), &several, &["log_loss".parse()?]).expect_err("labels").to_string();
    assert!(message.contains("needs probabilities, but loss function and targets give labels"), "{message}");
    let message = model.evaluate_with(&Device::cpu(), &several, &["recall(average=binary)".parse()?]);
    assert!(message.expect_err("labels").to_string().contains("must be macro, micro or weighted"));
    let soft = Dataset::numbers("soft", 1, &[1.0, -1.0], 1, &[0.75, 0.0])?;
    let found = mirror(1, Loss::binary_cross_entropy())?.evaluate(&soft)?;
    assert_eq!((found.accuracy, found.metrics.len()), (None, 0));
    Ok(())
}

#[test]
fn rankings_of_many_classes_are_computed_on_request_alone() -> Result<()> {
    for (classes, is_ranked) in [(32, true), (33, false)] {
        let mut one_hot = vec![0.0; classes * classes];
        (0..classes).for_each(|class| one_hot[class * (classes + 1)] = 1.0);
        let actual: Vec<u32> = (0..classes as u32).collect();
        let data = Dataset::classes("many", classes, &one_hot, &actual, (0..classes).map(|class| class.to_string()))?;
        let model = mirror(classes, Loss::softmax_cross_entropy())?;
        let found = model.evaluate(&data)?;
        assert_eq!(["roc_auc", "pr_auc"].map(|name| found.metric(name).is_ok()), [is_ranked; 2]);
        assert!(found.metric("log_loss").is_ok() && found.metric("brier_score").is_ok());
        let found = model.evaluate_with(&Device::cpu(), &data, &["roc_auc".parse()?])?;
        assert_eq!(found.metric("roc_auc")?, 1.0);
    }
    Ok(())
}

/// Epochs are evaluated quickly: they have the metrics with fields alone.
#[test]
fn a_validation_has_the_main_metrics() -> Result<()> {
    let moons = data::two_moons(60, 0.1, 0)?;
    let builder = Trainer::builder(Network::input(2).dense(2)).loss(Loss::softmax_cross_entropy());
    let mut trainer = builder.build(&Device::cpu())?;
    let history = trainer.fit(&moons, Fit::epochs(1).validate(&moons))?;
    let validation = history.epochs[0].validation.clone().expect("validated");
    assert!(validation.accuracy.is_some() && validation.metrics.is_empty());
    let all = trainer.evaluate(&moons)?;
    assert_eq!((all.loss, all.accuracy), (validation.loss, validation.accuracy));
    assert_relative_eq!(all.metric("log_loss")?, all.loss, max_relative = 1e-6);
    Ok(())
}

/// With a metric, another epoch is the best than with the loss.
#[test]
fn early_stopping_watches_a_metric() -> Result<()> {
    let (train, validation, _) = data::two_moons(120, 0.4, 3)?.split(Split::parts(0.5, 0.5))?;
    let builder = || {
        let network = Network::input(2).dense(32).relu().dense(2);
        Trainer::builder(network).loss(Loss::softmax_cross_entropy()).optimizer(Sgd::new(0.9)).batch(8).seed(1)
    };
    let fit = |fit: Fit<'_>| -> Result<(History, Evaluation)> {
        let mut trainer = builder().build(&Device::cpu())?;
        let history = trainer.fit(&train, fit.validate(&validation))?;
        Ok((history, trainer.evaluate(&validation)?))
    };
    let (by_loss, _) = fit(Fit::epochs(40).restore_best())?;
    for text in ["f_beta(beta=2)", "accuracy", "brier_score", "roc_auc"] {
        let metric: Metric = text.parse()?;
        let (history, restored) = fit(Fit::epochs(40).metric(metric))?;
        let values: Vec<f64> = history
            .epochs
            .iter()
            .map(|epoch| epoch.validation.as_ref().map_or(f64::NAN, |found| found.metric(text).expect(text)))
            .collect();
        let better = |a: f64, b: f64| if metric.larger_is_better() { a > b } else { a < b };
        let best = (1..values.len()).fold(0, |best, at| if better(values[at], values[best]) { at } else { best });
        assert_eq!(history.best, Some(best + 1), "{text}: {values:?}");
        assert!(values.iter().any(|value| *value != values[best]), "{text}");
        if let Ok(value) = restored.metric(text) {
            assert_eq!(value, values[best]);
        }
        let (stopped, _) = fit(Fit::epochs(40).metric(metric).patience(1))?;
        let end = (1..values.len()).find(|at| !(0..*at).all(|before| better(values[*at], values[before])));
        assert_eq!(Some(stopped.len()), end.map(|at| at + 1), "{text}: {values:?}");
    }
    let (by_accuracy, _) = fit(Fit::epochs(40).metric("accuracy".parse()?))?;
    assert_ne!(by_accuracy.best, by_loss.best, "the test could not tell them apart");
    // Before training, not after an epoch.
    let mut trainer = builder().build(&Device::cpu())?;
    let message =
        trainer.fit(&train, Fit::epochs(1).validate(&validation).metric("mae".parse()?)).expect_err("numbers");
    assert!(message.to_string().contains("`mae`: it needs numbers") && trainer.steps() == 0, "{message}");
    let message = trainer.fit(&train, Fit::epochs(1).metric("roc_auc".parse()?)).expect_err("no validation set");
    assert!(message.to_string().contains("there is no validation set"), "{message}");
    Ok(())
}

/// Resumed training compares with the metric of epochs before; another metric is refused.
#[test]
fn a_resumed_training_watches_the_same_metric() -> Result<()> {
    let (train, validation, _) = data::two_moons(120, 0.4, 3)?.split(Split::parts(0.5, 0.5))?;
    let folder = tempfile::tempdir().expect("a folder");
    let run =
        |epochs: usize, metric: &str, checkpoints: Option<Checkpoints>| -> Result<(History, Vec<wgrad::Tensor>)> {
            let network = Network::input(2).dense(32).relu().dense(2);
            let builder =
                Trainer::builder(network).loss(Loss::softmax_cross_entropy()).optimizer(Sgd::new(0.9)).batch(8);
            let mut trainer = builder.seed(1).build(&Device::cpu())?;
            let mut fit = Fit::epochs(epochs).validate(&validation).metric(metric.parse()?);
            if let Some(checkpoints) = checkpoints {
                fit = fit.checkpoints(checkpoints);
            }
            let history = trainer.fit(&train, fit)?;
            Ok((history, trainer.parameters()?))
        };
    let in_folder = || Checkpoints::in_folder(folder.path()).every_steps(1);
    run(4, "roc_auc", Some(in_folder()))?;
    assert_eq!(run(12, "roc_auc", Some(in_folder().resume()))?, run(12, "roc_auc", None)?);
    let message = run(12, "accuracy", Some(in_folder().resume())).expect_err("another metric").to_string();
    assert!(message.contains("roc_auc") && message.contains("accuracy"), "{message}");
    Ok(())
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// Returns precision, recall, F1 and support.
fn numbers(found: &wgrad::model::ClassMetrics) -> (f64, f64, f64, u64) {
    (found.precision, found.recall, found.f1, found.support)
}

/// The example in the documentation of scikit-learn's `classification_report`.
#[test]
fn classes_have_scikit_learn_s_metrics() -> Result<()> {
    let confusion = Confusion::new(names(&["0", "1", "2"]), &[0, 1, 2, 2, 2], &[0, 0, 2, 2, 1])?;
    assert_eq!(numbers(&confusion.class(0)), (1.0 / 2.0, 1.0, 2.0 / 3.0, 1));
    assert_eq!(numbers(&confusion.class(1)), (0.0, 0.0, 0.0, 1));
    assert_eq!(numbers(&confusion.class(2)), (1.0, 2.0 / 3.0, 4.0 / 5.0, 3));
    assert_eq!((confusion.rows(), confusion.accuracy()), (5, 3.0 / 5.0));
    let mean = confusion.macro_average();
    assert_relative_eq!(mean.precision, (1.0 / 2.0 + 1.0) / 3.0);
    assert_relative_eq!(mean.recall, (1.0 + 2.0 / 3.0) / 3.0);
    assert_relative_eq!(mean.f1, (2.0 / 3.0 + 4.0 / 5.0) / 3.0);
    assert_eq!((mean.support, confusion.per_class().len()), (5, 3));
    Ok(())
}

/// `b` has no rows, `c` is never predicted, and `d` is neither: scikit-learn's `zero_division=0`, with all `labels`.
#[test]
fn what_would_be_divided_by_0_is_0() -> Result<()> {
    let confusion = Confusion::new(names(&["a", "b", "c", "d"]), &[0, 0, 2], &[0, 1, 0])?;
    let found: Vec<_> = confusion.per_class().iter().map(numbers).collect();
    assert_eq!(found, [(0.5, 0.5, 0.5, 2), (0.0, 0.0, 0.0, 0), (0.0, 0.0, 0.0, 1), (0.0, 0.0, 0.0, 0)]);
    assert_eq!(numbers(&confusion.macro_average()), (0.125, 0.125, 0.125, 3));
    Ok(())
}

#[test]
fn a_model_s_confusion_is_counted_from_its_outputs() -> Result<()> {
    let inputs = [[9., 1., 0.], [0., 8., 1.], [0., 7., 1.], [5., 0., 1.], [0., 1., 4.]];
    let data = Dataset::classes("rows", 3, inputs.as_flattened(), &[0, 1, 2, 2, 2], ["a", "b", "c"])?;
    let model = mirror(3, Loss::softmax_cross_entropy())?;
    let found = model.confusion(&data)?;
    assert_eq!(found, Confusion::new(names(&["a", "b", "c"]), &[0, 1, 2, 2, 2], &[0, 1, 1, 0, 2])?);
    assert_eq!(Some(found.accuracy()), model.evaluate(&data)?.accuracy);
    assert_eq!(found, model.confusion_on(&Device::reference(), &data)?);
    let json = serde_json::to_value(&found).expect("JSON");
    assert_eq!(json["confusion"], serde_json::json!([[1, 0, 0], [0, 1, 0], [1, 1, 1]]));
    assert_eq!((&json["classes"][2]["class"], &json["classes"][2]["support"]), (&"c".into(), &3.into()));
    Ok(())
}

/// More rows than a batch.
#[test]
fn images_are_counted_batch_by_batch() -> Result<()> {
    let pixels: Vec<u8> = (0..2 * 1100).map(|at: usize| (at * at % 251) as u8).collect();
    let actual: Vec<u32> = (0..1100).map(|row| row / 3 % 2).collect();
    let images = Dataset::images("images", 2, pixels, actual.clone(), ["a", "b"])?;
    let mut model = mirror(2, Loss::softmax_cross_entropy())?;
    let predicted = model.predict_classes(&images.input())?;
    assert_eq!(model.confusion(&images)?, Confusion::new(names(&["a", "b"]), &actual, &predicted)?);
    // Only the second batch has so bright a pixel.
    let mut bright = vec![0; 2 * 1100];
    bright[2 * 700 + 1] = 255;
    let bright = Dataset::images("bright", 2, bright, actual, ["a", "b"])?;
    model.parameters[0].values = vec![3e38; 4];
    let message = model.confusion(&bright).expect_err("it overflows").to_string();
    assert!(message.contains("`bright`, row 700 (from 0)"), "{message}");
    Ok(())
}

#[test]
fn one_output_predicts_two_classes_or_0_and_1() -> Result<()> {
    let (outputs, actual) = ([2.0, -1.0, 3.0, -4.0], [1, 1, 0, 0]);
    for loss in [Loss::binary_cross_entropy(), Loss::perceptron()] {
        let mut model = mirror(1, loss)?;
        let counts = |name| Confusion::new(name, &actual, &[1, 0, 1, 0]);
        let classes = Dataset::classes("classes", 1, &outputs, &actual, ["no", "yes"])?;
        assert_eq!(model.confusion(&classes)?, counts(names(&["no", "yes"]))?);
        let targets = actual.map(|class| class as f32);
        let targets = Dataset::numbers("numbers", 1, &outputs, 1, &targets)?;
        assert_eq!(model.confusion(&targets)?, counts(names(&["0", "1"]))?);
        model.metadata.classes = Some(names(&["off", "on"]));
        assert_eq!(model.confusion(&targets)?, counts(names(&["off", "on"]))?);
    }
    Ok(())
}

#[test]
fn what_has_no_confusion_says_why() -> Result<()> {
    let says = |result: Result<Confusion>, words: &[&str]| {
        let message = result.expect_err("there is none").to_string();
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    };
    let numbers = |targets: &[f32]| Dataset::numbers("half", 1, &[1.0, 2.0], 1, targets);
    let regression = mirror(1, Loss::mean_squared_error())?;
    says(regression.confusion(&numbers(&[0.0, 1.0])?), &["mean_squared_error with 1 output does not", "`evaluate`"]);
    let several = Dataset::numbers("two", 2, &[1.0, 0.0], 2, &[1.0, 0.0])?;
    says(mirror(2, Loss::binary_cross_entropy())?.confusion(&several), &["with 2 outputs"]);
    let binary = mirror(1, Loss::binary_cross_entropy())?;
    says(binary.confusion(&numbers(&[0.0, 0.5])?), &["`half`, row 1 (from 0)", "target is 0.5", "0 or 1"]);
    let far = Dataset::numbers("far", 1, &[0.0, 3e38], 1, &[0.0, 1.0])?;
    let mut steep = binary;
    steep.parameters[0].values = vec![1e9];
    says(steep.confusion(&far), &["`far`, row 1 (from 0)", "inf, not a finite number"]);
    says(Confusion::new(names(&["a"]), &[0, 1], &[0, 0]), &["row 1 (from 0)", "class is 1", "number of classes, 1"]);
    says(Confusion::new(names(&["a"]), &[0, 0], &[0]), &["predicted classes is 1", "2"]);
    says(Confusion::new(names(&["a"]), &[], &[]), &["at least 1"]);
    Ok(())
}

#[test]
fn a_confusion_is_printed_as_two_tables() -> Result<()> {
    let confusion = Confusion::new(names(&["cat", "dog", "owl"]), &[0, 1, 2, 2, 2], &[0, 0, 2, 2, 1])?;
    let wanted = "\
class          precision  recall     F1  rows
cat                0.500   1.000  0.667     1
dog                0.000   0.000  0.000     1
owl                1.000   0.667  0.800     3
macro average      0.500   0.556  0.489     5

confusion matrix: rows are true classes, columns are predicted
     cat  dog  owl
cat    1    ·    ·
dog    1    ·    ·
owl    ·    1    2
";
    assert_eq!(confusion.to_string(), wanted);
    Ok(())
}

/// Returns a confusion matrix of `rows` rows per class, of which one is predicted as the next class.
fn one_wrong_each(classes: u32, rows: u32, name: impl Fn(u32) -> String) -> Result<Confusion> {
    let actual: Vec<u32> = (0..classes * rows).map(|row| row / rows).collect();
    let predicted: Vec<u32> =
        (0..classes * rows).map(|row| (row / rows + u32::from(row % rows == 0)) % classes).collect();
    Confusion::new((0..classes).map(name).collect(), &actual, &predicted)
}

#[test]
fn a_matrix_of_up_to_30_classes_of_any_name_fits_80_columns() -> Result<()> {
    for classes in 2..=30 {
        for before in ["", "class number ", &"very ".repeat(30)] {
            let text = one_wrong_each(classes, 200, |n| format!("{before}{n}"))?.to_string();
            assert!(text.lines().all(|line| line.chars().count() <= 80), "{classes}: {text}");
            let (_, matrix) = text.split_once("columns are predicted\n").expect("a title");
            let count = |wanted: &str| matrix.split_whitespace().filter(|cell| *cell == wanted).count();
            assert_eq!(count("199"), classes as usize, "each class's own count: {text}");
            assert_eq!(text.contains("most frequent errors"), classes > 10, "{text}");
        }
    }
    let text = one_wrong_each(31, 1_000_000, |n| format!("{n} {}", "very ".repeat(30)))?.to_string();
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    // Names that are equal when shortened are numbered.
    let text = one_wrong_each(3, 5, |n| format!("{}{n}", "very ".repeat(30)))?.to_string();
    let head = text.lines().rev().nth(3).expect("the matrix has a head");
    assert_eq!(head.split_whitespace().collect::<Vec<_>>(), ["0", "1", "2"], "{text}");
    assert!(text.contains("\n2 very very"), "{text}");
    Ok(())
}

/// All pairs of 50,000 classes would take 20 GB.
#[test]
fn very_many_classes_take_no_square_of_memory() -> Result<()> {
    let found = one_wrong_each(50_000, 2, |n| n.to_string())?;
    assert_eq!((found.count(7, 7), found.count(7, 8), found.count(8, 7), found.rows()), (1, 1, 0, 100_000));
    assert_eq!(numbers(&found.class(49_999)), (0.5, 0.5, 0.5, 2));
    assert_eq!((found.accuracy(), found.macro_average().f1), (0.5, 0.5));
    assert!(found.to_string().contains("most frequent errors"));
    let json = serde_json::to_value(&found).expect("JSON");
    assert_eq!((json["classes"].as_array().map(Vec::len), json.get("confusion")), (Some(50_000), None));
    for (classes, has_matrix) in [(100, true), (101, false)] {
        let json = serde_json::to_value(one_wrong_each(classes, 2, |n| n.to_string())?).expect("JSON");
        assert_eq!(json.get("confusion").is_some(), has_matrix, "{classes}");
    }
    Ok(())
}

#[test]
#[should_panic(expected = "class 3 of 3")]
fn a_class_that_is_not_there_has_no_count() {
    one_wrong_each(3, 2, |n| n.to_string()).expect("counted").count(0, 3);
}

#[test]
fn of_many_classes_the_worst_ten_are_printed() -> Result<()> {
    // Class 7 has the lowest F1; 7 predicted as 9 is the most frequent confusion; classes 29 and 30 do not occur.
    let actual: Vec<u32> = (0..29).flat_map(|class| [class; 12]).collect();
    let mut predicted = actual.clone();
    predicted[7 * 12..7 * 12 + 11].fill(9);
    predicted[3 * 12..3 * 12 + 4].fill(5);
    let found = Confusion::new((0..31).map(|n| format!("class {n}")).collect(), &actual, &predicted)?.to_string();
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!(lines[0], "the 10 classes with the lowest F1, of 31");
    assert!(lines[2].starts_with("class 7 ") && lines[12].starts_with("macro average "), "{found}");
    assert!(!found.contains("class 29"), "{found}");
    let cells =
        |line: &str| line.split("  ").map(|cell| cell.trim().to_string()).filter(|c| !c.is_empty()).collect::<Vec<_>>();
    assert_eq!(cells(lines[14]), ["most frequent errors", "predicted as", "rows", "of class"]);
    assert_eq!(cells(lines[15]), ["class 7", "class 9", "11", "91.7 %"]);
    assert_eq!(cells(lines[16]), ["class 3", "class 5", "4", "33.3 %"]);
    assert_eq!(lines.len(), 17);
    let right = Confusion::new((0..31).map(|n| n.to_string()).collect(), &[3, 4], &[3, 4])?.to_string();
    assert!(right.ends_with("no row was misclassified\n"), "{right}");
    Ok(())
}

/// No function returns a prediction, class or metric for outputs that are not finite. All errors name row and output in the
/// same way.
#[test]
fn no_function_accepts_outputs_that_are_not_finite() -> Result<()> {
    let mut says = Vec::new();
    let mut refuses = |door: &str, result: Result<()>, parts: &[&str]| {
        let message = result.expect_err(door).to_string();
        assert!(parts.iter().all(|part| message.contains(part)), "{door}: {message}");
        says.push(message);
    };
    // Large weights of both signs: the sums of the second row are infinite, and those of the next layer NaN.
    let network = Network::input(2).dense(4).identity().dense(3);
    let builder = Trainer::builder(network).loss(Loss::softmax_cross_entropy()).batch(2);
    let mut trainer = builder.build(&Device::cpu())?;
    let mut parameters = trainer.parameters()?;
    for tensor in parameters.iter_mut().filter(|tensor| tensor.name.ends_with("weight")) {
        tensor.values.iter_mut().enumerate().for_each(|(at, value)| *value = if at % 2 == 0 { 3e20 } else { -3e20 });
    }
    trainer.set_parameters(&parameters)?;
    let model = trainer.model()?;
    let rows = [0.0, 0.0, 1e20, 1e20];
    let nan = ["predictions, row 1 (from 0)", "output 0 of the network is NaN, not a finite number"];
    refuses("trainer.predict", trainer.predict(&rows).map(drop), &nan);
    refuses("trainer.predict_classes", trainer.predict_classes(&rows).map(drop), &nan);
    for device in [Device::cpu(), Device::reference()] {
        refuses("model.outputs_on", model.outputs_on(&device, &rows).map(drop), &nan);
    }
    refuses("model.outputs", model.outputs(&rows).map(drop), &nan);
    refuses("model.predict", model.predict(&rows).map(drop), &nan);
    refuses("model.predict_classes", model.predict_classes(&rows).map(drop), &nan);
    let row = [f32::NAN, 1.0, 2.0];
    let of_row = ["row 0", "output 0 of the network is NaN"];
    refuses("metadata.predicted", model.metadata.predicted(&row).map(drop), &of_row);
    refuses("head.probabilities", model.metadata.probabilities(&mut row.clone()), &of_row);
    let data = Dataset::classes("far", 2, &rows, &[0, 0], ["a", "b", "c"])?;
    let of_data = ["data set `far`, row 1", "NaN"];
    refuses("model.confusion", model.confusion(&data).map(drop), &of_data);
    refuses("model.evaluate", model.evaluate(&data).map(drop), &of_data);
    refuses("trainer.evaluate", trainer.evaluate(&data).map(drop), &of_data);
    // After a step function, and for each loss function.
    for (layers, loss) in [
        ("4 identity 4 step 1", Loss::perceptron()),
        ("4 identity 1", Loss::perceptron()),
        ("4 identity 1", Loss::binary_cross_entropy()),
        ("4 identity 1", Loss::mean_squared_error()),
    ] {
        let mut model = Trainer::builder(Network::parse(2, layers)?).loss(loss).build(&Device::cpu())?.into_model()?;
        for tensor in model.parameters.iter_mut().filter(|tensor| tensor.name.ends_with("weight")) {
            tensor
                .values
                .iter_mut()
                .enumerate()
                .for_each(|(at, value)| *value = if at % 2 == 0 { 3e20 } else { -3e20 });
        }
        let data = Dataset::numbers("far", 2, &rows, 1, &[0.0, 0.0])?;
        refuses(layers, model.predict(&rows).map(drop), &["row 1 (from 0)", "output 0", "NaN"]);
        refuses(layers, model.evaluate(&data).map(drop), &["data set `far`, row 1"]);
    }
    assert_eq!(says.len(), 20);
    Ok(())
}

/// Returns rows with input x and target 0. The last three have x = 10 and squared error 100, all others x = 1 and squared
/// error 1. The CPU evaluates 512 rows per batch.
fn with_a_different_end(rows: usize) -> Result<Dataset> {
    let input: Vec<f32> = (0..rows).map(|row| if row + 3 < rows { 1.0 } else { 10.0 }).collect();
    Dataset::numbers("end", 1, &input, 1, &vec![0.0; rows])
}

#[test]
fn an_evaluation_weighs_each_row_alike_however_many_are_evaluated_at_once() -> Result<()> {
    let model = mirror(1, Loss::mean_squared_error())?;
    for device in [Device::cpu(), Device::reference()] {
        for rows in [4, 511, 512, 513, 515, 1030, 1537] {
            let data = with_a_different_end(rows)?;
            let mean = |end: f64| (rows as f64 - 3.0 + 3.0 * end) / rows as f64;
            let found = model.evaluate_on(&device, &data)?;
            assert_relative_eq!(found.metric("loss")?, mean(100.0), max_relative = 1e-6);
            assert_relative_eq!(found.metric("mae")?, mean(10.0), max_relative = 1e-6);
            assert_relative_eq!(found.metric("rmse")?, mean(100.0).sqrt(), max_relative = 1e-6);
        }
    }
    // All rows are of class 0; the last three are predicted as class 1.
    let rows = 515;
    let input: Vec<f32> = (0..rows).flat_map(|row| if row < 512 { [1.0, 0.0] } else { [0.0, 1.0] }).collect();
    let data = Dataset::classes("end", 2, &input, &vec![0; rows], ["a", "b"])?;
    let found = mirror(2, Loss::softmax_cross_entropy())?.evaluate(&data)?;
    let [right, wrong] = [(1.0 + (-1.0f64).exp()).ln(), (1.0 + 1.0f64.exp()).ln()];
    assert_relative_eq!(found.metric("accuracy")?, 512.0 / 515.0);
    assert_relative_eq!(found.metric("loss")?, (512.0 * right + 3.0 * wrong) / 515.0, max_relative = 1e-6);
    Ok(())
}

/// The learning rate is so small that the parameters do not change.
#[test]
fn a_training_loss_weighs_each_row_alike_in_short_batches_too() -> Result<()> {
    let start = mirror(1, Loss::mean_squared_error())?.parameters;
    let data = with_a_different_end(30)?;
    let wanted = (27.0 + 300.0) / 30.0;
    for (batch, accumulate) in [(30, 1), (29, 1), (8, 1), (8, 3), (7, 2)] {
        let builder = Trainer::builder(Network::input(1).dense(1)).loss(Loss::mean_squared_error());
        let builder = builder.optimizer(Sgd::new(1e-30)).batch(batch).accumulate(accumulate);
        let mut trainer = builder.build(&Device::cpu())?;
        trainer.set_parameters(&start)?;
        let mut last = f64::NAN;
        let fit = Fit::epochs(1).validate(&data).on_submission(|progress| {
            last = progress.loss;
            ControlFlow::Continue(())
        });
        let history = trainer.fit(&data, fit)?;
        let epoch = &history.epochs[0];
        let validation = epoch.validation.as_ref().map_or(f64::NAN, |found| found.loss);
        for loss in [epoch.loss, validation, last] {
            assert_relative_eq!(loss, wanted, max_relative = 1e-6);
        }
        let steps = trainer.steps();
        assert_eq!(steps, 30usize.div_ceil(batch * accumulate) as u64);
        let loss = trainer.step(&data.input_rows(0..batch.min(30)), &vec![0.0; batch.min(30)])?.value()?;
        let ones = (batch.min(27)) as f64;
        assert_relative_eq!(
            f64::from(loss),
            (ones + 100.0 * (batch as f64 - ones)) / batch as f64,
            max_relative = 1e-6
        );
    }
    Ok(())
}

#[test]
fn several_labels_have_exact_matches_and_f1() -> Result<()> {
    let outputs = [2.0, -1.0, 3.0, -1.0, -2.0, -3.0, 1.0, 1.0, -1.0];
    let mut tested = 0;
    for loss in Loss::all().filter(|loss| loss.task(3) == Task::MultiLabel) {
        let model = mirror(3, loss)?;
        let evaluate = |targets: [f32; 9]| model.evaluate(&Dataset::numbers("labels", 3, &outputs, 3, &targets)?);
        let found = evaluate([1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0])?;
        assert_eq!(
            (found.accuracy, found.exact_match, found.f1),
            (Some(7.0 / 9.0), Some(1.0 / 3.0), Some(0.75)),
            "{loss}"
        );
        assert_eq!((found.metric("f1")?, found.r2, found.score()), (0.75, None, Some(("accuracy", 7.0 / 9.0))));
        let all =
            model.evaluate(&Dataset::numbers("labels", 3, &outputs, 3, &[1., 0., 1., 0., 1., 0., 1., 0., 0.])?)?;
        // Predicted: 3 labels, of which all are actual; actual: 4 labels, or 2, 1 and 1 per column.
        assert_eq!((all.metric("precision")?, all.metric("recall")?), (2.0 / 3.0, (1.0 + 0.0 + 1.0) / 3.0), "{loss}");
        tested += 1;
        if loss.function().range.contains(0.5) {
            let between = evaluate([0.5; 9])?;
            assert_eq!((between.accuracy, between.exact_match, between.f1), (None, None, None));
        }
    }
    assert!(tested >= 5);
    let one = mirror(1, Loss::hinge())?.evaluate(&Dataset::numbers("one", 1, &[1.0, 2.0], 1, &[0.0, 1.0])?)?;
    assert_eq!((one.accuracy, one.exact_match, one.f1), (Some(0.5), None, None));
    Ok(())
}

/// Outputs x of scaled targets predict 10 + 4·x. Errors are 2, −6 and 1, or 0.5, −1.5 and 0.25 of the scale.
#[test]
fn losses_of_scaled_targets_are_in_the_unit_of_the_target() -> Result<()> {
    let data = Dataset::numbers("numbers", 1, &[0.5, -1.0, 2.0], 1, &[10.0, 12.0, 17.0])?;
    let log_cosh = [0.5f64, 1.5, 0.25].map(|error| error.cosh().ln()).iter().sum::<f64>() / 3.0;
    for (loss, wanted) in [
        (Loss::mean_squared_error(), 41.0 / 3.0),
        (Loss::mean_absolute_error(), 3.0),
        // Beyond 4 it is straight.
        (Loss::huber(1.0), (2.0 + 4.0 * (6.0 - 2.0) + 0.5) / 3.0),
        (Loss::smooth_l1(1.0), (0.5 + 4.0 + 0.125) / 3.0),
        (Loss::quantile(0.25), (0.75 * 2.0 + 0.25 * 6.0 + 0.75) / 3.0),
        (Loss::log_cosh(), log_cosh),
    ] {
        let mut model = mirror(1, loss)?;
        model.metadata.target_scaling = Some(Standardization::new(vec![10.0], vec![4.0])?);
        assert_eq!(model.predict(&[0.5, -1.0, 2.0])?, [12.0, 6.0, 18.0]);
        let found = model.evaluate(&data)?;
        assert!((found.loss - wanted).abs() < 1e-9 * wanted, "{loss}: {} instead of {wanted}", found.loss);
        assert_eq!((found.mae, found.accuracy), (Some(3.0), None));
    }
    Ok(())
}

#[test]
fn outputs_of_poisson_are_logarithms_of_counts() -> Result<()> {
    let model = mirror(1, Loss::poisson())?;
    let [two, three] = [2.0f32.ln(), 3.0f32.ln()];
    let found = model.evaluate(&Dataset::numbers("counts", 1, &[two, three], 1, &[2.0, 1.0])?)?;
    assert!((found.metric("mae")? - 1.0).abs() < 1e-6 && (found.r2()? - (1.0 - 4.0 / 0.5)).abs() < 1e-5, "{found:?}");
    let predicted = model.predict(&[two, three])?;
    assert!((predicted[0] - 2.0).abs() < 1e-6 && (model.metadata.numbers(&[three])[0] - 3.0).abs() < 1e-6);
    let negative = model.evaluate(&Dataset::numbers("negative", 1, &[two, three], 1, &[2.0, -1.0])?);
    assert!(negative.expect_err("a count is not negative").to_string().contains("at least 0"));
    assert!(model.predict(&[100.0]).is_err(), "it is beyond the numbers of f32");
    let scaled = Trainer::builder(Network::input(1).dense(1)).loss(Loss::poisson()).scale_targets();
    assert!(scaled.build(&Device::cpu()).is_err());
    Ok(())
}

/// Only the second label's bias changes sign while training: the metric of the best epoch is that of its parameters.
#[test]
fn early_stopping_watches_metrics_of_labels() -> Result<()> {
    let input: Vec<f32> = (0..60).map(|at| (at % 7) as f32 - 3.0).collect();
    let targets: Vec<f32> = input.chunks(2).flat_map(|x| [f32::from(x[0] > 0.0), f32::from(x[0] > x[1])]).collect();
    let data = Dataset::numbers("labels", 2, &input, 2, &targets)?;
    for metric in ["exact_match", "f1", "accuracy", "f_beta(beta=2, average=weighted)", "roc_auc"] {
        let builder = Trainer::builder(Network::input(2).dense(2)).loss(Loss::binary_cross_entropy());
        let mut trainer = builder.optimizer(Sgd::new(0.5)).batch(8).build(&Device::cpu())?;
        let history = trainer.fit(&data, Fit::epochs(6).validate(&data).metric(metric.parse()?).patience(3))?;
        let values = history.epochs.iter().map(|epoch| epoch.validation.as_ref().map_or(Ok(0.0), |v| v.metric(metric)));
        let values = values.collect::<Result<Vec<f64>>>()?;
        let best = values[history.best.unwrap_or_default() - 1];
        assert!(values.iter().all(|value| *value <= best), "{metric}: {values:?}");
        assert_eq!(trainer.evaluate_with(&data, &[metric.parse()?])?.metric(metric)?, best);
    }
    Ok(())
}

/// ln 2, e⁻¹⁰⁰ and e⁻¹⁰⁰⁰ by hand; PyTorch's `log_softmax` and `logsigmoid` give the same.
#[test]
fn log_probabilities_are_exact_where_probabilities_are_0_or_1() -> Result<()> {
    let ln_2 = std::f32::consts::LN_2;
    let softmax = mirror(2, Loss::softmax_cross_entropy())?;
    let found = softmax.predict_log_probabilities(&[0.0, 0.0, 1000.0, 0.0, -20.0, 20.0])?;
    // ln(1 + e⁻⁴⁰) = e⁻⁴⁰ − …
    let tiny = (-40f64).exp() as f32;
    assert_eq!(found, [-ln_2, -ln_2, 0.0, -1000.0, -40.0, -tiny]);
    let sigmoid = mirror(1, Loss::focal(2.0))?;
    assert_eq!(sigmoid.predict_log_probabilities(&[0.0, -100.0, 40.0])?, [-ln_2, -100.0, -tiny]);
    for loss in [Loss::hinge(), Loss::mean_squared_error()] {
        let message = mirror(1, loss)?.predict_log_probabilities(&[0.0]).expect_err("no probability").to_string();
        assert!(message.contains("gives no probabilities; train with"), "{message}");
    }
    Ok(())
}
