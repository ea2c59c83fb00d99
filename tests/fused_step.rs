//! Fused steps, in which one op runs forward pass, loss and backward pass: which networks have one, when it is used, and that its
//! results equal those of the layers' ops.

mod common {
    pub mod driver;
    pub mod oracle;
    pub mod problem;
}

use common::driver::{Device, Driver, PlanKind, SEED, compare, plan};
use common::oracle::{Oracle, SINGLE, exact};
use common::problem::{Numbers, batch, parameters};
use wgrad::lower::TrainingSpec;
use wgrad::plan::{Plan, Section};
use wgrad::shape::padded;
use wgrad::specialize::{DeviceLimits, FusedStep, Limits, specialize, traced};
use wgrad::{Adam, Loss, Network, Sgd};

/// Layers after 5 input columns that can have a fused step.
const FUSED: [&str; 9] = [
    "3",
    "7 relu 3",
    "7 sigmoid 9 tanh 3",
    "8 leaky_relu(0.1) 8 leaky_relu(0.1) 3",
    "4 step 3",
    "6 tanh 3 tanh",
    "4 identity 3",
    "2 relu 2 relu 2 relu 2 relu 2 relu 2 relu 2 relu 3 sigmoid",
    "2 tanh 2 tanh 2 tanh 2 tanh 2 tanh 2 tanh 2 tanh 2 tanh 2 tanh 2 tanh 2 tanh 2 tanh 2 tanh 2 tanh 2 tanh 3",
];

/// Layers that cannot: with dropout, no bias, two activations, one before the first layer, two slopes, no activation after a
/// hidden layer, residual blocks, normalizations, 17 layers, or more than workgroup memory holds.
const LAYERED: [&str; 16] = [
    "7 relu dropout(0.2) 3",
    "dense(7, bias=false) relu 3",
    "7 relu dense(3, bias=false)",
    "7 tanh relu 3",
    "relu 7 relu 3",
    "7 leaky_relu(0.1) 7 leaky_relu(0.2) 3",
    "2 2 relu 3",
    "7 relu [7 relu 7] relu 3",
    "[7 relu 5] 3",
    "7 relu [3]",
    "[3 identity]",
    "7 batch_norm relu 3",
    "7 layer_norm relu 3",
    "7 relu 3 rms_norm",
    "2 tanh 2 tanh 2 tanh 2 tanh 2 tanh 2 tanh 2 tanh 2 tanh 2 tanh 2 tanh 2 tanh 2 tanh 2 tanh 2 tanh 2 tanh 2 tanh 3",
    "1024 relu 3",
];

fn describe(layers: &str, loss: Loss, batch: usize) -> TrainingSpec {
    TrainingSpec::new(Network::parse(5, layers).expect("the text is sound"), loss, Adam::new(1e-2), batch)
}

/// Losses with a fused step: those per element, and the softmax.
fn losses() -> impl Iterator<Item = Loss> {
    Loss::all().filter(|loss| loss.function().row().is_none())
}

fn fitted(spec: &TrainingSpec, fused_step: FusedStep) -> Plan {
    let limits = Limits { fused_step, ..Limits::default() };
    specialize(plan(spec, PlanKind::Fused), &DeviceLimits::Gpu(limits)).expect("it fits")
}

fn kernels(plan: &Plan) -> Vec<&'static str> {
    [Section::Gradients, Section::Update].iter().flat_map(|s| plan.ops(*s)).map(|op| op.kernel.name).collect()
}

#[test]
fn a_fused_step_is_three_ops_in_three_levels() {
    for (layers, loss) in FUSED.iter().flat_map(|layers| losses().map(move |loss| (layers, loss))) {
        let spec = describe(layers, loss, 100);
        if spec.check().is_err() {
            continue;
        }
        let plain = fitted(&spec, FusedStep::Always);
        let with_trace = traced(&plain).expect("it can be traced").expect("it has a fused step");
        assert!(traced(&with_trace).expect("a plan").is_none(), "it is traced already");
        for (plan, first) in [(plain, "mlp_step_fused"), (with_trace, "mlp_step_fused_traced")] {
            assert_eq!(kernels(&plan), [first, "mlp_step_sum", "update_adamw"], "{layers}, {loss}");
            let levels = |section| plan.levels(section).into_iter().max().unwrap_or(0);
            assert_eq!(levels(Section::Gradients) + levels(Section::Update), 3, "{layers}, {loss}");
            assert!(plan.is_trusted());
        }
        let layered = fitted(&spec, FusedStep::Never);
        assert!(!kernels(&layered).contains(&"mlp_step_fused") && traced(&layered).expect("a plan").is_none());
    }
}

/// Outputs of layers have the same names as in a layered plan. In the trace they are in the order of computation: forward, then
/// backward, each by layers from the first.
#[test]
fn stages_have_the_names_of_layers() {
    let mut named = 0;
    for layers in FUSED {
        let spec = describe(layers, Loss::mean_squared_error(), 6);
        let layered = fitted(&spec, FusedStep::Never);
        let plan = fitted(&spec, FusedStep::Always);
        let names: Vec<&str> = layered.views().iter().map(|view| view.name.as_str()).collect();
        assert!(
            !plan.views().iter().any(|view| view.name == "layer0.output"),
            "intermediate results are not allocated"
        );
        let plan = traced(&plan).expect("it can be traced").expect("it has a fused step");
        let trace = plan.named("trace").expect("a trace");
        let mut covered = 0;
        for view in plan.within(trace).into_iter().map(|id| plan.get(id)) {
            assert!(names.contains(&view.name.as_str()), "{layers}: {} among {names:?}", view.name);
            assert_eq!(
                view.shape,
                layered.shape(layered.named(&view.name).expect("a view")),
                "{layers}: {}",
                view.name
            );
            assert_eq!(view.offset, covered, "{layers}: {}", view.name);
            covered += padded(view.shape.elements());
            let last = view.shape.elements() - 1;
            let place = (view, last / view.shape.columns, last % view.shape.columns);
            assert_eq!(plan.element(plan.get(trace), view.offset + last), place);
            named += 1;
        }
        assert_eq!(covered, plan.shape(trace).elements(), "{layers}: all of the trace belongs to layers");
    }
    assert_eq!(
        named,
        2 * FUSED.iter().map(|layers| layers.split(' ').filter(|l| l.parse::<u32>().is_ok()).count()).sum::<usize>()
    );
}

/// The operations are the same; memory traffic is only that of parameters, batch and partial gradients.
#[test]
fn it_costs_the_operations_of_the_layers_and_moves_less() {
    let mut compared = 0;
    for (layers, loss) in FUSED.iter().flat_map(|layers| losses().map(move |loss| (layers, loss))) {
        let spec = describe(layers, loss, 100);
        if spec.check().is_err() {
            continue;
        }
        let [fused, layered] = [FusedStep::Always, FusedStep::Never].map(|choice| fitted(&spec, choice));
        let ops = fused.ops(Section::Gradients);
        assert_eq!(fused.flops(&ops[0]), layered.section_work(Section::Gradients).flops, "{layers}, {loss}");
        let [parameters, partial] = [0, 3].map(|view| fused.shape(ops[0].views[view]).elements() as u64);
        assert_eq!((partial % parameters, fused.flops(&ops[1])), (0, partial), "an addition for each partial gradient");
        let columns = fused.shape(fused.named("target").expect("a view")).columns as u64;
        let batch = 100 * (5 + columns + 1);
        assert_eq!(fused.traffic(&ops[0]), 4 * (parameters + batch + partial + 1), "{layers}, {loss}");
        assert_eq!(fused.traffic(&ops[1]), 4 * (partial + parameters + 1), "{layers}, {loss}");
        compared += 1;
    }
    assert!(compared > 20, "only {compared}");
}

#[test]
fn others_stay_layered() {
    for layers in LAYERED {
        let plan = fitted(&describe(layers, Loss::softmax_cross_entropy(), 100), FusedStep::Always);
        assert!(kernels(&plan).contains(&"softmax_cross_entropy"), "{layers}");
    }
    let smoothed = fitted(&describe("7 relu 3", Loss::smoothed_cross_entropy(0.1), 100), FusedStep::Always);
    assert!(kernels(&smoothed).contains(&"softmax_cross_entropy"), "labels are not smoothed in fused steps");
    let host =
        specialize(plan(&describe("7 relu 3", Loss::mean_squared_error(), 8), PlanKind::Fused), &DeviceLimits::Cpu)
            .expect("no limits");
    assert!(!kernels(&host).contains(&"mlp_step_fused"), "the CPU does not use it");
}

/// Rows per workgroup, or `None` without a fused step, by layers, batch size and workgroup memory.
#[test]
fn it_is_used_if_it_is_faster() {
    let chunk = |layers: &str, batch: usize, kib: u32, software: bool| {
        let limits = Limits { workgroup_bytes: kib << 10, software, ..Limits::default() };
        let plan = plan(&describe(layers, Loss::softmax_cross_entropy(), batch), PlanKind::Fused);
        let plan = specialize(plan, &DeviceLimits::Gpu(limits)).expect("it fits");
        plan.ops(Section::Gradients)[0].param("chunk")
    };
    let deep = "64 relu 64 relu 64 relu 64 relu 64 relu 64 relu 64 relu 64 relu 16";
    assert_eq!(chunk("16 tanh 16 tanh 2", 64, 16, false), Some(4), "few rows: many workgroups");
    assert_eq!(chunk("16 tanh 16 tanh 2", 4096, 16, false), Some(64), "many rows");
    assert_eq!(chunk("16 tanh 16 tanh 2", 64, 16, true), None, "a software driver");
    assert_eq!(chunk("64 relu 64 relu 64 relu 10", 16_384, 32, false), Some(32));
    assert_eq!(chunk("64 relu 64 relu 64 relu 10", 16_384, 16, false), None, "16 rows are too few for that much work");
    assert_eq!(chunk(deep, 16_384, 16, false), None);
    assert_eq!(chunk(deep, 128, 16, false), Some(4));
    assert_eq!(chunk("129 relu 3", 64, 16, false), None, "wider than it supports");
    assert_eq!(chunk("128 relu 128 relu 128 relu 128 relu 3", 64, 16, false), None, "too many parameters");
}

/// Fused steps are verified stage by stage, so a step whose trace a device cannot hold or bind is not fused.
#[test]
fn a_step_is_fused_only_if_its_trace_fits() {
    let spec = describe(&format!("{}3", "16 relu ".repeat(15)), Loss::softmax_cross_entropy(), 640);
    let large = Limits { fused_step: FusedStep::Always, ..Limits::default() };
    let is_fused = |limits| {
        let target = DeviceLimits::Gpu(limits);
        let plan = specialize(plan(&spec, PlanKind::Fused), &target).expect("it fits");
        let traced = traced(&plan).expect("it can be traced");
        traced.map(|traced| specialize(traced, &target).expect("so does the build with a trace")).is_some()
    };
    let mib = |mib: u64| mib << 20;
    // The trace has 2 · 640 · 243 numbers, 1.2 MiB.
    assert!(is_fused(Limits { binding_bytes: mib(2), allocation_bytes: mib(2), ..large }));
    assert!(!is_fused(Limits { binding_bytes: mib(1), ..large }), "in one binding");
    assert!(!is_fused(Limits { allocation_bytes: mib(1), ..large }), "in one allocation");
    assert!(!is_fused(Limits { storage_buffers: 7, ..large }), "beside six others and the parameters");
}

/// With one part, sums have the order of the layers' ops.
#[test]
fn with_one_part_the_bits_are_those_of_the_layers() {
    let mut compared = 0;
    for (layers, loss) in FUSED.iter().flat_map(|layers| losses().map(move |loss| (layers, loss))) {
        let mut spec = describe(layers, loss, 4);
        if spec.check().is_err() {
            continue;
        }
        spec.clip_norm = Some(0.5);
        let start = parameters(&spec.network, 3, Numbers::Real);
        let trained = |plan: Plan| {
            let mut driver = Driver::with_plan(&spec, plan, Device::Reference);
            driver.set(&start);
            let losses = (0..5).flat_map(|step| {
                let rows = if step == 2 { 3 } else { 4 };
                driver.train(&[batch(&spec.network, loss, rows, 3, step, Numbers::Real)])
            });
            (losses.map(f32::to_bits).collect::<Vec<_>>(), driver.persistent())
        };
        let layered = trained(fitted(&spec, FusedStep::Never));
        let fused = fitted(&spec, FusedStep::Always);
        let with_trace = traced(&fused).expect("it can be traced").expect("it has a fused step");
        assert!(layered == trained(fused), "{layers}, {loss}");
        assert!(layered == trained(with_trace), "{layers}, {loss}, with a trace");
        compared += layered.1.iter().map(|(_, words)| words.len()).sum::<usize>();
    }
    println!("fused steps: {compared} words equal");
    assert!(compared > 10_000);
}

#[test]
fn with_many_parts_gradients_confirm_the_oracle() {
    let mut compared = 0;
    for (layers, loss) in FUSED.iter().flat_map(|layers| losses().map(move |loss| (layers, loss))) {
        let spec = TrainingSpec { optimizer: Sgd::new(0.0).into(), ..describe(layers, loss, 21) };
        if spec.check().is_err() {
            continue;
        }
        let oracle = Oracle { network: &spec.network, loss, unit: SINGLE, seed: SEED };
        let draw = |seed| {
            let start = parameters(&spec.network, seed, Numbers::Real);
            let rows = batch(&spec.network, loss, 19, seed, 0, Numbers::Real);
            let outcome = oracle.run(&exact(&start), &rows, 0);
            (outcome.kinks.margin > 0.0).then_some((start, rows, outcome))
        };
        let (start, rows, outcome) = (0..200).find_map(draw).expect("a draw away from every kink");
        let plan = fitted(&spec, FusedStep::Always);
        assert!(plan.shape(plan.ops(Section::Gradients)[0].views[3]).rows > 1, "several parts");
        let mut driver = Driver::with_plan(&spec, plan, Device::Reference);
        driver.set(&start);
        driver.train(&[rows]);
        for (name, gradient) in &outcome.gradients {
            compared += compare(name, &driver.read(&format!("grad.{name}")), gradient)
                .unwrap_or_else(|problem| panic!("{layers}, {loss}: {problem}"));
        }
    }
    assert!(compared > 1_000, "only {compared}");
}

/// Micro-batches are accumulated by a separate op, as without a fused step.
#[test]
fn micro_batches_are_accumulated_after_it() {
    let spec = TrainingSpec { accumulate: 3, steps: 2, ..describe("7 relu 3", Loss::mean_squared_error(), 8) };
    let plan = fitted(&spec, FusedStep::Always);
    assert_eq!(kernels(&plan), ["mlp_step_fused", "mlp_step_sum", "accumulate", "update_adamw"]);
}

/// Shaders of trusted plans rely on it.
#[test]
fn more_live_rows_than_a_batch_has_are_refused() {
    let spec = describe("7 relu 3", Loss::mean_squared_error(), 8);
    let mut driver = Driver::with_plan(&spec, fitted(&spec, FusedStep::Always), Device::Reference);
    let rows = batch(&spec.network, spec.loss, 8, 1, 0, Numbers::Real);
    let mut steps = driver.feed(&[rows]);
    steps[0].rows = 9;
    let run = wgrad::exec::Run { section: Section::Gradients, batch_index: 0 };
    let message = driver.executor.submit(&steps, &[run]).expect_err("there are but 8").to_string();
    assert!(message.contains("rows of a step") && message.contains("at most 8"), "{message}");
}
