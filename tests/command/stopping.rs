//! Trainings that are stopped and resumed.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Folder, stderr, unwrapped};

/// Dropout, a cosine over all steps, and a last batch that is short.
const TRAIN: [&str; 12] = [
    "train",
    "moons",
    "--hidden",
    "48 relu dropout(0.2) 16 tanh",
    "--epochs",
    "40",
    "--batch",
    "33",
    "--seed",
    "7",
    "--schedule",
    "cosine",
];

/// Model of an uninterrupted training.
fn uninterrupted() -> Vec<u8> {
    let folder = Folder::new();
    folder.succeed(&TRAIN);
    folder.read("moons.safetensors")
}

/// Number of trainings to kill: a few, or the number in WGRAD_KILLS.
fn kills() -> u64 {
    std::env::var("WGRAD_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(6)
}

/// Kills trainings on a device at random instants, again and again with other numbers of threads, until each is done.
fn killed_at_any_instant(device: &str, wanted: &[u8]) {
    let mut random = wgrad::rng::Philox::new(3, wgrad::rng::Stream::Data, 0);
    let (mut done, mut resumed) = (0, 0);
    for training in 0..kills() {
        let folder = Folder::new();
        for attempt in 0.. {
            let steps = (1 + random.below(40)).to_string();
            let options = ["--checkpoint", "run", "--resume", "--checkpoint-steps", &steps];
            let arguments = [&TRAIN[..], &options].concat();
            resumed += usize::from(folder.path().join("run").exists() && !folder.checkpoints("run").is_empty());
            let mut command = folder.command(&arguments);
            command.env("WGRAD_DEVICE", device).stdout(Stdio::null()).stderr(Stdio::piped());
            if device == "cpu" {
                command.args(["--threads", ["1", "2", "3"][attempt % 3]]);
            }
            let mut child = command.spawn().expect("the command starts");
            // Every attempt is given more time than the one before, so that the last is sure to end.
            std::thread::sleep(Duration::from_millis(u64::from(random.below(150 * (attempt as u32 + 1)))));
            child.kill().expect("it was started");
            let output = child.wait_with_output().expect("it has ended");
            if output.status.success() {
                let left: Vec<_> = folder.files().into_iter().filter(|name| name.starts_with('.')).collect();
                assert!(left.is_empty(), "training {training} left {left:?}");
                break;
            }
            let message = stderr(&output);
            assert!(output.status.code().is_none() && message.is_empty(), "training {training}: {message}");
        }
        assert!(folder.read("moons.safetensors") == wanted, "training {training} on {device} has other bits");
        done += 1;
    }
    println!("{done} trainings on {device}, killed, and resumed from a checkpoint {resumed} times: the same bits");
    // How many depends on how fast the machine is.
    assert!(resumed > 0, "none was killed behind its first checkpoint");
}

#[test]
fn trainings_killed_at_any_instant_leave_the_uninterrupted_model() {
    killed_at_any_instant("cpu", &uninterrupted());
}

#[cfg(feature = "gpu")]
#[test]
fn an_adapter_s_trainings_killed_at_any_instant_leave_the_uninterrupted_model() {
    let Some(adapter) = super::predict_evaluate::adapter() else { return };
    let name = adapter.name;
    let folder = Folder::new();
    let status = folder.command(&TRAIN).env("WGRAD_DEVICE", &name).stdout(Stdio::null()).status();
    assert!(status.expect("the command starts").success());
    killed_at_any_instant(&name, &folder.read("moons.safetensors"));
}

/// The events of a training that Ctrl-C ends after its second epoch, and its exit code.
#[cfg(unix)]
fn interrupted(folder: &Folder, options: &[&str]) -> (Vec<serde_json::Value>, Option<i32>, String) {
    let arguments = [&TRAIN[..], &["--epochs", "4000", "--json"], options].concat();
    let arguments: Vec<&str> = arguments.iter().copied().filter(|word| *word != "40").collect();
    let position = arguments.iter().position(|word| *word == "--epochs").expect("it is there");
    let arguments = [&arguments[..position], &arguments[position + 1..]].concat();
    let mut command: Command = folder.command(&arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts");
    let mut events = Vec::new();
    for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
        events.push(serde_json::from_str::<serde_json::Value>(&line.expect("a line")).expect("JSON"));
        if events.len() == 3 {
            let pid = child.id().to_string();
            assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill starts").success());
        }
    }
    let output = child.wait_with_output().expect("it ends");
    (events, output.status.code(), stderr(&output))
}

#[test]
#[cfg(unix)]
fn ctrl_c_leaves_a_checkpoint_and_prints_how_to_resume() {
    for options in [&[][..], &["--checkpoint", "run"]] {
        let folder = Folder::new();
        let (events, code, message) = interrupted(&folder, options);
        assert_eq!(code, Some(130), "{message}");
        let stopped = events.last().expect("events");
        let step = stopped["step"].as_u64().expect("a step");
        let checkpoint = stopped["checkpoint"].as_str().expect("a folder");
        assert_eq!(
            (&stopped["event"], checkpoint),
            (&"stopped".into(), options.last().copied().unwrap_or("moons.checkpoints"))
        );
        assert!(
            message.contains(&format!("stopped after step {step}, with a checkpoint in {checkpoint}")),
            "{message}"
        );
        let resume = stopped["resume"].as_str().expect("a command");
        let given = if options.is_empty() { "--json --resume" } else { "--json --checkpoint run --resume" };
        assert!(resume.ends_with(given) && message.contains(resume), "{resume}");
        assert!(!folder.files().contains(&"moons.safetensors".into()), "{:?}", folder.files());
        // The printed command resumes the training.
        let words =
            resume.strip_prefix("wgrad ").expect("the command").replace("'48 relu dropout(0.2) 16 tanh'", "NETWORK");
        let words = words.split(' ').map(|word| if word == "NETWORK" { TRAIN[3] } else { word }).collect::<Vec<_>>();
        let mut child = folder.command(&words).stdout(Stdio::piped()).spawn().expect("the command starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let second = lines.nth(1).expect("a second event").expect("a line");
        assert!(second.contains(&format!("\"event\":\"resumed\",\"step\":{step},")), "{second}");
        child.kill().and_then(|()| child.wait()).expect("it was started");
    }
}

#[test]
#[cfg(unix)]
fn trainings_side_by_side_do_not_share_a_folder_of_checkpoints() {
    let folder = Folder::new();
    // Stopped one behind the other, and begun side by side, from the first's point of view.
    let (_, code, message) = interrupted(&folder, &[]);
    assert!(code == Some(130) && message.contains("a checkpoint in moons.checkpoints;"), "{message}");
    let (_, code, message) = interrupted(&folder, &["--optimizer", "sgd"]);
    assert!(code == Some(130) && message.contains("a checkpoint in moons.checkpoints-2;"), "{message}");
    // Without a folder each finds its own.
    let (events, code, message) = interrupted(&folder, &["--optimizer", "sgd", "--resume"]);
    assert!(code == Some(130) && message.contains("a checkpoint in moons.checkpoints-2;"), "{message}");
    assert_eq!(events[1]["event"], "resumed", "{events:?}");
    let (events, _, message) = interrupted(&folder, &["--resume"]);
    assert!(message.contains("a checkpoint in moons.checkpoints;"), "{message}");
    assert_eq!(events[1]["event"], "resumed", "{events:?}");
    // Without a checkpoint, a training begins.
    let told = Folder::new().succeed(&["train", "moons", "--epochs", "2", "--resume"]);
    assert!(!told.contains("resumed"), "{told}");
}

/// Data, scaling and schedule follow from other settings, and are blamed only where all those are the same.
#[test]
#[cfg(unix)]
fn the_setting_that_was_changed_is_named_and_not_what_follows_from_it() {
    let folder = Folder::new();
    let (_, code, message) = interrupted(&folder, &["--checkpoint", "run"]);
    assert_eq!(code, Some(130), "{message}");
    let same = [&TRAIN[..4], &["--batch", "33", "--schedule", "cosine", "--checkpoint", "run", "--resume"]].concat();
    for (options, named) in [
        (&["--seed", "4", "--epochs", "4000"][..], "run: it was made with seed = 7, but now it is 4; "),
        (&["--seed", "7", "--epochs", "300", "--accumulate", "2"], "run: it was made with accumulate = 1, "),
    ] {
        let message = folder.fail(&[&same[..], options].concat());
        assert!(message.contains(named), "{message}");
    }
    let row = |row: u32| format!("{},{}\n", row % 50, row / 50 * 3 + row % 3);
    let table = |rows: u32| (0..rows).map(row).collect::<String>();
    folder.write("t.csv", format!("a,b\n{}", table(70)));
    let train = ["train", "t.csv", "--target", "b", "--epochs", "2", "--checkpoint", "table", "--resume", "--force"];
    let train = [&train[..], &["--batch", "16"]].concat();
    folder.succeed(&train);
    folder.write("t.csv", format!("a,b\n{}", table(90)));
    let message = folder.fail(&train);
    assert!(message.contains("table: it was made with data.") && message.contains("load the same data"), "{message}");
}

/// Without a folder, what another training has left stands in nobody's way.
#[test]
#[cfg(unix)]
fn a_training_begins_anew_beside_checkpoints_of_other_settings_and_prints_so() {
    let folder = Folder::new();
    let (_, code, message) = interrupted(&folder, &[]);
    assert_eq!(code, Some(130), "{message}");
    let train = [&TRAIN[..4], &["--batch", "33", "--epochs", "2", "--seed", "4", "--resume"]].concat();
    let told = unwrapped(&folder.succeed(&train));
    let said = "no checkpoint has these settings, so training starts from the beginning; moons.checkpoints: made with seed = 7, but now it is 4";
    assert!(told.contains(said) && !told.contains("resumed"), "{told}");
    let events = folder.events(&train);
    assert_eq!(events[1]["event"], "new_run", "{events:?}");
    let others = events[1]["other_checkpoints"].as_array().expect("a list");
    assert!(others.len() == 1 && others[0].as_str().is_some_and(|text| text.contains("moons.checkpoints")));
    // A file in the way is no folder.
    let folder = Folder::new();
    folder.write("moons.checkpoints", "the user's");
    let told = folder.succeed(&train);
    assert!(told.contains("starts from the beginning\n"), "there are no others: {told}");
    assert_eq!(folder.read("moons.checkpoints"), b"the user's");
}

/// `--resume` may prolong a training, but without a checkpoint it is another one, and keeps the model of the first.
#[test]
fn without_a_checkpoint_resuming_says_so_and_replaces_no_model() {
    let folder = Folder::new();
    folder.succeed(&["train", "moons", "--epochs", "3"]);
    let first = folder.read("moons.safetensors");
    let told = unwrapped(&folder.succeed(&["train", "moons", "--epochs", "2", "--resume"]));
    assert!(told.contains("no checkpoint has these settings, so training starts from the beginning"), "{told}");
    assert!(told.contains("model: moons-2.safetensors"), "{told}");
    assert!(folder.read("moons.safetensors") == first, "the model was replaced");
    let named = ["train", "moons", "--epochs", "2", "--resume", "--out", "moons.safetensors"];
    let output = folder.run(&named);
    assert_eq!(output.status.code(), Some(2), "the named file keeps its model");
    let message = unwrapped(&stderr(&output));
    assert!(
        message.contains("epochs = 3, but now it would be 2; this model was saved as `moons-3.safetensors`"),
        "{message}"
    );
    assert!(folder.read("moons.safetensors") == first, "the model was replaced");
}

/// The model of a finished run stays, whatever its name, if a run that was stopped is continued beside it.
#[test]
#[cfg(unix)]
fn a_continued_run_replaces_no_model_but_its_own() {
    let folder = Folder::new();
    let epochs = |epochs: &'static str| TRAIN.map(|word| if word == "40" { epochs } else { word });
    folder.succeed(&epochs("1"));
    let first = folder.read("moons.safetensors");
    let (events, code, message) = interrupted(&folder, &[]);
    assert_eq!(code, Some(130), "{message}");
    let step = events.last().expect("events")["step"].as_u64().expect("a step");
    let told = unwrapped(&folder.succeed(&[&epochs("41")[..], &["--resume"]].concat()));
    assert!(told.contains(&format!("resumed after step {step}")), "{told}");
    assert!(told.contains("model: moons-2.safetensors"), "{told}");
    assert!(folder.read("moons.safetensors") == first, "the model was replaced");
    assert_eq!(folder.files(), ["moons-2.safetensors", "moons.safetensors"], "the checkpoint is no longer needed");
}

/// Sends Ctrl-C to a training of several networks, after the second epoch of its second network.
#[cfg(unix)]
fn interrupted_in_the_second_network(folder: &Folder, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = folder.command(&[arguments, &["--json"]].concat());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts");
    for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
        let event = serde_json::from_str::<serde_json::Value>(&line.expect("a line")).expect("JSON");
        if event["network"] == 2 && event["epoch"] == 2 {
            let pid = child.id().to_string();
            assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill starts").success());
        }
    }
    let output = child.wait_with_output().expect("it ends");
    (output.status.code(), stderr(&output))
}

/// Finished networks are not trained again, the stopped one continues, and the others begin.
#[test]
#[cfg(unix)]
fn stopped_ensembles_resume_to_the_uninterrupted_model() {
    let train = ["train", "moons", "--preset", "best", "--epochs", "400", "--hidden", "8 tanh dropout(0.1)"];
    let whole = Folder::new();
    whole.succeed(&train);
    assert_eq!(whole.files(), ["moons.safetensors"]);
    for (options, left) in
        [(&[][..], &["moons.safetensors"][..]), (&["--checkpoint", "run"], &["moons.safetensors", "run"])]
    {
        let (folder, arguments) = (Folder::new(), [&train[..], options].concat());
        let (code, message) = interrupted_in_the_second_network(&folder, &arguments);
        assert_eq!(code, Some(130), "{message}");
        assert!(message.contains(" of network 2, with a checkpoint in "), "{message}");
        let events = folder.events(&[&arguments[..], &["--resume"]].concat());
        let networks = |name: &str| -> Vec<u64> {
            let named = events.iter().filter(|event| event["event"] == name);
            let mut networks: Vec<u64> = named.filter_map(|event| event["network"].as_u64()).collect();
            networks.dedup();
            networks
        };
        assert_eq!((networks("resumed"), networks("epoch")), (vec![1, 2], vec![2, 3, 4]));
        let epochs = |network: u64| events.iter().filter(|event| event["network"] == network).count();
        assert!(epochs(2) < 400 && epochs(3) == 400, "{} and {}", epochs(2), epochs(3));
        assert!(folder.read("moons.safetensors") == whole.read("moons.safetensors"), "other bits with {options:?}");
        assert_eq!(folder.files(), left);
    }
}

/// A model whose settings changed while it was trained is not that of an uninterrupted run with the last settings.
#[test]
fn a_model_records_that_its_run_was_continued_with_other_settings() {
    let folder = Folder::new();
    let train = ["train", "iris", "--checkpoint", "run", "--epochs"];
    folder.succeed(&[&train[..], &["4"]].concat());
    let told = unwrapped(&folder.succeed(&[&train[..], &["2", "--resume"]].concat()));
    assert!(told.contains("with 4 epochs done, more than the 2 wanted"), "{told}");
    let shown = unwrapped(&folder.succeed(&["show", "iris.safetensors"]));
    assert!(shown.contains("epochs 4,") && shown.contains("resumed schedule cosine over"), "{shown}");
    let alone = folder.succeed(&["train", "iris", "--epochs", "2"]);
    assert!(alone.contains("model: iris-2.safetensors"), "{alone}");
}

#[test]
fn a_damaged_checkpoint_is_passed_over_and_the_one_before_serves() {
    let folder = Folder::new();
    let wanted = uninterrupted();
    let options = ["--checkpoint", "run", "--resume", "--checkpoint-steps", "300"];
    folder.succeed(&[&TRAIN[..], &options].concat());
    let (newest, mut bytes) = folder.checkpoints("run").pop().expect("there are some");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    folder.write(&newest, bytes);
    let told = folder.succeed(&[&TRAIN[..], &options].concat());
    assert!(told.contains(&format!("checkpoint skipped: {newest}: its contents have the checksum")), "{told}");
    assert!(told.contains("resumed after step "), "{told}");
    assert!(folder.read("moons.safetensors") == wanted);
}

#[test]
fn a_stopped_training_can_neither_be_overwritten_nor_resumed_as_another() {
    let folder = Folder::new();
    folder.succeed(&[&TRAIN[..], &["--checkpoint", "run"]].concat());
    let message = folder.fail(&[&TRAIN[..], &["--checkpoint", "run"]].concat());
    assert!(message.contains("run: it has checkpoints of an earlier training"), "{message}");
    let other = [&TRAIN[..], &["--checkpoint", "run", "--resume", "--optimizer", "sgd", "--force"]].concat();
    let message = folder.fail(&other);
    assert!(message.contains("it was made with optimizer.kind = \"adamw\", but now it is \"sgd\""), "{message}");
    let again = folder.succeed(&[&TRAIN[..], &["--checkpoint", "run", "--resume"]].concat());
    assert!(again.contains("resumed after step 880, with 40 epochs done"), "{again}");
}

#[test]
fn the_folder_may_stand_in_a_run_file() {
    let folder = Folder::new();
    folder.write("run.toml", "data = \"moons\"\nepochs = 3\ncheckpoint = \"run\"\ncheckpoint_steps = 10\n");
    folder.succeed(&["train", "run.toml"]);
    assert!(folder.succeed(&["train", "run.toml", "--resume"]).contains("resumed after step 66, with 3 epochs done"));
    for option in ["--checkpoint-steps=3", "--checkpoint-secs=3"] {
        let message = folder.fail(&["train", "moons", option]);
        assert!(message.contains("name one with `--checkpoint`"), "{message}");
    }
    let message = folder.fail(&["train", "moons", "--checkpoint", "moons.safetensors"]);
    assert!(message.contains("the model and the folder of checkpoints have the same name"), "{message}");
}

/// A disk that is full: files of this process may not grow beyond so many blocks of 512 bytes.
#[test]
#[cfg(unix)]
fn a_full_disk_is_an_error_and_the_checkpoint_before_stays() {
    let folder = Folder::new();
    let train = |network: &str, blocks: &str, epochs: &str, resume: &str| {
        let script = format!(
            "ulimit -f {blocks}; exec \"$0\" train moons --hidden '{network}' --epochs {epochs} \
             --schedule constant --checkpoint run --checkpoint-steps 7 {resume}"
        );
        let mut command = Command::new("sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_wgrad")]).current_dir(folder.path());
        command.env("WGRAD_DEVICE", "cpu").output().expect("sh starts")
    };
    assert!(train("48 relu", "unlimited", "2", "").status.success());
    let before = folder.checkpoints("run");
    assert!(!before.is_empty());
    let output = train("48 relu", "2", "4", "--resume");
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.starts_with("error: run/step-") && message.contains("writing failed: File too large"), "{message}");
    assert_eq!(folder.checkpoints("run"), before);
    assert!(train("48 relu", "unlimited", "4", "--resume").status.success());
}

#[test]
fn folders_that_cannot_be_written_to_are_refused_before_training() {
    let folder = Folder::new();
    folder.write("file", "");
    for path in ["file", "file/below", "/proc/checkpoints"] {
        let message = folder.fail(&[&TRAIN[..], &["--checkpoint", path]].concat());
        assert!(message.contains(path) && message.contains("failed: "), "{message}");
    }
}
