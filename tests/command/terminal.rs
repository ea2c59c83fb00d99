//! Output in lines of 80 columns, help of one screen, and files named `-`.

use std::io::Write;
use std::process::Stdio;

use wgrad::metrics::Metric;
use wgrad::{Optimizer, Schedule};

use super::{Folder, assert_narrow, stderr, text, unwrapped};

const COMMANDS: [&str; 16] = [
    "",
    "train",
    "init",
    "inspect",
    "evaluate",
    "explain",
    "predict",
    "show",
    "lr-find",
    "plan",
    "devices",
    "list",
    "verify",
    "bench",
    "tune",
    "completions",
];

#[test]
fn short_help_is_one_screen_and_long_help_has_all_options() {
    let folder = Folder::new();
    for command in COMMANDS {
        let help = |flag: &str| {
            let arguments: Vec<&str> = command.split_whitespace().chain([flag]).collect();
            let help = folder.succeed(&arguments);
            assert_narrow(&help);
            help
        };
        let (short, long) = (help("-h"), help("--help"));
        let most = if ["", "init", "inspect", "evaluate", "predict", "show", "devices", "list", "completions"]
            .contains(&command)
        {
            24
        } else {
            40
        };
        assert!(short.lines().count() <= most, "{command}: {short}");
        let options = short.split_whitespace().filter(|word| word.starts_with("--") && word.len() > 2);
        for option in options {
            let name = option.trim_matches(|c: char| !c.is_alphanumeric() && c != '-');
            assert!(long.contains(name), "{command}: {name}");
        }
    }
    let (short, long) = (folder.succeed(&["train", "-h"]), folder.succeed(&["train", "--help"]));
    for default in
        ["[default: by data set]", "[default: adamw]", "[default: cosine]", "[default: 0.15]", "[default: auto]"]
    {
        assert!(short.contains(default), "{default}: {short}");
    }
    for option in ["--momentum", "--clip-norm", "--warmup", "--save-split", "--resume", "--autotune"] {
        assert!(!short.contains(option) && long.contains(option), "{option}");
    }
}

#[test]
fn output_is_in_lines_of_80_columns() {
    let folder = Folder::new();
    let row = |n: usize| format!("{},{},class number {}\n", n % 20, n / 20 % 9, n % 20);
    folder.write("many.csv", format!("a,b,kind\n{}", (0..2000).map(row).collect::<String>()));
    let name = "a column with a name that alone is wider than most of the lines that a terminal shows";
    let row = |n: usize| format!("{n}.5,東京都新宿区の天気{}\n", n % 3);
    folder.write("wide_names.csv", format!("x,{name}\n{}", (0..60).map(row).collect::<String>()));
    let row =
        |n: usize| format!("{},2024-0{}-1{},{n}.5\n", if n.is_multiple_of(9) { "" } else { "yes" }, n % 9 + 1, n % 7);
    folder.write("dates.csv", format!("Living area (m2),Sold on,y\n{}", (0..60).map(row).collect::<String>()));
    let hidden = "64 leaky_relu(0.01) dropout(0.25) 64 leaky_relu(0.01) dropout(0.25) 64 leaky_relu(0.01)";
    for arguments in [
        &["train", "many.csv", "--epochs", "2", "--hidden", hidden, "--clip-norm", "1", "--warmup", "0.1"][..],
        &["train", "many.csv", "--epochs", "1", "--metric", "recall", "--force"],
        &["evaluate", "many.safetensors", "many.csv"],
        &["train", "wide_names.csv", "--epochs", "1"],
        &["inspect", "wide_names.csv"],
        &["inspect", "dates.csv"],
        &["show", "many.safetensors"],
        &["devices"],
        &["list"],
        &["list", "activations"],
        &["list", "layers"],
        &["list", "initializations"],
        &["list", "losses"],
        &["list", "optimizers"],
        &["list", "schedules"],
        &["list", "metrics"],
        &["bench", "--hidden", hidden, "--steps", "1", "--device", "cpu", "--device", "reference"],
        &[
            "bench",
            "--suite",
            "--only",
            "moons",
            "--seconds",
            "0.01",
            "--device",
            "cpu",
            "--peak-gflops",
            "1",
            "--bandwidth-gbs",
            "1",
        ],
    ] {
        let output = folder.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        assert_narrow(&text(&output.stdout));
        assert_narrow(&text(&output.stderr));
    }
}

/// Tables are as wide as the sizes of the network; last columns move below.
#[test]
fn tables_of_ops_are_in_lines_of_80_columns() {
    let folder = Folder::new();
    let mut devices = vec!["cpu".to_string()];
    #[cfg(feature = "gpu")]
    devices.extend(super::predict_evaluate::adapter().map(|adapter| adapter.name));
    let mnist = ["--inputs", "784", "--outputs", "10", "--hidden", "512 relu dropout(0.1) 256 relu", "--batch", "128"];
    let small = ["--inputs", "4", "--outputs", "3", "--hidden", "16 relu dropout(0.1)"];
    let rates = ["--peak-gflops", "100", "--bandwidth-gbs", "20"];
    let profile = ["train", "iris", "--hidden", "16 relu dropout(0.1)", "--epochs", "1", "--force", "--profile"];
    for device in devices {
        let on = ["--device", &device];
        let mut runs = vec![
            [&["plan"][..], &mnist, &rates, &on].concat(),
            [&["verify", "--primitive"][..], &small, &on].concat(),
            [&profile[..], &on].concat(),
            [&profile[..], &rates, &on].concat(),
        ];
        if device != "cpu" {
            let tune = ["tune", "--milliseconds", "1", "--out", "tuned.json"];
            runs.push([&tune[..], &small, &on].concat());
            runs.push([&["plan", "--autotune", "tuned.json"][..], &small, &on].concat());
        }
        for arguments in runs {
            let output = folder.command(&arguments).env("WGRAD_PIPELINE_CACHE", "off").output().expect("it starts");
            assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
            assert_narrow(&text(&output.stdout));
            assert_narrow(&text(&output.stderr));
        }
    }
}

#[test]
fn a_training_ends_with_the_course_of_its_loss() {
    let folder = Folder::new();
    let told = folder.succeed(&["train", "iris", "--epochs", "30"]);
    let line = told.lines().find(|line| line.starts_with("loss ")).expect("a sparkline");
    let blocks = line.chars().filter(|c| ('▁'..='█').contains(c)).count();
    assert_eq!(blocks, 30, "{line}");
    assert!(told.contains("confusion matrix: rows are true classes, columns are predicted\n"), "{told}");
}

#[test]
fn the_result_stands_out_on_a_terminal_with_colors() {
    let folder = Folder::new();
    let train = |color: &str| {
        let output = folder.command(&["train", "iris", "--epochs", "2"]).env(color, "1").output().expect("it starts");
        text(&output.stdout)
    };
    assert!(train("CLICOLOR_FORCE").contains("\n\u{1b}[1mtest accuracy "));
    assert!(train("NO_COLOR").contains("\ntest accuracy "));
}

/// Lines of a list before the explanation of its symbols.
fn names(listed: &str) -> impl Iterator<Item = &str> {
    listed.lines().take_while(|line| !line.is_empty())
}

/// Texts of a list whose entries have a text, which may be wrapped, and a formula on a line of its own.
fn texts(kind: &str) -> Vec<String> {
    let listed = Folder::new().succeed(&["list", kind]).replace("\n    ", " ");
    names(&listed).filter(|line| !line.starts_with(' ')).map(String::from).collect()
}

#[test]
fn every_optimizer_is_listed_with_its_settings() {
    let listed = texts("optimizers");
    assert_eq!(listed.len(), Optimizer::NAMES.len());
    for (text, name) in listed.iter().zip(Optimizer::NAMES) {
        let settings = text.strip_prefix("sgd_momentum: ").unwrap_or(text);
        assert!(text.starts_with(name) && settings.contains("(learning_rate="), "{text}");
        assert_eq!(settings.parse::<Optimizer>().expect(text), name.parse().expect("a name"));
    }
}

/// Of 80 steps, those with a fraction are 8 and 20; over all of them, the exponential decay is a hundredth.
#[test]
fn every_schedule_is_listed_with_its_defaults() {
    let listed = texts("schedules");
    assert_eq!(listed.len(), Schedule::NAMES.len());
    for (text, name) in listed.iter().zip(Schedule::NAMES) {
        let factor = 0.01f64.powf(1.0 / 80.0).to_string();
        let given = text.replace("0.01^(1/all)", &factor).replace("all/10", "8").replace("all/4", "20");
        let given = Schedule::parse(&given.replace("=all", "=80"), 80).expect(text);
        let needed = if name == "multi_step" { "multi_step(30 60)" } else { name };
        assert_eq!(given, Schedule::parse(needed, 80).expect("a name"), "{text}");
        assert_eq!(text.split('(').next(), Some(name));
    }
}

/// `cosine(end=0.5)` must not end at 0 by its formula.
#[test]
fn the_formula_of_the_cosine_schedule_ends_at_its_end() {
    let listed = Folder::new().succeed(&["list", "schedules"]);
    assert!(listed.contains("cosine(steps=all, end=0)\n  end + (1 - end)·(1 + cos(pi·t / steps)) / 2\n"), "{listed}");
    let formula = |t: f64| 0.5 + (1.0 - 0.5) * (1.0 + (std::f64::consts::PI * t / 4.0).cos()) / 2.0;
    let schedule = Schedule::parse("cosine(end=0.5)", 4).expect("a schedule");
    for step in 0..=4u32 {
        assert!((schedule.factor(step.into()) - formula(step.into())).abs() < 1e-15, "step {step}");
    }
}

#[test]
fn every_list_explains_its_symbols() {
    for kind in ["activations", "layers", "initializations", "losses", "optimizers", "schedules", "metrics"] {
        let listed = Folder::new().succeed(&["list", kind]);
        let (_, symbols) = listed.split_once("\n\n").expect("an explanation");
        assert!(symbols.ends_with(".\n"), "{kind}: {symbols}");
    }
}

/// The options whose defaults differ between commands.
#[test]
fn each_command_with_a_network_has_its_defaults_once() {
    let folder = Folder::new();
    for command in ["train", "plan", "tune", "verify", "bench"] {
        let (short, long) = (folder.succeed(&[command, "-h"]), folder.succeed(&[command, "--help"]));
        for option in ["--hidden <", "--loss <", "--learning-rate <", "--batch <"] {
            let line = short.lines().find(|line| line.contains(option)).expect(option);
            assert_eq!(line.matches("[default: ").count(), 1, "{command}: {line}");
            let (_, help) = long.split_once(option).expect(option);
            let help = unwrapped(help.split_once("\n      --").map_or(help, |(help, _)| help));
            assert_eq!(help.matches("[default: ").count(), 1, "{command} {option}: {help}");
        }
        let without_data = long.contains("Without DATA, one output takes mean_squared_error");
        assert_eq!(without_data, ["plan", "tune"].contains(&command), "{command}");
    }
}

#[test]
fn every_activation_that_is_listed_can_be_used() {
    let folder = Folder::new();
    let listed = folder.succeed(&["list", "Activations"]);
    assert_eq!(names(&listed).count(), wgrad::Activation::all().count());
    for line in names(&listed) {
        let (name, formula) = line.split_once("  ").expect("a name and its formula");
        assert!(!formula.trim().is_empty(), "{line}");
        folder.succeed(&["train", "xor", "--hidden", &format!("4 {name}"), "--epochs", "1", "--force"]);
    }
}

#[test]
fn every_metric_that_is_listed_can_be_parsed() {
    let listed = Folder::new().succeed(&["list", "metrics"]);
    let metrics: Vec<Metric> = Metric::all().collect();
    assert_eq!(names(&listed).count(), metrics.len());
    for (line, metric) in names(&listed).zip(metrics) {
        let (text, formula) = line.split_once("  ").expect("a metric and its formula");
        assert_eq!((text.parse::<Metric>().expect(text), formula.trim()), (metric, metric.formula()));
    }
}

#[test]
fn names_are_read_in_any_letter_case() {
    let folder = Folder::new();
    let start =
        |arguments: &[&str]| folder.events(&[&["train", "iris", "--epochs", "1"], arguments].concat())[0].clone();
    let lower =
        ["--optimizer", "adam", "--loss", "cross_entropy", "--hidden", "8 relu dropout(0.1)", "--schedule", "cosine"];
    let upper =
        ["--optimizer", "Adam", "--loss", "Cross_Entropy", "--hidden", "8 ReLU Dropout(0.1)", "--schedule", "Cosine"];
    assert_eq!(start(&lower), start(&upper));
    let start = |arguments: &[&str]| folder.events(&[&["train"], arguments].concat())[0].clone();
    let lower = "breast_cancer.csv --epochs 1 --metric roc_auc --init he_normal --class-weight balanced --device cpu";
    let upper = "breast_cancer.csv --epochs 1 --metric ROC_AUC --init He_Normal --class-weight Balanced --device CPU";
    folder.write("breast_cancer.csv", include_str!("../../data/breast_cancer.csv"));
    let [lower, upper] = [lower, upper].map(|line| start(&line.split(' ').collect::<Vec<_>>()));
    assert_eq!(lower, upper);
}

#[test]
fn only_tables_and_predictions_are_standard_input_and_output() {
    let folder = Folder::new();
    for line in [
        "train xor --out -",
        "train iris --save-split -",
        "train iris --checkpoint -",
        "train iris --plot -",
        "train iris --profile --trace -",
        "predict - iris",
        "evaluate - iris",
        "show -",
        "verify --model -",
        "plot boundary - moons",
        "plot boundary moons.safetensors moons --out -",
        "init -",
    ] {
        let message = folder.fail(&line.split(' ').collect::<Vec<_>>());
        assert!(message.contains("only tables and predictions can be standard input and output"), "{line}: {message}");
    }
    assert_eq!(folder.files(), [""; 0]);
}

#[test]
fn no_result_replaces_a_model() {
    let folder = Folder::new();
    folder.succeed(&["train", "xor", "--epochs", "1"]);
    folder.succeed(&["train", "moons", "--epochs", "1"]);
    let model = folder.read("moons.safetensors");
    for line in [
        "predict xor.safetensors xor --out moons.safetensors",
        "train iris --epochs 1 --profile --trace moons.safetensors",
        "tune iris --out moons.safetensors",
    ] {
        let message = folder.fail(&line.split(' ').collect::<Vec<_>>());
        assert!(message.contains("moons.safetensors: it holds a model, which would be lost"), "{line}: {message}");
    }
    assert!(folder.read("moons.safetensors") == model);
}

#[test]
fn former_names_of_options_are_still_read() {
    let folder = Folder::new();
    let start = |arguments: &[&str]| folder.events(&[&["train"], arguments].concat())[0].clone();
    let wanted = start(&["iris", "--epochs", "1", "--hidden", "5 tanh", "--autotune", "none"]);
    assert_eq!(start(&["iris", "--epochs", "1", "--network", "5 tanh", "--tuning", "none"]), wanted);
    folder.write("run.toml", "data = \"iris\"\nepochs = 1\nnetwork = \"5 tanh\"\ntuning = \"none\"\n");
    assert_eq!(start(&["run.toml"]), wanted);
    folder.write("twice.toml", "data = \"iris\"\nnetwork = \"5 tanh\"\nhidden = \"6 tanh\"\n");
    assert!(folder.fail(&["train", "twice.toml"]).contains("line 3: `hidden` was set in line 2"));
    assert!(folder.fail(&["train", "iris", "--whole-step", "always"]).contains("only a GPU has fused steps"));
}

#[test]
fn there_is_no_tip_to_pass_a_wrong_option_as_a_value() {
    let message = Folder::new().fail(&["train", "iris", "--epoch", "3"]);
    assert!(message.contains("a similar argument exists: '--epochs'") && !message.contains("to pass"), "{message}");
}

#[test]
fn a_model_and_data_in_the_wrong_order_are_recognized() {
    let folder = Folder::new();
    folder.succeed(&["train", "moons", "--epochs", "1", "--out", "my moons.safetensors"]);
    folder.write("moons.csv", "x,y\n1,2\n");
    for (command, data, wanted) in [
        (&["evaluate"][..], "moons", "wgrad evaluate 'my moons.safetensors' moons"),
        (&["predict"], "moons.csv", "wgrad predict 'my moons.safetensors' moons.csv"),
        (&["plot", "boundary"], "moons", "wgrad plot boundary 'my moons.safetensors' moons"),
    ] {
        let message = folder.fail(&[command, &[data, "my moons.safetensors"]].concat());
        assert!(message.contains("the model comes first") && message.contains(wanted), "{message}");
    }
    assert!(folder.fail(&["train", "my moons.safetensors"]).contains("it is a model, but data are needed"));
}

#[test]
#[cfg(unix)]
fn a_file_named_by_a_hyphen_is_standard_input_or_output() {
    let folder = Folder::new();
    let table: String = (0..40).map(|n| format!("{n}.5,{}\n", 3 * n)).collect();
    folder.write("house.csv", format!("area,price\n{table}"));
    let piped = |arguments: &[&str]| {
        let mut child = folder.command(arguments);
        let mut child =
            child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        child.stdin.take().expect("piped").write_all(&folder.read("house.csv")).expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        text(&output.stdout)
    };
    folder.succeed(&["train", "house.csv", "--epochs", "2"]);
    let train = piped(&["train", "-", "--epochs", "2", "--save-split", "sets", "--out", "piped.safetensors"]);
    assert!(train.ends_with("next: wgrad predict piped.safetensors -\n"), "{train}");
    let parameters = |model: &str| wgrad::Model::load(folder.path().join(model)).expect("a model").parameters;
    assert!(parameters("piped.safetensors") == parameters("house.safetensors"));
    let predicted = folder.succeed(&["predict", "house.safetensors", "house.csv"]);
    assert_eq!(piped(&["predict", "house.safetensors", "-", "--out", "-"]), predicted);
    assert!(piped(&["evaluate", "house.safetensors", "-"]).contains(" on all 40 rows of -\n"));
    assert!(!folder.files().contains(&"-".into()));
}

/// Mesa's drivers print an error of their own without the variable.
#[test]
#[cfg(all(feature = "gpu", unix, not(target_os = "macos")))]
fn drivers_have_nothing_to_complain_about() {
    let folder = Folder::new();
    for arguments in [&["devices"][..], &["train", "iris", "--epochs", "1"]] {
        let output = folder.command(arguments).env_remove("XDG_RUNTIME_DIR").env_remove("WGRAD_DEVICE").output();
        let output = output.expect("it starts");
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()), "{arguments:?}");
    }
}

#[test]
fn the_model_of_another_training_is_kept_and_the_next_free_name_is_used() {
    let folder = Folder::new();
    let train = |options: &[&str]| {
        let output = folder.run(&[&["train", "iris", "--epochs", "1"], options].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        (text(&output.stdout), stderr(&output))
    };
    assert!(train(&[]).0.contains("\nmodel: iris.safetensors\n"));
    let first = folder.read("iris.safetensors");
    let (told, noted) = train(&["--seed", "1"]);
    assert!(told.contains("\nmodel: iris-2.safetensors\nnext: wgrad predict iris-2.safetensors iris\n"), "{told}");
    assert!(
        noted.contains("iris.safetensors is kept: it holds a model with seed = 0, but now it would be 1"),
        "{noted}"
    );
    folder.write("iris-3.safetensors", "the user's");
    assert!(train(&["--seed", "2"]).0.contains("\nmodel: iris-4.safetensors\n"));
    // The same training has the same file.
    assert!(train(&["--seed", "1"]).0.contains("\nmodel: iris-2.safetensors\n"));
    assert!(train(&[]).0.contains("\nmodel: iris.safetensors\n") && folder.read("iris.safetensors") == first);
    assert!(train(&["--seed", "3", "--force"]).0.contains("\nmodel: iris.safetensors\n"));
    assert_eq!(folder.read("iris-3.safetensors"), b"the user's");
    let message = folder.fail(&["train", "iris", "--epochs", "1", "--out", "iris.safetensors"]);
    assert!(message.contains("seed = 3, but now it would be 0") && message.contains("`--force`"), "{message}");
}
