//! Messages that name the right remedy, and settings that a model remembers.

use super::{Folder, stderr, text};

/// A table of two numbers, a town and a target, with one delimiter.
fn houses(delimiter: &str) -> String {
    let row = |n: u32| {
        let town = ["Bern", "Basel", "Genf"][n as usize % 3];
        [n.to_string(), (n * n % 17).to_string(), town.into(), format!("{}.5", 3 * n)].join(delimiter) + "\n"
    };
    ["area", "age", "town", "price"].join(delimiter) + "\n" + &(0..60).map(row).collect::<String>()
}

#[test]
fn a_model_remembers_the_delimiter_of_its_table() {
    let folder = Folder::new();
    folder.write("t.csv", houses(":"));
    folder.succeed(&["train", "t.csv", "--delimiter", ":", "--epochs", "1"]);
    let predicted = folder.succeed(&["predict", "t.safetensors", "t.csv"]);
    folder.write("comma.csv", houses(","));
    assert_eq!(folder.succeed(&["predict", "t.safetensors", "comma.csv"]), predicted);
    folder.succeed(&["evaluate", "t.safetensors", "t.csv"]);
    folder.succeed(&[
        "train",
        "t.csv",
        "--delimiter",
        ":",
        "--epochs",
        "1",
        "--test",
        "t.csv",
        "--out",
        "u.safetensors",
    ]);
}

#[test]
fn evaluation_says_how_many_rows_were_trained_on() {
    let folder = Folder::new();
    folder.write("t.csv", houses(","));
    folder.write("longer.csv", houses(",") + "61,3,Bern,183.5\n");
    folder.succeed(&["train", "t.csv", "--column", "age=category", "--drop", "area", "--epochs", "1"]);
    folder.succeed(&["train", "iris", "--epochs", "1"]);
    for (model, data, rows) in [("t.safetensors", "t.csv", Some(42)), ("iris.safetensors", "iris", Some(105))] {
        let event = &folder.events(&["evaluate", model, data])[0];
        assert_eq!(event["trained_on"].as_u64(), rows, "{event}");
        let note = stderr(&folder.run(&["evaluate", model, data]));
        let show = format!("note: the model was trained on {} of these rows; `wgrad show {model}`", rows.unwrap_or(0));
        assert!(note.replace("\n ", "").contains(&show), "{note}");
    }
    assert!(folder.events(&["evaluate", "t.safetensors", "longer.csv"])[0].get("trained_on").is_none());
}

#[test]
fn tables_models_and_folders_are_not_taken_for_each_other() {
    let folder = Folder::new();
    folder.write("houses.csv", houses(","));
    std::fs::create_dir(folder.path().join("tables")).expect("a folder");
    folder.write("tables/a.csv", houses(","));
    for (words, told) in [
        ("show houses.csv", "houses.csv: it is text, such as a table, not a model; use a model that wgrad wrote"),
        ("verify --model houses.csv", "it is text, such as a table, not a model"),
        ("predict houses.csv houses.csv", "it is text, such as a table, not a model"),
        ("train houses", "unknown data set `houses`, did you mean `houses.csv`?"),
        ("train hosues.csv", "hosues.csv: there is no such file; did you mean `houses.csv`?"),
        ("train tables", "tables: it is a folder, not a table; name a table in it, such as `tables/a.csv`"),
        ("train tables/b.csv", "did you mean `tables/a.csv`?"),
        ("houses.csv --epochs 1", "did you mean `wgrad train houses.csv --epochs 1`?"),
        ("plot moons.safetensors moons", "did you mean `wgrad plot boundary moons.safetensors moons`?"),
        ("train iris --metric auc", "did you mean `roc_auc`?"),
    ] {
        let message = folder.fail(&words.split(' ').collect::<Vec<_>>()).replace("\n ", "");
        assert!(message.contains(told), "{words}: {message}");
    }
    folder.succeed(&["train", "houses.csv", "--drop", "age", "--epochs", "1"]);
    let message = folder.fail(&["plot", "boundary", "houses.safetensors", "houses.csv"]).replace("\n ", "");
    assert!(message.contains("two columns of numbers and the target; `town` became 3 inputs"), "{message}");
}

#[test]
fn an_imbalanced_target_is_judged_by_the_chosen_metric() {
    let folder = Folder::new();
    // One row in ten is `yes`. Its score is higher, but mostly not high enough for a probability above one half.
    let row = |n: u32| {
        let (more, churn) = if n.is_multiple_of(10) { (22, "yes") } else { (0, "no") };
        format!("{},{churn}\n", n * 7 % 40 + more)
    };
    folder.write("t.csv", "score,churn\n".to_string() + &(0..400).map(row).collect::<String>());
    // One model tells the classes apart, by chance; the other has them reversed.
    for (seed, is_apart) in [("1", true), ("0", false)] {
        let words = ["train", "t.csv", "--preset", "fast", "--epochs", "1", "--learning-rate", "1e-6"];
        let words = [&words[..], &["--metric", "roc_auc", "--force"]].concat();
        let words = [&words[..], &["--seed", seed]].concat();
        let output = folder.run(&words);
        let (found, warned) = (text(&output.stdout), stderr(&output).replace("\n ", ""));
        let result = found.lines().find(|line| line.starts_with("test")).expect("a result line");
        assert!(result.contains(", roc_auc "), "{found}");
        assert!(folder.succeed(&["show", "t.safetensors"]).contains("roc_auc "));
        let auc = folder.events(&words).pop().expect("a summary")["roc_auc"].as_f64().expect("a metric");
        assert_eq!(auc >= 0.6, is_apart, "{auc}");
        assert!(warned.contains("no better than always answering `no`"), "{warned}");
        assert_eq!(warned.contains("train with `--class-weight balanced --metric roc_auc`"), is_apart, "{warned}");
    }
}

#[test]
fn predictions_count_what_was_missing_or_unknown() {
    let folder = Folder::new();
    folder.write("t.csv", houses(","));
    folder.succeed(&["train", "t.csv", "--epochs", "1"]);
    folder.write("new.csv", "area,age,town\n1,2,Lugano\n,3,Bern\n4,,\n5,6,Genf\n");
    let told = stderr(&folder.run(&["predict", "t.safetensors", "new.csv"])).replace("\n ", "");
    let wanted =
        "note: missing cells: `area` 1, `age` 1, `town` 1; levels without an input of their own: `town` 1 (`Lugano`)\n";
    assert_eq!(told, wanted);
}

#[test]
fn a_waiting_checkpoint_is_mentioned_unless_training_resumes() {
    let folder = Folder::new();
    folder.write("t.csv", houses(","));
    std::fs::create_dir(folder.path().join("t.checkpoints")).expect("a folder");
    let train = |options: &[&str]| {
        let output = folder.run(&[&["train", "t.csv", "--epochs", "1"], options].concat());
        stderr(&output)
            .replace("\n ", "")
            .contains("with `--resume`, it would continue from a checkpoint in t.checkpoints")
    };
    assert!(!train(&[]), "an empty folder has no checkpoint");
    folder.write("t.checkpoints/step-1.safetensors", "");
    assert!(train(&[]) && !train(&["--quiet"]) && !train(&["--checkpoint", "other"]));
}
