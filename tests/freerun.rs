//! Free run: what happens between ops must not depend on how they are submitted, or on how many threads run them.
//!
//! K steps in one submission without any readback, the same ops each a submission of its own, and K submissions of
//! one step must give the same bits: losses, and everything that lives from step to step.

mod common {
    pub mod driver;
    pub mod oracle;
    pub mod problem;
}

use common::driver::{Device, Driver, Form, plan};
use common::problem::{Batch, Numbers, Target, batch, parameters};
use wgrad::lower::Description;
use wgrad::plan::{Section, Step};
use wgrad::{Adam, AdamW, Loss, Network, Optimizer, RmsProp, Schedule, Sgd};

const BATCH: usize = 64;

/// Most steps of a submission.
const SLOTS: usize = 7;

/// Losses, and every allocation that persists, as words.
#[derive(Debug, PartialEq)]
struct Result {
    losses: Vec<u32>,
    persistent: Vec<(String, Vec<u32>)>,
}

fn descriptions() -> Vec<Description> {
    let networks = [
        (Loss::SoftmaxCrossEntropy, "200 relu dropout(0.2) 65 tanh 10"),
        (Loss::MeanSquaredError, "dropout(0.1) dense(33, bias=false) leaky_relu(0.1) 3"),
    ];
    let optimizers: [Optimizer; 5] = [
        Sgd::new(0.1).into(),
        Sgd::new(0.1).momentum(0.9).nesterov().into(),
        RmsProp::new(0.01).into(),
        Adam::new(0.01).into(),
        AdamW::new(0.01).weight_decay(0.1).into(),
    ];
    let mut descriptions = Vec::new();
    for (number, optimizer) in optimizers.into_iter().enumerate() {
        let (loss, layers) = networks[number % 2];
        let network = Network::parse(64, layers).expect("the text is sound");
        let mut description = Description::new(network, loss, optimizer, BATCH);
        description.slots = SLOTS;
        description.clip_norm = (number % 2 == 1).then_some(0.1);
        description.data_rows = (number >= 2).then_some(150);
        descriptions.push(description);
    }
    descriptions
}

/// Live rows: the last batch is short.
fn rows(step: usize, steps: usize) -> usize {
    if step + 1 == steps { 17 } else { BATCH }
}

/// A source of rows: batches from the host, or indices into a resident data set.
enum Rows {
    Batches(Vec<Batch>),
    Indices(Vec<Vec<u32>>),
}

impl Rows {
    fn new(description: &Description, steps: usize) -> Self {
        let Description { network, loss, data_rows, .. } = description;
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

/// How steps are handed to the executor.
#[derive(Clone, Copy, Debug)]
enum Way {
    Together,
    OpByOp,
    StepByStep,
}

/// A driver with parameters and a schedule.
fn prepared(description: &Description, form: Form, device: Device) -> Driver {
    let mut driver = Driver::new(description, form, device);
    driver.schedule = Schedule::linear_warmup(0.1, 4);
    driver.set(&parameters(&description.network, 1, Numbers::Real));
    driver
}

fn run(description: &Description, form: Form, device: Device, way: Way, steps: usize) -> Result {
    let mut driver = prepared(description, form, device);
    if let Some(count) = description.data_rows {
        driver.place(&batch(&description.network, description.loss, count, 2, 0, Numbers::Real));
    }
    let rows = Rows::new(description, steps);
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
    for description in descriptions() {
        for form in [Form::Primitive, Form::Fused] {
            for device in [Device::Reference, Device::Cpu { threads: 2 }] {
                for steps in [1, 2, SLOTS] {
                    let [together, singly, apart] = [Way::Together, Way::OpByOp, Way::StepByStep]
                        .map(|way| run(&description, form, device, way, steps));
                    let place = format!("{form:?} on {device:?}, {steps} steps: {description:?}");
                    assert_eq!(together, singly, "op by op: {place}");
                    assert_eq!(together, apart, "step by step: {place}");
                }
            }
        }
    }
}

#[test]
fn threads_do_not_change_bits() {
    for description in descriptions() {
        for form in [Form::Primitive, Form::Fused] {
            let of = |threads| run(&description, form, Device::Cpu { threads }, Way::Together, SLOTS);
            let one = of(1);
            for threads in [2, 3, 8] {
                assert_eq!(one, of(threads), "{threads} threads, {form:?}: {description:?}");
            }
        }
    }
    // Pieces are of at least 2 000 000 operations: there are ops of several.
    let plan = plan(&descriptions()[0], Form::Fused);
    let largest = plan.ops(Section::Gradients).iter().map(|op| plan.flops(op)).max();
    assert!(largest >= Some(1_600_000), "{largest:?} operations are not shared out");
}

/// Steps on rows of a resident data set are those on the same rows from the host.
#[test]
fn a_resident_data_set_does_not_change_bits() {
    for description in descriptions() {
        let Some(count) = description.data_rows else { continue };
        let resident = run(&description, Form::Fused, Device::Cpu { threads: 2 }, Way::Together, SLOTS);
        let Description { network, loss, .. } = &description;
        let data = batch(network, *loss, count, 2, 0, Numbers::Real);
        let Rows::Indices(indices) = Rows::new(&description, SLOTS) else { panic!("it has a resident data set") };
        let batches: Vec<Batch> = indices.iter().map(|rows| chosen(&data, rows)).collect();
        let from_host = Description { data_rows: None, ..description.clone() };
        let mut driver = prepared(&from_host, Form::Fused, Device::Cpu { threads: 2 });
        let losses = bytemuck::cast_vec(driver.train(&batches));
        assert_eq!(resident, Result { losses, persistent: driver.persistent() }, "{description:?}");
    }
}

/// The rows of `data` with these numbers.
fn chosen(data: &Batch, rows: &[u32]) -> Batch {
    fn pick<T: Copy>(values: &[T], columns: usize, rows: &[u32]) -> Vec<T> {
        rows.iter().flat_map(|row| values[*row as usize * columns..][..columns].iter().copied()).collect()
    }
    let target = match &data.target {
        Target::Numbers(numbers) => Target::Numbers(pick(numbers, numbers.len() / data.rows, rows)),
        Target::Classes(classes) => Target::Classes(pick(classes, 1, rows)),
    };
    Batch { rows: rows.len(), input: pick(&data.input, data.input.len() / data.rows, rows), target }
}

/// The comparison sees one step more, and another order of summation.
#[test]
fn other_steps_give_other_bits() {
    let description = &descriptions()[0];
    let usual = run(description, Form::Fused, Device::Reference, Way::Together, SLOTS);
    let other = run(description, Form::Fused, Device::Cpu { threads: 1 }, Way::Together, SLOTS);
    assert_ne!(usual, other, "another order of summation rounds otherwise");
    let shorter = run(description, Form::Fused, Device::Reference, Way::Together, SLOTS - 1);
    assert_ne!(usual.persistent, shorter.persistent);
}
