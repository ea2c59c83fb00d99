//! `--quiet`, and colors.

use super::{Folder, stderr, text};

/// An escape sequence, C1's own form of it, DEL, a line break, and an override of direction, as a name.
const HOSTILE: &str = "x\u{1b}]0;title\u{7}\u{1b}[2J\u{9b}2J\u{7f}\u{85}\n\u{202e}\u{2066}y";

/// Output of a run, which must not move the cursor.
fn told(folder: &Folder, arguments: &[&str], code: i32) -> String {
    let output = folder.run(arguments);
    let told = text(&output.stdout) + &stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
    let raw = |c: char| c != '\n' && (c.is_control() || "\u{202e}\u{2066}".contains(c));
    assert!(!told.contains(raw), "{arguments:?}: {told:?}");
    assert!(told.contains(r"\u{1b}") || told.contains(r"\u001b") || told.contains(r"\033"), "{arguments:?}: {told}");
    told
}

#[test]
fn control_characters_of_files_never_reach_the_terminal() {
    let folder = Folder::new();
    let cell = |name: &str| format!("\"{HOSTILE}{name}\"");
    let table = |header: String, last: &str| {
        let row = |row: usize| format!("{},{},{}\n", row % 7, row * 5 % 11, cell(["a", "b"][row % 2]));
        header + "\n" + &(0..40).map(row).collect::<String>() + last
    };
    let names = format!("{},{},{}", cell("1"), cell("2"), cell("target"));
    folder.write("t.csv", table(names.clone(), ""));
    folder.write("wrong.csv", table(names, &format!("1,{},{}\n", cell("none"), cell("a"))));
    folder.write("other.csv", table(format!("p,q,{}", cell("target")), ""));
    // Tables, of columns, classes, and confusions; JSON; and errors about each.
    let inspected = told(&folder, &["inspect", "t.csv"], 0);
    assert!(inspected.lines().all(|line| !line.starts_with('y')), "a name of a column breaks a line: {inspected}");
    told(&folder, &["inspect", "t.csv", "--json"], 0);
    told(&folder, &["train", "t.csv", "--epochs", "2", "--out", "m.safetensors"], 0);
    told(&folder, &["evaluate", "m.safetensors", "t.csv"], 0);
    told(&folder, &["evaluate", "m.safetensors", "t.csv", "--json"], 0);
    told(&folder, &["evaluate", "m.safetensors", "iris"], 2);
    told(&folder, &["predict", "m.safetensors", "other.csv"], 2);
    told(&folder, &["predict", "m.safetensors", "wrong.csv", "--out", "p.csv"], 0);
    told(&folder, &["train", "wrong.csv", "--epochs", "1"], 0);
    // Notes of how a column is read.
    let prices = format!("{},y\n{}", cell("price"), (0..40).map(|n| format!("{n}.5,{n}.25\n")).collect::<String>());
    folder.write("prices.csv", &prices);
    folder.write("dollars.csv", prices.replace("\n0.5", "\n$6.15"));
    folder.succeed(&["train", "prices.csv", "--preset", "fast", "--epochs", "1"]);
    for command in ["predict", "evaluate"] {
        let output = folder.run(&[command, "prices.safetensors", "dollars.csv"]);
        let noted = stderr(&output);
        assert!(noted.ends_with("price`: `$6.15` is read as 6.15\n") && noted.contains(r"\u{1b}"), "{noted:?}");
        assert!(!noted.trim_end().contains(char::is_control), "{noted:?}");
    }
    // What was typed, and names of files.
    for arguments in
        [&["train", HOSTILE][..], &["train", "t.csv", "--target", HOSTILE], &["train", "t.csv", "--loss", HOSTILE]]
    {
        told(&folder, arguments, 2);
    }
    let named = "a\u{1b}[2Jb";
    let [csv, model, picture] = ["csv", "safetensors", "svg"].map(|ending| format!("{named}.{ending}"));
    folder.write(&csv, folder.read("t.csv"));
    told(&folder, &["train", &csv, "--epochs", "2", "--plot", &picture, "--patience", "1"], 0);
    told(&folder, &["plot", "boundary", &model, &csv, "--out", &picture], 0);
    let drawn = text(&folder.read(&picture));
    assert!(!drawn.contains(|c: char| c.is_control() && c != '\n') && drawn.contains(r"\u{1b}"), "{drawn}");
    // Files keep what they are of.
    let predicted = folder.run(&["predict", "m.safetensors", "t.csv"]);
    assert!(text(&predicted.stdout).contains(HOSTILE), "standard output was a file");
    let json = folder.succeed(&["inspect", "t.csv", "--json"]);
    let found: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(found["columns"][0]["name"], format!("{HOSTILE}1"));
}

#[test]
fn quiet_training_prints_nothing() {
    let folder = Folder::new();
    for arguments in [["-q", "train", "iris", "--epochs", "2"], ["train", "iris", "--epochs", "2", "--quiet"]] {
        let output = folder.run(&arguments);
        assert_eq!((text(&output.stdout), stderr(&output)), (String::new(), String::new()), "{arguments:?}");
        assert!(output.status.success() && folder.files() == ["iris.safetensors"], "{arguments:?}");
    }
    assert_eq!(folder.succeed(&["init", "--quiet"]), "");
    assert_eq!(folder.succeed(&["verify", "--quiet", "--hidden", "4 relu", "--batch", "3", "--device", "cpu"]), "");
}

#[test]
fn quiet_commands_print_results() {
    let folder = Folder::new();
    folder.succeed(&["train", "iris", "--epochs", "2", "-q"]);
    for line in ["evaluate iris.safetensors iris", "predict iris.safetensors iris", "plan iris", "devices"] {
        let arguments: Vec<&str> = line.split(' ').collect();
        let told = folder.succeed(&arguments);
        assert!(!told.is_empty(), "{line}");
        assert_eq!(folder.succeed(&[&arguments[..], &["-q"]].concat()), told, "{line}");
    }
    let events = folder.events(&["train", "iris", "--epochs", "2", "-q"]);
    assert_eq!(events.len(), 4, "start, two epochs, summary");
    assert!(folder.fail(&["train", "digts", "-q"]).contains("unknown data set"), "errors are told");
}

/// Escapes of colors on both streams, where neither is a terminal.
fn escapes(folder: &Folder, arguments: &[&str], environment: &[(&str, &str)]) -> usize {
    let output = folder.command(arguments).envs(environment.iter().copied()).output().expect("the command starts");
    let all = text(&output.stdout) + &stderr(&output);
    assert!(all.len() > 20, "{arguments:?} says something");
    all.matches('\x1b').count()
}

#[test]
fn colors_are_as_the_environment_wants_them() {
    let folder = Folder::new();
    folder.succeed(&["train", "iris", "--epochs", "2"]);
    let colored: [&[&str]; 4] = [&["train", "digts"], &["train", "--epoch"], &["train", "--help"], &["--help"]];
    for arguments in colored {
        assert_eq!(escapes(&folder, arguments, &[]), 0, "{arguments:?} into a pipe");
        assert!(escapes(&folder, arguments, &[("CLICOLOR_FORCE", "1")]) > 0, "{arguments:?}");
        assert_eq!(escapes(&folder, arguments, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]), 0, "{arguments:?}");
    }
    // Results are plain in any case, except that of a training.
    for arguments in
        [&["evaluate", "iris.safetensors", "iris"][..], &["predict", "iris.safetensors", "iris"], &["devices"]]
    {
        assert_eq!(escapes(&folder, arguments, &[("CLICOLOR_FORCE", "1")]), 0, "{arguments:?}");
    }
}

#[test]
fn wrong_usage_is_an_error_without_the_usage() {
    let folder = Folder::new();
    let lines =
        ["trian iris", "train", "train iris --epoch 3", "train iris --schedule cosin", "bench --steps 2 --seconds 1"];
    for line in lines {
        let message = folder.fail(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(message.lines().count(), 1, "{line}: {message}");
        assert!(message.ends_with("for more, try `--help`\n") && !message.contains("Usage"), "{line}: {message}");
    }
}
