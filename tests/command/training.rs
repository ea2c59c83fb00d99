//! `wgrad train`.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use wgrad::{Dataset, Model, Split};

use super::bad_usage::expect;
use super::{Folder, says, stderr, text, unwrapped};

/// All but the time that it took.
fn settled(mut summary: serde_json::Value) -> serde_json::Value {
    summary.as_object_mut().expect("an object").remove("seconds").expect("seconds are told");
    summary
}

#[test]
fn events_come_in_order_with_their_fields() {
    for (data, test) in [("iris", 22), ("moons", 150)] {
        let folder = Folder::new();
        let events = folder.events(&["train", data, "--epochs", "5"]);
        let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().expect("a name")).collect();
        assert_eq!(names, ["start", "epoch", "epoch", "epoch", "epoch", "epoch", "summary"]);
        let (start, epoch, summary) = (&events[0], &events[3], &events[6]);
        for field in ["network", "loss", "optimizer", "device", "reason", "schedule", "model", "data"] {
            assert!(start[field].is_string(), "{field} of {start}");
        }
        for field in ["parameters", "seed", "batch", "epochs", "learning_rate", "inputs", "outputs"] {
            assert!(start[field].is_number(), "{field} of {start}");
        }
        assert_eq!(start["rows"]["test"], test);
        assert_eq!((&epoch["epoch"], &epoch["epochs"]), (&3.into(), &5.into()));
        assert!(epoch["loss"].is_f64() && epoch["validation"]["accuracy"].is_f64(), "{epoch}");
        assert_eq!((&summary["rows"], &summary["evaluated_on"]), (&test.into(), &"test".into()));
        assert_eq!(summary["steps"], events[5]["steps"]);
        for field in ["accuracy", "loss", "seconds"] {
            assert!(summary[field].is_f64(), "{field} of {summary}");
        }
        assert_eq!(summary["model"], format!("{data}.safetensors"));
        assert_eq!(folder.files(), [format!("{data}.safetensors")]);
    }
}

/// 105 rows in batches of 16: 7 steps an epoch, or 3.
#[test]
fn batches_are_accumulated_and_reported() {
    let folder = Folder::new();
    for (accumulate, steps, said) in
        [("1", 14, ", batch size 16,"), ("3", 6, ", batch size 3 × 16 (gradient accumulation),")]
    {
        let train = ["train", "iris", "--epochs", "2", "--accumulate", accumulate, "--force"];
        let events = folder.events(&train);
        assert_eq!(events[0]["accumulate"].to_string(), accumulate);
        assert_eq!(events[3]["steps"], steps);
        // A cosine over all steps: the last one's rate is not yet 0.
        assert!(events[2]["learning_rate"].as_f64().is_some_and(|rate| rate > 0.0 && rate < 1e-3), "{}", events[2]);
        let lines = unwrapped(&folder.succeed(&train));
        assert!(lines.contains(said), "{lines}");
    }
    // More rows than there are numbers for are all rows.
    let most = usize::MAX.to_string();
    let events = folder.events(&["train", "iris", "--epochs", "2", "--batch", &most, "--accumulate", "2", "--force"]);
    assert_eq!(events[3]["steps"], 2);
}

#[test]
fn the_same_seed_gives_the_same_file_for_any_number_of_threads() {
    let folder = Folder::new();
    let mut files = Vec::new();
    for threads in ["1", "1", "2", "3"] {
        let train = ["train", "moons", "--epochs", "2", "--seed", "5", "--hidden", "300 relu dropout(0.2) 50 tanh"];
        folder.succeed(&[&train[..], &["--batch", "200", "--threads", threads]].concat());
        files.push(folder.read("moons.safetensors"));
    }
    assert!(files.iter().all(|file| *file == files[0]));
    let network = "300 relu dropout(0.2) 50 tanh";
    folder.succeed(&["train", "moons", "--epochs", "2", "--seed", "6", "--hidden", network, "--force"]);
    assert_ne!(folder.read("moons.safetensors"), files[0], "another seed gives another model");
}

#[test]
fn people_read_a_line_for_each_epoch_and_what_to_do_next() {
    let folder = Folder::new();
    let output = folder.run(&["train", "iris", "--epochs", "3", "--out", "my flowers.safetensors"]);
    let lines = text(&output.stdout);
    assert_eq!(lines.lines().filter(|line| line.starts_with("epoch ")).count(), 3, "{lines}");
    assert!(lines.contains("\ntest accuracy ") && lines.contains("on 22 rows"), "{lines}");
    assert!(lines.ends_with("next: wgrad predict 'my flowers.safetensors' iris\n"), "{lines}");
    assert!(output.stderr.is_empty(), "without a terminal there is no bar: {}", stderr(&output));
}

#[test]
fn gates_are_learned_and_evaluated_on_all_rows() {
    let folder = Folder::new();
    for gate in ["and", "or", "xor"] {
        let events = folder.events(&["train", gate]);
        let (start, summary) = (&events[0], &events[events.len() - 1]);
        assert_eq!((&start["loss"], &start["rows"]["train"]), (&"binary_cross_entropy".into(), &4.into()));
        assert_eq!((&summary["accuracy"], &summary["evaluated_on"]), (&1.0.into(), &"all".into()));
    }
    assert!(folder.succeed(&["train", "or"]).contains("all to train and to evaluate on"));
}

#[test]
fn numbers_are_predicted_in_the_units_of_the_table() {
    let folder = Folder::new();
    let row = |area: u32| format!("{area},{}\n", 100_000 + 3_000 * area);
    folder.write("house.csv", format!("area,price\n{}", (20..120).map(row).collect::<String>()));
    let events = folder.events(&["train", "house.csv", "--target", "price"]);
    let summary = &events[events.len() - 1];
    assert!(summary["r2"].as_f64().expect("a score") > 0.98, "{summary}");
    assert_eq!(summary["model"], "house.safetensors");
    let [mae, rmse] = ["mae", "rmse"].map(|error| summary[error].as_f64().expect("an error in the price's unit"));
    assert!(mae > 1.0 && mae <= rmse && rmse < 15_000.0, "{summary}");
    let text = folder.succeed(&["evaluate", "house.safetensors", "house.csv"]);
    let words = ["R² ", ", MAE ", ", RMSE ", ", loss ", " on all 100 rows"];
    assert!(words.iter().all(|word| text.contains(word)), "{text}");
    let price = folder.succeed(&["predict", "house.safetensors", "house.csv"]);
    let first: f64 = price.lines().nth(41).expect("a row").parse().expect("a number");
    assert!((first - 280_000.0).abs() < 15_000.0, "60 m² for {first}");
}

#[test]
fn losses_are_in_the_units_of_the_table() {
    let folder = Folder::new();
    let row = |area: u32| format!("{area},{}\n", 100_000 + 3_000 * area);
    folder.write("house.csv", format!("area,price\n{}", (20..120).map(row).collect::<String>()));
    let events = folder.events(&["train", "house.csv", "--preset", "fast", "--epochs", "8"]);
    let best = events[events.len() - 1]["best_epoch"].as_u64().expect("a best epoch") as usize;
    let told = events[best]["validation"]["loss"].as_f64().expect("a loss");

    let data = Dataset::from_csv(folder.path().join("house.csv"), None).expect("a table");
    let (train, validation, _) = data.split(Split::parts(0.7, 0.15)).expect("split");
    let model = Model::load(folder.path().join("house.safetensors")).expect("a model");
    let left = model.evaluate(&validation).expect("evaluated");
    let found = left.loss;
    assert!((told / found - 1.0).abs() < 1e-3, "epoch {best} tells {told}, the model that it left has {found}");
    for error in ["mae", "rmse", "r2"] {
        let (told, found) = (&events[best]["validation"][error], left.metric(error).expect("a regression has it"));
        assert!(told.as_f64().is_some_and(|told| (told / found - 1.0).abs() < 1e-3), "{error}: {told}, then {found}");
    }
    // Before anything is learned the loss is about the variance of the prices, 1e10; never the 1 of scaled ones.
    let (first, after) = (&events[1]["loss"], model.evaluate(&train).expect("evaluated").loss);
    assert!(first.as_f64().is_some_and(|loss| loss > after && loss < 2e10), "{first}, then {after}");
    let help = folder.succeed(&["train", "--help"]);
    assert!(help.contains("the square of the target column's unit"), "{help}");
}

#[test]
fn the_best_epoch_may_be_chosen_by_a_metric() {
    let folder = Folder::new();
    let line = ["train", "two_moons", "--epochs", "12", "--metric", "brier_score", "--plot", "curves.svg"];
    let events = folder.events(&line);
    let summary = &events[events.len() - 1];
    let values: Vec<f64> = events[1..events.len() - 1]
        .iter()
        .map(|epoch| epoch["validation"]["brier_score"].as_f64().expect("a metric"))
        .collect();
    let best = (1..values.len()).fold(0, |best, at| if values[at] < values[best] { at } else { best });
    assert_eq!((values.len(), &summary["metric"]), (12, &"brier_score".into()));
    assert_eq!(summary["best_epoch"], best + 1);
    let words = format!("epoch {}, kept: the best validation brier_score", best + 1);
    assert!(String::from_utf8_lossy(&folder.read("curves.svg")).contains(&words), "{words}");
    let text = folder.succeed(&[&line[..], &["--force"]].concat());
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("%, brier_score 0.") && text.contains("with the best validation brier_score"), "{text}");
}

#[test]
fn patience_stops_early_and_the_best_epoch_is_reported() {
    let folder = Folder::new();
    let events = folder.events(&["train", "moons", "--epochs", "200", "--patience", "3", "--schedule", "constant"]);
    let summary = settled(events[events.len() - 1].clone());
    let (epochs, best) = (summary["epochs"].as_u64().expect("a number"), summary["best_epoch"].as_u64());
    assert!(epochs < 200 && best == Some(epochs - 3), "{summary}");
    let again = folder.events(&["train", "moons", "--epochs", "200", "--patience", "3", "--schedule", "constant"]);
    assert_eq!(settled(again[again.len() - 1].clone()), summary);
}

/// A file that another process saves meanwhile at the path of the model is kept, and so is the training.
#[test]
fn what_is_saved_in_a_model_s_place_while_it_trains_is_not_replaced() {
    let folder = Folder::new();
    folder.succeed(&["train", "moons", "--epochs", "1", "--seed", "1", "--out", "other.safetensors"]);
    folder.write("notes", "the user's");
    let train = ["train", "moons", "--epochs", "100", "--seed", "2", "--json", "--out", "m.safetensors"];
    let mut beside = Vec::new();
    for (copied, options, said) in [
        ("other.safetensors", &[][..], "m.safetensors: it holds a model with epochs = 1, but now it would be 100"),
        ("notes", &[], "m.safetensors: it exists, and is not a model that can be read"),
        ("other.safetensors", &["--force"], ""),
    ] {
        let mut child = folder.command(&[&train[..], options].concat());
        let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        lines.next().expect("it begins").expect("a line");
        let copy = folder.read(copied);
        folder.write("m.safetensors", &copy);
        let summary = lines.last().expect("a summary").expect("a line");
        let summary: serde_json::Value = serde_json::from_str(&summary).expect("JSON");
        let output = child.wait_with_output().expect("it ends");
        let message = stderr(&output);
        let saved = summary["model"].as_str().expect("a path").to_string();
        if said.is_empty() {
            assert_eq!((output.status.code(), saved.as_str()), (Some(0), "m.safetensors"), "{message}");
            assert!(folder.read("m.safetensors") != copy);
            continue;
        }
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains(said) && message.contains(&format!("this model was saved as `{saved}`")), "{message}");
        assert!(folder.read("m.safetensors") == copy);
        std::fs::remove_file(folder.path().join("m.safetensors")).expect("it is there");
        beside.push(saved);
    }
    assert_eq!(beside, ["m-2.safetensors", "m-3.safetensors"]);
    assert!(folder.read("m-2.safetensors") == folder.read("m-3.safetensors"));
    let model = Model::load(folder.path().join("m-2.safetensors")).expect("a model");
    assert_eq!(model.metadata.origin.expect("it says so").settings["seed"], "2");
}

/// Few different whole numbers are classes by default.
#[test]
fn a_loss_for_numbers_reads_whole_numbers_as_numbers() {
    let folder = Folder::new();
    folder
        .write("visits.csv", format!("x,visits\n{}", (0..60).map(|x| format!("{x},{}\n", x / 12)).collect::<String>()));
    let classes = folder.events(&["train", "visits.csv", "--epochs", "1"]);
    assert_eq!((&classes[0]["outputs"], &classes[0]["loss"]), (&5.into(), &"softmax_cross_entropy".into()));
    for loss in ["poisson", "mse", "huber(delta=2)"] {
        let events = folder.events(&["train", "visits.csv", "--epochs", "1", "--loss", loss, "--force"]);
        let (start, summary) = (&events[0], &events[events.len() - 1]);
        assert_eq!(start["outputs"], 1, "{loss}: {start}");
        assert!(summary["mae"].is_f64() && summary["accuracy"].is_null(), "{loss}: {summary}");
    }
    folder.write("text.csv", "x,y\n1,a\n2,b\n3,a\n4,b\n");
    let message = folder.fail(&["train", "text.csv", "--loss", "poisson"]);
    assert!(message.contains("column `y`") && message.contains("`a`"), "{message}");
}

/// A normal distribution has a mean and a standard deviation, quantiles have a column each.
#[test]
fn a_loss_with_several_outputs_per_target_has_several_columns_of_predictions() {
    let folder = Folder::new();
    let row = |x: u32| format!("{x},{}\n", 1000 + 7 * x + 40 * (x % 5));
    folder.write("house.csv", format!("area,price\n{}", (0..100).map(row).collect::<String>()));
    for (loss, outputs, columns) in [
        ("gaussian_nll", 2, "predicted_price,standard_deviation_price"),
        ("quantiles(0.1,0.5,0.9)", 3, "quantile_0.1_price,quantile_0.5_price,quantile_0.9_price"),
    ] {
        let options = ["--loss", loss, "--epochs", "60", "--hidden", "16 tanh", "--force"];
        let events = folder.events(&[&["train", "house.csv"][..], &options].concat());
        assert_eq!(events[0]["outputs"], outputs, "{loss}");
        let summary = &events[events.len() - 1];
        assert!(summary["r2"].as_f64().is_some_and(|r2| r2 > 0.8), "{loss}: {summary}");
        let predictions = folder.succeed(&["predict", "house.safetensors", "house.csv"]);
        let mut lines = predictions.lines();
        assert_eq!(lines.next(), Some(columns));
        for line in lines {
            let cells: Vec<f64> = line.split(',').map(|cell| cell.parse().expect("a number")).collect();
            assert_eq!(cells.len(), outputs, "{loss}: {line}");
            assert!(cells[0] > 900.0 && cells[0] < 2000.0, "{loss}: {line}");
            assert!(loss != "gaussian_nll" || (10.0..300.0).contains(&cells[1]), "{line}");
        }
        let found = &folder.events(&["evaluate", "house.safetensors", "house.csv"])[0];
        assert!(found["r2"].as_f64().is_some_and(|r2| r2 > 0.8), "{loss}: {found}");
    }
    let events = folder.events(&["train", "iris", "--loss", "multi_margin", "--epochs", "20"]);
    assert!(events[events.len() - 1]["accuracy"].as_f64().is_some_and(|accuracy| accuracy > 0.8));
    let message = folder.fail(&["train", "house.csv", "--loss", "quantiles(0.5,0.1)"]);
    assert!(message.contains("above 0.5"), "{message}");
    let message = folder.fail(&["train", "iris", "--loss", "soft_cross_entropy", "--force"]);
    assert!(message.contains("needs numbers") && message.contains("softmax_cross_entropy"), "{message}");
}

/// Rows of weight 0 have a target that no other row has.
#[test]
fn a_column_of_weights_is_no_input_and_weighs_training_and_evaluation() {
    let folder = Folder::new();
    let row = |x: u32| match x % 10 {
        0 => format!("{x},0,2000\n"),
        _ => format!("{x},1,{}.5\n", 2 * x),
    };
    folder.write("house.csv", format!("area,count,price\n{}", (0..100).map(row).collect::<String>()));
    let options = ["--weights", "count", "--epochs", "40", "--hidden", "", "--learning-rate", "0.1"];
    let events = folder.events(&[&["train", "house.csv"][..], &options].concat());
    assert_eq!(events[0]["inputs"], 1);
    let found = &folder.events(&["evaluate", "house.safetensors", "house.csv"])[0];
    assert!(found["mae"].as_f64().expect("an error") < 20.0, "{found}");
    let all = &folder.events(&["evaluate", "house.safetensors", "house.csv", "--weights", "area"])[0];
    assert!(all["mae"].as_f64().expect("an error") > 100.0, "{all}");
    folder.write("other.csv", "area,price\n1,2.5\n2,4.5\n3,6.5\n");
    let output = folder.command(&["evaluate", "house.safetensors", "other.csv"]).output().expect("the command starts");
    let stderr = stderr(&output);
    assert!(stderr.contains("all rows count alike, since there is no column `count`"), "{stderr}");
    let model = Model::load(folder.path().join("house.safetensors")).expect("a model");
    assert_eq!(model.metadata.table.expect("a table").weights.as_deref(), Some("count"));
    assert_eq!(model.metadata.origin.expect("an origin").settings["weights"], "count");
    expect(
        &folder,
        &[
            ("train house.csv --weights price", &["column `price` cannot have the weights, since it is the target"]),
            ("train house.csv --weights cuont", &["unknown column `cuont`", "did you mean `count`"]),
            ("train house.csv --weights count --drop count", &["`count` cannot have the weights"]),
            ("train iris --weights count", &["`--weights` is for tables, but iris is a data set"]),
            ("train house.csv --class-weight balanced", &["its targets are numbers, so there are no classes to weigh"]),
            ("train iris --class-weight setosa", &["--class-weight", "`balanced`, or as in `no=1,yes=5`"]),
            ("train iris --class-weight setsoa=2", &["unknown class `setsoa`, did you mean `setosa`"]),
        ],
    );
    let start = |weights: &str| {
        let arguments = ["train", "iris", "--epochs", "2", "--class-weight", weights, "--force"];
        let events = folder.events(&arguments);
        (events[1]["loss"].as_f64(), events[events.len() - 1]["loss"].as_f64())
    };
    assert_ne!(start("balanced"), start("setosa=20,virginica=0.5"));
}

/// The column has 17 values, and so 16 bins beside the number.
#[test]
fn tables_are_trained_by_their_number_of_rows_and_the_preset() {
    let folder = Folder::new();
    let row = |row: usize| format!("{},{}\n", row % 17, row % 5);
    let table = |rows: usize| format!("a,b\n{}", (0..rows).map(row).collect::<String>());
    folder.write("small.csv", table(1999));
    folder.write("large.csv", table(2000));
    for (data, preset, network) in [
        ("small.csv", None, "17 → scaling dense(128) mish dropout(0.4) dense(128) mish dropout(0.4) dense(5)"),
        ("large.csv", None, "17 → scaling dense(128) mish dropout(0.2) dense(128) mish dropout(0.2) dense(5)"),
        ("small.csv", Some("fast"), "17 → dense(64) tanh dropout(0.5) dense(5)"),
        ("large.csv", Some("fast"), "17 → dense(64) relu dense(64) relu dense(5)"),
        ("iris", Some("fast"), "4 → dense(16) tanh dense(3)"),
    ] {
        let preset: Vec<&str> = preset.into_iter().flat_map(|preset| ["--preset", preset]).collect();
        let start = folder.events(&[&["train", data, "--epochs", "1", "--force"], &preset[..]].concat())[0].clone();
        assert_eq!(start["network"], network, "{data} {preset:?}");
    }
}

/// Networks of `best` are those of runs with other seeds, and the model is their mean, divided by the temperature.
#[test]
fn best_stores_the_calibrated_mean_of_four_networks() {
    let folder = Folder::new();
    let train = ["train", "iris", "--epochs", "2", "--hidden", "3 tanh"];
    let told = unwrapped(&folder.succeed(&[&train[..], &["--preset", "best", "--seed", "3"]].concat()));
    says(&told, &["4 networks with different seeds; the model is their mean", "\nnetwork 4 of 4\n"]);
    // 105 rows in batches of 16: 7 steps per epoch.
    says(&told, &["\n4 networks, 8 epochs, 56 steps in ", "on the validation set: temperature "]);
    let load = |name: &str| Model::load(folder.path().join(name)).expect("a model");
    let best = load("iris.safetensors");
    assert_eq!(best.metadata.network.to_string(), "4 → dense(12) tanh dense(3)");
    let mut models = Vec::new();
    // Seeds are 2³² apart. The split would follow them, so each network trains on files.
    folder.succeed(&[&train[..], &["--seed", "3", "--save-split", "split", "--out", "m.safetensors"]].concat());
    let (training, validation) = ("split/train.csv", "split/validation.csv");
    let own = ["train", training, "--epochs", "2", "--hidden", "3 tanh", "--batch", "16", "--learning-rate", "0.01"];
    let own = [&own[..], &["--validation", validation, "--test", "0", "--weight-decay", "0.01"]].concat();
    let events = folder.events(&[&own[..], &["--preset", "best", "--seed", "3", "--out", "best.safetensors"]].concat());
    let summary = &events[events.len() - 1];
    for (field, number) in [("networks", 4), ("epochs", 8), ("steps", 56)] {
        assert_eq!(summary[field], number, "{field} of {summary}");
    }
    for number in 0..4_u64 {
        let (seed, out) = ((3 + (number << 32)).to_string(), format!("{number}.safetensors"));
        folder.succeed(&[&own[..], &["--seed", &seed, "--out", &out]].concat());
        models.push(load(&out));
    }
    let found = load("best.safetensors");
    let temperature = summary["temperature"].as_f64().expect("a temperature");
    let wanted = Model::merged(&models).and_then(|mean| mean.with_temperature(temperature)).expect("a model");
    assert_eq!(found.parameters, wanted.parameters);
    assert_eq!(
        found.metadata.record.as_ref().map(|record| (record.networks, record.temperature)),
        Some((4, Some(temperature)))
    );
    says(
        &unwrapped(&folder.succeed(&["show", "best.safetensors"])),
        &["4 networks, 8 epochs, 56 steps; calibrated with temperature "],
    );
    let verified = folder.succeed(&["verify", "--model", "best.safetensors", "--device", "cpu"]);
    assert!(!verified.contains("wrong"), "{verified}");
    let message = folder.fail(&["train", "iris", "--preset", "best", "--hidden", "8 layer_norm", "--force"]);
    says(&message, &["layer_norm", "cannot be merged"]);
}

/// Each network has its part of the logs and of the time limit, and regressions have no temperature.
#[test]
fn best_trains_regressions_with_logs_and_a_time_limit() {
    let folder = Folder::new();
    let train = ["train", "sine", "--preset", "best", "--hidden", "4 tanh", "--epochs", "3000", "--time-limit", "1ms"];
    let events = folder.events(&[&train[..], &["--log-dir", "logs"]].concat());
    let summary = &events[events.len() - 1];
    assert_eq!((&summary["time_limit_reached"], &summary["epochs"]), (&true.into(), &4.into()), "{summary}");
    assert!(summary.get("temperature").is_none(), "{summary}");
    for network in 1..=4 {
        assert_eq!(text(&folder.read(&format!("logs/network-{network}/epochs.csv"))).lines().count(), 2);
    }
    let events = folder.events(&[&train[..], &["--resume"]].concat());
    let resumed: Vec<_> = events.iter().filter(|event| event["event"] == "resumed").collect();
    assert_eq!(resumed.iter().map(|event| event["epochs"].as_u64()).collect::<Vec<_>>(), [Some(1); 4]);
}
