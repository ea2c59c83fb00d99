//! Tests of a device with low limits: bindings of 1 MiB, 64 invocations, 8 storage buffers. wgpu itself rejects
//! anything beyond them.
//!
//! Data sets and parameters may span several bindings, with the same results as on the whole device. Plans that do not
//! fit are rejected with both numbers before anything is compiled or allocated.

use wgrad::exec::gpu::{Gpu, GpuDevice, GpuOptions};
use wgrad::exec::{Executor, Run, lockstep};
use wgrad::lower::TrainingSpec;
use wgrad::plan::{FusedStep, Limits, Plan, Section};
use wgrad::verify::{Report, Verify};
use wgrad::{
    Adam, AdamW, Dataset, Device, Error, Loss, Network, Optimizer, RmsProp, Schedule, Sgd, Standardization, Trainer,
};

use crate::common::{adapter_name, open};
use crate::plans::{Values, find};

const LITTLE: Limits = Limits {
    binding_bytes: 1 << 20,
    allocation_bytes: 4 << 20,
    storage_buffers: 8,
    workgroups: 65_535,
    invocations: 64,
    workgroup_bytes: 16 << 10,
    loop_rounds: 65_535,
    subgroups: false,
    software: false,
    fused_step: FusedStep::WhereItPays,
};

/// Opens a new device with these limits.
fn little(limits: Limits) -> Option<GpuDevice> {
    adapter_name().map(|name| open(&name, GpuOptions::default().limits(limits).fused_step(limits.fused_step)))
}

const INPUTS: usize = 120;
const ROWS: usize = 5000;
const BATCH: usize = 16;

/// 1.5 MB of parameters, no weight above 1 MiB.
fn network() -> Network {
    Network::parse(INPUTS, "500 relu 400 tanh dropout(0.1) 300 relu 10").expect("a network")
}

fn spec() -> TrainingSpec {
    let spec = TrainingSpec::new(network(), Loss::softmax_cross_entropy(), Adam::new(1e-3), BATCH);
    TrainingSpec { clip_norm: Some(1.0), data_rows: Some(ROWS), steps: 3, evaluate_rows: 20, ..spec }
}

fn fused(spec: &TrainingSpec) -> Plan {
    Plan::for_training(spec).expect("the spec is sound")
}

/// 2.4 MB of inputs.
fn data() -> Dataset {
    let input = Values::Real.draw(ROWS * INPUTS, 1);
    let classes: Vec<u32> = (0..ROWS as u32).map(|row| row * row % 10).collect();
    let names = (0..10).map(|class| class.to_string());
    Dataset::classes("rows", INPUTS, &input, &classes, names).expect("a data set")
}

fn refused<T>(result: wgrad::Result<T>, needed: u64, allowed: u64) -> String {
    let error = result.err().expect("it is beyond the limits");
    println!("{error}");
    assert!(matches!(error, Error::Limit { needed: n, allowed: a, .. } if (n, a) == (needed, allowed)), "{error}");
    error.to_string()
}

#[test]
fn devices_open_with_the_limits_asked_for() {
    let Some(gpu) = little(LITTLE) else { return };
    let software = gpu.adapter().kind == wgrad::exec::gpu::AdapterKind::Software;
    assert_eq!(gpu.limits(), Limits { software, ..LITTLE });
    let whole = gpu.adapter().limits;
    let more = little(Limits { binding_bytes: u64::MAX, invocations: u32::MAX, loop_rounds: u32::MAX, ..whole })
        .expect("there is an adapter");
    assert_eq!(more.limits(), whole, "never above the adapter's");
    let short = little(Limits { loop_rounds: 1000, ..LITTLE }).expect("there is an adapter");
    assert_eq!(short.limits().loop_rounds, 1000, "no driver says it, but plans keep to it");
}

#[test]
fn what_spans_several_bindings_runs_in_lockstep() {
    let Some(device) = little(LITTLE) else { return };
    let spec = spec();
    let mut gpu = Gpu::new(&device, fused(&spec)).expect("it can be split");
    let plan = gpu.plan().clone();
    let count = |section, kernel| plan.ops(section).iter().filter(|op| op.kernel.name == kernel).count();
    let counts = [(Section::Window, "gather"), (Section::Update, "square_sum"), (Section::Update, "update_adamw")];
    assert_eq!(counts.map(|(section, kernel)| count(section, kernel)), [3 + 1, 2, 2]);
    let mut write = |name: &str, words: &[u32]| {
        gpu.write(find(&plan, name), 0, words).expect("the view holds its words");
    };
    let elements = |name: &str| plan.shape(find(&plan, name)).elements();
    let parameters: Vec<f32> = Values::Real.draw(elements("parameters"), 2).iter().map(|x| 0.05 * x).collect();
    write("parameters", bytemuck::cast_slice(&parameters));
    write("data.input", bytemuck::cast_slice(&Values::Real.draw(ROWS * INPUTS, 1)));
    write("data.target", &(0..ROWS as u32).map(|row| row * row % 10).collect::<Vec<_>>());
    // Rows of every part; the last step is a short one.
    let mut index: Vec<u32> = (0..3 * BATCH as u32).map(|i| i * 1237 % ROWS as u32).collect();
    index[3 * BATCH - 5..].fill(u32::MAX);
    write("index", &index);
    let rows = [BATCH, BATCH, BATCH - 5];
    let record = |batch_index| spec.record(&Schedule::Constant, 3, batch_index as u64, batch_index, rows[batch_index]);
    let steps: Vec<_> = (0..3).map(record).collect();
    let report = lockstep::run(&plan, &mut gpu, &steps, &Run::submission(&steps)).expect("every element is right");
    let elements = report.elements();
    println!("{elements} elements of {} ops compared on {}", report.ops.len(), device.adapter());
    assert!(elements > 4_500_000, "{elements}");
}

#[test]
fn verification_works_on_split_plans() {
    // So low that a small network spans several bindings, in its window and in its parameters.
    let Some(device) = little(Limits { binding_bytes: 16 << 10, ..LITTLE }) else { return };
    let network = Network::parse(32, "60 sigmoid 60 relu dropout(0.1) 3").expect("a network");
    let optimizers: [Optimizer; 4] = [
        Sgd::new(0.1).into(),
        Sgd::new(0.1).momentum(0.9).nesterov().into(),
        RmsProp::new(1e-3).into(),
        AdamW::new(1e-3).into(),
    ];
    for optimizer in optimizers {
        let spec = TrainingSpec::new(network.clone(), Loss::softmax_cross_entropy(), optimizer, 32);
        let verify = Verify::network(&TrainingSpec { clip_norm: Some(1.0), ..spec }).expect("it is sound");
        let report = verify.and_primitive().run(&device.clone().into(), |_| ());
        let report = report.and_then(Report::into_result).expect("the device is right");
        println!("{}: {} elements", optimizer.name(), report.elements());
        assert!(report.free_runs.iter().all(|run| run.changed > 4096), "both parts: {report}");
        let gathers = report.ops.iter().filter(|op| op.kernel == "gather").count();
        assert!(gathers >= 3, "the window is written in parts: {report}");
    }
}

#[test]
fn bytes_that_span_several_bindings_train_as_numbers_do() {
    let Some(gpu) = little(Limits { binding_bytes: 128 << 10, ..LITTLE }) else { return };
    const WIDTH: usize = 121;
    let bytes: Vec<u8> = (0..2000 * WIDTH as u32).map(|at| (at * 37 % 251 + at / 977 % 5) as u8).collect();
    let numbers: Vec<f32> = bytes.iter().map(|byte| f32::from(*byte)).collect();
    let classes: Vec<u32> = (0..2000).map(|row| row * 5 % 3).collect();
    let images = Dataset::images("images", WIDTH, bytes, classes.clone(), ["a", "b", "c"]).expect("images");
    let numbers = Dataset::classes("images", WIDTH, &numbers, &classes, ["a", "b", "c"]).expect("numbers");
    for scaling in [Standardization::fit(&images), Standardization::fit_all(&images)] {
        let scaling = scaling.expect("scales");
        let train = |data: &Dataset| {
            let network = Network::parse(WIDTH, "16 relu 3").expect("a network");
            let builder = Trainer::builder(network).loss(Loss::softmax_cross_entropy()).batch(50);
            let mut trainer = builder.preprocessing(scaling.clone()).build(&gpu.clone().into()).expect("a trainer");
            trainer.load(data).expect("it fits");
            let advance = trainer.advance().expect("the device works");
            assert!(advance.losses.iter().all(|loss| loss.is_finite()));
            trainer.parameters().expect("read")
        };
        assert!(train(&images) == train(&numbers));
    }
}

/// Returns the losses of two submissions, and the parameters after them.
fn trained(device: &Device, network: Network, steps_per_submission: usize) -> (Vec<f32>, Vec<f32>) {
    let builder = Trainer::builder(network).loss(Loss::softmax_cross_entropy()).optimizer(Adam::new(1e-3));
    let builder = builder.clip_norm(1.0).batch(BATCH).seed(5).steps_per_submission(steps_per_submission);
    let mut trainer = builder.build(device).expect("a trainer");
    trainer.load(&data()).expect("it fits");
    let mut losses = Vec::new();
    // The host gets the losses of a submission when two newer ones are in flight.
    for _ in 0..4 {
        losses.extend(trainer.advance().expect("the device works").losses);
    }
    let parameters = trainer.parameters().expect("read");
    (losses, parameters.into_iter().flat_map(|tensor| tensor.values).collect())
}

#[test]
fn results_are_those_of_the_whole_device() {
    let Some(name) = adapter_name() else { return };
    // The window of 150 steps exceeds a binding, too.
    let wide = || Network::parse(INPUTS, "9 relu 10").expect("a network");
    let (layers, auto) = (FusedStep::Never, FusedStep::WhereItPays);
    for (network, steps, fused_step) in [(network(), 5, layers), (wide(), 150, layers), (wide(), 150, auto)] {
        let options = GpuOptions::default();
        let both = [options, options.limits(LITTLE)].map(|options| open(&name, options.fused_step(fused_step)));
        let software = both[1].limits().software;
        let [whole, found] = both.map(|gpu| trained(&gpu.into(), network.clone(), steps));
        assert!(whole.0.len() >= 2 * steps);
        // The rows per workgroup of a fused step depend on workgroup memory.
        if software && fused_step == layers {
            assert!(whole == found, "registers and subgroups add up in the same order, and so the same bits");
        }
        // Other tiles add in another order, and parameters may differ more with each step. Ten steps stay far within
        // this tolerance; a wrong row or a missing part would be far beyond it.
        for (step, (whole, found)) in whole.0.iter().zip(&found.0).enumerate().take(10) {
            assert!((whole - found).abs() <= 1e-3 * whole.max(1.0), "step {step}: {whole} and {found}");
        }
        println!("{} losses and {} parameters compared", whole.0.len(), whole.1.len());
    }
}

#[test]
fn a_weight_beyond_a_binding_is_refused_before_anything_is_made() {
    let Some(gpu) = little(LITTLE) else { return };
    let network = Network::parse(INPUTS, "3000 relu 10").expect("a network");
    let builder = Trainer::builder(network).loss(Loss::softmax_cross_entropy()).batch(8);
    let message = refused(builder.build(&gpu.clone().into()), 4 * 3000 * INPUTS as u64, 1 << 20);
    assert!(message.contains("(dense_forward)") && message.contains("layer0.weight"), "{message}");
    assert_eq!(gpu.pipelines_compiled(), 0, "shaders are compiled before memory is taken");
}

#[test]
fn a_data_set_beyond_an_allocation_is_refused_and_training_goes_on() {
    let Some(gpu) = little(Limits { allocation_bytes: 2 << 20, ..LITTLE }) else { return };
    let builder = Trainer::builder(network()).loss(Loss::softmax_cross_entropy()).batch(BATCH);
    let mut trainer = builder.build(&gpu.into()).expect("a trainer");
    let before = trainer.counters();
    let message = refused(trainer.load(&data()), 4 * (ROWS * INPUTS) as u64, 2 << 20);
    assert!(message.contains("data.input") && message.contains("fewer rows"), "{message}");
    assert_eq!(trainer.counters(), before, "nothing was made or written");
    let step = trainer.step(&Values::Real.draw(INPUTS, 1), &[3]).expect("a step");
    assert!(step.value().expect("a loss").is_finite());
}

#[test]
fn too_few_bindings_or_invocations_are_refused() {
    let network = || Network::parse(3, "4 relu 2").expect("a network");
    let build = |limits| {
        let gpu = little(limits)?;
        Some(Trainer::builder(network()).loss(Loss::mean_squared_error()).build(&gpu.into()))
    };
    let Some(few) = build(Limits { storage_buffers: 6, ..LITTLE }) else { return };
    assert!(refused(few, 7, 6).contains("(update_adamw)"));
    let little = build(Limits { invocations: 32, ..LITTLE }).expect("there is an adapter");
    assert!(refused(little, 64, 32).contains("every shader"));
}
