//! `train --profile`, and compiled shaders that are kept on disk.

use super::Folder;
#[cfg(feature = "gpu")]
use super::{IN_LAYERS, stderr};

const TRAIN: [&str; 6] = ["train", "iris", "--epochs", "2", "--out", "plain.safetensors"];
const PROFILE: [&str; 8] =
    ["train", "iris", "--epochs", "2", "--out", "profiled.safetensors", "--profile", "--trace=trace.json"];

/// Output of a profiled training with these options, which has the model of one without a profile.
fn same_model_with_and_without(folder: &Folder, options: &[&str]) -> String {
    folder.succeed(&[&TRAIN[..], options].concat());
    let told = folder.succeed(&[&PROFILE[..], options, &["--peak-gflops", "10"]].concat());
    assert!(folder.read("plain.safetensors") == folder.read("profiled.safetensors"), "a profile changed the model");
    told
}

/// Its steps are in layers.
fn a_profile_has_all_ops(options: &[&str]) {
    let folder = Folder::new();
    let told = same_model_with_and_without(&folder, options);
    let line = |name: &str| told.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{name}: {told}"));
    let (head, row) = (line("µs/call"), line("dense_forward"));
    assert!(
        ["total ms", "share %", "µs/call", "GFLOP/s", "GB/s", "compute µs"].iter().all(|name| head.contains(name)),
        "{head}"
    );
    assert!(row.contains("layer") && told.contains(&format!("-\n{row}")), "no bandwidth was given: {told}");
    let trace: serde_json::Value = serde_json::from_slice(&folder.read("trace.json")).expect("JSON");
    let first = &trace["traceEvents"][0];
    assert!(
        first["ph"] == "X" && first["ts"].is_f64() && first["dur"].is_f64() && first["name"].is_string(),
        "{first}"
    );
    let events = folder.events(&[&PROFILE[..], options].concat());
    assert!(events.iter().any(|event| event["event"] == "op" && event["kernel"] == "update_adamw"), "{events:?}");
    assert_eq!(events[events.len() - 1]["event"], "summary");
}

#[test]
fn a_profile_leaves_the_model_as_it_is() {
    a_profile_has_all_ops(&["--device", "cpu"]);
}

#[cfg(feature = "gpu")]
#[test]
fn a_profile_on_an_adapter_leaves_the_model_as_it_is() {
    let Some(adapter) = super::predict_evaluate::adapter() else { return };
    let device = ["--device", &adapter.name];
    same_model_with_and_without(&Folder::new(), &device);
    a_profile_has_all_ops(&[device, IN_LAYERS].concat());
}

#[test]
fn options_of_a_profile_need_one() {
    let folder = Folder::new();
    let cases: [(&[&str], &str); 3] = [
        (&["--trace", "trace.json"], "add `--profile`"),
        (&["--bandwidth-gbs", "20"], "add `--profile`"),
        (&["--profile", "--trace", "iris.safetensors"], "name another file with `--trace`"),
    ];
    for (arguments, remedy) in cases {
        let message = folder.fail(&[&["train", "iris"], arguments].concat());
        assert!(message.contains(remedy), "{message}");
    }
    let message = folder.fail(&["plan", "iris", "--peak-gflops", "0"]);
    assert!(message.contains("from 0.001 to 1000000000"), "{message}");
}

/// A folder of compiled shaders, whole, damaged, or switched off: the model is the same.
#[cfg(feature = "gpu")]
#[test]
fn compiled_shaders_are_kept_and_damaged_files_ignored() {
    let Some(adapter) = super::predict_evaluate::adapter() else { return };
    let folder = Folder::new();
    let mut models = Vec::new();
    let mut train = |cache: &str| {
        let arguments = [&TRAIN[..], &["--device", &adapter.name]].concat();
        let output = folder.command(&arguments).env("WGRAD_PIPELINE_CACHE", cache).output().expect("it starts");
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        models.push(folder.read("plain.safetensors"));
    };
    let kept = || {
        let files = std::fs::read_dir(folder.path().join("kept")).into_iter().flatten();
        files.map(|file| file.expect("readable").path()).collect::<Vec<_>>()
    };
    train("off");
    assert_eq!(kept(), Vec::<std::path::PathBuf>::new());
    train("kept");
    if let [file] = &kept()[..] {
        let whole = std::fs::read(file).expect("it is there");
        let (length, middle) = (whole.len(), whole.len() / 2);
        println!("{length} bytes of compiled shaders are kept");
        let mut damaged = whole.clone();
        damaged[middle] ^= 1;
        for content in [&damaged[..], &whole[..middle], b"something else"] {
            std::fs::write(file, content).expect("written");
            train("kept");
            assert_eq!(std::fs::read(file).expect("it is there").len(), length, "it was written anew");
        }
    } else {
        println!("not run: {adapter} hands out no compiled shaders");
    }
    assert!(models.iter().all(|model| *model == models[0]), "kept shaders changed the model");
}
