//! Many steps in one submission give the same bits as the same ops run one by one.
//!
//! The plan is a chain: the output of a dense layer is the optimizer's gradient, and its parameters are the next step's
//! layer. If an op runs before the previous one is done, the bits change.

use wgrad::exec::Executor;
use wgrad::exec::gpu::{Counters, Gpu, GpuDevice, GpuOptions};
use wgrad::exec::lockstep;
use wgrad::kernels::dense_forward;
use wgrad::kernels::dropout::Mask;
use wgrad::network::Activation;
use wgrad::plan::{Contents, Plan, STEP_BYTES, Section, Step};
use wgrad::shape::{Dtype, Shape, padded};

use crate::common::{adapter_name, device, open};
use crate::plans::{ADAM, AdamParams, Values, adamw_op, adamw_plan, fill_adamw, read, run, step, write};

const SLOTS: usize = 7;
const ROWS: usize = 33;
const INPUTS: usize = 32;
const OUTPUTS: usize = 64;

/// Rows × outputs of the layer are as many elements as its parameters.
fn chain() -> Plan {
    let mut plan = Plan::new();
    let elements = padded(INPUTS * OUTPUTS) + padded(OUTPUTS);
    assert_eq!(elements, ROWS * OUTPUTS);
    let (input, _) = plan.windowed("input", Dtype::F32, Shape::new(ROWS, INPUTS), SLOTS, Contents::Host);
    let mut whole = |name: &str, contents| {
        let allocation = plan.allocate(name, Dtype::F32, elements, contents);
        (allocation, plan.view(name, allocation, 0, Shape::vector(elements)))
    };
    let (parameters, all) = whole("parameters", Contents::Persistent(0));
    let (output, gradient) = whole("gradient", Contents::Computed);
    let (_, m) = whole("m", Contents::Persistent(0));
    let (_, v) = whole("v", Contents::Persistent(0));
    let weight = plan.view("weight", parameters, 0, Shape::new(OUTPUTS, INPUTS));
    let bias = plan.view("bias", parameters, INPUTS * OUTPUTS, Shape::vector(OUTPUTS));
    let output = plan.view("output", output, 0, Shape::new(ROWS, OUTPUTS));
    let norm = plan.tensor("norm", Dtype::F32, Shape::vector(1), Contents::Persistent(0));
    let flag = plan.tensor("flag", Dtype::U32, Shape::vector(1), Contents::Persistent(u32::MAX));
    let tanh = Activation::tanh();
    let forward = dense_forward::op(&plan, tanh, Mask::new(1, 0.3), input, weight, bias, output, None);
    plan.push(Section::Gradients, forward).expect("the plan is sound");
    let update = adamw_op(&plan, &ADAM, [all, gradient, norm, flag], [m, v]);
    plan.push(Section::Update, update).expect("the plan is sound");
    plan
}

fn filled(device: &GpuDevice) -> Gpu {
    let mut gpu = Gpu::new(device, chain()).expect("the plan fits");
    for batch_index in 0..SLOTS {
        write(&mut gpu, "input", batch_index, &Values::Real.draw(ROWS * INPUTS, batch_index as u32));
    }
    write(&mut gpu, "weight", 0, &Values::Real.draw(OUTPUTS * INPUTS, 100));
    gpu
}

fn steps(count: usize) -> Vec<Step> {
    (0..count).map(|i| Step { index: i as u32, learning_rate: 0.01 / (i + 1) as f32, ..step(ROWS) }).collect()
}

fn runs(slots: std::ops::Range<usize>) -> Vec<wgrad::exec::Run> {
    slots.flat_map(|batch_index| [run(Section::Gradients, batch_index), run(Section::Update, batch_index)]).collect()
}

fn state(gpu: &mut Gpu) -> Vec<Vec<u32>> {
    ["parameters", "m", "v", "gradient"].map(|name| read(gpu, name)).to_vec()
}

#[test]
fn a_free_run_equals_stepping() {
    let Some(device) = device() else { return };
    for count in [1, 2, SLOTS] {
        let steps = steps(count);
        let mut free = filled(&device);
        free.submit(&steps, &runs(0..count)).expect("the device works");
        let mut stepped = filled(&device);
        for run in runs(0..count) {
            stepped.submit_op(&steps, run, 0).expect("the device works");
        }
        // Two submissions in flight; each has its own records.
        let (mut split, half) = (filled(&device), count / 2);
        split.submit(&steps, &runs(0..half)).expect("the device works");
        split.submit(&steps, &runs(half..count)).expect("the device works");
        let wanted = state(&mut stepped);
        assert!(state(&mut free) == wanted, "{count} steps in one submission differ from single ops");
        assert!(state(&mut split) == wanted, "{count} steps in two submissions differ from single ops");
        assert_ne!(wanted[0], read(&mut filled(&device), "parameters"), "the steps changed nothing");
        println!("free run of {count} steps: {} words equal", wanted.iter().map(Vec::len).sum::<usize>());
    }
}

#[test]
fn the_chain_is_right_in_lockstep() {
    let Some(device) = device() else { return };
    let mut gpu = filled(&device);
    let report = lockstep::run(&chain(), &mut gpu, &steps(SLOTS), &runs(0..SLOTS)).expect("the device computes right");
    // The layer's outputs; parameters and both states; the flag.
    let elements = SLOTS * (ROWS * OUTPUTS + 3 * ROWS * OUTPUTS + 1);
    println!("chain: {} elements compared", report.elements());
    assert_eq!(report.elements(), elements);
}

#[test]
fn records_without_a_window_grow_with_the_submission() {
    let Some(device) = device() else { return };
    let filled = || {
        let mut gpu = Gpu::new(&device, adamw_plan(&ADAM, 192)).expect("the plan fits");
        fill_adamw(&mut gpu, 192, 1.0);
        gpu
    };
    let steps = steps(5);
    let (mut together, mut apart) = (filled(), filled());
    together
        .submit(&steps, &[0, 1, 2, 3, 4].map(|batch_index| run(Section::Update, batch_index)))
        .expect("the device works");
    for step in &steps {
        apart.submit(&[*step], &[run(Section::Update, 0)]).expect("the device works");
    }
    for name in ["parameter", "m", "v"] {
        assert_eq!(read(&mut together, name), read(&mut apart, name), "{name}");
    }
}

#[test]
fn two_runs_and_both_kinds_of_modules_give_the_same_bits() {
    let Some(name) = adapter_name() else { return };
    // SAFETY: the shaders are this crate's own.
    let unchecked = unsafe { GpuOptions::unchecked() };
    let bits = |options| {
        let mut gpu = filled(&open(&name, options));
        gpu.submit(&steps(SLOTS), &runs(0..SLOTS)).expect("the device works");
        state(&mut gpu)
    };
    let first = bits(GpuOptions::checked());
    assert!(first == bits(GpuOptions::checked()), "two runs differ");
    assert!(first == bits(unchecked), "without runtime checks the bits differ");
}

#[test]
fn a_submission_costs_what_it_should() {
    let Some(device) = device() else { return };
    let mut gpu = filled(&device);
    let before = gpu.counters();
    assert!(before.pipelines <= 2, "{before:?}");
    gpu.submit(&steps(SLOTS), &runs(0..SLOTS)).expect("the device works");
    // One record per step, and one that holds their number.
    let records = ((1 + SLOTS) * STEP_BYTES) as u64;
    let wanted = Counters {
        dispatches: 2 * SLOTS as u64,
        submissions: 1,
        uploaded_bytes: before.uploaded_bytes + records,
        ..before
    };
    assert_eq!(gpu.counters(), wanted);
    read(&mut gpu, "m");
    let read_bytes = 4 * (ROWS * OUTPUTS) as u64;
    assert_eq!(
        gpu.counters(),
        Counters { readbacks: 1, downloaded_bytes: read_bytes, buffers: wanted.buffers + 1, ..wanted }
    );
    // Staging memory is reused, from readbacks that were waited for and from those that were dropped.
    let (once, view) = (gpu.counters().buffers, crate::plans::find(gpu.plan(), "m"));
    for _ in 0..100 {
        drop(gpu.read(view, 0).expect("the device answers"));
        read(&mut gpu, "m");
    }
    assert!(gpu.counters().buffers <= once + 1, "one for each of the two that are under way");
    // Another executor of the same plan compiles nothing.
    assert_eq!(filled(&device).counters().pipelines, 0);
}

#[test]
fn an_adopted_plan_keeps_what_has_the_same_name_and_size() {
    let Some(device) = device() else { return };
    let mut gpu = Gpu::new(&device, adamw_plan(&ADAM, 192)).expect("the plan fits");
    fill_adamw(&mut gpu, 192, 1.0);
    let kept = read(&mut gpu, "m");
    gpu.adopt(adamw_plan(&AdamParams { l2: 0.1, ..ADAM }, 192)).expect("the plan fits");
    assert_eq!(read(&mut gpu, "m"), kept);
    gpu.adopt(adamw_plan(&ADAM, 256)).expect("the plan fits");
    assert_eq!(read(&mut gpu, "m"), [0x3F80_0000; 256], "filled as the plan says");
    assert_eq!(read(&mut gpu, "gradient"), [wgrad::plan::POISON; 256], "poisoned");
}

#[test]
fn a_ticket_can_be_polled() {
    let Some(device) = device() else { return };
    let mut gpu = filled(&device);
    gpu.submit(&steps(1), &runs(0..1)).expect("the device works");
    let view = crate::plans::find(gpu.plan(), "parameters");
    let mut ticket = gpu.read(view, 0).expect("the device answers");
    while !ticket.poll().expect("the device answers") {
        std::thread::yield_now();
    }
    assert_eq!(ticket.wait().expect("the words are there"), read(&mut gpu, "parameters"));
}
