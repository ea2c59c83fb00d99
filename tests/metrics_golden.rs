//! Metrics of given predictions against scikit-learn, their texts, and their errors. Metrics of models are in `tests/metrics.rs`.

use approx::assert_relative_eq;
use serde_json::Value;
use wgrad::Result;
use wgrad::metrics::{self, Average, Metric, Needs, Predictions};

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|number| number.as_f64().expect("a number")).collect()
}

fn classes(value: &Value) -> Vec<u32> {
    numbers(value).into_iter().map(|class| class as u32).collect()
}

/// Values by `tests/golden/metrics.py`; null is scikit-learn's NaN, which is an error here. A metric without a value there is an
/// error.
#[test]
fn every_metric_is_that_of_scikit_learn() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("golden/metrics.json")).expect("JSON");
    let mut compared = Vec::new();
    for case in &cases {
        let [one, two] = match case["kind"].as_str() {
            Some("classes") => ["actual", "predicted"],
            Some("numbers") => ["targets", "outputs"],
            _ => ["actual", "scores"],
        };
        let (targets, outputs) = (numbers(&case[one]), numbers(&case[two]));
        let (actual, predicted) = (classes(&case[one]), classes(&case[two]));
        let mut predictions = match case["kind"].as_str() {
            Some("classes") => Predictions::classes(&actual, &predicted),
            Some("scores") => Predictions::scores(&actual, &outputs),
            Some("labels") => {
                Predictions::labels(&actual, &outputs, case["columns"].as_u64().expect("a number") as usize)
            }
            Some("probabilities") => Predictions::probabilities(&actual, &outputs),
            _ => Predictions::numbers(&targets, &outputs).columns(case["columns"].as_u64().expect("a number") as usize),
        };
        let weights = case["weights"].as_array().map(|_| numbers(&case["weights"]));
        if let Some(weights) = &weights {
            predictions = predictions.weights(weights);
        }
        if let Some(count) = case["class_count"].as_u64() {
            predictions = predictions.class_count(count as usize);
        }
        for (text, wanted) in case["metrics"].as_object().expect("metrics") {
            let metric: Metric = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            let found = metric.compute(&predictions);
            println!("{}: {text}: {wanted}, found {found:?}", case["name"]);
            match wanted.as_f64() {
                Some(wanted) => {
                    let found = found.unwrap_or_else(|error| panic!("{}: {error}", case["name"]));
                    assert_relative_eq!(found, wanted, max_relative = 1e-12, epsilon = 1e-12);
                    let [least, most] = metric.range();
                    assert!((least..=most).contains(&found), "{metric}: {found} is not in [{least}, {most}]");
                    compared.push((metric.name(), weights.is_some()));
                }
                None => assert!(found.expect_err("NaN").to_string().contains("undefined"), "{}: {text}", case["name"]),
            }
        }
    }
    for metric in Metric::all() {
        for weighted in [false, true] {
            let is_compared = compared.contains(&(metric.name(), weighted));
            assert!(is_compared, "no golden numbers of {} (with weights: {weighted})", metric.name());
        }
    }
}

#[test]
fn the_text_of_a_metric_is_parsed_again() -> Result<()> {
    for metric in Metric::all() {
        assert_eq!(metric.to_string(), metric.name());
        assert_eq!([metric.name().parse::<Metric>()?, metric.signature().parse()?], [metric; 2]);
    }
    for (text, shown) in [
        ("f_beta(beta=2, average=weighted)", "f_beta(beta=2, average=weighted)"),
        (" f_beta( 0.5 ) ", "f_beta(beta=0.5, average=macro)"),
        ("precision(macro)", "precision"),
        ("pinball(0.9)", "pinball(quantile=0.9)"),
        ("top_k_accuracy(k=2)", "top_k_accuracy"),
    ] {
        assert_eq!(text.parse::<Metric>()?.to_string(), shown);
    }
    for (text, problem) in [
        ("acuracy", "unknown metric `acuracy`, did you mean `accuracy`?"),
        ("f_beta(beta=-1)", "beta is -1, but must be finite and at least 0"),
        ("f_beta(beta=inf)", "beta is inf"),
        ("f_beta(beta=x)", "beta is `x`, but must be a number"),
        ("f_beta(average=macra)", "unknown average `macra`, did you mean `macro`?"),
        ("top_k_accuracy(k=0)", "k is 0, but must be a whole number of at least 1"),
        ("top_k_accuracy(k=1.5)", "k is 1.5"),
        ("top_k_accuracy(k=NaN)", "k is NaN"),
        ("pinball(quantile=1.5)", "quantile is 1.5, but must be between 0 and 1"),
        ("mae(quantile=2)", "it has no option `quantile`"),
        ("mae(2)", "number of values is 1, but must be at most 0"),
        ("recall(beta=2)", "unknown option `beta`"),
    ] {
        let message = text.parse::<Metric>().expect_err(text).to_string();
        assert!(message.contains(problem), "{text}: {message}");
    }
    Ok(())
}

#[test]
fn predictions_that_do_not_fit_say_where_and_why() {
    type Function = fn(&Predictions<'_>) -> Result<f64>;
    let [accuracy, log_loss, r2, roc_auc]: [Function; 4] =
        [metrics::accuracy, metrics::log_loss, metrics::r2, metrics::roc_auc];
    let cases: [(Function, Predictions<'_>, &str); 27] = [
        (accuracy, Predictions::classes(&[], &[]), "no rows"),
        (accuracy, Predictions::classes(&[0, 1], &[0]), "number of predicted classes is 1"),
        (accuracy, Predictions::classes(&[0, 1], &[0, 2]).class_count(2), "row 1 (from 0): predicted class is 2"),
        (accuracy, Predictions::classes(&[0, 3], &[0, 2]).class_count(3), "row 1 (from 0): actual class is 3"),
        (accuracy, Predictions::classes(&[0], &[0]).weights(&[1.0, 1.0]), "number of weights is 2"),
        (accuracy, Predictions::classes(&[0, 0], &[0, 0]).weights(&[1.0, -1.0]), "row 1 (from 0): weight is -1"),
        (accuracy, Predictions::classes(&[0], &[0]).weights(&[f64::NAN]), "weight is NaN"),
        (accuracy, Predictions::classes(&[0], &[0]).weights(&[0.0]), "the sum of all weights is 0"),
        (accuracy, Predictions::numbers(&[1.0], &[1.0]), "needs classes, but the predictions are numbers"),
        (log_loss, Predictions::scores(&[1], &[1.0]), "needs probabilities, but the predictions are scores"),
        (log_loss, Predictions::probabilities(&[1], &[1.5]), "row 0 (from 0): probability 0 is 1.5"),
        (
            log_loss,
            Predictions::probabilities(&[1, 0], &[0.5, 0.5, 0.9, 0.9]),
            "row 1 (from 0): the sum of probabilities is 1.8",
        ),
        (log_loss, Predictions::probabilities(&[1, 2], &[0.5, 0.5]), "row 1 (from 0): actual class is 2"),
        (log_loss, Predictions::probabilities(&[1, 0], &[0.5, 0.2, 0.3]), "number of scores is 3"),
        (log_loss, Predictions::probabilities(&[1, 0], &[]), "number of scores is 0"),
        (roc_auc, Predictions::classes(&[1], &[1]), "needs scores, but the predictions are classes"),
        (roc_auc, Predictions::scores(&[0, 1], &[0.0, f64::NAN]), "row 1 (from 0): score 0 is NaN"),
        (roc_auc, Predictions::scores(&[0, 1, 0], &[1.0; 9]), "no row, or every row, is of class 2"),
        (accuracy, Predictions::labels(&[0, 2], &[0.0; 2], 2), "row 0 (from 0): label 1 is 2, but must be 0 or 1"),
        (accuracy, Predictions::labels(&[0, 1], &[0.0; 3], 2), "number of scores is 3"),
        (accuracy, Predictions::labels(&[0, 1, 1], &[0.0; 3], 2), "number of actual labels is 3"),
        (log_loss, Predictions::labels(&[0, 1], &[0.0; 2], 2), "needs probabilities, but the predictions are labels"),
        (roc_auc, Predictions::labels(&[0, 1, 1, 1], &[0.5; 4], 2), "no row, or every row, has label 1"),
        (r2, Predictions::numbers(&[1.0, 2.0], &[1.0]), "number of outputs is 1"),
        (r2, Predictions::numbers(&[1.0; 3], &[1.0; 3]).columns(2), "number of targets is 3"),
        (
            r2,
            Predictions::numbers(&[1.0; 4], &[1.0, 1.0, 1.0, f64::INFINITY]).columns(2),
            "row 1 (from 0): output 1 is inf",
        ),
        (r2, Predictions::numbers(&[1e200, 0.0], &[0.0, 0.0]), "undefined, since the numbers are so large"),
    ];
    for (function, predictions, problem) in cases {
        let message = function(&predictions).expect_err(problem).to_string();
        assert!(message.contains(problem), "{message}");
    }
    let three = Predictions::classes(&[0, 1, 2], &[0, 1, 2]);
    let message = metrics::precision(&three, Average::Binary).expect_err("three classes").to_string();
    assert!(message.contains("a class is 2, but must be 0 or 1"), "{message}");
    let message = metrics::pinball(&Predictions::numbers(&[1.0], &[1.0]), f64::NAN).expect_err("NaN").to_string();
    assert!(message.contains("quantile is NaN"), "{message}");
    assert!(metrics::r2(&Predictions::numbers(&[1.0], &[1.0]).columns(0)).is_err());
}

/// A plain sum of a million times 0.1 is wrong in the tenth digit.
#[test]
fn metrics_of_many_rows_do_not_drift() -> Result<()> {
    let rows = 1_000_000;
    let (targets, outputs, weights) = (vec![0.0; rows], vec![0.1; rows], vec![0.1; rows]);
    let predictions = Predictions::numbers(&targets, &outputs);
    for predictions in [predictions, predictions.weights(&weights)] {
        assert_relative_eq!(metrics::mae(&predictions)?, 0.1, max_relative = 4.0 * f64::EPSILON);
        assert_relative_eq!(metrics::rmse(&predictions)?, 0.1, max_relative = 4.0 * f64::EPSILON);
    }
    let (actual, probabilities) = (vec![1; rows], vec![0.9; rows]);
    let predictions = Predictions::probabilities(&actual, &probabilities);
    for predictions in [predictions, predictions.weights(&weights)] {
        assert_relative_eq!(metrics::log_loss(&predictions)?, -0.9f64.ln(), max_relative = 4.0 * f64::EPSILON);
        assert_eq!(metrics::recall(&predictions, Average::Binary)?, 1.0);
    }
    Ok(())
}

#[test]
fn rows_of_weight_0_do_not_count_and_weight_2_is_that_of_two_rows() -> Result<()> {
    let (actual, q) = ([0, 1, 1, 0, 1, 0], [0.25, 0.75, 0.4, 0.6, 0.4, 0.9]);
    let weights = [2.0, 1.0, 1.0, 2.0, 1.0, 0.0];
    let (twice, q_twice) = ([0, 0, 1, 1, 0, 0, 1], [0.25, 0.25, 0.75, 0.4, 0.6, 0.6, 0.4]);
    let (labels, labels_twice) = ([0, 1, 1, 1, 1, 0, 0, 0, 1, 1, 0, 0], [0, 1, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 1, 1]);
    let [scores, scores_twice] = [&actual[..], &twice[..]]
        .map(|rows| rows.iter().flat_map(|class| [0.5, f64::from(*class) - 0.5]).collect::<Vec<_>>());
    let predictions = [
        (Predictions::probabilities(&actual, &q).weights(&weights), Predictions::probabilities(&twice, &q_twice)),
        (Predictions::numbers(&q, &[0.5; 6]).weights(&weights), Predictions::numbers(&q_twice, &[0.5; 7])),
        (
            Predictions::labels(&labels, &scores, 2).weights(&weights),
            Predictions::labels(&labels_twice, &scores_twice, 2),
        ),
    ];
    for metric in Metric::all() {
        let place = [Needs::Numbers, Needs::Labels].iter().position(|needs| *needs == metric.needs());
        let (weighted, repeated) = &predictions[place.map_or(0, |place| place + 1)];
        assert_relative_eq!(metric.compute(weighted)?, metric.compute(repeated)?, max_relative = 1e-14);
    }
    Ok(())
}
