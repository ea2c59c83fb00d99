//! `bench --suite`: its measurements and its output, apart from the times.

use serde_json::Value;

#[cfg(feature = "gpu")]
use super::IN_LAYERS;
use super::{Folder, unwrapped};

/// The networks of the file that all peers are measured by.
const WORKLOADS: &str = include_str!("../../benches/workloads.json");

fn named<'a>(events: &'a [Value], name: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["event"] == name).collect()
}

/// Moons has three layers: a step is 3·3 + 1 ops, all of other shapes.
fn measures_steps_and_ops(device: &str, arguments: &[&str]) -> Vec<Value> {
    let suite = ["bench", "--suite", "--only", "moons", "--seconds", "0.01", "--device", device];
    let events = Folder::new().events(&[&suite[..], arguments].concat());
    let start = &events[0];
    assert!(start["event"] == "start" && start["wgrad"] == "0.1.0" && start["networks"][0] == "moons", "{start}");
    assert!(["gpu", "host"].iter().any(|clock| start["clock"] == *clock), "{start}");
    let [step] = named(&events, "step")[..] else { panic!("one network was asked for: {events:?}") };
    assert!(step["network"] == "moons" && step["dispatches"] == 10 && step["dispatches_per_submission"] == 3, "{step}");
    for figure in ["first_seconds", "step_seconds", "steps", "steps_per_submission", "flops", "bytes", "levels"] {
        assert!(step[figure].as_f64().is_some_and(|figure| figure > 0.0), "{figure}: {step}");
    }
    let ops = named(&events, "op");
    let chosen = ops.iter().filter(|op| op["chosen"] == true).count();
    assert_eq!(chosen, 10, "{ops:?}");
    let forms = |form: &str| ops.iter().filter(|op| op["chosen"] == true && op["form"] == form).count();
    assert_eq!(["NT", "NN", "TN"].map(forms), [3, 2, 3]);
    let first = ops[0];
    assert_eq!(["rows", "columns", "terms"].map(|size| first[size].as_u64()), [Some(64), Some(16), Some(2)]);
    assert!(ops.iter().all(|op| op["best_seconds"].as_f64() <= op["seconds"].as_f64()), "{ops:?}");
    let summary = events.last().expect("there are events");
    assert!(summary["event"] == "summary" && summary["steps"] == 1 && summary["ops"] == ops.len(), "{summary}");
    events
}

#[test]
fn the_cpu_is_measured_whole() {
    let events = measures_steps_and_ops("cpu", &[]);
    assert!(events.iter().all(|event| event.get("roofline_percent").is_none()), "no rates were given");
    let arguments = ["--bandwidth-gbs", "20"];
    let events = measures_steps_and_ops("cpu", &arguments);
    let (step, op) = (named(&events, "step")[0], named(&events, "op")[0]);
    for event in [step, op] {
        assert!(event.get("arithmetic_seconds").is_none(), "no peak was given: {event}");
        let bytes = event["bytes"].as_f64().expect("a number");
        assert!(
            event["memory_seconds"].as_f64().is_some_and(|roofline| (roofline * 20e9 - bytes).abs() < 1e-3),
            "{event}"
        );
    }
    assert_eq!(events[0]["bandwidth_gbs"], 20.0);
}

#[cfg(feature = "gpu")]
#[test]
fn fused_steps_are_measured() {
    let Some(adapter) = super::predict_evaluate::adapter() else { return };
    let suite = ["bench", "--suite", "--only", "moons", "--seconds", "0.01", "--fused-step", "always"];
    let events = Folder::new().events(&[&suite[..], &["--device", &adapter.name]].concat());
    let step = named(&events, "step")[0];
    assert!(step["dispatches"] == 3 && step["levels"] == 3, "{step}");
    let kernels: Vec<_> = named(&events, "op").iter().filter_map(|op| op["kernel"].as_str()).collect();
    assert_eq!(kernels, ["mlp_step_fused", "mlp_step_sum", "update_adamw"]);
}

#[cfg(feature = "gpu")]
#[test]
fn an_adapter_is_measured_whole_in_all_tiles() {
    let Some(adapter) = super::predict_evaluate::adapter() else { return };
    let events = measures_steps_and_ops(&adapter.name, &[&["--tiles"], &IN_LAYERS[..]].concat());
    assert_eq!(events[0]["driver"], adapter.driver.as_str());
    let ops = named(&events, "op");
    assert!(ops.iter().any(|op| op["chosen"] == false), "{ops:?}");
    let products = ops.iter().filter(|op| op.get("form").is_some());
    assert!(products.clone().all(|op| op["tile"].is_string()), "{ops:?}");
    let mut all: Vec<_> =
        products.map(|op| [&op["kernel"], &op["shapes"], &op["tile"]].map(Value::to_string)).collect();
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count, "one was measured twice");
}

/// A product in parts is measured with the op that adds them.
#[cfg(feature = "gpu")]
#[test]
fn matrix_multiplications_in_parts_are_measured_whole() {
    let Some(adapter) = super::predict_evaluate::adapter() else { return };
    let suite = ["bench", "--suite", "--only=digits", "--tiles", "--seconds=0.01", "--device", &adapter.name];
    let events = Folder::new().events(&[&suite[..], &IN_LAYERS].concat());
    let both = "matmul_split_nt + dense_forward_sum";
    let op = named(&events, "op").into_iter().find(|op| op["kernel"] == both).expect("64 terms can be cut");
    assert!(op["form"] == "NT" && op["tile"].as_str().is_some_and(|tile| tile.ends_with(" in 2 parts")), "{op}");
}

#[test]
fn networks_are_those_of_the_file() {
    let text = Folder::new().succeed(&["bench", "--suite", "--only", "narrow", "--seconds", "0.01", "--device", "cpu"]);
    let known: Value = serde_json::from_str(WORKLOADS).expect("JSON");
    let narrow = &known["narrow"];
    let batches = format!("dense({}), adam, batch size {}", narrow["layers"][9], narrow["batch"]);
    let text = unwrapped(&text);
    assert!(text.contains("narrow: 64 → dense(64) relu dense(64)") && text.contains(&batches), "{text}");
    assert!(text.contains("ops by the host's clock") && text.contains(" dispatches in "), "{text}");
}
