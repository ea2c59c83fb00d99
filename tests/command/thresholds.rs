//! `wgrad train --threshold`.

use serde_json::Value;

use super::{Folder, rows, says, unwrapped};

/// Writes a table in which `yes` is rare, and uncertain: `t.csv` to train on, `v.csv` to validate.
fn rare(folder: &Folder) {
    let row = |n: u32| format!("{},{}\n", n % 100, if n % 100 + n * 7 % 40 > 118 { "yes" } else { "no" });
    folder.write("t.csv", format!("x,y\n{}", (0..600).map(row).collect::<String>()));
    folder.write("v.csv", format!("x,y\n{}", (1000..1300).map(row).collect::<String>()));
}

/// Predicted class, probability of `yes` and actual class of each row of `v.csv`.
fn predictions(folder: &Folder) -> Vec<(bool, f64, bool)> {
    let predicted = rows(&folder.succeed(&["predict", "t.safetensors", "v.csv"]));
    let actual = rows(&String::from_utf8(folder.read("v.csv")).expect("UTF-8"));
    let row = |(predicted, actual): (&Vec<String>, &Vec<String>)| {
        (predicted[0] == "yes", predicted[2].parse().expect("a probability"), actual[1] == "yes")
    };
    predicted[1..].iter().zip(&actual[1..]).map(row).collect()
}

/// Mean of the recalls of both classes, with `yes` predicted above a threshold.
fn balanced_accuracy(rows: &[(bool, f64, bool)], threshold: f64) -> f64 {
    let recall = |class: bool| {
        let own = rows.iter().filter(|row| row.2 == class);
        let right = own.clone().filter(|row| (row.1 > threshold) == class).count();
        right as f64 / own.count() as f64
    };
    (recall(false) + recall(true)) / 2.0
}

const TRAIN: [&str; 8] = ["train", "t.csv", "--validation", "v.csv", "--test", "0", "--preset", "fast"];

#[test]
fn auto_has_the_highest_balanced_accuracy_and_is_used_by_all_commands() {
    let folder = Folder::new();
    rare(&folder);
    let events = folder.events(&[&TRAIN[..], &["--epochs", "8", "--threshold", "auto"]].concat());
    let summary = &events[events.len() - 1];
    let threshold = summary["threshold"].as_f64().expect("a threshold");
    assert_eq!(summary["class_above_threshold"], "yes");
    let rows = predictions(&folder);
    assert!(rows.iter().all(|row| row.0 == (row.1 > threshold)), "classes do not follow {threshold}");
    let (found, usual) = (balanced_accuracy(&rows, threshold), balanced_accuracy(&rows, 0.5));
    let best = rows.iter().map(|row| balanced_accuracy(&rows, row.1)).fold(0.0, f64::max);
    assert!(found > usual + 0.02, "{found} and {usual}");
    assert!((found - best).abs() < 1e-9, "{found}, but {best} is possible");
    let accuracy = rows.iter().filter(|row| row.0 == row.2).count() as f64 / rows.len() as f64;
    let evaluated: Value = folder.events(&["evaluate", "t.safetensors", "v.csv"])[0].clone();
    for report in [summary, &evaluated] {
        assert!((report["accuracy"].as_f64().expect("it") - accuracy).abs() < 1e-9, "{accuracy}: {report}");
        assert!((report["balanced_accuracy"].as_f64().expect("it") - found).abs() < 1e-9, "{found}: {report}");
        let count = |is: bool, was: bool| rows.iter().filter(|row| (row.2, row.0) == (is, was)).count();
        let counts = [[count(false, false), count(false, true)], [count(true, false), count(true, true)]];
        assert_eq!(report["confusion"], serde_json::json!(counts));
        assert_eq!(report["threshold"], threshold);
    }
}

#[test]
fn a_fixed_threshold_is_stored_and_said() {
    let folder = Folder::new();
    rare(&folder);
    let train = [&TRAIN[..], &["--epochs", "2"]].concat();
    let said = "threshold 0.3000: `yes` is predicted above this probability";
    for command in [&[&train[..], &["--threshold", "0.3"]].concat()[..], &["evaluate", "t.safetensors", "v.csv"]] {
        says(&unwrapped(&folder.succeed(command)), &[said]);
    }
    says(&folder.succeed(&["show", "t.safetensors"]), &[said]);
    assert!(predictions(&folder).iter().all(|row| row.0 == (row.1 > 0.3)));
    // Another threshold is another model.
    says(&folder.succeed(&train), &["model: t-2.safetensors"]);
    for (arguments, parts) in [
        (&["train", "iris", "--threshold", "0.3"][..], &["`--threshold`", "3 classes"][..]),
        (&["train", "sine", "--threshold", "auto"], &["`--threshold`", "not one of two classes"]),
        (&["train", "t.csv", "--threshold", "1"], &["above 0 and below 1"]),
        (&["train", "t.csv", "--threshold", "auto", "--validation", "0"], &["`--threshold auto`", "no validation set"]),
    ] {
        says(&folder.fail(arguments), parts);
    }
}
