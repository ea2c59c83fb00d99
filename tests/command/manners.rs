//! What `--quiet` leaves out, and when there are colours.

use super::{Folder, text};

#[test]
fn quiet_training_says_nothing() {
    let folder = Folder::new();
    for arguments in [["-q", "train", "iris", "--epochs", "2"], ["train", "iris", "--epochs", "2", "--quiet"]] {
        let output = folder.run(&arguments);
        assert_eq!((text(&output.stdout), text(&output.stderr)), (String::new(), String::new()), "{arguments:?}");
        assert!(output.status.success() && folder.files() == ["iris.safetensors"], "{arguments:?}");
    }
    assert_eq!(folder.succeed(&["init", "--quiet"]), "");
    assert_eq!(folder.succeed(&["verify", "--quiet", "--network", "4 relu", "--batch", "3", "--device", "cpu"]), "");
}

#[test]
fn quiet_commands_say_what_was_asked_for() {
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

/// Escapes of colours on both streams, where neither is a terminal.
fn escapes(folder: &Folder, arguments: &[&str], environment: &[(&str, &str)]) -> usize {
    let output = folder.command(arguments).envs(environment.iter().copied()).output().expect("the command starts");
    let all = text(&output.stdout) + &text(&output.stderr);
    assert!(all.len() > 20, "{arguments:?} says something");
    all.matches('\x1b').count()
}

#[test]
fn colours_are_as_the_environment_wants_them() {
    let folder = Folder::new();
    folder.succeed(&["train", "iris", "--epochs", "2"]);
    let coloured: [&[&str]; 4] = [&["train", "digts"], &["train", "--epoch"], &["train", "--help"], &["--help"]];
    for arguments in coloured {
        assert_eq!(escapes(&folder, arguments, &[]), 0, "{arguments:?} into a pipe");
        assert!(escapes(&folder, arguments, &[("CLICOLOR_FORCE", "1")]) > 0, "{arguments:?}");
        assert_eq!(escapes(&folder, arguments, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]), 0, "{arguments:?}");
    }
    // What others read is plain in any case.
    for arguments in [&["train", "iris", "--epochs", "2"][..], &["predict", "iris.safetensors", "iris"], &["devices"]] {
        assert_eq!(escapes(&folder, arguments, &[("CLICOLOR_FORCE", "1")]), 0, "{arguments:?}");
    }
}

#[test]
fn wrong_usage_is_told_in_one_line() {
    let folder = Folder::new();
    let lines =
        ["trian iris", "train", "train iris --epoch 3", "train iris --schedule cosin", "bench --steps 2 --seconds 1"];
    for line in lines {
        let message = folder.fail(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(message.lines().count(), 1, "{line}: {message}");
        assert!(message.ends_with("for more, try `--help`\n") && !message.contains("Usage"), "{line}: {message}");
    }
}
