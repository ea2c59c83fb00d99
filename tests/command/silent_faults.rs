//! Faults that were silent once. Each is fixed, or an error, or reported.

use std::path::Path;

use wgrad::{Dataset, Model, Split, Standardization};

use super::{Folder, rows, stderr, text, unwrapped};

fn table(header: &str, rows: impl Iterator<Item = String>) -> String {
    header.to_string() + &rows.collect::<String>()
}

/// A table of `y` = 20 sin(x) over `x` in steps, from an offset on.
fn wave(offset: i64, target: f64) -> String {
    let row = |n: i64| format!("{},{:.4}\n", offset + n, target + 20.0 * (n as f64 / 30.0).sin());
    table("t,y\n", (0..240).map(row))
}

const TRAIN: [&str; 8] = ["--preset", "fast", "--hidden", "32 tanh", "--epochs", "120", "--learning-rate", "0.01"];

/// Seconds since 1970, and a target of 3·10⁹ ± 20, both of which are hardly two numbers as f32.
#[test]
fn large_offsets_of_inputs_and_targets_change_no_score() {
    let folder = Folder::new();
    let score = |name: &str, table: String| {
        folder.write(name, table);
        let events = folder.events(&[&["train", name], &TRAIN[..]].concat());
        let model = name.replace("csv", "safetensors");
        let all = folder.events(&["evaluate", &model, name])[0].clone();
        let summary = events[events.len() - 1].clone();
        [&summary, &all].map(|event| ["r2", "mae"].map(|metric| event[metric].as_f64().expect("a metric")))
    };
    let plain = score("plain.csv", wave(0, 0.0));
    assert!(plain.iter().all(|[r2, _]| *r2 > 0.98), "{plain:?}");
    for (name, table) in [("seconds.csv", wave(1_700_000_000, 0.0)), ("target.csv", wave(0, 3e9))] {
        for (found, wanted) in score(name, table).iter().zip(&plain) {
            assert!(
                (found[0] - wanted[0]).abs() < 5e-3 && (found[1] - wanted[1]).abs() < 0.3,
                "{name}: {found:?}, {wanted:?}"
            );
        }
    }
    let found = rows(&folder.succeed(&["predict", "target.safetensors", "target.csv"]));
    assert_eq!(found[0], ["predicted_y"]);
    for (row, [predicted]) in
        found[1..].iter().map(|row| <&[String; 1]>::try_from(&row[..]).expect("a cell")).enumerate()
    {
        let wanted = 3e9 + 20.0 * (row as f64 / 30.0).sin();
        let predicted: f64 = predicted.parse().expect("a number");
        assert!((predicted - wanted).abs() < 6.0, "row {row}: {predicted}, not {wanted}");
    }
}

/// Nothing of the rows to validate and to test on is known to the scaling.
#[test]
fn scalings_of_inputs_and_targets_are_fitted_on_the_training_set_alone() {
    let folder = Folder::new();
    let row = |n: u32| format!("{},{},{}.5\n", n * n % 97, n * 13 % 31, n * n % 89);
    folder.write("t.csv", table("a,b,y\n", (0..60).map(row)));
    folder.succeed(&["train", "t.csv", "--epochs", "1", "--seed", "4"]);
    let head = Model::load(folder.path().join("t.safetensors")).expect("a model").metadata;
    let all = Dataset::from_csv(folder.path().join("t.csv"), None).expect("a table");
    let (train, ..) = all.split(Split::parts(0.7, 0.15).seed(4)).expect("split");
    let fitted = |data: &Dataset| [Standardization::robust(data), Standardization::fit_targets(data)].map(Result::ok);
    assert_eq!([head.preprocessing.clone(), head.target_scaling.clone()], fitted(&train));
    assert_ne!(head.preprocessing, fitted(&all)[0], "not that of all rows");
    assert_ne!(head.target_scaling, fitted(&all)[1], "not that of all rows");
}

/// The last column is one that was left out.
#[test]
fn a_model_knows_its_target_and_what_was_left_out() {
    let folder = Folder::new();
    let row = |n: u32| format!("{},{},{}\n", 100 + 3 * n, n, 900_000 + 7 * n);
    folder.write("house.csv", table("price,area,ref\n", (0..60).map(row)));
    folder.succeed(&["train", "house.csv", "--target", "price", "--drop", "ref", "--epochs", "100"]);
    let output = folder.run(&["evaluate", "house.safetensors", "house.csv", "--json"]);
    assert!(output.stderr.is_empty(), "{}", stderr(&output));
    let event: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(event["r2"].as_f64().is_some_and(|r2| r2 > 0.9), "{event}");
    let other = folder.events(&["evaluate", "house.safetensors", "house.csv", "--target", "ref"]);
    assert!(other[0]["r2"].as_f64().is_some_and(|r2| r2 < 0.0), "what is named wins: {}", other[0]);
    assert!(folder.succeed(&["predict", "house.safetensors", "house.csv"]).starts_with("predicted_price\n"));
    let head = Model::load(folder.path().join("house.safetensors")).expect("a model").metadata;
    let dropped = head.table.expect("it was a table").dropped;
    assert_eq!((head.targets, head.columns, dropped), (vec!["price".into()], vec!["area".into()], vec!["ref".into()]));

    folder.write("new.csv", "area,note\n50,1\n");
    let message = folder.fail(&["evaluate", "house.safetensors", "new.csv"]);
    for words in ["new.csv: it lacks column `price`, the target", "`--target`"] {
        assert!(message.contains(words), "{message}");
    }
    assert_eq!(folder.succeed(&["predict", "house.safetensors", "new.csv"]).lines().count(), 2);
    folder.succeed(&["plot", "boundary", "--help"]);
}

/// A file of wgrad's before models knew their targets: none is guessed.
#[test]
fn a_model_of_an_older_format_needs_its_target_named() {
    let folder = Folder::new();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/format1.safetensors");
    let path = path.to_str().expect("UTF-8");
    let row = |n: usize| format!("{},{},{}\n", 50 + 3 * n, 1 + n % 4, 100_000 + 3000 * n + 500 * (n % 4));
    folder.write("house.csv", table("area,rooms,price\n", (0..30).map(row)));
    let message = folder.fail(&["evaluate", path, "house.csv"]);
    assert!(message.contains("does not name its target column; name the target column with `--target`"), "{message}");
    let output = folder.run(&["evaluate", path, "house.csv", "--target", "price"]);
    assert!(
        text(&output.stdout).starts_with("R² -0.801, MAE 30953, RMSE 34873, loss 1.2161e9"),
        "{}",
        text(&output.stdout)
    );
    let warned = "warning: the model is no better than always answering the mean, 144217: R² 0, MAE 22517, RMSE";
    assert!(unwrapped(&stderr(&output)).starts_with(warned), "{}", stderr(&output));
    let table = rows(&folder.succeed(&["predict", path, "house.csv"]));
    assert_eq!((&table[0][0], table.len()), (&"predicted".to_string(), 31));
    let first: f64 = table[1][0].parse().expect("a number");
    assert!((first - 154_478.13).abs() < 0.1, "{first}");
}

#[test]
fn a_table_without_a_header_keeps_all_rows_and_its_model_knows() {
    let folder = Folder::new();
    let row = |n: usize| format!("{},{}.5,{}.25,N{n}\n", ["late", "early"][n % 2], n * n % 17, 10 * (n % 2));
    folder.write("bare.csv", (0..40).map(row).collect::<String>());
    let train = ["train", "bare.csv", "--target", "column1", "--drop", "column4", "--epochs", "60"];
    let output = folder.run(&train);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(text(&output.stdout).contains(": 40 rows of 2 columns, 28 to train on, 6 to validate, 6 to test"));
    assert!(stderr(&output).contains("the first row looks like values"), "{}", stderr(&output));
    assert_eq!(folder.events(&train)[0]["warnings"][0]["kind"], "header");
    let evaluated = folder.events(&["evaluate", "bare.safetensors", "bare.csv"]);
    assert_eq!((&evaluated[0]["rows"], &evaluated[0]["accuracy"]), (&40.into(), &1.0.into()));
    // A row that looks like names by itself; and rows whose target is not known.
    folder.write("one.csv", "late,4.5,0.25,N1\n");
    folder.write("new.csv", ",4.5,0.25,N1\n,7.5,10.25,N2\n");
    let predicted = |table: &str| {
        let table = rows(&folder.succeed(&["predict", "bare.safetensors", table]));
        table.into_iter().map(|row| row[0].clone()).collect::<Vec<_>>()
    };
    assert_eq!(predicted("one.csv"), ["predicted_column1", "late"]);
    assert_eq!(predicted("new.csv"), ["predicted_column1", "late", "early"]);
    folder.write("wide.csv", "late,4.5,0.25,N1,7\n");
    let message = folder.fail(&["predict", "bare.safetensors", "wide.csv"]);
    assert!(message.contains("5 columns and no header, but 4 columns are expected"), "{message}");
    folder.write("named.csv", "column2,column3\n4.5,0.25\n");
    assert_eq!(folder.succeed(&["predict", "bare.safetensors", "named.csv", "--header", "yes"]).lines().count(), 2);

    let as_said = folder.run(&["inspect", "bare.csv", "--header", "no"]);
    assert!(!text(&as_said.stdout).contains("first row") && text(&as_said.stdout).contains("40 rows"));
    folder.write("years.csv", "2019,2020,2021\n17,18,5\n20,22,8\n");
    let said = folder.run(&["train", "years.csv", "--epochs", "1"]);
    assert!(stderr(&said).contains("may hold names or values, `2019`, `2020`, `2021`"), "{}", stderr(&said));
    assert!(folder.fail(&["train", "iris", "--header", "no"]).contains("leave `--header` out"));
}

#[test]
fn warnings_of_many_columns_are_folded_and_name_the_command_that_shows_all() {
    let folder = Folder::new();
    let names: Vec<String> = (0..8).map(|column| format!("price {column}")).collect();
    let row = |n: usize| (0..8).map(|column| format!("${}.5,", n * (column + 1) + 5)).collect::<String>();
    folder.write("p.csv", table(&(names.join(",") + ",y\n"), (0..40).map(|n| format!("{}{n}.25\n", row(n)))));
    let output =
        folder.run(&["train", "p.csv", "--preset", "fast", "--epochs", "1", "--target=y", "--drop", "price 7"]);
    let told = stderr(&output);
    let all =
        "… and 2 more warnings of kind `format`; `wgrad inspect p.csv --target=y --drop 'price 7' --all` shows them\n";
    assert!(told.contains(all) && told.matches("is read as").count() == 5, "{told}");
    let inspected = folder.succeed(&["inspect", "p.csv", "--target=y", "--drop", "price 7", "--all"]);
    assert_eq!(inspected.matches("`$5.5` is read as").count(), 7, "{inspected}");
    for command in ["predict", "evaluate"] {
        let output = folder.run(&[command, "p.safetensors", "p.csv"]);
        let told = stderr(&output);
        assert_eq!((output.status.code(), told.matches("is read as").count()), (Some(0), 5), "{told}");
        assert!(told.contains("note: … and 2 more of how columns are read\n"), "{told}");
    }
}

/// Without a header columns are told apart by their places alone.
#[test]
fn columns_without_names_are_never_taken_for_their_neighbors() {
    let folder = Folder::new();
    let row = |n: usize| format!("{}.5,{},{}.25,{}.75\n", 900 + n, n * n % 17, n % 5, 3 * n);
    folder.write("bare.csv", (0..40).map(row).collect::<String>());
    let train = ["train", "bare.csv", "--header", "no", "--epochs", "2", "--out"];
    folder.succeed(&[&train[..], &["all.safetensors"]].concat());
    folder.succeed(&[&train[..], &["dropped.safetensors", "--drop", "column1"]].concat());
    let without = |column: usize| {
        let cut = |line: String| {
            let cells: Vec<&str> = line.trim().split(',').collect();
            [&cells[..column], &cells[column + 1..]].concat().join(",") + "\n"
        };
        (0..40).map(row).map(cut).collect::<String>()
    };
    folder.write("no_id.csv", without(0));
    folder.write("no_target.csv", without(3));
    for table in ["no_id.csv", "no_target.csv"] {
        let message = folder.fail(&["predict", "dropped.safetensors", table]);
        for words in ["3 columns and no header, but 4 columns are expected", "give all 4 columns"] {
            assert!(message.contains(words), "{table}: {message}");
        }
    }
    let predicted = folder.succeed(&["predict", "all.safetensors", "bare.csv"]);
    assert_eq!(folder.succeed(&["predict", "all.safetensors", "no_target.csv"]), predicted);
    let message = folder.fail(&["predict", "dropped.safetensors", "iris"]);
    assert!(message.contains("columns"), "{message}");
}

/// The data set of a library's user, whose classes are one number.
#[test]
fn a_model_of_classes_as_a_number_knows_its_target_column() {
    let folder = Folder::new();
    let row = |n: usize| format!("{}.5,{}\n", n, usize::from(n >= 20));
    folder.write("t.csv", table("x,passed\n", (0..40).map(row)));
    let data =
        Dataset::from_csv(folder.path().join("t.csv"), None).and_then(Dataset::class_as_number).expect("a table");
    assert_eq!(data.target_columns(), ["passed"]);
    let builder = wgrad::Trainer::builder(wgrad::Network::input(1).dense(1)).loss(wgrad::Loss::binary_cross_entropy());
    let builder = builder.optimizer(wgrad::Adam::new(0.1)).preprocessing(Standardization::fit(&data).expect("rows"));
    let mut trainer = builder.build(&wgrad::Device::cpu()).expect("a trainer");
    trainer.fit(&data, wgrad::Fit::epochs(60)).expect("trained");
    trainer.into_model().and_then(|model| model.save(folder.path().join("m.safetensors"))).expect("saved");
    assert!(folder.events(&["evaluate", "m.safetensors", "t.csv"])[0]["accuracy"].as_f64() > Some(0.9));
    assert!(folder.succeed(&["predict", "m.safetensors", "t.csv"]).starts_with("predicted_passed"));
}

#[test]
fn a_model_reads_numbers_as_they_were_written_in_training() {
    let folder = Folder::new();
    let row = |n: u32| format!("\"${},{:03}.00\",\"{},{:03}\"\n", 1 + n, 7 * n, 2 + 2 * n, 14 * n);
    let table: String = (0..60).map(row).collect();
    folder.write("t.csv", format!("price,tax\n{table}"));
    let output = folder.run(&["train", "t.csv", "--epochs", "60"]);
    let told = stderr(&output);
    for said in ["warning: column `price`: `$1,000.00` is read as 1000\n", "column `tax`: `2,000` is read as 2000\n"] {
        assert!(told.contains(said), "{said}: {told}");
    }
    assert!(text(&output.stdout).contains("mean_squared_error"), "never a class for each: {}", text(&output.stdout));
    // Alone, `$30,203` does not show the meaning of its comma.
    folder.write("new.csv", "price\n\"$30,203\"\n30203\n");
    let output = folder.run(&["predict", "t.safetensors", "new.csv"]);
    assert_eq!(stderr(&output), "note: column `price`: `$30,203` is read as 30203\n");
    let table = rows(&text(&output.stdout));
    assert_eq!((table[1] == table[2], table[0][0].as_str()), (true, "predicted_tax"));
    let tax: f64 = table[1][0].parse().expect("a number");
    assert!((tax - 60_406.0).abs() < 6000.0, "{tax}");
}

#[test]
fn training_prints_the_warnings_of_inspection() {
    let folder = Folder::new();
    let row =
        |n: usize| format!("{},{},{}\n", 1000 + n, n * n % 7, if n < 3 { format!("rare{n}") } else { "usual".into() });
    folder.write("t.csv", table("id,x,y\n", (0..60).map(row)));
    let inspected = unwrapped(&folder.succeed(&["inspect", "t.csv"]));
    let expected: Vec<&str> = inspected.lines().filter(|line| line.starts_with("warning: ")).collect();
    assert!(expected.len() == 2, "{inspected}");
    let output = folder.run(&["train", "t.csv", "--epochs", "1"]);
    let told = stderr(&output);
    assert!(expected.iter().all(|line| told.contains(line)), "{told}, not {expected:?}");
    let start = folder.events(&["train", "t.csv", "--epochs", "1"])[0].clone();
    let kinds: Vec<_> = start["warnings"].as_array().expect("they are there").iter().map(|one| &one["kind"]).collect();
    assert_eq!(kinds, ["rare_class", "imbalanced"], "each class with one row is trained on");
    let json = folder.run(&["train", "t.csv", "--epochs", "1", "--force", "--json"]);
    assert!(json.stderr.is_empty(), "{}", stderr(&json));
    let quiet = folder.run(&["train", "t.csv", "--epochs", "1", "--force", "--quiet"]);
    assert!(quiet.stderr.is_empty() && quiet.stdout.is_empty());
}

#[test]
fn a_model_of_other_data_or_settings_is_not_replaced_unasked() {
    let folder = Folder::new();
    folder.write("a.csv", wave(0, 0.0));
    folder.write("b.csv", wave(1, 0.0));
    let out = ["--out", "m.safetensors"];
    let train = |data, options: &[&str]| {
        let output = folder.run(&[&["train", data], &out[..], options].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        folder.read("m.safetensors")
    };
    let first = train("a.csv", &["--epochs", "2"]);
    // The same command, however it is told and whatever computes.
    assert!(train("a.csv", &["--epochs", "2", "--threads", "1", "--json"]) == first);
    // Training for so long would take hours.
    for (data, options, name) in [
        ("a.csv", &["--epochs", "1000000000"][..], "epochs = 2, but now it would be 1000000000"),
        ("a.csv", &["--epochs", "2", "--seed", "1"], "seed = 0, but now it would be 1"),
        (
            "a.csv",
            &["--epochs", "2", "--learning-rate", "0.5"],
            "optimizer.learning_rate = 0.006, but now it would be 0.5",
        ),
        ("a.csv", &["--epochs", "2", "--hidden", "8 relu"], "network = "),
        ("a.csv", &["--epochs", "2", "--target", "t"], "target = y, but now it would be t"),
        ("b.csv", &["--epochs", "2"], "data = a, but now it would be b"),
    ] {
        let message = folder.fail(&[&["train", data], &out[..], options].concat());
        for part in [name, "m.safetensors: it holds a model with ", "`--out`", "`--force`"] {
            assert!(message.contains(part), "{data} {options:?}: {part}: {message}");
        }
    }
    folder.write("a.csv", wave(1, 0.0));
    let message = folder.fail(&["train", "a.csv", "--out", "m.safetensors", "--epochs", "2"]);
    assert!(message.contains("contents = 240 rows with checksum "), "{message}");
    assert!(train("a.csv", &["--epochs", "2", "--force"]) != first);
    folder.write("text.safetensors", "not a model");
    let message = folder.fail(&["train", "a.csv", "--out", "text.safetensors"]);
    assert!(message.contains("it exists, and is not a model that can be read"), "{message}");
}

/// A model of `a` and `b`, which write German numbers, for y = a + 2b.
fn german_model(folder: &Folder) {
    let row = |n: i32| format!("{}.{:03},{:02};{},5;{},25\n", 1 + n % 9, 7 * n, n, n % 13, 1000 + n);
    folder.write("german.csv", table("a;b;y\n", (0..60).map(row)));
    folder.succeed(&["train", "german.csv", "--epochs", "1"]);
}

#[test]
fn a_table_shows_its_own_number_format_whatever_the_model_knows() {
    let folder = Folder::new();
    german_model(&folder);
    let predicted = |table: &str| {
        folder.write("new.csv", table);
        let output = folder.run(&["predict", "german.safetensors", "new.csv"]);
        assert_eq!(output.status.code(), Some(0), "{table}: {}", stderr(&output));
        (rows(&text(&output.stdout)), stderr(&output))
    };
    let plain = "a;b\n1234.5;1.5\n15.678;2.5\n";
    let (wanted, noted) = predicted(plain);
    assert_eq!(noted, "", "in the training's format, `1234.5` would be no number");
    assert_eq!(predicted("a,b\n\"1.234,5\",\"1,5\"\n\"15,678\",\"2,5\"\n").0, wanted, "as the model's own table");
    // Three digits behind each point: the other column shows what it is.
    let (points, noted) = predicted("a;b\n1.234;1.5\n15.678;2.5\n");
    assert_eq!(points, predicted("a;b\n1.2340;1.5\n15.6780;2.5\n").0);
    assert!(noted.contains("note: column `a`: `1.234` is read as 1.234\n"), "{noted}");
    let (groups, noted) = predicted("a;b\n1.234;1,5\n15.678;2,5\n");
    assert_eq!(groups, predicted("a;b\n1234;1.5\n15678;2.5\n").0);
    assert!(noted.contains("note: column `a`: `1.234` is read as 1234\n"), "{noted}");
    // Without a sign of the format, numbers are read as programs write them, with a note.
    let (alone, noted) = predicted("a;b\n1.234;1\n15.678;2\n");
    assert_eq!(alone, predicted("a;b\n1.2340;1.0\n15.6780;2.0\n").0);
    assert!(noted.contains("note: column `a`: `1.234` is read as 1.234\n"), "{noted}");
    // Only the model can tell.
    let (told, noted) = predicted("a;b\n1,234;1\n15,678;2\n");
    assert_eq!(told, alone);
    assert!(noted.contains("note: column `a`: `1,234` is read as 1.234\n"), "{noted}");
}

#[test]
fn evaluation_reads_inputs_and_targets_by_the_tables_own_format() {
    let folder = Folder::new();
    german_model(&folder);
    let row = |n: i32| [f64::from(1000 * (1 + n % 9) + 7 * n), f64::from(n % 13) + 0.5, f64::from(1000 + n) + 0.25];
    let plain = |n: i32| row(n).map(|cell| format!("{cell:.3}")).join(",") + "\n";
    let german = |n: i32| row(n).map(|cell| format!("{cell:.3}").replace('.', ",")).join(";") + "\n";
    folder.write("plain.csv", table("a,b,y\n", (0..60).map(plain)));
    folder.write("comma.csv", table("a;b;y\n", (0..60).map(german)));
    let score = |table: &str| folder.events(&["evaluate", "german.safetensors", table])[0]["r2"].clone();
    assert_eq!(score("plain.csv"), score("comma.csv"));
}

#[test]
fn signs_that_change_a_numbers_unit_are_not_read_otherwise_than_in_training() {
    let folder = Folder::new();
    let row = |n: u32| format!("{}.5%,${}.25,{n}.5\n", 10 + n, 5 * n);
    folder.write("t.csv", table("share,price,y\n", (0..60).map(row)));
    folder.succeed(&["train", "t.csv", "--epochs", "1"]);
    folder.write("percent.csv", "share,price\n0.105,$5.25\n");
    folder.write("euro.csv", "share,price\n10.5%,€5.25\n");
    folder.write("bare.csv", "share,price\n10.5%,5.25\n");
    let message = folder.fail(&["predict", "t.safetensors", "percent.csv"]);
    assert!(
        message.contains("line 2, column `share`: `0.105` has no percent sign, but the column's numbers"),
        "{message}"
    );
    let message = folder.fail(&["predict", "t.safetensors", "euro.csv"]);
    assert!(message.contains("line 2, column `price`: `€5.25` has a currency sign other than `$`"), "{message}");
    folder.succeed(&["predict", "t.safetensors", "bare.csv"]);
}
