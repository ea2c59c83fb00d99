//! Tables of the user's own: how they are written, and which columns count.

use wgrad::{Dataset, Model, Split};

use super::{Folder, packed, stderr, unwrapped};

/// Houses with an id that is no number and a price by their area.
fn houses(delimiter: &str) -> String {
    let row = |area: u32| [format!("H{area}"), area.to_string(), (100 + 3 * area).to_string()].join(delimiter) + "\n";
    ["id", "area", "price"].join(delimiter) + "\n" + &(20..80).map(row).collect::<String>()
}

#[test]
fn any_delimiter_packed_or_not_trains_the_same_model() {
    let folder = Folder::new();
    folder.write("house.csv", houses(","));
    folder.write("house.tsv", houses("\t"));
    folder.write("house.txt", houses(":"));
    folder.write("house.csv.gz", packed(&houses(";")));
    let train = |options: &[&str]| {
        folder.succeed(&[&["train"], options, &["--drop", "id", "--epochs", "2"]].concat());
        let mut model = Model::load(folder.path().join("house.safetensors")).expect("a model");
        // All else is the same.
        model.metadata.table.as_mut().expect("a table").delimiter = None;
        model
    };
    let model = train(&["house.csv"]);
    for other in [&["house.tsv"][..], &["house.csv.gz"], &["house.txt", "--delimiter", ":"]] {
        assert!(train(other) == model, "{other:?}");
    }
    for options in [&["house.tsv"][..], &["house.tsv", "--delimiter", "tab"], &["house.txt", "--delimiter", ":"]] {
        let on = |command, data: &[&str]| folder.succeed(&[&[command, "house.safetensors"], data].concat());
        assert_eq!(on("predict", options), on("predict", &["house.csv"]), "{options:?}");
        let score = |text: String| text.split(" on all").next().map(String::from);
        assert_eq!(score(on("evaluate", options)), score(on("evaluate", &["house.csv"])), "{options:?}");
    }
    assert!(folder.succeed(&["plan", "house.csv", "--drop", "id"]).contains("1 → scaling"));
    assert_eq!(
        folder.files(),
        ["house.csv", "house.csv.gz", "house.safetensors", "house.tsv", "house.txt"],
        "models are named after the table, without both endings"
    );
}

#[test]
fn columns_are_left_out_by_name() {
    let folder = Folder::new();
    folder.write("house.csv", houses(","));
    for options in [&["--drop", "id,area"][..], &["--drop", "id", "--drop", "area"]] {
        let message = folder.fail(&[&["train", "house.csv"], options].concat());
        assert!(message.contains("0 inputs are left of 3 columns"), "{message}");
    }
    let events = folder.events(&["train", "house.csv", "--drop", "id", "--epochs", "1"]);
    assert_eq!(events[0]["inputs"], 1);
    // The model's columns are found by name: what was left out may stay in the table, or be gone.
    folder.write("new.csv", "area\n50\n");
    assert_eq!(folder.succeed(&["predict", "house.safetensors", "new.csv"]).lines().count(), 2);
    assert_eq!(folder.succeed(&["predict", "house.safetensors", "house.csv"]).lines().count(), 61);
}

/// The command that the warning recommends works as it is printed.
#[cfg(unix)]
#[test]
fn columns_of_any_name_are_left_out_as_the_warning_recommends() {
    let names = [
        "a,b",
        "-x",
        "-y,z",
        "say \"hi\", he said",
        "\"",
        "it's",
        "$HOME",
        "two words",
        "--target",
        "ä",
        "a\u{1b}[2Jb",
    ];
    for name in names {
        let folder = Folder::new();
        let quoted = name.replace('"', "\"\"");
        // A column that equals the target is a leak.
        let rows: String = (0..30).map(|n| format!("{}.25,{n}.5,{}.25\n", n * n, n * n)).collect();
        folder.write("t.csv", format!("\"{quoted}\",u,y\n{rows}"));
        let found = folder.events(&["inspect", "t.csv"]);
        let warning = found[0]["warnings"][0]["message"].as_str().expect("a warning");
        let (_, option) = warning.rsplit_once("drop with `").expect("it recommends");
        let shell = format!("\"$0\" plan t.csv {}", option.trim_end_matches('`'));
        // Control characters can be typed in bash, zsh and ksh.
        let mut command = std::process::Command::new(if option.contains("$'") { "bash" } else { "sh" });
        command.args(["-c", &shell, env!("CARGO_BIN_EXE_wgrad")]).env("WGRAD_DEVICE", "cpu");
        let output = command.current_dir(folder.path()).output().expect("a shell");
        assert!(output.status.success(), "{shell}: {}", stderr(&output));
        assert!(super::text(&output.stdout).contains("1 → scaling"), "{shell}");
    }
    let folder = Folder::new();
    folder.write("t.csv", "\"a,b\",c,d,y\nA,B,1,2\nA,B,2,3\n");
    assert!(folder.succeed(&["plan", "t.csv", "--drop", "\"a,b\", c"]).contains("1 → scaling"));
    assert!(folder.fail(&["plan", "t.csv", "--drop", ""]).contains("one line of column names"));
    assert!(folder.fail(&["plan", "t.csv", "--drop", "a\nb"]).contains("one line of column names"));
}

#[test]
fn an_inspection_shows_statistics_and_what_columns_become() {
    let folder = Folder::new();
    folder.write("house.csv", houses(",").replace("H20,20,160", "H20,,160"));
    let text = unwrapped(&folder.succeed(&["inspect", "house.csv"]));
    for words in [
        "house: 60 rows of 3 columns, separated by `,`\n",
        "id      text           0      60",
        "area    integer        1      59   21",
        "target `price` is read as a number\n",
        "id      id      left out: differs in almost every row\n",
        "area    number  number (median if missing), is missing  1\n",
    ] {
        assert!(text.contains(words), "`{words}` is not in:\n{text}");
    }
    let form = ["inspect", "house.csv", "--target", "area", "--drop", "id", "--delimiter", ","];
    assert!(folder.succeed(&form).contains("dropped"));
    let found = &folder.events(&["inspect", "house.csv"])[0];
    assert_eq!((&found["event"], &found["delimiter"], &found["rows"]), (&"inspection".into(), &",".into(), &60.into()));
    assert_eq!((&found["columns"][1]["missing"], &found["columns"][1]["min"]), (&1.into(), &21.0.into()));
    assert_eq!((&found["columns"][0]["kind"], &found["target"]["read_as"]), (&"text".into(), &"number".into()));
    assert_eq!((&found["prepared"][0]["kind"], &found["prepared"][1]["inputs"]), (&"identifier".into(), &2.into()));
}

#[test]
fn blanks_between_columns_are_not_called_tabs() {
    let folder = Folder::new();
    folder.write("blanks.txt", houses("  "));
    folder.write("tabs.txt", houses("\t"));
    for (arguments, words, delimiter) in [
        (&["blanks.txt"][..], "3 columns, separated by blanks\n", " "),
        (&["blanks.txt", "--delimiter", " "], "3 columns, separated by blanks\n", " "),
        (&["tabs.txt"], "3 columns, separated by tabs\n", "\t"),
    ] {
        let arguments = [&["inspect"], arguments].concat();
        let text = folder.succeed(&arguments);
        assert!(text.contains(words), "{text}");
        assert_eq!(folder.events(&arguments)[0]["delimiter"], delimiter);
    }
    folder.write("uneven.txt", houses("  ") + "1 2\n");
    let message = folder.fail(&["inspect", "uneven.txt", "--delimiter", " "]);
    assert!(message.contains("quote cells that contain blanks"), "{message}");
}

#[test]
fn built_in_data_are_inspected_and_bars_show_the_classes() {
    let folder = Folder::new();
    let text = folder.succeed(&["inspect", "iris"]);
    assert!(text.contains(&format!("setosa      50  33.3 %  {}\n", "█".repeat(30))), "{text}");
    assert_eq!(folder.events(&["inspect", "digits"])[0]["columns"].as_array().map(Vec::len), Some(65));
    assert!(folder.succeed(&["inspect", "digits", "--all"]).contains("pixel_7_7"));
    assert!(folder.fail(&["inspect", "iris", "--drop", "species"]).contains("`--drop`"));
    assert!(folder.fail(&["inspect", "digts"]).contains("did you mean `digits`"));
    assert!(folder.files().is_empty());
}

/// Median and distance of the quartiles, interpolated as NumPy does; mean and population standard deviation of targets.
fn moments(values: impl Iterator<Item = f64>, is_target: bool) -> [f64; 2] {
    let mut values: Vec<f64> = values.collect();
    let count = values.len() as f64;
    if is_target {
        let mean = values.iter().sum::<f64>() / count;
        return [mean, (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt()];
    }
    values.sort_by(f64::total_cmp);
    let quantile = |share: f64| {
        let place = share * (count - 1.0);
        let (low, high) = (values[place.floor() as usize], values[place.ceil() as usize]);
        low + (high - low) * place.fract()
    };
    [quantile(0.5), quantile(0.75) - quantile(0.25)]
}

/// Training must not know inputs or targets of validation and test rows.
#[test]
fn scales_are_those_of_the_training_rows_alone() {
    let folder = Folder::new();
    let row = |n: i32| format!("{},{},{}\n", n * n, 1.2f64.powi(n), 5000 + n.pow(3));
    folder.write("table.csv", format!("x,z,y\n{}", (0..40).map(row).collect::<String>()));
    folder.succeed(&["train", "table.csv", "--seed", "3", "--epochs", "1"]);
    let model = Model::load(folder.path().join("table.safetensors")).expect("it was written");
    let data = Dataset::from_csv(folder.path().join("table.csv"), None).expect("the table is sound");
    let (train, ..) = data.split(Split::parts(0.7, 0.15).seed(3)).expect("it has 40 rows");
    let scalings = [&model.metadata.preprocessing, &model.metadata.target_scaling];
    let [inputs, targets] = scalings.map(|scaling| scaling.as_ref().expect("inputs and targets are scaled"));
    let found = [(inputs, 0), (inputs, 1), (targets, 0)].map(|(of, column)| [of.mean()[column], of.scale()[column]]);
    let of = |data: &Dataset, column: usize| match data.targets() {
        wgrad::Targets::Numbers { values, .. } if column == 2 => moments(values.iter().copied(), true),
        _ => moments((0..data.len()).map(|row| data.value(row, column)), false),
    };
    for (column, found) in found.into_iter().enumerate() {
        for ((found, wanted), leaked) in found.into_iter().zip(of(&train, column)).zip(of(&data, column)) {
            assert!((found - wanted).abs() <= 1e-12 * wanted, "column {column}: {found}, wanted {wanted}");
            assert!((leaked - wanted).abs() > 1e-3 * wanted, "column {column}: all rows look like those of training");
        }
    }
}

/// Houses with an id, a city, a date, a garden and missing cells; the price depends on all but the id.
fn mixed(rows: std::ops::Range<usize>) -> String {
    let row = |n: usize| {
        let (area, city) = (40 + n * 37 % 90, n * 13 % 4);
        let price = 3 * area + 60 * city + 40 * (n % 2) + n / 3;
        let area = if n % 11 == 5 { "NA".into() } else { area.to_string() };
        let city = ["Bern", "Lima", "Oslo", "Rome"][city];
        let (garden, day) = (["no", "YES"][n % 2], n % 28 + 1);
        format!("H{n},{area},{city},{garden},2024-{:02}-{day:02},{price}.5\n", n / 28 % 12 + 1)
    };
    "id,area,city,garden,sold,price\n".to_string() + &rows.map(row).collect::<String>()
}

#[test]
fn a_table_of_all_kinds_trains_and_predicts_as_it_is() {
    let folder = Folder::new();
    folder.write("house.csv", mixed(0..300));
    let output = folder.run(&["train", "house.csv"]);
    let told = super::text(&output.stdout);
    assert!(output.stderr.is_empty(), "{}", stderr(&output));
    for line in [
        "column  kind       becomes                                 missing\n",
        "id      id         left out: differs in almost every row\n",
        "area    number     number (median if missing), is missing  27\n",
        "city    category   4 levels                                0\n",
        "garden  yes or no  0 or 1                                  0\n",
        "sold    date       days, month, day, weekday               0\n",
        "house.csv: 300 rows of 4 columns (14 inputs), 210 to train on",
    ] {
        assert!(told.contains(line), "`{line}` is not in:\n{told}");
    }
    let evaluated = &folder.events(&["evaluate", "house.safetensors", "house.csv"])[0];
    assert!(evaluated["r2"].as_f64() > Some(0.9), "{evaluated}");
    // Columns in another order, one more, a missing cell in each, a new city, and no target.
    folder.write(
        "new.csv",
        "sold,note,garden,city,area,id\n,x,no,Bern,50,A\n2024-05-05,x,,Kyiv,?,\"B, C\"\n2025-01-01,x,on,,70,D\n",
    );
    let predicted = super::rows(&folder.succeed(&["predict", "house.safetensors", "new.csv", "--keep", "id"]));
    assert_eq!(predicted[0], ["id", "predicted_price"]);
    assert_eq!(predicted[1..].iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), ["A", "B, C", "D"]);
    assert!(predicted[1..].iter().all(|row| row[1].parse::<f64>().is_ok()), "{predicted:?}");
    // Rows without a target are counted.
    folder.write("part.csv", mixed(0..30) + "H30,50,Bern,no,2024-01-01,\n");
    let output = folder.run(&["evaluate", "house.safetensors", "part.csv"]);
    assert_eq!(stderr(&output), "note: 1 of 31 rows has no `price`, the target, and cannot be used\n");
    assert!(super::text(&output.stdout).contains("on all 30 rows"));
    assert!(folder.fail(&["predict", "house.safetensors", "new.csv", "--keep", "idd"]).contains("did you mean `id`"));
    let shown = folder.succeed(&["show", "house.safetensors"]);
    assert!(unwrapped(&shown).contains("columns   5: id left out, area, city, garden, sold"), "{shown}");
}

#[test]
fn options_decide_on_kinds_on_the_task_and_on_missing_cells() {
    let folder = Folder::new();
    let row = |n: usize| format!("{},{},{}\n", 8000 + n % 3, if n % 10 == 4 { "" } else { "1.5" }, n % 5 + 1);
    folder.write("t.csv", format!("zip,w,stars\n{}", (0..60).map(row).collect::<String>()));
    let start = |options: &[&str]| {
        folder.events(&[&["train", "t.csv", "--epochs", "1", "--force"], options].concat())[0].clone()
    };
    let inputs = |options: &[&str]| start(options)["inputs"].as_u64();
    assert_eq!((inputs(&[]), start(&[])["outputs"].as_u64()), (Some(3), Some(5)));
    assert_eq!(inputs(&["--column", "zip=category"]), Some(5));
    assert_eq!(start(&["--task", "regression"])["outputs"], 1);
    assert_eq!(start(&["--loss", "mse"])["outputs"], 1);
    let dropped = start(&["--missing", "drop"]);
    let rows = ["train", "validation", "test"].map(|set| dropped["rows"][set].as_u64().unwrap_or(0));
    assert_eq!((rows.iter().sum::<u64>(), &dropped["inputs"]), (54, &2.into()));
    assert!(folder.fail(&["train", "t.csv", "--missing", "error"]).contains("missing cells: `w` (6)"));
    for (option, words) in [("zip", "COLUMN=KIND"), ("zip=text", "unknown kind `text`; kinds: number, category")] {
        assert!(folder.fail(&["train", "t.csv", "--column", option]).contains(words), "{option}");
    }
    assert!(folder.fail(&["train", "iris", "--task", "regression"]).contains("leave `--task` out"));
}

/// Of 1,500 rows, 70 % are trained on: 1,050, for which columns of numbers have 16 bins.
#[test]
fn columns_of_numbers_have_bins_in_larger_tables() {
    let folder = Folder::new();
    let row =
        |n: usize| format!("{},{},{}\n", n * 7919 % 1500, n % 2, if n * 7919 % 1500 > 500 { "high" } else { "low" });
    let table = |rows: usize| format!("a,b,y\n{}", (0..rows).map(row).collect::<String>());
    folder.write("t.csv", table(1500));
    folder.write("small.csv", table(1300));
    assert!(folder.succeed(&["inspect", "t.csv"]).contains("number, 16 bins"));
    assert!(!folder.succeed(&["inspect", "small.csv"]).contains("bins"), "910 rows are trained on");
    assert_eq!(folder.events(&["train", "small.csv", "--epochs", "1"])[0]["inputs"], 2);
    let train = |options: &[&str]| {
        folder.events(&[&["train", "t.csv", "--epochs", "1", "--force"], options].concat())[0]["inputs"].clone()
    };
    assert_eq!(train(&["--bins", "0"]), 2);
    assert_eq!(train(&["--bins", "4", "--drop", "b"]), 5);
    // `b` has two values, and so no bins.
    assert_eq!(train(&["--column", "b=number"]), 1 + 16 + 1);
    let shown = folder.succeed(&["show", "t.safetensors"]);
    assert!(unwrapped(&shown).contains("columns   2: a, b") && shown.contains("inputs    18"), "{shown}");
    let predicted = folder.succeed(&["predict", "t.safetensors", "t.csv"]);
    assert_eq!(predicted.lines().count(), 1501);
    assert!(folder.fail(&["train", "t.csv", "--bins", "1"]).contains("it must be 0, or a whole number from 2 to 512"));
    assert!(folder.fail(&["train", "iris", "--bins", "8"]).contains("leave `--bins` out"));
}

/// A score alone does not say whether the network learned anything.
#[test]
fn scores_stand_beside_those_of_the_best_constant_answer() {
    let folder = Folder::new();
    // The target does not depend on the input, and 9 of 10 are `no`.
    let row = |n: usize| format!("{},{}\n", n * 7919 % 1000, if n % 10 == 3 { "yes" } else { "no" });
    folder.write("t.csv", format!("x,y\n{}", (0..200).map(row).collect::<String>()));
    let output = folder.run(&["train", "t.csv", "--epochs", "3"]);
    let (told, warned) = (super::text(&output.stdout), unwrapped(&stderr(&output)));
    assert!(told.contains("always answering `no`: accuracy 90.0 %\n"), "{told}");
    assert!(warned.contains("warning: the model is no better than always answering `no`: accuracy 90.0 %"), "{warned}");
    let found = &folder.events(&["evaluate", "t.safetensors", "t.csv"])[0]["baseline"];
    assert_eq!((&found["answer"], &found["accuracy"], &found["beaten"]), (&"no".into(), &0.9.into(), &false.into()));
    // Of 1, 2, 3 and 6, the mean is 3, the mean distance 1.5, and the mean square of the distance 3.5.
    folder.write("n.csv", "x,z\n1,1\n2,2\n3,3\n4,6\n");
    folder.succeed(&["train", "n.csv", "--epochs", "1", "--task", "regression"]);
    let found = &folder.events(&["evaluate", "n.safetensors", "n.csv"])[0]["baseline"];
    assert_eq!((&found["answer"], &found["mae"]), (&"3.0000".into(), &1.5.into()));
    assert_eq!(found["rmse"].as_f64(), Some(3.5_f64.sqrt()));
}

#[test]
fn a_yes_or_no_target_is_a_number_if_requested() {
    let folder = Folder::new();
    let row = |n: usize| format!("{},{}\n", n % 7, if n % 7 > 3 { "yes" } else { "no" });
    folder.write("t.csv", format!("a,y\n{}", (0..60).map(row).collect::<String>()));
    let start = |options: &[&str]| {
        folder.events(&[&["train", "t.csv", "--epochs", "1", "--force"], options].concat())[0].clone()
    };
    assert_eq!(start(&[])["loss"], "softmax_cross_entropy");
    assert_eq!(start(&["--task", "regression"])["loss"], "mean_squared_error");
    assert_eq!(start(&["--task", "regression", "--loss", "bce"])["loss"], "binary_cross_entropy");
}

/// The range of few rows is no evidence that the first row is none of them.
#[test]
fn a_number_above_few_numbers_is_a_value() {
    let folder = Folder::new();
    for (table, rows) in
        [("1,5\n2,9", 2), ("7,3\n2,8\n4,6\n", 3), ("5,9\n2,1\n4,3\n", 3), ("x,y\n2,1\n", 1), ("2019,2020\n2,1\n", 1)]
    {
        folder.write("t.csv", table);
        let found = &folder.events(&["inspect", "t.csv"])[0];
        assert_eq!(found["rows"], rows, "{table:?}: {found}");
    }
}
