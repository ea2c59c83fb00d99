//! Compares the bytes that ops bind with the lower bound on their traffic, which `wgrad plan` prints.
//!
//! A dispatch can reach no more memory than it binds. So an op that binds hardly more than the lower bound cannot read
//! memory that it does not need. The test does not show how often a shader reads the same number: matrix
//! multiplications read panels once per tile, from a cache or not, and only the device's own counters tell. An op's
//! parameters and step record, 256 bytes each, are not counted. The data set has as many rows as a submission here: a
//! larger one is bound whole, but only the rows in the index are touched.

use std::collections::BTreeMap;

use serde_json::Value;
use wgrad::exec::Executor;
use wgrad::exec::gpu::{Gpu, GpuDevice};
use wgrad::lower::TrainingSpec;
use wgrad::plan::{Op, Plan, Section};
use wgrad::specialize::FusedStep;
use wgrad::{Adam, Loss, Network};

use crate::common::layered;

fn workloads() -> BTreeMap<String, TrainingSpec> {
    let workloads: BTreeMap<String, Value> =
        serde_json::from_str(include_str!("../../benches/workloads.json")).expect("JSON");
    let spec = |workload: &Value| {
        let number = |value: &Value| value.as_u64().expect("a number") as usize;
        let layers: Vec<_> = workload["layers"].as_array().expect("layers").iter().map(number).collect();
        let hidden = |network: Network, outputs: &usize| network.dense(*outputs).relu();
        let [inputs, hidden_layers @ .., outputs] = &layers[..] else { panic!("two layers") };
        let network = hidden_layers.iter().fold(Network::input(*inputs), hidden).dense(*outputs);
        let batch = number(&workload["batch"]);
        let spec = TrainingSpec::new(network, Loss::softmax_cross_entropy(), Adam::new(1e-3), batch);
        TrainingSpec { data_rows: Some(batch), ..spec }
    };
    workloads.iter().map(|(name, workload)| (name.clone(), spec(workload))).collect()
}

#[test]
fn ops_bind_hardly_more_than_they_must_move() {
    let Some(device) = layered() else { return };
    let fused_steps = device.with_fused_step(FusedStep::Always).expect("it was opened before");
    let (layered, whole) = (compare(&device), compare(&fused_steps));
    println!(
        "{layered} ops of five networks, and {whole} of the same with fused steps, bind at most 1.1 times the least"
    );
    assert!(layered > 100 && whole > 50 && whole + 10 < layered, "{layered}, {whole}");
}

/// Checks that no op binds too much; returns the number of ops.
fn compare(device: &GpuDevice) -> usize {
    let mut compared = 0;
    for (name, spec) in workloads() {
        let plan = Plan::for_training(&spec).expect("sound");
        let gpu = Gpu::new(device, plan).unwrap_or_else(|error| panic!("{name} on {}: {error}", device.adapter()));
        let plan = gpu.plan();
        for section in Section::ALL {
            for (number, op) in plan.ops(section).iter().enumerate() {
                let (bound, least) = (moved(op, gpu.bound_bytes(section, number)), plan.traffic(op));
                let op = plan.op_name(section, number);
                assert!(least <= bound && 10 * bound <= 11 * least, "{name}: {op} binds {bound} bytes, not {least}");
                compared += 1;
            }
        }
    }
    compared
}

/// Memory that is changed in place moves twice.
fn moved(op: &Op, bound: &[u64]) -> u64 {
    let times = op.kernel.bindings.iter().map(|binding| if binding.access.is_in_place() { 2 } else { 1 });
    times.zip(bound).map(|(times, bytes)| times * bytes).sum()
}
