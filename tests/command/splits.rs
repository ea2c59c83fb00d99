//! Options of the split and of the optimizer: `--validation`, `--test`, `--save-split`, `--weight-decay`, `--momentum`,
//! `--clip-norm`, `--warmup`.

use std::collections::BTreeSet;

use serde_json::Value;
use wgrad::Model;

use super::{Folder, rows, text, unwrapped};

/// Settings in the record of a model.
fn settings(folder: &Folder, model: &str) -> std::collections::BTreeMap<String, String> {
    Model::load(folder.path().join(model)).expect("a model").metadata.origin.expect("a record").settings
}

fn sizes(start: &Value) -> [Option<u64>; 3] {
    ["train", "validation", "test"].map(|set| start["rows"][set].as_u64())
}

#[test]
fn sizes_are_fractions_or_numbers_of_rows() {
    let folder = Folder::new();
    for (options, wanted, evaluated_on) in [
        (&[][..], [105, 23, 22], "test"),
        (&["--validation", "30", "--test", "0.1"], [105, 30, 15], "test"),
        (&["--validation", "0.2", "--test", "0"], [120, 30, 0], "validation"),
        (&["--validation", "0", "--test", "0.5"], [75, 0, 75], "test"),
        (&["--validation", "0", "--test", "0"], [150, 0, 0], "all"),
    ] {
        let events = folder.events(&[&["train", "iris", "--epochs", "2"], options].concat());
        let summary = events.last().expect("events");
        assert_eq!(sizes(&events[0]), wanted.map(Some), "{options:?}");
        assert_eq!(summary["evaluated_on"], evaluated_on, "{options:?}");
        assert_eq!(summary["best_epoch"].is_null(), wanted[1] == 0, "{summary}");
    }
    // Fewer than 20 rows are split only on request.
    assert_eq!(sizes(&folder.events(&["train", "xor", "--epochs", "1"])[0]), [4, 0, 0].map(Some));
    assert_eq!(sizes(&folder.events(&["train", "xor", "--epochs", "1", "--test", "1"])[0]), [3, 0, 1].map(Some));
}

/// The saved sets, given as files, are the same training.
#[test]
fn sets_can_be_saved_and_given_as_files() {
    let folder = Folder::new();
    let recipe = ["--hidden", "6 tanh", "--learning-rate", "0.02", "--batch", "8", "--epochs", "4"];
    folder.succeed(&["train", "iris", "--test", "0", "--validation", "0", "--save-split", "iris", "--epochs", "1"]);
    let whole = folder.events(&[&["train", "iris/train.csv", "--save-split", "sets"], &recipe[..]].concat());
    let files =
        ["train", "sets/train.csv", "--force", "--validation", "sets/validation.csv", "--test", "sets/test.csv"];
    let parts = folder.events(&[&files[..], &recipe].concat());
    assert_eq!(sizes(&parts[0]), sizes(&whole[0]));
    let last = |events: &[Value]| ["loss", "accuracy", "best_epoch"].map(|name| events[events.len() - 1][name].clone());
    assert_eq!(last(&parts), last(&whole));
    let recorded = settings(&folder, "train.safetensors");
    assert!(recorded["test"].starts_with("22 rows with checksum "), "{recorded:?}");
    folder.write("wrong.csv", "sepal_length_cm,species\n5,setosa\n");
    folder.write("class.csv", text(&folder.read("sets/test.csv")) + "5,3,1,0,rose\n");
    let cases: &[(&str, &[&str])] = &[
        ("train iris --test wrong.csv", &["wrong.csv", "sepal_width_cm"]),
        ("train iris --validation class.csv", &["class.csv, line 24, column `species`", "unknown class `rose`"]),
    ];
    super::bad_usage::expect(&folder, cases);
}

#[test]
fn saved_sets_have_all_columns_and_replace_nothing_unasked() {
    let folder = Folder::new();
    let row = |n: u32| format!("H{n};\"{n},5\";{}\n", 3 * n);
    folder.write("house.csv", format!("id;area;price\n{}", (0..40).map(row).collect::<String>()));
    let train =
        ["train", "house.csv", "--drop", "id", "--epochs", "1", "--save-split", "sets", "--out", "m.safetensors"];
    folder.succeed(&train);
    let lines = |file: &str| text(&folder.read(file)).lines().map(String::from).collect::<Vec<_>>();
    let whole: BTreeSet<String> = lines("house.csv").into_iter().map(|line| line.replace('"', "")).collect();
    let mut all = BTreeSet::new();
    for (file, count) in [("sets/train.csv", 28), ("sets/validation.csv", 6), ("sets/test.csv", 6)] {
        let lines = lines(file);
        assert_eq!((lines[0].as_str(), lines.len()), ("id;area;price", 1 + count), "{file}");
        all.extend(lines);
    }
    assert_eq!(all, whole);
    // The same training again has the same sets.
    folder.succeed(&train);
    let other = [&train[..], &["--seed", "1", "--force"]].concat();
    let message = folder.fail(
        &other[..other.len() - 1]
            .iter()
            .map(|word| if *word == "m.safetensors" { "n.safetensors" } else { word })
            .collect::<Vec<_>>(),
    );
    assert!(
        message.contains("sets/train.csv: it exists, with other rows") && message.contains("`--force`"),
        "{message}"
    );
    let before = folder.read("sets/train.csv");
    folder.succeed(&other);
    assert_ne!(folder.read("sets/train.csv"), before);
}

#[test]
fn saved_sets_of_packed_tables_and_of_tables_without_a_header_are_read_again() {
    let folder = Folder::new();
    let table: String = (0..40).map(|n| format!("{n}.5,{},{}\n", n % 7, ["a", "b"][n % 2])).collect();
    folder.write("bare.csv.gz", super::packed(&table));
    folder.succeed(&["train", "bare.csv.gz", "--header", "no", "--epochs", "1", "--save-split", "sets"]);
    let test = text(&folder.read("sets/test.csv"));
    assert!(!test.contains("column1") && test.lines().count() == 6, "as the table, without a header: {test}");
    let evaluated = folder.events(&["evaluate", "bare.safetensors", "sets/test.csv"]);
    assert_eq!(evaluated[0]["rows"], 6);
    // A set in a file of its own is saved as UTF-8.
    let utf16 = ["\u{feff}", &table].concat().encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    folder.write("own.csv", utf16);
    folder.succeed(&[
        "train",
        "bare.csv.gz",
        "--header",
        "no",
        "--epochs",
        "1",
        "--test",
        "own.csv",
        "--save-split",
        "own",
    ]);
    assert_eq!(text(&folder.read("own/test.csv")), table);
}

/// Its rows are in another set now.
#[test]
fn the_file_of_a_set_that_has_no_rows_any_more_is_removed() {
    let folder = Folder::new();
    let train = ["train", "iris", "--epochs", "1", "--save-split", "sets"];
    folder.succeed(&train);
    assert!(folder.path().join("sets/validation.csv").exists());
    let without = [&train[..], &["--validation", "0", "--out", "n.safetensors"]].concat();
    assert!(folder.fail(&without).contains("it exists, with other rows"));
    folder.succeed(&[&without[..], &["--force"]].concat());
    assert!(!folder.path().join("sets/validation.csv").exists());
    assert_eq!(text(&folder.read("sets/train.csv")).lines().count(), 1 + 128);
}

#[test]
fn a_set_never_has_the_name_of_a_file_that_the_training_writes_later() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("sets")).expect("a folder");
    let train = ["train", "iris", "--epochs", "1", "--save-split", "sets", "--profile", "--trace", "sets/train.csv"];
    let message = folder.fail(&train);
    assert!(message.contains("sets/train.csv: the set would replace a file of this training"), "{message}");
}

/// Not even `--force` lets a set replace what the training reads or writes.
#[test]
fn a_set_never_replaces_the_table_that_it_is_from() {
    let folder = Folder::new();
    let table: String = (0..40).map(|n| format!("{n}.5,{},{}\n", n % 7, ["a", "b"][n % 2])).collect();
    std::fs::create_dir(folder.path().join("data")).expect("a folder");
    folder.write("data/train.csv", format!("x,y,class\n{table}"));
    let train = ["train", "data/train.csv", "--epochs", "1", "--save-split", "data", "--force"];
    let message = folder.fail(&train);
    assert!(message.contains("data/train.csv: the set would replace a file of this training"), "{message}");
    assert_eq!(text(&folder.read("data/train.csv")).lines().count(), 41);
    let message = folder.fail(&["train", "data/train.csv", "--test", "-"]);
    assert!(message.contains("standard input can only be the data"), "{message}");
}

#[test]
fn a_warm_up_increases_the_learning_rate() {
    let folder = Folder::new();
    let rates = |options: &[&str]| {
        let train = ["train", "iris", "--epochs", "4", "--learning-rate", "0.5", "--warmup"];
        let events = folder.events(&[&train[..], options].concat());
        let rates: Vec<f64> = events.iter().filter_map(|event| event["learning_rate"].as_f64()).collect();
        (events[0]["warmup_steps"].clone(), rates)
    };
    // Seven steps per epoch.
    let (steps, constant) = rates(&["14", "--schedule", "constant"]);
    assert!(steps == 14 && constant[1] < constant[2] && constant[2..].iter().all(|rate| *rate <= 0.5), "{constant:?}");
    assert_eq!(constant[4], 0.5);
    let (steps, cosine) = rates(&["0.5"]);
    assert!(steps == 14 && cosine[1] < cosine[2] && cosine[4] < cosine[3], "{cosine:?}");
}

#[test]
fn settings_of_the_optimizer_are_used_and_recorded() {
    let folder = Folder::new();
    let train = |options: &[&str]| {
        let train = ["train", "iris", "--epochs", "2", "--optimizer", "SGD", "--force"];
        let told = folder.succeed(&[&train[..], options].concat());
        (told, folder.read("iris.safetensors"), settings(&folder, "iris.safetensors"))
    };
    let (_, plain, without) = train(&[]);
    assert!(!["clip_norm", "warmup", "validation"].iter().any(|name| without.contains_key(*name)), "{without:?}");
    for (options, name, value) in [
        (["--momentum", "0.5"], "optimizer.momentum", "0.5"),
        (["--weight-decay", "0.25"], "optimizer.weight_decay", "0.25"),
        (["--clip-norm", "0.125"], "clip_norm", "0.125"),
        (["--freeze", "0"], "groups", "0: frozen"),
        (["--rate-factor", "bias=0.5"], "groups", "bias: learning rate × 0.5"),
        (["--average", "ema(decay=0.5)"], "average", "ema(decay=0.5)"),
        (["--mixup", "0.2"], "mix", "mixup(0.2)"),
        (["--cutmix", "1"], "mix", "cutmix(1)"),
        (["--l1", "0.01"], "groups", "matrices: L1 0.01"),
        (["--l2", "0,2.bias=0.25"], "groups", "0,2.bias: L2 0.25"),
        (["--max-norm", "0=0.5"], "groups", "0: norm of a row at most 0.5"),
        (["--clip-value", "0.0625"], "clip_value", "0.0625"),
        (["--clip-tensor-norm", "0.0625"], "clip_tensor_norm", "0.0625"),
        (["--warmup", "3"], "warmup", "3"),
        (["--validation", "20"], "validation", "20"),
    ] {
        let (_, model, settings) = train(&options);
        assert_eq!(settings[name], value, "{options:?}");
        assert!(model != plain, "{options:?} changed nothing");
    }
    let (told, _, _) = train(&["--clip-norm", "2", "--warmup", "3"]);
    assert!(unwrapped(&told).contains("gradients clipped to a norm of 2") && told.contains("warm-up of 3 steps"));
    let (told, _, _) = train(&["--no-decay", "vectors", "--average", "swa(start_epoch=1)"]);
    assert!(told.contains("parameters: vectors: no weight decay\n"), "{told}");
    assert!(told.contains("average of the parameters: swa(start_epoch=1)\n"), "{told}");
    assert!(train(&["--mixup", "0.5"]).0.contains("rows of a batch are mixed: mixup(0.5)\n"));
    let error = folder.fail(&["train", "iris", "--cutmix", "0"]);
    assert!(error.contains("cutmix: alpha is 0, but must be from 0.001 to 1000"), "{error}");
    let error = folder.fail(&["train", "iris", "--freeze", "wieght"]);
    assert!(error.contains("`wieght`") && error.contains("weight"), "{error}");
    let plan = folder.succeed(&["plan", "iris", "--freeze", "0.bias"]);
    assert!(plan.contains("update_adamw_grouped"), "{plan}");
    let plan = folder.succeed(&["plan", "iris", "--clip-norm", "1"]);
    assert_ne!(plan, folder.succeed(&["plan", "iris"]), "clipping is an op of the plan");
}

#[test]
fn a_training_is_resumed_only_with_the_same_settings() {
    let folder = Folder::new();
    let train = ["train", "iris", "--epochs", "2", "--optimizer", "sgd", "--checkpoint", "run", "--resume", "--force"];
    let given = ["--momentum", "0.5", "--weight-decay", "0.25", "--clip-norm", "2", "--warmup", "3", "--test", "0.1"];
    folder.succeed(&[&train[..], &given].concat());
    for (option, named) in [
        ("--momentum", "optimizer.momentum = 0.5, but now it is 0.75"),
        ("--weight-decay", "optimizer.weight_decay = 0.25, but now it is 0.75"),
        ("--clip-norm", "clip_norm = 2.0, but now it is 0.75"),
        ("--test", "data."),
    ] {
        let mut other = given;
        let place = given.iter().position(|word| *word == option).expect("it is given");
        other[place + 1] = if option == "--test" { "0.2" } else { "0.75" };
        let message = folder.fail(&[&train[..], &other].concat());
        assert!(message.contains(named), "{option}: {message}");
    }
    assert!(folder.succeed(&[&train[..], &given].concat()).contains("resumed after step"));
}

/// A cosine over more epochs is another schedule, and so is a warm-up.
#[test]
fn a_resumed_training_can_be_prolonged_and_prints_what_changed() {
    let folder = Folder::new();
    let train = ["train", "iris", "--checkpoint", "run", "--resume", "--learning-rate"];
    folder.succeed(&[&train[..], &["0.02", "--epochs", "2"]].concat());
    let told = unwrapped(&folder.succeed(&[&train[..], &["0.02", "--epochs", "5"]].concat()));
    assert!(told.contains("resumed after step 14, with 2 epochs done; changed: schedule cosine"), "{told}");
    assert!(told.contains("epoch 5/5") && !told.contains("epoch 2/5"), "{told}");
    let events = folder.events(&[&train[..], &["0.01", "--epochs", "6", "--warmup", "3"]].concat());
    let changed = events[1]["changed"].as_array().expect("a list");
    assert!(changed.len() == 2 && changed[0] == "learning rate 0.02 → 0.01", "{}", events[1]);
    assert_eq!(folder.files(), ["iris.safetensors", "run"]);
}

#[test]
fn a_run_file_has_the_same_options() {
    let folder = Folder::new();
    folder.write(
        "run.toml",
        "data = \"iris\"\nepochs = 2\nvalidation = 30\ntest = 0.1\noptimizer = \"sgd\"\nmomentum = 0.5\nweight_decay = 0.25\n\
         clip_norm = 2\nwarmup = 3\nsave_split = \"sets\"\nhidden = \"5 ReLU\"\njson = true\n",
    );
    let typed = "train iris --epochs 2 --validation 30 --test 0.1 --optimizer sgd --momentum 0.5 --weight-decay 0.25 \
                 --clip-norm 2 --warmup 3 --json --hidden";
    let typed = [&typed.split_whitespace().collect::<Vec<_>>()[..], &["5 relu"]].concat();
    let start = |arguments: &[&str]| folder.succeed(arguments).lines().next().map(String::from);
    assert_eq!(start(&["train", "run.toml"]), start(&typed));
    assert_eq!(rows(&text(&folder.read("sets/test.csv"))).len(), 1 + 15);
}

/// Dates and customers of the sets that `--save-split` wrote.
fn written(folder: &Folder, column: usize) -> [Vec<String>; 3] {
    ["train", "validation", "test"].map(|name| {
        let table = rows(&text(&folder.read(&format!("split/{name}.csv"))));
        table[1..].iter().map(|row| row[column].clone()).collect()
    })
}

/// 200 rows whose dates are not in order, of 40 customers.
fn sales(folder: &Folder) {
    let row = |n: usize| {
        let day = n * 37 % 200;
        format!("2024-{:02}-{:02},c{},{},{}\n", 1 + day / 28, 1 + day % 28, n * 3 % 40, n % 13, n % 13 * 2)
    };
    folder.write("s.csv", format!("day,customer,a,y\n{}", (0..200).map(row).collect::<String>()));
}

#[test]
fn a_split_by_time_tests_on_the_last_rows() {
    let folder = Folder::new();
    sales(&folder);
    let train = ["train", "s.csv", "--epochs", "1", "--save-split", "split", "--split-by", "day"];
    // 15 % of 200 rows, of 200 days: the last 30 days, and the 30 before.
    let told = unwrapped(&folder.succeed(&train));
    let note =
        "split by time of `day`: from 2024-01-01 to train on, from 2024-06-01 to validate, from 2024-07-03 to test";
    assert!(told.contains("140 to train on, 30 to validate, 30 to test") && told.contains(note), "{told}");
    let [first, second, last] = written(&folder, 0);
    assert!(first.iter().max() < second.iter().min() && second.iter().max() < last.iter().min());
    // A column that is no input splits, too, and is a setting of the model.
    let shown = unwrapped(&folder.succeed(&["show", "s.safetensors"]));
    assert!(shown.contains("split_by day"), "{shown}");
    let events = folder.events(&[&train[..], &["--drop", "day"]].concat());
    assert_eq!(events[0]["split"], note);
}

#[test]
fn a_split_by_group_keeps_the_rows_of_a_group_together() {
    let folder = Folder::new();
    sales(&folder);
    let told = unwrapped(&folder.succeed(&[
        "train",
        "s.csv",
        "--epochs",
        "1",
        "--save-split",
        "split",
        "--split-by=customer",
    ]));
    // Each customer has 5 rows: 30 rows are 6 customers.
    let note = "split by group of `customer`: 28 groups to train on, 6 groups to validate, 6 groups to test";
    assert!(told.contains(note), "{told}");
    let sets = written(&folder, 1).map(|names| names.into_iter().collect::<BTreeSet<_>>());
    assert_eq!(sets.each_ref().map(|names| names.len()), [28, 6, 6]);
    let all: BTreeSet<_> = sets.iter().flatten().collect();
    assert_eq!(all.len(), 40, "a customer is in two sets");
    for (arguments, part) in [
        (&["train", "iris", "--split-by", "class"][..], "`--split-by`: it is for tables, but iris is a data set"),
        (&["train", "s.csv", "--split-by", "custmer"], "did you mean `customer`"),
        (&["train", "s.csv", "--split-by", "a", "--test", "199", "--validation", "0"], "none is left to train on"),
    ] {
        let message = folder.fail(arguments);
        assert!(message.contains(part), "{message}");
    }
}
