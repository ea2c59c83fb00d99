//! `tune` and `--autotune`: stored tile sizes, their output, and the bits of trainings with them.

use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;

#[cfg(feature = "gpu")]
use super::IN_LAYERS;
use super::{Folder, stderr, text, unwrapped};

/// In layers on every device.
const NETWORK: &str = "12 relu dropout(0.1) 8 relu";

const TUNE: [&str; 8] = ["tune", "iris", "--hidden", NETWORK, "--batch", "16", "--milliseconds", "1"];
const TRAIN: [&str; 9] = ["train", "iris", "--hidden", NETWORK, "--batch", "16", "--epochs", "2", "--force"];

/// Runs the command with what is kept in `kept`, and takes what was tuned from there.
fn run(folder: &Folder, device: &str, arguments: &[&str]) -> Output {
    let mut command = folder.command(&[arguments, &["--device", device]].concat());
    command.env("WGRAD_PIPELINE_CACHE", "kept").env_remove("WGRAD_TUNING").output().expect("the command starts")
}

fn succeed(folder: &Folder, device: &str, arguments: &[&str]) -> String {
    let output = run(folder, device, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
    text(&output.stdout)
}

fn train(folder: &Folder, device: &str, arguments: &[&str]) -> (String, Vec<u8>) {
    let told = succeed(folder, device, &[&TRAIN, arguments].concat());
    (unwrapped(&told), folder.read("iris.safetensors"))
}

/// The file that tunings are kept in.
fn kept(folder: &Folder) -> PathBuf {
    let files = std::fs::read_dir(folder.path().join("kept")).expect("a folder");
    let mut files = files.map(|file| file.expect("readable").path());
    files.find(|path| path.extension().is_some_and(|extension| extension == "json")).expect("a tuning")
}

/// Tiles of a tuning, as text.
fn tiles(text: &[u8]) -> Vec<String> {
    let tuning: Value = serde_json::from_slice(text).expect("JSON");
    let products = tuning["matmuls"].as_array().expect("matmuls").iter();
    products.map(|product| product["tile"].as_str().expect("a tile").to_string()).collect()
}

/// The same tuning with the tile that every product can have.
fn plain(tuning: &[u8]) -> String {
    let all = String::from_utf8(tuning.to_vec()).expect("text");
    tiles(tuning).iter().fold(all, |all, tile| all.replace(&format!("\"{tile}\""), "\"32×32 of 4×4\""))
}

#[cfg(feature = "gpu")]
#[test]
fn what_is_tuned_is_kept_and_followed() {
    let Some(adapter) = super::predict_evaluate::adapter() else { return };
    let (folder, device) = (Folder::new(), adapter.name.as_str());
    let (told, untuned) = train(&folder, device, &[]);
    assert!(!told.contains("tuning"), "{told}");
    let told = succeed(&folder, device, &[&TUNE[..], &["--out", "tuned.json"]].concat());
    for words in [
        "heuristic",
        "chosen  ratio  tiles",
        "gradients 0  dense_forward",
        "matrix multiplications per step: ",
        "stored for this",
        "next: ",
    ] {
        assert!(told.contains(words), "`{words}` is not in:\n{told}");
    }
    assert_eq!(std::fs::read(kept(&folder)).expect("it is there"), folder.read("tuned.json"));
    let (told, by_cache) = train(&folder, device, &[]);
    assert!(told.contains("for 8 of 8 matrix multiplications"), "{told}");
    let (told, by_file) = train(&folder, device, &["--autotune", "tuned.json"]);
    assert!(told.contains("tuning: tuned.json, for 8 of 8 matrix multiplications\n"), "{told}");
    assert!(by_cache == by_file, "the same tiles, other bits");
    let (told, without) = train(&folder, device, &["--autotune", "none"]);
    assert!(!told.contains("tuning") && without == untuned, "{told}");

    // Another network: its matrix multiplications are not in the tuning, and the stored tiles stay.
    let other = ["tune", "--inputs", "5", "--outputs", "3", "--hidden", "7 tanh dropout(0.1)", "--milliseconds", "1"];
    let events = succeed(&folder, device, &[&other[..], &["--json"]].concat());
    let events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let names: Vec<&str> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    assert!(names.len() > 4 && names[0] == "start" && names[names.len() - 1] == "summary", "{names:?}");
    assert!(events[1]["candidates"].as_array().is_some_and(|all| all.len() > 3), "{}", events[1]);
    assert_eq!(
        events[events.len() - 1]["kept"],
        kept(&folder).strip_prefix(folder.path()).expect("below").to_str().expect("text")
    );
    let all = tiles(&std::fs::read(kept(&folder)).expect("it is there"));
    assert_eq!(all.len(), 8 + names.len() - 2);
    let plan = ["plan", "--inputs", "6", "--outputs", "3", "--hidden", "9 tanh"];
    let plan = [&plan[..], &IN_LAYERS].concat();
    assert!(!succeed(&folder, device, &plan).contains("tuning"));
    let told = succeed(&folder, device, &[&plan[..], &["--autotune", "tuned.json"]].concat());
    assert!(told.contains("tuning: tuned.json, for 0 of 5 matrix multiplications\n"), "{told}");

    let bench = ["bench", "--hidden", NETWORK, "--inputs", "4", "--outputs", "3", "--batch", "16"];
    let bench = [&bench[..], &["--steps", "1", "--json"]].concat();
    for (options, tuned) in [(&[][..], 8), (&["--autotune", "none"], 0)] {
        let events = succeed(&folder, device, &[&bench[..], options].concat());
        assert!(events.contains(&format!("\"tuned\":{tuned},")), "{options:?}: {events}");
    }
}

/// The variable is for all commands: it is used where it applies, and ignored elsewhere.
#[cfg(feature = "gpu")]
#[test]
fn the_variable_is_followed_as_far_as_it_fits() {
    let Some(adapter) = super::predict_evaluate::adapter() else { return };
    let (folder, device) = (Folder::new(), adapter.name.as_str());
    succeed(&folder, device, &[&TUNE[..], &["--out", "tuned.json"]].concat());
    let run = |arguments: &[&str]| {
        let output = folder.command(arguments).env("WGRAD_TUNING", "tuned.json").output().expect("the command starts");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        text(&output.stdout)
    };
    let train = [&TRAIN[..], &["--device", device]].concat();
    assert!(run(&train).contains("tuning: tuned.json, for 8 of 8 matrix multiplications\n"));
    assert!(!run(&[&TRAIN[..], &["--device", "cpu"]].concat()).contains("tuning"));
    let bench = ["bench", "--hidden", "12 relu 8 relu", "--inputs", "4", "--outputs", "3", "--batch", "16"];
    let events = run(&[&bench[..], &["--steps", "1", "--json", "--device", "cpu", "--device", device]].concat());
    assert!(events.contains("\"tuned\":0,") && events.contains("\"tuned\":8,"), "{events}");
}

#[cfg(feature = "gpu")]
#[test]
fn a_training_resumes_with_its_tiles_whatever_is_kept() {
    let Some(adapter) = super::predict_evaluate::adapter() else { return };
    let (folder, device) = (Folder::new(), adapter.name.as_str());
    succeed(&folder, device, &[&TUNE[..], &["--out", "tuned.json"]].concat());
    folder.write("plain.json", plain(&folder.read("tuned.json")));
    let plan =
        succeed(&folder, device, &["plan", "iris", "--hidden", NETWORK, "--batch", "16", "--autotune", "plain.json"]);
    let views = plan.replace(&format!("\n{:9}", ""), " ");
    let products = views.lines().filter(|line| line.ends_with("; 32×32 of 4×4")).count();
    assert_eq!(products, 8 + 3, "those of steps and of evaluations: {plan}");
    let (_, whole) = train(&folder, device, &["--autotune", "plain.json"]);
    // An epoch of a training whose schedule is the longer one's.
    let schedule = ["--schedule", "constant", "--checkpoint", "run"];
    let (_, constant) = train(&folder, device, &["--schedule", "constant", "--autotune", "plain.json"]);
    let begin = [&TRAIN[..6], &["--epochs", "1", "--force", "--autotune", "plain.json"], &schedule].concat();
    succeed(&folder, device, &begin);
    std::fs::remove_file(kept(&folder)).expect("deleted");
    let (told, resumed) = train(&folder, device, &[&schedule[..], &["--resume"]].concat());
    assert!(told.contains("with the checkpoint's tile sizes for ") && !told.contains("bit-exact"), "{told}");
    assert!(resumed == constant && resumed != whole, "a resumed training has other bits");
    let again = [&TRAIN[..], &schedule, &["--resume", "--autotune", "tuned.json"]].concat();
    let output = run(&folder, device, &again);
    let message = stderr(&output);
    assert!(output.status.code() == Some(2) && message.contains("other tiles than those of the tuning"), "{message}");
}

#[cfg(feature = "gpu")]
#[test]
fn what_cannot_be_used_is_reported_or_an_error() {
    let Some(adapter) = super::predict_evaluate::adapter() else { return };
    let (folder, device) = (Folder::new(), adapter.name.as_str());
    let (_, untuned) = train(&folder, device, &[]);
    succeed(&folder, device, &TUNE);
    let path = kept(&folder);
    let whole = String::from_utf8(std::fs::read(&path).expect("it is there")).expect("text");
    let beyond = plain(whole.as_bytes()).replace("32×32 of 4×4", "32×32 of 4×4 in 77 parts");
    let elsewhere = whole.replace("\"vendor\":", "\"vendor\":1");
    let cases = [
        (&whole[..whole.len() / 2], "it is not a tuning file"),
        (&elsewhere, "it was measured on "),
        (&beyond, "cannot have the tile `32×32 of 4×4 in 77 parts`"),
    ];
    for (content, words) in cases {
        std::fs::write(&path, content).expect("written");
        let (told, model) = train(&folder, device, &[]);
        assert!(told.contains("tuning not used: ") && told.contains(words), "{words}: {told}");
        assert!(model == untuned, "{words}: what is passed over changed the model");
        let start = succeed(&folder, device, &[&TRAIN[..], &["--json"]].concat());
        let start: Value = serde_json::from_str(start.lines().next().expect("a line")).expect("JSON");
        assert!(start["tuning"]["tuned"] == 0 && start["tuning"]["ignored"][0].as_str().is_some(), "{start}");
    }
    // Named, the same is an error, but for a device that it was not measured on.
    for (content, words) in [cases[0], cases[2]] {
        folder.write("wrong.json", content);
        let output = run(&folder, device, &[&TRAIN[..], &["--autotune", "wrong.json"]].concat());
        let message = stderr(&output);
        assert!(output.status.code() == Some(2) && message.contains(words), "{words}: {message}");
    }
    folder.write("elsewhere.json", &elsewhere);
    let (told, _) = train(&folder, device, &["--autotune", "elsewhere.json"]);
    assert!(told.contains("for 8 of 8 matrix multiplications; it was measured on "), "{told}");
    // What is damaged is replaced.
    std::fs::write(&path, "{").expect("written");
    succeed(&folder, device, &TUNE);
    assert_eq!(tiles(&std::fs::read(&path).expect("it is there")).len(), 8);
}

const WHOLE: &str = r#"{"format": 1, "machine": {"adapter": "a", "vendor": 1, "device": 2, "interface": "vulkan",
    "driver": "d", "wgrad": "0.1.0"}, "products": [{"kernel": "k", "shapes": [[1, 2]], "tile": "32×32 of 4×4"}]}"#;

#[test]
fn mistakes_say_what_to_do() {
    let folder = Folder::new();
    folder.write("tuned.json", "{}");
    folder.write("whole.json", WHOLE);
    let cases: [(&[&str], &str); 12] = [
        (&["train", "iris", "--autotune", "whole.json"], "this device is the CPU; leave it out, or name a GPU"),
        (&["plan", "iris", "--device", "cpu", "--autotune", "whole.json"], "this device is the CPU"),
        (&["verify", "--autotune", "whole.json"], "add `--hidden"),
        (&["tune", "iris", "--device", "cpu"], "name a GPU"),
        (&["tune"], "required"),
        (&["tune", "iris", "--milliseconds", "0"], "from 1 to 3600000"),
        (&["tune", "iris", "--out", "no/where.json"], "no/where.json"),
        (&["train", "iris", "--autotune", "tuned.json"], "tuned.json: it is not a tuning file"),
        (&["train", "iris", "--autotune", "missing.json"], "missing.json: reading failed"),
        (&["bench", "--device", "cpu", "--autotune", "missing.json"], "missing.json: reading failed"),
        (&["bench", "--autotune", "missing.json"], "missing.json: reading failed"),
        (&["bench", "--suite", "--device", "cpu", "--autotune", "missing.json"], "missing.json: reading failed"),
    ];
    for (arguments, words) in cases {
        let message = folder.fail(arguments);
        assert!(message.contains(words), "{arguments:?}: {message}");
    }
}

/// Without a folder for stored tiles, a file must be named.
#[cfg(feature = "gpu")]
#[test]
fn a_tuning_must_go_somewhere() {
    let Some(adapter) = super::predict_evaluate::adapter() else { return };
    let folder = Folder::new();
    let run = |out: &[&str]| {
        let arguments = [
            &["tune", "--inputs", "3", "--outputs", "2", "--hidden", "4 dropout(0.1)", "--device", &adapter.name],
            out,
        ]
        .concat();
        folder.command(&arguments).env("WGRAD_PIPELINE_CACHE", "off").output().expect("it starts")
    };
    let refused = run(&[]);
    let message = stderr(&refused);
    assert!(refused.status.code() == Some(2) && message.contains("name a file with `--out`"), "{message}");
    assert!(refused.stdout.is_empty(), "it is refused before anything is measured");
    assert_eq!(run(&["--out", "tuned.json"]).status.code(), Some(0));
    assert_eq!(folder.files(), ["tuned.json"]);
}
