//! `wgrad explain`.

use wgrad::data::{CsvOptions, KindChoice, Preparation, Table};
use wgrad::{Device, Loss, Model, Network, Trainer};

use super::{Folder, assert_narrow, says, stderr, text, unwrapped};

/// Writes `t.csv` and `m.safetensors`: y = 3·size + 1 if the color is blue or red, which it always is.
fn sizes(folder: &Folder) {
    let row = |row: i32| format!("{},{},{}\n", row - 3, ["blue", "red"][row as usize % 2], 3 * (row - 3) + 1);
    folder.write("t.csv", format!("size,color,y\n{}", (0..7).map(row).collect::<String>()));
    // Else consecutive numbers would be left out.
    let kinds = [("size".into(), KindChoice::Number), ("color".into(), KindChoice::Category)].into();
    let form = CsvOptions { kinds, ..CsvOptions::default() };
    let table = Table::read(folder.path().join("t.csv"), &form).expect("a table");
    let preparation = Preparation::fit(&table, &table.rows()).expect("a preparation");
    assert_eq!(preparation.inputs(), ["size", "color=blue", "color=red"]);
    let network = Network::input(3).dense(1);
    let trainer = Trainer::builder(network).loss(Loss::mean_squared_error()).build(&Device::cpu());
    let mut model = trainer.and_then(Trainer::into_model).expect("a model");
    model.parameters[0].values = vec![3.0, 1.0, 1.0];
    model.metadata.targets = vec!["y".into()];
    model.metadata.prepare_with(preparation);
    model.save(folder.path().join("m.safetensors")).expect("saved");
}

/// The sizes are -3 to 3, so that y has the variance 36. R² is 1, and falls by 9·Σ (a - b)² / 7 / 36, which is a
/// multiple of 2·9 / 252. The inputs of the color are permuted together, so that their sum stays 1.
#[test]
fn falls_are_those_of_the_metric_and_inputs_of_a_column_belong_together() {
    let folder = Folder::new();
    sizes(&folder);
    let explain = ["explain", "m.safetensors", "t.csv"];
    let events = folder.events(&explain);
    let found = &events[0];
    assert_eq!((&found["metric"], &found["value"], &found["rows"]), (&"r2".into(), &1.0.into(), &7.into()));
    let [size, color] = [&found["columns"][0], &found["columns"][1]];
    assert_eq!((&size["column"], &size["inputs"]), (&"size".into(), &1.into()));
    assert_eq!((&color["column"], &color["inputs"]), (&"color".into(), &2.into()));
    let numbers = |column: &serde_json::Value| -> Vec<f64> {
        column["falls"].as_array().expect("falls").iter().map(|fall| fall.as_f64().expect("a number")).collect()
    };
    let (falls, none) = (numbers(size), numbers(color));
    assert_eq!((falls.len(), none), (5, vec![0.0; 5]));
    for fall in &falls {
        let count = fall * 252.0 / 18.0;
        assert!((count - count.round()).abs() < 1e-9 && count >= 0.0, "{fall}");
    }
    let mean = falls.iter().sum::<f64>() / 5.0;
    let deviation = (falls.iter().map(|fall| (fall - mean).powi(2)).sum::<f64>() / 5.0).sqrt();
    assert!(mean > 0.5, "{falls:?}");
    let told = folder.succeed(&explain);
    assert_narrow(&told);
    let bar = "█".repeat(24);
    let lines = [
        "r2 1.0000 on all 7 rows of t.csv".into(),
        "column  fall of r2".into(),
        format!("size        {mean:.4}  ± {deviation:.4}  {bar}"),
        "color       0.0000  ± 0.0000".into(),
    ];
    assert_eq!(told.lines().collect::<Vec<_>>(), lines);
    assert_eq!(folder.events(&explain), events, "the same seed gives the same numbers");
    let other = folder.events(&[&explain[..], &["--seed", "1", "--repeats", "3"]].concat());
    assert_ne!(numbers(&other[0]["columns"][0]), falls[..3]);
}

#[test]
fn metrics_are_chosen_and_pictures_drawn() {
    let folder = Folder::new();
    sizes(&folder);
    let explain = ["explain", "m.safetensors", "t.csv", "--metric", "mae", "--out", "i.svg"];
    let output = folder.run(&explain);
    let told = text(&output.stdout);
    says(&told, &["mae 0", "fall of mae", "\npicture: i.svg\n"]);
    let picture = text(&folder.read("i.svg"));
    says(&picture, &["t.csv: importance of columns", "size", "color", "fall of mae", "on 7 rows, 5 permutations"]);
    folder.succeed(&[&explain[..6], &["i.png", "--dark"]].concat());
    assert!(folder.read("i.png").starts_with(b"\x89PNG"));
    for (arguments, parts) in [
        (&["--metric", "accuracy"][..], &["metric `accuracy`", "it needs"][..]),
        (&["--out", "t.csv"], &["would replace the model or the data"]),
        (&["--out", "i.pdf"], &["named *.svg or *.png"]),
        (&["--repeats", "0"], &["--repeats"]),
        (&["--dark"], &["--out"]),
    ] {
        says(&folder.fail(&[&explain[..3], arguments].concat()), parts);
    }
}

#[test]
fn classes_and_rows_of_the_training_are_told() {
    let folder = Folder::new();
    folder.succeed(&["train", "iris", "--epochs", "20"]);
    let output = folder.run(&["explain", "iris.safetensors", "iris"]);
    let told = text(&output.stdout);
    assert_narrow(&told);
    says(&unwrapped(&told), &["accuracy 0.", " on all 150 rows of iris", "fall of accuracy"]);
    says(&stderr(&output), &["the model was trained on 105 of these rows"]);
    assert_eq!(told.lines().count(), 6, "{told}");
    let names = Model::load(folder.path().join("iris.safetensors")).expect("a model").metadata.columns;
    names.iter().for_each(|name| says(&told, &[name]));
}
