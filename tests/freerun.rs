//! Free runs: results must not depend on how ops are submitted, or on the number of threads.
//!
//! K steps in one submission without readback, one submission per op, and K submissions of one step give the same bits: losses
//! and all persistent allocations.

mod common {
    pub mod driver;
    pub mod oracle;
    pub mod problem;
}

use common::driver::{Device, Driver, PlanKind, plan};
use common::problem::{Batch, Labels, Numbers, batch, parameters};
use wgrad::lower::TrainingSpec;
use wgrad::plan::{Section, Step};
use wgrad::{Adam, AdamW, Loss, Network, Optimizer, RmsProp, Schedule, Sgd};

const BATCH: usize = 64;

/// Largest number of steps per submission.
const STEPS_PER_SUBMISSION: usize = 7;

/// Losses and all persistent allocations, as words.
#[derive(Debug, PartialEq)]
struct Result {
    losses: Vec<u32>,
    persistent: Vec<(String, Vec<u32>)>,
}

fn specs() -> Vec<TrainingSpec> {
    let networks = [
        (Loss::softmax_cross_entropy(), "200 relu dropout(0.2) 65 tanh 10"),
        (Loss::mean_squared_error(), "dropout(0.1) dense(33, bias=false) leaky_relu(0.1) 3"),
    ];
    let optimizers: [Optimizer; 5] = [
        Sgd::new(0.1).into(),
        Sgd::new(0.1).momentum(0.9).nesterov().into(),
        RmsProp::new(0.01).into(),
        Adam::new(0.01).into(),
        AdamW::new(0.01).weight_decay(0.1).into(),
    ];
    let mut specs = Vec::new();
    for (number, optimizer) in optimizers.into_iter().enumerate() {
        let (loss, layers) = networks[number % 2];
        let network = Network::parse(64, layers).expect("the text is sound");
        let mut spec = TrainingSpec::new(network, loss, optimizer, BATCH);
        spec.steps = STEPS_PER_SUBMISSION;
        spec.clip_norm = (number % 2 == 1).then_some(0.1);
        spec.data_rows = (number >= 2).then_some(150);
        specs.push(spec);
    }
    specs
}

/// Live rows of a step; the last batch is short.
fn rows(step: usize, steps: usize) -> usize {
    if step + 1 == steps { 17 } else { BATCH }
}

/// Source of rows: batches from the host, or indices into a resident data set.
enum Rows {
    Batches(Vec<Batch>),
    Indices(Vec<Vec<u32>>),
}

impl Rows {
    fn new(spec: &TrainingSpec, steps: usize) -> Self {
        let TrainingSpec { network, loss, data_rows, .. } = spec;
        match data_rows {
            None => Self::Batches(
                (0..steps)
                    .map(|step| batch(network, *loss, rows(step, steps), 1, step as u32, Numbers::Real))
                    .collect(),
            ),
            Some(count) => Self::Indices(
                (0..steps)
                    .map(|step| (0..rows(step, steps)).map(|row| ((row * 7 + step) % count) as u32).collect())
                    .collect(),
            ),
        }
    }

    fn bring(&self, driver: &mut Driver, steps: std::ops::Range<usize>) -> Vec<Step> {
        match self {
            Self::Batches(batches) => driver.feed(&batches[steps]),
            Self::Indices(indices) => driver.choose(&indices[steps]),
        }
    }
}

/// Way to submit steps.
#[derive(Clone, Copy, Debug)]
enum Way {
    Together,
    OpByOp,
    StepByStep,
}

/// A driver with parameters and a schedule.
fn prepared(spec: &TrainingSpec, kind: PlanKind, device: Device) -> Driver {
    let mut driver = Driver::new(spec, kind, device);
    driver.schedule = Schedule::linear_warmup(0.1, 4);
    driver.set(&parameters(&spec.network, 1, Numbers::Real));
    driver
}

fn run(spec: &TrainingSpec, kind: PlanKind, device: Device, way: Way, steps: usize) -> Result {
    let mut driver = prepared(spec, kind, device);
    if let Some(count) = spec.data_rows {
        driver.place(&batch(&spec.network, spec.loss, count, 2, 0, Numbers::Real));
    }
    let rows = Rows::new(spec, steps);
    let losses = match way {
        Way::Together => {
            let records = rows.bring(&mut driver, 0..steps);
            driver.submit(&records)
        }
        Way::OpByOp => {
            let records = rows.bring(&mut driver, 0..steps);
            driver.submit_singly(&records)
        }
        Way::StepByStep => (0..steps)
            .flat_map(|step| {
                let records = rows.bring(&mut driver, step..step + 1);
                driver.submit(&records)
            })
            .collect(),
    };
    assert!(losses.iter().all(|loss| loss.is_finite()), "{losses:?}");
    assert_eq!(losses.len(), steps);
    Result { losses: bytemuck::cast_vec(losses), persistent: driver.persistent() }
}

#[test]
fn submissions_do_not_change_bits() {
    for spec in specs() {
        for kind in [PlanKind::Primitive, PlanKind::Fused] {
            for device in [Device::Reference, Device::Cpu { threads: 2 }] {
                for steps in [1, 2, STEPS_PER_SUBMISSION] {
                    let [together, singly, apart] =
                        [Way::Together, Way::OpByOp, Way::StepByStep].map(|way| run(&spec, kind, device, way, steps));
                    let place = format!("{kind:?} on {device:?}, {steps} steps: {spec:?}");
                    assert_eq!(together, singly, "op by op: {place}");
                    assert_eq!(together, apart, "step by step: {place}");
                }
            }
        }
    }
}

#[test]
fn threads_do_not_change_bits() {
    for spec in specs() {
        for kind in [PlanKind::Primitive, PlanKind::Fused] {
            let of = |threads| run(&spec, kind, Device::Cpu { threads }, Way::Together, STEPS_PER_SUBMISSION);
            let one = of(1);
            for threads in [2, 3, 8] {
                assert_eq!(one, of(threads), "{threads} threads, {kind:?}: {spec:?}");
            }
        }
    }
    // Some ops must be large enough to be split into several tasks.
    let plan = plan(&specs()[0], PlanKind::Fused);
    let largest = plan.ops(Section::Gradients).iter().map(|op| plan.flops(op)).max();
    assert!(largest >= Some(1_600_000), "{largest:?} operations are not split into tasks");
}

/// Steps on rows of a resident data set equal those on the same rows from the host.
#[test]
fn a_resident_data_set_does_not_change_bits() {
    for spec in specs() {
        let Some(count) = spec.data_rows else { continue };
        let resident = run(&spec, PlanKind::Fused, Device::Cpu { threads: 2 }, Way::Together, STEPS_PER_SUBMISSION);
        let TrainingSpec { network, loss, .. } = &spec;
        let data = batch(network, *loss, count, 2, 0, Numbers::Real);
        let Rows::Indices(indices) = Rows::new(&spec, STEPS_PER_SUBMISSION) else {
            panic!("it has a resident data set")
        };
        let batches: Vec<Batch> = indices.iter().map(|rows| chosen(&data, rows)).collect();
        let from_host = TrainingSpec { data_rows: None, ..spec.clone() };
        let mut driver = prepared(&from_host, PlanKind::Fused, Device::Cpu { threads: 2 });
        let losses = bytemuck::cast_vec(driver.train(&batches));
        assert_eq!(resident, Result { losses, persistent: driver.persistent() }, "{spec:?}");
    }
}

/// Rows of `data` with these indices.
fn chosen(data: &Batch, rows: &[u32]) -> Batch {
    fn pick<T: Copy>(values: &[T], columns: usize, rows: &[u32]) -> Vec<T> {
        rows.iter().flat_map(|row| values[*row as usize * columns..][..columns].iter().copied()).collect()
    }
    let target = match &data.target {
        Labels::Numbers(numbers) => Labels::Numbers(pick(numbers, numbers.len() / data.rows, rows)),
        Labels::Classes(classes) => Labels::Classes(pick(classes, 1, rows)),
    };
    Batch { rows: rows.len(), input: pick(&data.input, data.input.len() / data.rows, rows), target }
}

/// The comparison detects another number of steps, and another order of summation.
#[test]
fn other_steps_give_other_bits() {
    let spec = &specs()[0];
    let usual = run(spec, PlanKind::Fused, Device::Reference, Way::Together, STEPS_PER_SUBMISSION);
    let other = run(spec, PlanKind::Fused, Device::Cpu { threads: 1 }, Way::Together, STEPS_PER_SUBMISSION);
    assert_ne!(usual, other, "another order of summation rounds otherwise");
    let shorter = run(spec, PlanKind::Fused, Device::Reference, Way::Together, STEPS_PER_SUBMISSION - 1);
    assert_ne!(usual.persistent, shorter.persistent);
}
