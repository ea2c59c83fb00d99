//! `wgrad evaluate`, `predict` and `plan`.

use std::io::Read;
use std::process::{Command, Stdio};

use wgrad::metrics::Needs;
use wgrad::{Device, Loss, Model, Network, Split, Targets, Trainer, data};

use super::{Folder, rows, text};

#[test]
fn the_summary_is_what_the_saved_model_does_on_the_test_set() {
    let folder = Folder::new();
    let events = folder.events(&["train", "iris", "--epochs", "20", "--seed", "3"]);
    let model = Model::load(folder.path().join("iris.safetensors")).expect("a model");
    let (_, _, test) = data::iris().split(Split::parts(0.7, 0.15).seed(3)).expect("split");
    let evaluation = model.evaluate(&test).expect("evaluated");
    let summary = &events[events.len() - 1];
    assert_eq!((summary["accuracy"].as_f64(), summary["loss"].as_f64()), (evaluation.accuracy, Some(evaluation.loss)));

    let all = &folder.events(&["evaluate", "iris.safetensors", "iris"])[0];
    let evaluation = model.evaluate(&data::iris()).expect("evaluated");
    assert_eq!((all["accuracy"].as_f64(), all["loss"].as_f64()), (evaluation.accuracy, Some(evaluation.loss)));
    assert_eq!(all["rows"], 150);
    let text = folder.succeed(&["evaluate", "iris.safetensors", "iris"]);
    assert!(text.starts_with("accuracy ") && text.contains(" on all 150 rows of iris\nbalanced accuracy "), "{text}");
}

#[test]
fn metrics_of_classes_are_in_a_table_and_in_json() {
    let folder = Folder::new();
    let events = folder.events(&["train", "iris", "--epochs", "20", "--seed", "3"]);
    let model = Model::load(folder.path().join("iris.safetensors")).expect("a model");
    let (_, _, test) = data::iris().split(Split::parts(0.7, 0.15).seed(3)).expect("split");
    for (event, data) in [
        (&events[events.len() - 1], &test),
        (&folder.events(&["evaluate", "iris.safetensors", "iris"])[0], &data::iris()),
    ] {
        let found = model.confusion(data).expect("counted");
        let fields = serde_json::to_value(&found).expect("JSON");
        assert_eq!((&event["classes"], &event["confusion"]), (&fields["classes"], &fields["confusion"]));
        assert_eq!(event["accuracy"].as_f64(), Some(found.accuracy()));
        assert_eq!(event["confusion"][0][0], found.count(0, 0));
    }
    let whole = model.confusion(&data::iris()).expect("counted");
    let text = folder.succeed(&["evaluate", "iris.safetensors", "iris"]);
    let table: Vec<Vec<&str>> = text.lines().skip(4).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(table[0], ["class", "precision", "recall", "F1", "rows"]);
    for (class, found) in whole.per_class().iter().enumerate() {
        assert_eq!(table[1 + class][..2], [found.class.as_str(), &format!("{:.3}", found.precision)], "{text}");
        let count = |predicted| whole.count(class, predicted).to_string();
        let counts = (0..3).map(count).map(|count| if count == "0" { "·".into() } else { count });
        assert_eq!(table[8 + class][1..], counts.collect::<Vec<String>>(), "{text}");
    }
    let text = folder.succeed(&["train", "iris", "--epochs", "1", "--force"]);
    assert!(text.contains("\nmacro average ") && text.contains("\nconfusion matrix: "), "{text}");
    folder.write("house.csv", "area,price\n1,2.5\n2,4.5\n3,5\n");
    let events = folder.events(&["train", "house.csv", "--epochs", "1"]);
    assert!(events[2]["r2"].is_f64() && events[2]["confusion"].is_null(), "{}", events[2]);
}

#[test]
fn metrics_are_printed_and_all_of_them_are_in_json() {
    let folder = Folder::new();
    folder.write("house.csv", "area,price\n1,2.5\n2,4.5\n3,5\n4,9\n");
    for (data, lines) in [
        ("iris", ["balanced accuracy ", "log loss "].as_slice()),
        ("two_moons", &["balanced accuracy ", "log loss ", "ROC-AUC "]),
        ("house.csv", &["explained variance "]),
    ] {
        folder.succeed(&["train", data, "--epochs", "2"]);
        let model = format!("{}.safetensors", data.trim_end_matches(".csv"));
        let text = folder.succeed(&["evaluate", &model, data]);
        let found = &folder.events(&["evaluate", &model, data])[0];
        let line = text.lines().nth(1).expect("a second line");
        let names: Vec<&str> =
            line.split(", ").map(|part| part.trim_end_matches(|c: char| !c.is_alphabetic())).collect();
        assert_eq!(names, lines.iter().map(|name| name.trim()).collect::<Vec<_>>(), "{text}");
        for (part, name) in line.split(", ").zip(lines) {
            let key = name.trim().to_lowercase().replace([' ', '-'], "_");
            let value = found[&key].as_f64().unwrap_or_else(|| panic!("{key}: {found}"));
            let shown: f64 = part[name.len()..].trim_end_matches(" %").parse().expect("a number");
            let shown = if part.ends_with('%') { shown / 100.0 } else { shown };
            assert!((shown - value).abs() <= 6e-4 * value.abs().max(1.0), "{part}: {value}");
        }
        let is_regression = data == "house.csv";
        for metric in wgrad::metrics::Metric::all() {
            let suits = match metric.needs() {
                Needs::Numbers => is_regression,
                Needs::Labels => false,
                _ => !is_regression,
            };
            assert_eq!(found[metric.name()].is_f64(), suits, "{metric}: {found}");
        }
    }
}

#[test]
fn predictions_are_those_of_the_library_and_probabilities_sum_to_1() {
    let folder = Folder::new();
    folder.succeed(&["train", "iris", "--epochs", "20"]);
    let model = Model::load(folder.path().join("iris.safetensors")).expect("a model");
    let iris = data::iris();
    let classes = model.predict_classes(&iris.input()).expect("predicted");
    let table = rows(&folder.succeed(&["predict", "iris.safetensors", "iris"]));
    let names = ["setosa", "versicolor", "virginica"];
    assert_eq!(
        table[0],
        ["predicted_species", "probability_setosa", "probability_versicolor", "probability_virginica"]
    );
    assert_eq!(table.len(), 151);
    for (row, class) in table[1..].iter().zip(classes) {
        assert_eq!(row[0], names[class as usize]);
        let sum: f64 = row[1..].iter().map(|cell| cell.parse::<f64>().expect("a number")).sum();
        assert!((sum - 1.0).abs() < 1e-6, "{row:?}");
    }
    let Targets::Classes { indices, .. } = iris.targets() else { panic!("iris has classes") };
    let right = table[1..].iter().zip(indices).filter(|(row, class)| row[0] == names[**class as usize]).count();
    let accuracy = folder.events(&["evaluate", "iris.safetensors", "iris"])[0]["accuracy"].as_f64();
    assert_eq!(accuracy, Some(right as f64 / 150.0));
}

#[test]
fn columns_are_found_by_name_with_or_without_a_target() {
    let folder = Folder::new();
    folder.succeed(&["train", "iris", "--epochs", "20"]);
    folder.write("whole.csv", data_iris_head());
    folder.write(
        "swapped.csv",
        "note,petal_width_cm,petal_length_cm,sepal_width_cm,sepal_length_cm\nfirst,0.2,1.4,3.5,5.1\nsecond,0.2,1.4,3.0,4.9\n",
    );
    let whole = folder.succeed(&["predict", "iris.safetensors", "whole.csv"]);
    assert_eq!(folder.succeed(&["predict", "iris.safetensors", "swapped.csv"]), whole);
    assert_eq!(folder.succeed(&["predict", "iris.safetensors", "whole.csv", "--out", "found.csv"]), "");
    assert_eq!(folder.read("found.csv"), whole.as_bytes());
    // Two rows of one class: what the classes are is told by the model, not by this table.
    assert_eq!(folder.events(&["evaluate", "iris.safetensors", "whole.csv"])[0]["accuracy"], 1.0);
}

fn data_iris_head() -> String {
    let text = include_str!("../../data/iris.csv");
    text.lines().take(3).map(|line| format!("{line}\n")).collect()
}

#[test]
fn one_output_is_for_two_classes() {
    let folder = Folder::new();
    folder.succeed(&["train", "moons", "--loss", "bce", "--epochs", "5", "--hidden", "16 relu"]);
    let table = rows(&folder.succeed(&["predict", "moons.safetensors", "moons"]));
    assert_eq!(table[0], ["predicted", "probability_outer", "probability_inner"]);
    for row in &table[1..] {
        let inner: f64 = row[2].parse().expect("a number");
        assert_eq!(row[0], if inner > 0.5 { "inner" } else { "outer" }, "{row:?}");
    }
}

/// One output of a softmax is one class; of a binary loss it is the second of two classes.
#[test]
fn one_output_is_read_as_the_loss_means_it() {
    let folder = Folder::new();
    folder.write("rows.csv", "x\n1\n-2\n");
    let one_output = |loss, classes: Option<&[&str]>| {
        let trainer = Trainer::builder(Network::input(1).dense(1)).loss(loss).build(&Device::cpu()).expect("built");
        let mut model = trainer.into_model().expect("a model");
        model.metadata.columns = vec!["x".into()];
        model.metadata.classes = classes.map(|names| names.iter().map(ToString::to_string).collect());
        // The outputs are 1 and -2.
        model.parameters[0].values = vec![1.0];
        model.save(folder.path().join("model.safetensors")).expect("saved");
        rows(&folder.succeed(&["predict", "model.safetensors", "rows.csv"]))
    };
    let softmax = one_output(Loss::softmax_cross_entropy(), Some(&["a"]));
    assert_eq!(softmax, [["predicted", "probability_a"], ["a", "1"], ["a", "1"]]);
    assert_eq!(one_output(Loss::softmax_cross_entropy(), None)[1..], [["0", "1"], ["0", "1"]]);
    let perceptron = one_output(Loss::perceptron(), Some(&["a", "b"]));
    assert_eq!(perceptron, [["predicted", "probability_a", "probability_b"], ["b", "0", "1"], ["a", "1", "0"]]);
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let folder = Folder::new();
    folder.succeed(&["train", "digits", "--epochs", "1", "--hidden", "64 relu"]);
    for arguments in [&["predict", "digits.safetensors", "digits"][..], &["evaluate", "digits.safetensors", "digits"]] {
        let on = |threads| folder.succeed(&[arguments, &["--threads", threads]].concat());
        assert!(on("1") == on("3") && on("1") == folder.succeed(arguments), "{arguments:?}");
        assert!(folder.fail(&[arguments, &["--threads", "0"]].concat()).contains("--threads"));
    }
}

#[test]
fn there_is_no_accuracy_where_targets_are_fractions() {
    let folder = Folder::new();
    folder.write("soft.csv", format!("x,p\n{}", (0..40).map(|i| format!("{i},0.{i:02}5\n")).collect::<String>()));
    let events = folder.events(&["train", "soft.csv", "--loss", "bce", "--epochs", "2"]);
    assert!(events[2]["validation"]["loss"].is_f64() && events[2]["validation"]["accuracy"].is_null(), "{}", events[2]);
    let found = &folder.events(&["evaluate", "soft.safetensors", "soft.csv"])[0];
    assert!(found["loss"].is_f64() && found["accuracy"].is_null(), "{found}");
    let text = folder.succeed(&["evaluate", "soft.safetensors", "soft.csv"]);
    assert!(text.starts_with("loss ") && text.matches("loss").count() == 1, "{text}");
    folder.write("hard.csv", "x,p\n0,0\n39,1\n");
    assert!(folder.events(&["evaluate", "soft.safetensors", "hard.csv"])[0]["accuracy"].is_f64());
}

#[test]
fn a_target_of_minus_0_is_0() {
    let folder = Folder::new();
    folder.write("or.csv", "a,b,or\n0,0,-0\n0,1,1\n1,0,1\n1,1,1\n");
    let events = folder.events(&["train", "or.csv", "--epochs", "200"]);
    let (start, summary) = (&events[0], &events[events.len() - 1]);
    assert_eq!((&start["loss"], &summary["accuracy"]), (&"binary_cross_entropy".into(), &1.0.into()));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = Folder::new();
    folder.succeed(&["train", "digits", "--epochs", "1", "--hidden", "8 relu"]);
    for arguments in
        [&["predict", "digits.safetensors", "digits"][..], &["train", "digits", "--epochs", "30", "--json", "--force"]]
    {
        let mut child = Command::new(env!("CARGO_BIN_EXE_wgrad"))
            .args(arguments)
            .current_dir(folder.path())
            // Without it a software driver writes to stderr.
            .env("XDG_RUNTIME_DIR", folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let mut first = [0; 16];
        let mut stdout = child.stdout.take().expect("piped");
        stdout.read_exact(&mut first).expect("a few bytes");
        drop(stdout);
        let output = child.wait_with_output().expect("it ends");
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{arguments:?}");
    }
}

#[test]
fn plans_have_the_documented_number_of_ops() {
    let folder = Folder::new();
    let ops = |arguments: &[&str], section: &str| -> usize {
        let text = folder.succeed(arguments);
        let line = text.lines().find(|line| line.starts_with(&format!("{section}: "))).expect("the section is there");
        line[section.len() + 2..].split(' ').next().expect("a word").parse().expect("a number")
    };
    for (network, dense) in [("", 1), ("64 relu", 2), ("64 relu dropout(0.5) 32 tanh", 3)] {
        let arguments = ["plan", "digits", "--hidden", network];
        assert_eq!(ops(&arguments, "gradients") + ops(&arguments, "update"), 3 * dense + 1, "{network}");
    }
    let sizes = ["plan", "--inputs", "784", "--outputs", "10", "--hidden", "128 relu", "--batch", "128"];
    assert_eq!(ops(&sizes, "gradients") + ops(&sizes, "update"), 7);
    let primitive = [&sizes[..], &["--primitive"]].concat();
    assert!(ops(&primitive, "gradients") > 10);
    assert!(folder.files().is_empty());
}

/// The text below the options of a help text has lines for 80 columns, which must not be broken again.
#[test]
fn help_teaches_by_example() {
    let folder = Folder::new();
    let help = |command: &str, columns: &str| {
        let arguments: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let output = folder.command(&arguments).env("COLUMNS", columns).output().expect("the command starts");
        let text = text(&output.stdout);
        assert!(text.lines().all(|line| line.chars().count() <= 80) || columns != "80", "{command}: {text}");
        let (_, examples) = text.split_once("\nEXAMPLES\n").expect("there are examples");
        examples.to_string()
    };
    let commands =
        ["", "train", "init", "inspect", "evaluate", "predict", "plot boundary", "plan", "devices", "verify"];
    for command in commands.into_iter().chain(["bench", "tune", "completions"]) {
        let examples = help(command, "80");
        assert!(examples.starts_with("  wgrad "), "{command}: {examples}");
        assert_eq!(examples, help(command, "300"), "{command}");
    }
}

#[test]
fn help_groups_the_options() {
    let help = Folder::new().succeed(&["train", "-h"]);
    for (heading, option) in [
        ("Data", "--target"),
        ("Network", "--hidden"),
        ("Training", "--epochs"),
        ("Device", "--threads"),
        ("Output", "--json"),
    ] {
        let group = help.split(&format!("\n{heading}:\n")).nth(1).and_then(|rest| rest.split("\n\n").next());
        assert!(group.is_some_and(|group| group.contains(&format!(" {option} "))), "{option} in {heading}: {help}");
    }
}

#[test]
fn devices_are_listed_and_one_is_taken() {
    let folder = Folder::new();
    let text = folder.succeed(&["devices"]);
    assert!(text.starts_with("cpu, "), "{text}");
    assert_eq!(text.matches("`auto` takes it: ").count(), 1, "{text}");
    let found = folder.events(&["devices"]);
    assert_eq!(found[0]["name"], "cpu");
    assert_eq!(found.iter().filter(|device| device["auto"] == true).count(), 1);
    for adapter in &found[1..] {
        assert!(adapter["binding_bytes"].as_u64() >= Some(1 << 20), "{adapter}");
        assert!(adapter["kind"] != "software" || adapter["auto"] == false, "{adapter}");
        assert!(text.contains(adapter["name"].as_str().expect("it has a name")), "{text}");
    }
}

/// Any adapter, a software one where there is no other.
#[cfg(feature = "gpu")]
pub fn adapter() -> Option<wgrad::exec::gpu::Adapter> {
    let adapter = wgrad::exec::gpu::GpuDevice::list().into_iter().next();
    if adapter.is_none() {
        assert!(std::env::var_os("WGRAD_GPU").is_none_or(|v| v != "require"), "WGRAD_GPU=require, but there is no GPU");
        println!("not run: there is no GPU adapter");
    }
    adapter
}

#[cfg(feature = "gpu")]
#[test]
fn an_adapter_trains_evaluates_and_predicts() {
    let folder = Folder::new();
    let Some(adapter) = adapter() else { return };
    let name = adapter.name.to_uppercase();
    let events = folder.events(&["train", "iris", "--epochs", "3", "--device", &name]);
    for event in [&events[0], &events[events.len() - 1]] {
        assert_eq!((&event["device"], &event["reason"]), (&adapter.to_string().into(), &"requested".into()));
    }
    let on = |device| folder.succeed(&["evaluate", "iris.safetensors", "iris", "--device", device]);
    assert_eq!(on(&name).split(',').next(), on("cpu").split(',').next(), "the same accuracy");
    let predicted = folder.succeed(&["predict", "iris.safetensors", "iris", "--device", &name]);
    assert_eq!(predicted.lines().count(), 151);
    assert!(folder.fail(&["train", "iris", "--device", &name, "--threads", "2"]).contains("no CPU threads"));
    folder.succeed(&["plan", "iris", "--device", &name]);
}

/// Operations and bytes of a step in one op, as a GPU runs it; and that it is right.
#[cfg(feature = "gpu")]
#[test]
fn fused_steps_are_shown_and_verified() {
    let folder = Folder::new();
    let Some(adapter) = adapter() else { return };
    let plan = ["plan", "--inputs", "10", "--outputs", "3", "--hidden", "24 relu 16 tanh", "--batch", "32"];
    let on = |choice| [&plan[..], &["--device", &adapter.name, "--fused-step", choice]].concat();
    let whole = folder.succeed(&on("always"));
    let rows: Vec<Vec<&str>> = whole
        .lines()
        .map(|line| line.split_whitespace().collect())
        .filter(|words: &Vec<&str>| words[..words.len().min(1)] == ["gradients"] && words[1].parse::<usize>().is_ok())
        .collect();
    assert_eq!(rows[0][..4], ["gradients", "0", "122_496", "33_796"], "{whole}");
    assert_eq!(rows[1][..4], ["gradients", "1", "7_168", "32_260"], "{whole}");
    assert!(whole.contains("per step: 3 dispatches in 3 serial levels"), "{whole}");
    assert!(!folder.succeed(&on("never")).contains("mlp_step_fused"));
    assert!(folder.fail(&on("perhaps")).contains("auto, never, always"));
    assert!(folder.fail(&[&plan[..], &["--fused-step", "always"]].concat()).contains("add `--device NAME`"));
    let verify = ["verify", "--hidden", "24 relu 16 tanh", "--inputs", "10", "--outputs", "3", "--batch", "9"];
    let report = folder.succeed(&[&verify[..], &["--device", &adapter.name, "--fused-step", "always"]].concat());
    assert!(report.contains("mlp_step_fused_traced") && report.contains("stage by stage"), "{report}");
    let train = |choice: &str| {
        let train = ["train", "iris", "--hidden", "8 tanh", "--epochs", "2", "--device", &adapter.name];
        folder.succeed(&[&train[..], &["--fused-step", choice]].concat());
        folder.read("iris.safetensors")
    };
    let always = train("always");
    assert!(always == train("always"), "a fused step has other bits each time");
    assert!(always != train("never"), "layers add in another order, so that the same bits are those of the same ops");
}

/// 4·5 + 5 and 5·3 + 3 parameters.
#[test]
fn a_model_shows_its_layers_and_its_training() {
    let folder = Folder::new();
    let train = ["train", "iris", "--hidden", "5 tanh", "--epochs", "3", "--seed", "7"];
    let accuracy = folder.events(&train)[4]["accuracy"].as_f64().expect("a number");
    let text = folder.succeed(&["show", "iris.safetensors"]);
    for part in [
        "task      multi-class classification of species\n",
        "loss      softmax_cross_entropy\n",
        "classes   3: `setosa`, `versicolor`, `virginica`\n",
        "scaled    inputs\n",
        "data      iris, 150 rows, checksum ",
        "seed 7",
        "rows      train 105, validation 23, test 22\n",
        "training  3 epochs, 21 steps",
        "dense(5)        5          25\ntanh            5\ndense(3)        3          18\ntotal                      43\n",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    assert!(text.contains(&format!("accuracy {:.1} %", 100.0 * accuracy)), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let shown: serde_json::Value =
        serde_json::from_str(&folder.succeed(&["show", "iris.safetensors", "--json"])).expect("JSON");
    assert_eq!((&shown["event"], &shown["parameters"]), (&"model".into(), &43.into()));
    assert_eq!((&shown["layers"][2]["layer"], &shown["layers"][2]["parameters"]), (&"dense(3)".into(), &18.into()));
    assert_eq!(shown["record"]["evaluation"]["accuracy"], accuracy);
    assert_eq!((&shown["record"]["epochs"], &shown["origin"]["settings"]["seed"]), (&3.into(), &"7".into()));
}

#[test]
fn a_regression_shows_its_score_and_no_classes() {
    let folder = Folder::new();
    let rows: String = (0..60).map(|row| format!("{row},{}\n", 3 * row + 1)).collect();
    folder.write("line.csv", format!("size\u{1b}[2J,price\n{rows}"));
    folder.succeed(&["train", "line.csv", "--epochs", "2"]);
    let text = folder.succeed(&["show", "line.safetensors"]);
    assert!(
        text.contains("task      regression of price\n") && text.contains("scaled    inputs and target\n"),
        "{text}"
    );
    assert!(text.contains("R² ") && text.contains(" rows of the test") && !text.contains("classes "), "{text}");
    assert!(!text.contains('\u{1b}'), "{text:?}");
}

#[test]
fn logarithms_of_probabilities_are_printed_on_request() {
    let folder = Folder::new();
    for (data, loss) in [("iris", "cross_entropy"), ("moons", "bce")] {
        folder.succeed(&["train", data, "--loss", loss, "--epochs", "3"]);
        let model = format!("{data}.safetensors");
        let [plain, log] =
            [&[][..], &["--log"]].map(|more| rows(&folder.succeed(&[&["predict", &model, data], more].concat())));
        assert_eq!(log[0][1], format!("log_{}", plain[0][1]));
        for (plain, log) in plain.iter().zip(&log).skip(1) {
            assert_eq!(plain[0], log[0]);
            for (q, log) in plain.iter().zip(log).skip(1) {
                let [q, log] = [q, log].map(|cell| cell.parse::<f64>().expect("a number"));
                // Probabilities are rounded to f32; those below 1e-4 have few digits.
                assert!((log.exp() - q).abs() <= 1e-6, "{q} and {log}");
            }
        }
    }
    folder.write(
        "house.csv",
        format!("area,price\n{}", (0..60).map(|x| format!("{x},{}.5\n", 2 * x)).collect::<String>()),
    );
    folder.succeed(&["train", "house.csv", "--epochs", "1"]);
    let message = folder.fail(&["predict", "house.safetensors", "house.csv", "--log"]);
    assert!(message.contains("the model does not predict one class per row"), "{message}");
}
