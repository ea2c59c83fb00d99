//! `verify` and `bench`: what they print, and how they end.

use super::{Folder, assert_narrow};

const SMALL: [&str; 12] =
    ["--hidden", "12 relu 5 tanh", "--inputs", "6", "--outputs", "3", "--batch", "7", "--device", "cpu", "--seed", "5"];

fn verify(arguments: &[&'static str]) -> Vec<&'static str> {
    [&["verify"], &SMALL[..], arguments].concat()
}

#[test]
fn a_verified_network_is_a_table() {
    let text = Folder::new().succeed(&verify(&[]));
    for words in [
        "device   cpu, ",
        "wgrad    0.1.0, shaders: CPU kernels",
        "network  6 → dense(12) relu dense(5) tanh dense(3), softmax_cross_entropy,\n         adamw, batch size 7\n",
        "seed 5",
        "gradients 0  dense_forward ",
        "7×6 → 7×12\n",
        "update 0     update_adamw",
        "score 3      count_correct",
        "fused  1 × 2 submissions of 7",
        "passed: 60 op runs of 9 kernels, ",
    ] {
        assert!(text.contains(words), "`{words}` is not in:\n{text}");
    }
    let head = text.lines().find(|line| line.starts_with("op ")).expect("the table has a head");
    let words: Vec<&str> = head.split_whitespace().collect();
    assert_eq!(words, ["op", "kernel", "exact", "%", "worst", "tolerance", "shape,", "tile"]);
    assert_narrow(&text);
}

#[test]
fn a_verified_network_is_json() {
    let folder = Folder::new();
    let events = folder.events(&verify(&["--primitive"]));
    let named = |name: &str| events.iter().filter(|event| event["event"] == name).collect::<Vec<_>>();
    let [[start], [summary]] = ["start", "summary"].map(|name| <[_; 1]>::try_from(named(name)).expect("one of each"));
    assert_eq!((start["shaders"].as_str(), start["seed"].as_u64()), (Some("CPU kernels"), Some(5)));
    assert_eq!(summary["passed"], true);
    let ops = named("op");
    let elements: u64 = ops.iter().filter_map(|op| op["elements"].as_u64()).sum();
    assert_eq!(summary["elements"].as_u64(), Some(elements));
    assert!(elements > 30_000, "{elements}");
    assert!(ops.iter().all(|op| op["verdict"] == "ok" && op["worst"].as_f64().is_some_and(|worst| worst <= 1.0)));
    let plans = |name: &str| ops.iter().filter(|op| op["plan"] == name).count();
    assert!(plans("fused") == 20 && plans("primitive") > 25, "{} {}", plans("fused"), plans("primitive"));
    assert_eq!(named("free_run").len(), 6);
    // The same seed draws the same numbers.
    let again = folder.events(&verify(&["--primitive", "--threads", "1"]));
    assert_eq!(again.last(), events.last());
}

#[test]
fn a_model_can_be_verified() {
    let folder = Folder::new();
    folder.succeed(&["train", "xor", "--epochs", "2"]);
    let text = folder.succeed(&["verify", "--model", "xor.safetensors", "--device", "cpu"]);
    assert!(text.contains("network  2 → dense(8) tanh dense(1), binary_cross_entropy, adamw"), "{text}");
}

#[test]
fn a_bench_lists_its_devices() {
    let folder = Folder::new();
    let arguments = ["bench", "--hidden", "4 relu", "--inputs", "3", "--outputs", "2", "--batch", "5", "--steps", "2"];
    let devices = ["--device", "cpu", "--device", "reference"];
    let text = folder.succeed(&[&arguments[..], &devices].concat());
    assert!(text.contains("this network: 3 → dense(4) relu dense(2), adamw, batch size 5"), "{text}");
    for device in ["  cpu, ", "  reference\n"] {
        assert!(text.contains(device), "`{device}` is not in:\n{text}");
    }
    assert!(text.contains(" is fastest, ") && text.contains(" times as fast as "), "{text}");

    let events = folder.events(&[&arguments[..], &devices].concat());
    let names: Vec<&str> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    assert_eq!(names, ["start", "measurement", "measurement", "summary"]);
    for measurement in &events[1..3] {
        for figure in
            ["first_seconds", "step_seconds", "samples_per_second", "gflop_per_second", "steps_per_submission"]
        {
            assert!(measurement[figure].as_f64().is_some_and(|figure| figure > 0.0), "{figure}: {measurement}");
        }
        assert!(measurement["steps"].as_u64() >= Some(18), "two steps in each of nine repetitions: {measurement}");
    }
    assert_eq!(events[3]["fastest"].as_array().map(Vec::len), Some(1));
}
