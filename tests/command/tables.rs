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
        folder.read("house.safetensors")
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
    assert!(folder.succeed(&["plan", "house.csv", "--drop", "id"]).contains("1 → dense"));
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
    assert!(folder.fail(&["train", "house.csv"]).contains("house.csv, line 2, column `id`"));
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

/// The command that the message recommends works as it is printed.
#[cfg(unix)]
#[test]
fn columns_of_any_name_are_left_out_as_the_message_recommends() {
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
        let rows: String = (0..30).map(|n| format!("N{n},{n}.5,{}\n", 2 * n)).collect();
        folder.write("t.csv", format!("\"{quoted}\",u,y\n{rows}"));
        let message = folder.fail(&["train", "t.csv"]);
        let (_, option) = message.trim_end().rsplit_once("drop the column with `").expect("it recommends");
        let shell = format!("\"$0\" plan t.csv {}", option.trim_end_matches('`'));
        // Control characters can be typed in bash, zsh and ksh.
        let mut command = std::process::Command::new(if option.contains("$'") { "bash" } else { "sh" });
        command.args(["-c", &shell, env!("CARGO_BIN_EXE_wgrad")]).env("WGRAD_DEVICE", "cpu");
        let output = command.current_dir(folder.path()).output().expect("a shell");
        assert!(output.status.success(), "{shell}: {}", stderr(&output));
        assert!(super::text(&output.stdout).contains("1 → dense"), "{shell}");
    }
    let folder = Folder::new();
    folder.write("t.csv", "\"a,b\",c,d,y\nA,B,1,2\n");
    assert!(folder.succeed(&["plan", "t.csv", "--drop", "\"a,b\", c"]).contains("1 → dense"));
    assert!(folder.fail(&["plan", "t.csv", "--drop", ""]).contains("one line of column names"));
    assert!(folder.fail(&["plan", "t.csv", "--drop", "a\nb"]).contains("one line of column names"));
}

#[test]
fn a_table_is_inspected_that_cannot_be_trained_on() {
    let folder = Folder::new();
    folder.write("house.csv", houses(",").replace("H20,20,160", "H20,,160"));
    let text = unwrapped(&folder.succeed(&["inspect", "house.csv"]));
    for words in [
        "house: 60 rows of 3 columns, separated by `,`\n",
        "id      text           0      60",
        "area    integer        1      59   21",
        "target `price` is read as a number\n",
        "warning: column `id` has 60 text cells, the first in line 2: `H20` is not a number",
        "warning: column `area` has 1 missing cell, the first in line 2",
    ] {
        assert!(text.contains(words), "`{words}` is not in:\n{text}");
    }
    let form = ["inspect", "house.csv", "--target", "area", "--drop", "id", "--delimiter", ","];
    assert!(folder.succeed(&form).contains("dropped"));
    let found = &folder.events(&["inspect", "house.csv"])[0];
    assert_eq!((&found["event"], &found["delimiter"], &found["rows"]), (&"inspection".into(), &",".into(), &60.into()));
    assert_eq!((&found["columns"][1]["missing"], &found["columns"][1]["min"]), (&1.into(), &21.0.into()));
    assert_eq!((&found["columns"][0]["kind"], &found["target"]["read_as"]), (&"text".into(), &"number".into()));
    assert_eq!(found["warnings"][0]["columns"][0], "id");
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

/// Mean and population standard deviation.
fn moments(values: impl Iterator<Item = f64> + Clone) -> [f64; 2] {
    let count = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / count;
    [mean, (values.map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt()]
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
        wgrad::Targets::Numbers { values, .. } if column == 2 => moments(values.iter().copied()),
        _ => moments((0..data.len()).map(|row| data.value(row, column))),
    };
    for (column, found) in found.into_iter().enumerate() {
        for ((found, wanted), leaked) in found.into_iter().zip(of(&train, column)).zip(of(&data, column)) {
            assert!((found - wanted).abs() <= 1e-12 * wanted, "column {column}: {found}, wanted {wanted}");
            assert!((leaked - wanted).abs() > 1e-3 * wanted, "column {column}: all rows look like those of training");
        }
    }
}
