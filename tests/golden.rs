//! Ten steps of 44 small networks against PyTorch (numbers from `golden/training.py`).
//!
//! Tolerance: both sides compute in f32. The script accepts only cases in which PyTorch's f32 is within 2e-6 of its own f64
//! (relative if a number is above 1), and no value is near a kink. Our roundings are of the same number and size, in another
//! order, so the same 2e-6 applies; the largest difference is 5e-7. Wrong constants change ten steps far more, as the last tests
//! show.

// With paths, since rustfmt would look for the files in a folder with this file's name.
#[path = "common/driver.rs"]
mod driver;
#[path = "common/oracle.rs"]
mod oracle;
#[path = "common/parity.rs"]
mod parity;
#[path = "common/problem.rs"]
mod problem;

use std::collections::BTreeMap;

use driver::{Device, Driver, PlanKind, compare};
use oracle::Value;
use problem::{Batch, Labels};
use serde::Deserialize;
use wgrad::loss::TargetKind;
use wgrad::lower::TrainingSpec;
use wgrad::plan::Step;
use wgrad::{Loss, Network, Optimizer, Schedule};

const TOLERANCE: f64 = 2e-6;
const STEPS: usize = 10;

#[derive(Deserialize)]
struct File {
    torch: String,
    cases: Vec<Case>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    input: usize,
    network: String,
    loss: Loss,
    optimizer: Optimizer,
    schedule: Schedule,
    clip_norm: Option<f64>,
    parameters: BTreeMap<String, Numbers>,
    batches: Vec<Rows>,
    gradients: BTreeMap<String, Numbers>,
    norm: f64,
    losses: Vec<f64>,
    learning_rates: Vec<f64>,
    #[serde(rename = "final")]
    last: BTreeMap<String, Numbers>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    input: Numbers,
    target: Numbers,
}

/// A number, or nested lists of numbers.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Numbers {
    One(f64),
    Many(Vec<Self>),
}

impl Numbers {
    fn flat(&self) -> Vec<f64> {
        match self {
            Self::One(number) => vec![*number],
            Self::Many(parts) => parts.iter().flat_map(Self::flat).collect(),
        }
    }

    /// Numbers as f32; the file holds the shortest decimals that give the same f32.
    fn single(&self) -> Vec<f32> {
        self.flat().into_iter().map(|number| number as f32).collect()
    }

    fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many(parts) => parts.len(),
        }
    }
}

fn cases() -> Vec<Case> {
    let file: File = serde_json::from_str(include_str!("golden/training.json")).expect("the file is sound");
    assert_eq!(file.torch, "2.15.0");
    assert_eq!(file.cases.len(), 44);
    file.cases
}

/// Renames PyTorch's `0.weight` to `layer0.weight`.
fn named(tensors: &BTreeMap<String, Numbers>) -> impl Iterator<Item = (String, &Numbers)> {
    tensors.iter().map(|(name, numbers)| (format!("layer{name}"), numbers))
}

fn near(number: f64) -> Value {
    Value { value: number, error: TOLERANCE * number.abs().max(1.0) }
}

impl Case {
    fn spec(&self) -> TrainingSpec {
        let network = Network::parse(self.input, &self.network).expect("the text is sound");
        // Batches have six rows; in some cases the last one has three.
        let mut spec = TrainingSpec::new(network, self.loss, self.optimizer, 6);
        spec.clip_norm = self.clip_norm;
        spec
    }

    fn batches(&self) -> Vec<Batch> {
        let target = |numbers: &Numbers| match self.loss.target_kind() {
            TargetKind::Class => Labels::Classes(numbers.flat().into_iter().map(|class| class as u32).collect()),
            TargetKind::Numbers => Labels::Numbers(numbers.single()),
        };
        let batch =
            |rows: &Rows| Batch { rows: rows.input.len(), input: rows.input.single(), target: target(&rows.target) };
        self.batches.iter().map(batch).collect()
    }

    /// Trains by `spec`, with step records that `tamper` may change. Returns the number of numbers that agree with the file, or
    /// the first that does not.
    fn check(
        &self,
        spec: &TrainingSpec,
        kind: PlanKind,
        device: Device,
        tamper: fn(&mut Step),
    ) -> Result<usize, String> {
        let mut driver = Driver::new(spec, kind, device);
        driver.schedule = self.schedule.clone();
        driver.set(&named(&self.parameters).map(|(name, numbers)| (name, numbers.single())).collect::<Vec<_>>());
        let (mut compared, mut losses) = (0, Vec::new());
        for (number, batch) in self.batches().iter().enumerate() {
            let mut steps = driver.feed(std::slice::from_ref(batch));
            // Both are rounded from f64 to f32 once.
            let rate = Value { value: self.learning_rates[number], error: self.learning_rates[number] * 1e-7 };
            compared += compare("learning rate", &[steps[0].learning_rate], &[rate])?;
            steps.iter_mut().for_each(tamper);
            losses.extend(driver.submit(&steps));
            if number == 0 {
                compared += self.first_gradients(&mut driver)?;
            }
        }
        compared += compare("losses", &losses, &self.losses.iter().copied().map(near).collect::<Vec<_>>())?;
        for (name, numbers) in named(&self.last) {
            let wanted: Vec<Value> = numbers.flat().into_iter().map(near).collect();
            compared += compare(&name, &driver.read(&name), &wanted)?;
        }
        Ok(compared)
    }

    /// Compares the gradients of the first step, and their norm, which the plan computes if it clips.
    fn first_gradients(&self, driver: &mut Driver) -> Result<usize, String> {
        let (mut compared, mut squares) = (0, 0.0);
        for (name, numbers) in named(&self.gradients) {
            let found = driver.read(&format!("grad.{name}"));
            let wanted: Vec<Value> = numbers.flat().into_iter().map(near).collect();
            compared += compare(&name, &found, &wanted)?;
            squares += found.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>();
        }
        let norm = if self.clip_norm.is_some() { driver.read("norm")[0] } else { squares.sqrt() as f32 };
        Ok(compared + compare("norm", &[norm], &[near(self.norm)])?)
    }

    /// Count of the numbers that a check compares: gradients and parameters, norm, losses, learning rates.
    fn numbers(&self) -> usize {
        2 * self.spec().network.parameter_count() + 1 + STEPS + STEPS
    }
}

fn honest(_: &mut Step) {}

/// Both plans on both executors.
const PLAN_KINDS: [(PlanKind, Device); 4] = [
    (PlanKind::Primitive, Device::Reference),
    (PlanKind::Primitive, Device::Cpu { threads: 1 }),
    (PlanKind::Fused, Device::Reference),
    (PlanKind::Fused, Device::Cpu { threads: 2 }),
];

#[test]
fn training_agrees_with_pytorch() {
    for (kind, device) in PLAN_KINDS {
        let mut compared = 0;
        for case in cases() {
            let found = case.check(&case.spec(), kind, device, honest);
            let count = found.unwrap_or_else(|problem| panic!("{}: {kind:?} on {device:?}: {problem}", case.name));
            assert_eq!(count, case.numbers(), "{}", case.name);
            compared += count;
        }
        assert_eq!(compared, 6_802, "numbers of the file");
    }
}

/// Makes a small change, and expects every case that it affects to fail.
fn notices(
    what: &str,
    concerns: impl Fn(&Case) -> bool,
    change: impl Fn(&mut TrainingSpec),
    tamper: fn(&mut Step),
    wanted: usize,
) {
    let mut noticed = 0;
    for case in cases().iter().filter(|case| concerns(case)) {
        let mut spec = case.spec();
        change(&mut spec);
        let found = case.check(&spec, PlanKind::Fused, Device::Reference, tamper);
        assert!(found.is_err(), "{what} goes unnoticed in {}", case.name);
        noticed += 1;
    }
    assert_eq!(noticed, wanted, "{what}");
}

#[test]
fn small_mistakes_are_noticed() {
    let adam = |case: &Case| matches!(case.optimizer, Optimizer::Adam(_) | Optimizer::AdamW(_));
    let nothing = |_: &mut TrainingSpec| ();
    notices("no first bias correction", adam, nothing, |step| step.optimizer1 = 1.0, 13);
    notices("no second bias correction", adam, nothing, |step| step.optimizer2 = 1.0, 13);
    notices("a learning rate that is off by a thousandth", |_| true, nothing, |step| step.learning_rate *= 1.001, 44);
    // Cases with short batches whose loss is not already 0.
    let short = |case: &Case| case.batches[9].input.len() == 3 && case.losses[4] + case.losses[9] > 0.0;
    notices(
        "a loss scaled by the full batch",
        short,
        nothing,
        |step| {
            step.loss_scale = 1.0 / 6.0;
        },
        14,
    );
    let epsilon = |spec: &mut TrainingSpec| match &mut spec.optimizer {
        Optimizer::RmsProp(o) => o.epsilon *= 2.0,
        Optimizer::Adam(o) => o.epsilon *= 2.0,
        Optimizer::AdamW(o) => o.epsilon *= 2.0,
        _ => {}
    };
    let visible = |case: &Case| match case.optimizer {
        Optimizer::RmsProp(o) => o.epsilon > 1e-4,
        Optimizer::Adam(o) => o.epsilon > 1e-4,
        _ => false,
    };
    notices("another epsilon", visible, epsilon, honest, 8);
    notices("no clipping", |case| case.clip_norm.is_some(), |d| d.clip_norm = Some(1e6), honest, 4);
    let decay = |d: &mut TrainingSpec| {
        if let Optimizer::AdamW(o) = d.optimizer {
            d.optimizer =
                wgrad::Adam { learning_rate: o.learning_rate, weight_decay: o.weight_decay, ..Default::default() }
                    .into();
        }
    };
    notices("AdamW's decay in the gradient", |c| matches!(c.optimizer, Optimizer::AdamW(_)), decay, honest, 5);
}

#[test]
fn trainers_agree_with_pytorch_in_f64() {
    parity::holds(&wgrad::Device::cpu().threads(2));
    parity::holds(&wgrad::Device::reference());
}

/// Small mistakes exceed the tolerance by far in each case that they affect; a wrong learning rate the least.
#[test]
fn small_mistakes_of_a_trainer_are_noticed() {
    type Change = fn(&mut parity::Case);
    let changes: [(&str, Change, usize); 4] = [
        ("a learning rate off by a thousandth", |case| case.optimizer = scaled(case.optimizer, 1.001), 10),
        ("masks of another seed", |case| case.seed ^= 1 << 40, 8),
        ("decay left out", |case| case.optimizer = without_decay(case.optimizer), 5),
        ("no clipping", |case| case.clip_norm = None, 3),
    ];
    let device = wgrad::Device::cpu().threads(1);
    for (what, change, wanted) in changes {
        let mut cases = parity::cases();
        cases.iter_mut().for_each(change);
        let distances = cases.iter().map(|case| case.distance(&device).expect("it trains"));
        let noticed = distances.filter(|distance| *distance > 5.0 * parity::TOLERANCE).count();
        assert_eq!(noticed, wanted, "{what}");
    }
}

fn scaled(optimizer: Optimizer, factor: f64) -> Optimizer {
    optimizer.with_learning_rate(optimizer.learning_rate() * factor)
}

fn without_decay(mut optimizer: Optimizer) -> Optimizer {
    match &mut optimizer {
        Optimizer::Sgd(wgrad::Sgd { weight_decay, .. })
        | Optimizer::RmsProp(wgrad::RmsProp { weight_decay, .. })
        | Optimizer::Adam(wgrad::Adam { weight_decay, .. })
        | Optimizer::AdamW(wgrad::AdamW { weight_decay, .. }) => *weight_decay = 0.0,
        _ => {}
    }
    optimizer
}
