//! Lockstep over complete plans: every element of every op of the CPU executor is compared with the reference implementations.
//!
//! Each run asserts the number of compared elements: the sizes of all views that its ops write, with dead rows.

mod common {
    pub mod driver;
    pub mod oracle;
    pub mod problem;
}

use common::driver::{Device, Driver, PlanKind, compare, plan, written_elements};
use common::oracle::{Oracle, exact};
use common::problem::{Batch, Numbers, batch, parameters};
use wgrad::exec::{Run, lockstep};
use wgrad::lower::TrainingSpec;
use wgrad::plan::{Section, Step};
use wgrad::{Adam, AdamW, Loss, Network, Optimizer, RmsProp, Sgd};

/// A network and its batch size, which no tile divides.
struct Shape {
    inputs: usize,
    layers: &'static str,
    batch: usize,
    /// Live rows of each step of the submission.
    rows: &'static [usize],
}

const SHAPES: [Shape; 6] = [
    Shape { inputs: 1, layers: "1", batch: 1, rows: &[1] },
    Shape { inputs: 3, layers: "17 relu dropout(0.5) 1 tanh 3", batch: 7, rows: &[7, 5] },
    Shape {
        inputs: 64,
        layers: "65 leaky_relu(0.1) dense(17, bias=false) sigmoid dropout(0.1) 3",
        batch: 33,
        rows: &[33],
    },
    Shape { inputs: 100, layers: "dropout(0.2) 64 dropout(0.3) tanh 100 step relu 17", batch: 64, rows: &[64, 64, 1] },
    Shape {
        inputs: 65,
        layers: "dense(100, bias=false) tanh dropout(0.4) dense(1, bias=false)",
        batch: 64,
        rows: &[63],
    },
    Shape { inputs: 17, layers: "3 identity dropout(0.9) 65 sigmoid sigmoid", batch: 7, rows: &[1, 7, 7] },
];

fn optimizers() -> [Optimizer; 7] {
    [
        Sgd::new(0.1).into(),
        Sgd::new(0.1).momentum(0.9).weight_decay(0.01).into(),
        Sgd::new(0.1).momentum(0.9).nesterov().into(),
        RmsProp::new(0.01).weight_decay(0.01).into(),
        Adam::new(0.01).into(),
        Adam::new(0.01).weight_decay(0.1).beta1(0.8).epsilon(1e-3).into(),
        AdamW::new(0.01).weight_decay(0.1).into(),
    ]
}

/// Every shape with every optimizer; losses in turn; clipping and a resident data set every other time.
fn specs() -> Vec<(TrainingSpec, &'static [usize])> {
    let mut specs = Vec::new();
    for shape in &SHAPES {
        for (number, optimizer) in optimizers().into_iter().enumerate() {
            let turn = specs.len();
            let network = Network::parse(shape.inputs, shape.layers).expect("the text is sound");
            let losses: Vec<Loss> = Loss::all().filter(|loss| loss.check(&network).is_ok()).collect();
            let loss = losses[turn % losses.len()];
            let mut spec = TrainingSpec::new(network, loss, optimizer, shape.batch);
            spec.clip_norm = (number % 2 == 0).then_some(0.05);
            spec.steps = shape.rows.len() + number % 2;
            spec.data_rows = (turn % 3 == 0).then_some(2 * shape.batch + 1);
            specs.push((spec, shape.rows));
        }
    }
    specs
}

/// A driver with parameters and rows for the following steps, from the resident data set if there is one.
fn ready(spec: &TrainingSpec, kind: PlanKind, device: Device, rows: &[usize], numbers: Numbers) -> (Driver, Vec<Step>) {
    let TrainingSpec { network, loss, .. } = spec;
    let mut driver = Driver::new(spec, kind, device);
    driver.set(&parameters(network, 1, numbers));
    let steps = match spec.data_rows {
        Some(count) => {
            driver.place(&batch(network, *loss, count, 1, 0, numbers));
            // Rows with gaps and repetitions.
            let chosen = |(step, live): (usize, &usize)| (0..*live).map(|r| ((r * 5 + step) % count) as u32).collect();
            driver.choose(&rows.iter().enumerate().map(chosen).collect::<Vec<_>>())
        }
        None => {
            let batch = |(step, live): (usize, &usize)| batch(network, *loss, *live, 1, step as u32, numbers);
            driver.feed(&rows.iter().enumerate().map(batch).collect::<Vec<Batch>>())
        }
    };
    (driver, steps)
}

#[test]
fn the_cpu_agrees_with_the_reference_in_lockstep() {
    let (mut elements, mut ops, mut sections) = (0, 0, [0; 6]);
    for (spec, rows) in specs() {
        for kind in [PlanKind::Primitive, PlanKind::Fused] {
            for threads in [1, 3] {
                let (mut driver, steps) = ready(&spec, kind, Device::Cpu { threads }, rows, Numbers::Real);
                let (plan, mut wanted) = (plan(&spec, kind), 0);
                let runs = Run::submission(&steps);
                for run in &runs {
                    wanted += plan.ops(run.section).iter().map(|op| written_elements(&plan, op)).sum::<usize>();
                    sections[run.section as usize] += usize::from(!plan.ops(run.section).is_empty());
                }
                let report = lockstep::run(&plan, &mut *driver.executor, &steps, &runs)
                    .unwrap_or_else(|error| panic!("{kind:?}, {threads} threads, {spec:?}: {error}"));
                assert_eq!(report.elements(), wanted, "{spec:?}");
                (elements, ops) = (elements + wanted, ops + report.ops.len());
                // No step was bad.
                assert_eq!(driver.words("flag"), [u32::MAX], "{spec:?}");
            }
        }
    }
    // Four runs of each of 6·7 specs, 14 of which have a resident data set; 13 − 1 steps over the six shapes.
    assert_eq!(sections[Section::Window as usize], 4 * 14);
    assert_eq!(sections[Section::Gradients as usize], 4 * 7 * (1 + 2 + 1 + 3 + 1 + 3));
    assert_eq!(sections[Section::Report as usize], 4 * 7 * 6);
    println!("cpu in lockstep: {elements} elements compared in {ops} op runs");
    assert!(elements > 12_000_000 && ops > 5_000, "only {elements} elements of {ops} ops");
}

/// The number of compared elements, by hand: 3 → 17 relu, 17 → 2, seven rows, MSE, SGD, fused.
#[test]
fn the_number_of_elements_is_that_of_a_hand_count() {
    let network = Network::parse(3, "17 relu 2").expect("the text is sound");
    let spec = TrainingSpec::new(network, Loss::mean_squared_error(), Sgd::new(0.1), 7);
    let (mut driver, steps) = ready(&spec, PlanKind::Fused, Device::Cpu { threads: 2 }, &[4], Numbers::Real);
    let plan = plan(&spec, PlanKind::Fused);
    let report = lockstep::run(&plan, &mut *driver.executor, &steps, &Run::submission(&steps)).expect("it agrees");
    let forward = 7 * 17 + 7 * 2;
    let loss = 7 + 7 * 2 + 1; // of each row, gradient, flag
    let backward = (2 * 17 + 2 + 1) + 7 * 17 + (17 * 3 + 17 + 1); // weight, bias and flag; input; weight, bias and flag
    let update = 64 * (1 + 1 + 1 + 1) + 1; // four tensors, none of more than 64 elements; flag
    let report_of_losses = 1;
    assert_eq!(report.elements(), forward + loss + backward + update + report_of_losses);
}

/// Steps on small whole numbers: every product and sum is exact in any order, so executor, reference and oracle agree bit for
/// bit.
#[test]
fn whole_numbers_are_exact() {
    const ROWS: usize = 32;
    let (mut compared, mut wanted) = (0, 0);
    for (inputs, layers) in [
        (17, "65 relu 64 step 3 identity 4"),
        (100, "64 leaky_relu(0.5) dense(17, bias=false) relu 2"),
        (3, "1 relu 100 8"),
    ] {
        let network = Network::parse(inputs, layers).expect("the text is sound");
        let spec = TrainingSpec::new(network.clone(), Loss::perceptron(), Sgd::new(0.125), ROWS + 1);
        let parameters = parameters(&network, 1, Numbers::Whole);
        wanted += 4 * (2 * network.parameter_count() + 1);
        let oracle = Oracle { network: &network, loss: Loss::perceptron(), unit: 0.0, seed: 0 };
        let batch = batch(&network, Loss::perceptron(), ROWS, 1, 0, Numbers::Whole);
        let outcome = oracle.run(&exact(&parameters), &batch, 0);
        let mut changed = exact(&parameters);
        oracle.descend(&mut changed, &outcome.gradients, 0.125);
        for kind in [PlanKind::Primitive, PlanKind::Fused] {
            for threads in [1, 3] {
                let (mut driver, steps) = ready(&spec, kind, Device::Cpu { threads }, &[ROWS], Numbers::Whole);
                let plan = plan(&spec, kind);
                let report = lockstep::run(&plan, &mut *driver.executor, &steps, &Run::submission(&steps))
                    .unwrap_or_else(|error| panic!("{layers}: {error}"));
                // All values are below 2²⁴ units in the last place, so the oracle's f64 equals the f32.
                assert!(report.ops.iter().all(|op| op.worst == 0.0), "{layers}: {report:?}");
                for (name, gradient) in &outcome.gradients {
                    compared += compare(name, &driver.read(&format!("grad.{name}")), gradient).expect("exact");
                    compared += compare(name, &driver.read(name), &changed[name]).expect("exact");
                }
                compared += compare("loss", &driver.read("loss"), &[outcome.loss]).expect("exact");
            }
        }
    }
    assert_eq!(compared, wanted, "gradients, parameters, and one loss per run");
}

/// Large batches of small layers are split into slices, each checked in lockstep. On whole numbers, gradients equal those without
/// slices.
#[test]
fn slices_of_a_large_batch() {
    // Of the second network, all sums of whole numbers stay below 2²⁴.
    for (inputs, layers, numbers) in [(24, "32 relu 32 relu 4", Numbers::Real), (3, "2 relu 4", Numbers::Whole)] {
        let network = Network::parse(inputs, layers).expect("the text is sound");
        let loss = Loss::mean_squared_error();
        let spec = TrainingSpec::new(network, loss, Adam::new(0.01), 1100);
        let matmuls = spec.network.dense_layers().count();
        for rows in [1100, 1024, 70] {
            let data = batch(&spec.network, loss, rows, 1, 0, numbers);
            let parameters = parameters(&spec.network, 1, numbers);
            let [mut split, mut whole] = [Device::Cpu { threads: 2 }, Device::Reference].map(|device| {
                let mut driver = Driver::new(&spec, PlanKind::Fused, device);
                driver.set(&parameters);
                driver
            });
            let plan = split.executor.plan().clone();
            assert_eq!(
                plan.ops(Section::Gradients).iter().filter(|op| op.kernel.name == "matmul_split_tn").count(),
                matmuls
            );
            let steps = split.feed(std::slice::from_ref(&data));
            let report = lockstep::run(&plan, &mut *split.executor, &steps, &Run::submission(&steps));
            assert!(report.expect("every element is explained").elements() > 1100 * 4);
            let mut again = Driver::new(&spec, PlanKind::Fused, Device::Cpu { threads: 2 });
            again.set(&parameters);
            for driver in [&mut again, &mut whole] {
                let steps = driver.feed(std::slice::from_ref(&data));
                driver.submit(&steps);
            }
            for name in ["grad.layer0.weight", "grad.layer2.weight", "grad.layer0.bias"] {
                assert!(again.words(name) == split.words(name), "{name}, {rows} rows: lockstep has other bits");
                // With 1024 rows of four outputs every factor is a power of two.
                if numbers == Numbers::Whole && rows == 1024 {
                    assert!(again.words(name) == whole.words(name), "{name}, {rows} rows: not exact");
                }
            }
        }
    }
}
