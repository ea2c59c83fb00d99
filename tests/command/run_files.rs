//! Run files: `wgrad train run.toml` and `wgrad init`.

use std::collections::BTreeSet;

use super::{Folder, text};

#[test]
fn a_run_file_has_the_options_of_a_command_line() {
    let folder = Folder::new();
    folder.write("run.toml", "data = \"iris\"\nlearning-rate = 2e-2\nepochs = 0x3\nseed = 7\njson = true\nbatch = 8\n");
    let typed = "train iris --learning-rate 0.02 --epochs 3 --seed 7 --json --batch 8".split(' ').collect::<Vec<_>>();
    let start = |arguments: &[&str]| folder.succeed(arguments).lines().next().map(String::from);
    let wanted = start(&typed);
    assert!(wanted.as_ref().is_some_and(|line| line.contains("\"learning_rate\":0.02")), "{wanted:?}");
    assert_eq!(start(&["train", "run.toml"]), wanted);
    folder
        .write("RUN.TOML", "data = 'iris'\nlearning_rate = \"0.02\"\nepochs = 3\nseed = 7\njson = false\nbatch = 8\n");
    assert_eq!(start(&["train", "--json", "RUN.TOML"]), wanted);
}

#[test]
fn what_is_typed_or_in_the_environment_wins_over_the_file() {
    let folder = Folder::new();
    folder.write("run.toml", "data = \"iris\"\nepochs = 9\nseed = 7\njson = true\ndevice = \"reference\"\n");
    for arguments in [["train", "run.toml", "--seed=3", "--epochs=2"], ["train", "--seed=3", "--epochs=2", "run.toml"]]
    {
        let start = folder.succeed(&arguments);
        for words in ["\"seed\":3,", "\"epochs\":2,", "\"device\":\"cpu, "] {
            assert!(start.contains(words), "{words}: {start}");
        }
    }
    let mut without = folder.command(&["train", "run.toml", "--epochs", "1", "--force"]);
    let without = without.env_remove("WGRAD_DEVICE").output().expect("the command starts");
    assert!(text(&without.stdout).contains("\"device\":\"reference\""), "{}", text(&without.stdout));
}

#[test]
fn mistakes_name_file_line_and_option() {
    let cases: &[(&str, &[&str])] = &[
        ("epoch = 3", &["line 2: unknown option `epoch`", "did you mean `epochs`?", "known: data, target, "]),
        ("help = true", &["unknown option `help`"]),
        ("epochs = \"ten\"", &["line 2, `epochs`: ", "'ten'", "at least 1"]),
        ("epochs = 2.5", &["line 2, `epochs`: ", "'2.5'"]),
        ("epochs = [1, 2]", &["line 2, `epochs`: ", "array of 2", "takes 1 value"]),
        ("epochs = 1979-05-27", &["line 2: `epochs` is neither"]),
        ("seed = true", &["line 2, `seed`: true is no value"]),
        ("\n\njson = 1", &["line 4, `json`: ", "true or false"]),
        ("[training]\nepochs = 3", &["line 2: `training` is neither", "without [tables]"]),
        ("loss = \"sotfmax_cross_entropy\"", &["line 2, `loss`: ", "did you mean `softmax_cross_entropy`"]),
        ("schedule = \"cosin\"", &["line 2, `schedule`: ", "did you mean `cosine`"]),
        ("learning_rate = -1", &["learning_rate is -1", "above 0"]),
        (
            "seed = 99999999999999999999999999999999999999999",
            &["line 2, `seed`: ", "a whole number from 0 to 18446744073709551615"],
        ),
        ("seed = 1\nseed = 2", &["line 3, column 1", "duplicate key"]),
        ("learning_rate = 1\nlearning-rate = 2", &["line 3: `learning-rate` was set in line 2"]),
        ("epochs = ", &["line 2, column 1", "wgrad init"]),
    ];
    let folder = Folder::new();
    for (line, words) in cases {
        folder.write("run.toml", format!("data = \"iris\"\n{line}\n"));
        let message = folder.fail(&["train", "run.toml"]);
        for word in [&["run.toml: "], *words].concat() {
            assert!(message.contains(word), "{line}: `{word}` is not in: {message}");
        }
    }
}

#[test]
fn a_run_file_needs_data_that_are_no_run_file() {
    let cases: &[(&[u8], &[&str])] = &[
        (b"", &["it names no data", "data = \"digits\""]),
        (b"seed = 3", &["it names no data"]),
        (b"data = \"other.toml\"", &["line 1, `data`: `other.toml` is a run file itself"]),
        (b"data = \"--json\"", &["line 1, `data`: `--json` looks like an option"]),
        (b"data = [\"iris\", \"xor\"]", &["line 1, `data`: ", "takes 1 value"]),
        (b"data = \"digts\"", &["unknown data set `digts`", "did you mean `digits`"]),
        (b"data = \"\xff\"", &["reading failed", "UTF-8"]),
        (&[b' '; (1 << 20) + 1], &["longer than 1048576 bytes"]),
    ];
    let folder = Folder::new();
    for (content, words) in cases {
        folder.write("run.toml", content);
        let message = folder.fail(&["train", "run.toml"]);
        for word in [&["run.toml: "], *words].concat() {
            assert!(message.contains(word), "`{word}` is not in: {message}");
        }
    }
    assert!(folder.fail(&["train", "missing.toml"]).contains("missing.toml: reading failed"));
}

/// The long names in a help text, without the help itself.
fn options(help: &str) -> Vec<String> {
    // Help texts, which are indented further, may begin a line with a name, too.
    let lines = help.lines().filter(|line| !line.starts_with("          ")).map(str::trim_start);
    let lines = lines.filter(|line| line.starts_with('-'));
    let names = lines.flat_map(|line| line.split(' ').find_map(|word| word.strip_prefix("--")));
    let names: BTreeSet<&str> = names.filter(|name| *name != "help").collect();
    names.into_iter().map(|name| name.replace('-', "_")).collect()
}

#[test]
fn every_option_of_train_stands_in_what_init_writes() {
    let folder = Folder::new();
    assert!(folder.succeed(&["init"]).ends_with("next: wgrad train run.toml\n"));
    let written = text(&folder.read("run.toml"));
    let options = options(&folder.succeed(&["train", "--help"]));
    assert!(options.len() >= 15 && options.contains(&"learning_rate".into()), "{options:?}");
    for name in &options {
        let stands = |line: &str| line.trim_start_matches("# ").starts_with(&format!("{name} = "));
        assert_eq!(written.lines().filter(|line| stands(line)).count(), 1, "{name} in:\n{written}");
    }
    assert!(written.lines().all(|line| line.chars().count() <= 120), "{written}");
    // And nothing else does: what is commented out is known, too.
    let set = |line: &str| line.trim_start_matches("# ").split_once(" = ").map(|(name, _)| name.to_string());
    let names: Vec<String> = written.lines().filter_map(set).filter(|name| !name.contains(' ')).collect();
    assert_eq!(names.len(), options.len() + 1, "all options, and data: {names:?}");
}

#[test]
fn what_init_writes_trains_as_digits_do() {
    let folder = Folder::new();
    folder.succeed(&["init", "my run.toml"]);
    let start = |data| folder.succeed(&["train", data, "--epochs", "1", "--json"]).lines().next().map(String::from);
    assert_eq!(start("my run.toml"), start("digits"));
}

#[test]
fn init_replaces_nothing() {
    let folder = Folder::new();
    folder.write("run.toml", "mine");
    let message = folder.fail(&["init"]);
    assert!(message.contains("run.toml: it exists") && message.contains("wgrad init other.toml"), "{message}");
    assert!(folder.fail(&["init", "run.txt"]).contains(".toml"));
    assert!(folder.fail(&["init", "no/where.toml"]).contains("no/where.toml"));
}
