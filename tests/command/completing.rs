//! `wgrad completions`.

use std::process::{Command, Stdio};

use super::{Folder, stderr, text};

/// Completions that bash offers for the last word.
fn offered(folder: &Folder, words: &[&str]) -> Vec<String> {
    let last = words.len() - 1;
    let script = format!(
        "source wgrad.bash; COMP_WORDS=({}); COMP_CWORD={last}; _wgrad wgrad '{}' '{}'; echo \"${{COMPREPLY[@]}}\"",
        words.join(" "),
        words[last],
        words[last - 1]
    );
    let output = Command::new("bash").args(["-c", &script]).current_dir(folder.path()).output().expect("bash starts");
    assert!(output.status.success() && output.stderr.is_empty(), "{words:?}: {}", stderr(&output));
    text(&output.stdout).split_whitespace().map(String::from).collect()
}

fn is_there(shell: &str) -> bool {
    let quiet = Command::new(shell).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}

#[test]
fn bash_completes_commands_options_and_names() {
    if !is_there("bash") {
        println!("not run: there is no bash");
        return;
    }
    let folder = Folder::new();
    folder.write("wgrad.bash", folder.succeed(&["completions", "bash"]));
    assert_eq!(offered(&folder, &["wgrad", "tr"]), ["train"]);
    let commands = offered(&folder, &["wgrad", "''"]);
    for command in [
        "train",
        "init",
        "evaluate",
        "explain",
        "predict",
        "show",
        "plan",
        "devices",
        "verify",
        "bench",
        "tune",
        "completions",
    ] {
        assert!(commands.iter().any(|word| word == command), "{command}: {commands:?}");
    }
    let cases: [(&[&str], &[&str]); 7] = [
        (&["wgrad", "train", "di"], &["digits"]),
        (&["wgrad", "train", "digits", "--lea"], &["--learning-rate"]),
        (&["wgrad", "train", "digits", "--loss", "mean"], &["mean_squared_error", "mean_absolute_error"]),
        (&["wgrad", "train", "digits", "--optimizer", "sgd"], &["sgd", "sgd_momentum"]),
        (&["wgrad", "train", "digits", "--schedule", "cosine"], &["cosine", "cosine_restarts", "cosine_log"]),
        (&["wgrad", "train", "digits", "--device", "r"], &["reference"]),
        (&["wgrad", "completions", "po"], &["powershell"]),
    ];
    for (words, wanted) in cases {
        assert_eq!(offered(&folder, words), wanted, "{words:?}");
    }
    // Names of data sets are also the beginnings of models' names, for which bash then offers files.
    assert!(offered(&folder, &["wgrad", "evaluate", "iri"]).is_empty());
}

#[test]
fn scripts_are_what_their_shells_read() {
    let folder = Folder::new();
    for (shell, words) in [
        ("bash", "complete -F _wgrad"),
        ("zsh", "#compdef wgrad"),
        ("fish", "complete -c wgrad"),
        ("powershell", "Register-ArgumentCompleter"),
        ("elvish", "set edit:completion:arg-completer[wgrad]"),
    ] {
        let script = folder.succeed(&["completions", shell]);
        assert!(script.contains(words) && script.contains("learning-rate"), "{shell}: {script}");
        assert!(
            folder.succeed(&["completions", "--help"]).contains(&format!("wgrad completions {shell} >")),
            "{shell}"
        );
        if ["bash", "zsh"].contains(&shell) && is_there(shell) {
            folder.write("script", script);
            let read =
                Command::new(shell).args(["-n", "script"]).current_dir(folder.path()).output().expect("it starts");
            assert!(read.status.success() && read.stderr.is_empty(), "{shell}: {}", stderr(&read));
        }
    }
    let zsh = folder.succeed(&["completions", "zsh"]);
    let data: Vec<&str> = zsh.lines().filter(|line| line.contains(":data -- ")).collect();
    assert!(data.len() == 9 && data.iter().all(|line| line.contains(":_files'")), "zsh offers files: {data:?}");
}
