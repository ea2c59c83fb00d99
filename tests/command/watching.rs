//! `train` with logs, a time limit, a plateau and health.

use super::{Folder, assert_narrow, rows, text};

#[test]
fn logs_of_a_run_have_its_epochs() {
    let folder = Folder::new();
    let events = folder.events(&["train", "moons", "--epochs", "3", "--log-dir", "runs/a", "--health"]);
    let epochs: Vec<_> = events.iter().filter(|event| event["event"] == "epoch").collect();
    let table = rows(&text(&folder.read("runs/a/epochs.csv")));
    let lines = text(&folder.read("runs/a/epochs.jsonl"));
    let lines: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((table.len(), lines.len(), epochs.len()), (1 + 3, 3, 3));
    let column = |name: &str| table[0].iter().position(|column| column == name).expect(name);
    for ((row, line), epoch) in table[1..].iter().zip(&lines).zip(epochs) {
        assert_eq!(row[0], epoch["epoch"].to_string());
        for (name, value) in [
            ("loss", &epoch["loss"]),
            ("validation_accuracy", &epoch["validation"]["accuracy"]),
            ("gradient_norm_layer0", &epoch["scalars"]["gradient_norm/layer0"]),
        ] {
            assert_eq!(row[column(name)].parse::<f64>().ok(), value.as_f64(), "{name}");
        }
        assert_eq!((&line["loss"], &line["validation"]), (&epoch["loss"], &epoch["validation"]));
    }
    assert!(folder.read("runs/a/events.out.tfevents.wgrad").len() > 3 * 100);
    let health = events.iter().find(|event| event["event"] == "health").expect("the last epoch's");
    assert_eq!(health["layers"][1]["name"], "relu");
}

#[test]
fn logs_replace_no_file_of_the_run() {
    let folder = Folder::new();
    folder.write("epochs.csv", (0..20).fold("x,y\n".to_string(), |text, row| format!("{text}{row},{}\n", row % 7)));
    let message = folder.fail(&["train", "epochs.csv", "--log-dir", "."]);
    assert!(message.contains("the log would replace a file") && message.contains("`--log-dir`"), "{message}");
}

#[test]
fn health_changes_no_byte_of_the_model_and_prints_layers() {
    let folder = Folder::new();
    let command = ["train", "moons", "--epochs", "3", "--hidden", "16 relu 16 tanh", "--out"];
    folder.succeed(&[&command[..], &["plain.safetensors"]].concat());
    let output = folder.succeed(&[&command[..], &["watched.safetensors", "--health"]].concat());
    assert!(folder.read("plain.safetensors") == folder.read("watched.safetensors"));
    assert_narrow(&output);
    for part in ["gradient norm  largest update", "dense(16)", "0 of 16", "health: no problems"] {
        assert!(output.contains(part), "{part}: {output}");
    }
    // Saturated from the start: inputs are standardized, and weights are 100.
    let hidden = "dense(16, init=constant(100)) tanh";
    let output =
        folder.succeed(&["train", "moons", "--epochs", "2", "--hidden", hidden, "--health", "--learning-rate", "5"]);
    assert_narrow(&output);
    assert!(output.contains("health, epoch 1: layer"), "{output}");
    assert_eq!(output.matches("lower the learning rate, use a").count(), 1, "each problem is told once: {output}");
}

#[test]
fn a_plateau_reduces_the_rate_and_a_resumed_run_has_the_same_bytes() {
    let folder = Folder::new();
    let command = ["train", "moons", "--schedule", "constant", "--plateau", "0, factor=0.5, threshold=0.1", "--epochs"];
    let run = |epochs: &str, more: &[&str]| folder.events(&[&command[..], &[epochs], more].concat());
    let events = run("20", &["--out", "whole.safetensors"]);
    assert!(events[0]["plateau"].as_str().expect("a text").starts_with("patience=0, factor=0.5, threshold=0.1"));
    let rates: Vec<f64> = events.iter().filter_map(|event| event["learning_rate"].as_f64()).skip(1).collect();
    assert!(rates.len() == 20 && rates.is_sorted_by(|a, b| a >= b) && rates[19] < rates[0], "{rates:?}");
    run("9", &["--out", "resumed.safetensors", "--checkpoint", "run"]);
    run("20", &["--out", "resumed.safetensors", "--checkpoint", "run", "--resume"]);
    assert!(folder.read("resumed.safetensors") == folder.read("whole.safetensors"));
}

/// A millisecond is over after the first epoch.
#[test]
fn a_time_limit_saves_the_model_and_a_checkpoint_to_continue_from() {
    let folder = Folder::new();
    let output = folder.succeed(&["train", "moons", "--epochs", "20", "--time-limit", "1ms"]);
    assert!(output.contains("time limit: stopped after epoch 1 of 20; to continue:\n  wgrad train moons"), "{output}");
    assert!(output.contains("model: moons.safetensors"), "{output}");
    let events = folder.events(&["train", "moons", "--epochs", "20", "--resume"]);
    assert_eq!(events[1]["event"], "resumed");
    let summary = events.last().expect("a summary");
    assert_eq!((&summary["epochs"], &summary["time_limit_reached"]), (&20.into(), &serde_json::Value::Null));
    let long = folder.events(&["train", "moons", "--epochs", "2", "--time-limit", "2h", "--out", "long.safetensors"]);
    assert_eq!(long.last().expect("a summary")["epochs"], 2);
}
