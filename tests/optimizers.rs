//! Fifty updates by every optimizer against PyTorch, and for Lion and Adan against their papers (numbers from
//! `golden/optimizers.py`, in float64).
//!
//! Tolerance: an update rounds a parameter of at most 2.6 to f32, an error of at most 1.2e-7, so fifty updates have 6e-6; the
//! sum of all changes, at most 4, has a relative error of a few roundings, 1e-6. The largest difference is 2e-6.

use serde::Deserialize;
use wgrad::elementwise::updates;
use wgrad::exec::{Cpu, Executor, Run};
use wgrad::lower::{TrainingSpec, lower};
use wgrad::plan::{Contents, Op, Plan, Section};
use wgrad::shape::{Dtype, Shape};
use wgrad::{Loss, Network, Optimizer, Schedule};

const TOLERANCE: f64 = 1e-5;

#[derive(Deserialize)]
struct File {
    torch: String,
    steps: Vec<usize>,
    first: Vec<f64>,
    gradients: Vec<Vec<f64>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    optimizer: Optimizer,
    parameters: Vec<Vec<f64>>,
}

fn file() -> File {
    let file: File = serde_json::from_str(include_str!("golden/optimizers.json")).expect("the file is sound");
    assert_eq!(file.torch, "2.15.0");
    file
}

fn spec(optimizer: Optimizer) -> TrainingSpec {
    TrainingSpec::new(Network::input(1).dense(1), Loss::mean_squared_error(), optimizer, 1)
}

fn update(optimizer: Optimizer) -> Op {
    lower(&spec(optimizer)).expect("the spec is sound").ops(Section::Update).last().expect("an update").clone()
}

fn words(numbers: &[f64]) -> Vec<u32> {
    let padding = 64 - numbers.len();
    numbers.iter().copied().chain(vec![0.0; padding]).map(|x| (x as f32).to_bits()).collect()
}

/// Parameters after each of the given steps.
fn trained(file: &File, optimizer: Optimizer) -> Vec<Vec<f64>> {
    let mut plan = Plan::new();
    let shape = Shape::vector(64);
    let parameter = plan.tensor("parameter", Dtype::F32, shape, Contents::Persistent(0));
    let gradient = plan.tensor("gradient", Dtype::F32, shape, Contents::Host);
    let norm = plan.tensor("norm", Dtype::F32, Shape::vector(1), Contents::Persistent(0));
    let flag = plan.tensor("flag", Dtype::U32, Shape::vector(1), Contents::Persistent(u32::MAX));
    let op = update(optimizer);
    let names = optimizer.states().iter();
    let states: Vec<_> = names.map(|name| plan.tensor(*name, Dtype::F32, shape, Contents::Persistent(0))).collect();
    let views = [vec![parameter, gradient, norm, flag], states].concat();
    plan.push(Section::Update, Op { views, items: 1, ..op }).expect("the plan is sound");
    let mut cpu = Cpu::new(plan, 1).expect("there is memory");
    cpu.write(parameter, 0, &words(&file.first)).expect("it fits");
    let mut results = Vec::new();
    for (index, numbers) in file.gradients.iter().enumerate() {
        cpu.write(gradient, 0, &words(numbers)).expect("it fits");
        let step = spec(optimizer).record(&Schedule::Constant, 1, index as u64, 0, 1);
        cpu.submit(&[step], &[Run { section: Section::Update, batch_index: 0 }]).expect("the host works");
        if file.steps.contains(&(index + 1)) {
            let words = cpu.read(parameter, 0).and_then(|ticket| ticket.wait()).expect("the host works");
            results.push(words[..file.first.len()].iter().map(|word| f64::from(f32::from_bits(*word))).collect());
        }
    }
    results
}

/// Largest difference from the file, and the case in which it is.
fn deviation(file: &File, case: &Case, optimizer: Optimizer) -> f64 {
    let found = trained(file, optimizer);
    let pairs = found.iter().flatten().zip(case.parameters.iter().flatten());
    pairs.map(|(found, wanted)| (found - wanted).abs()).fold(0.0, f64::max)
}

#[test]
fn every_update_follows_pytorch_for_fifty_steps() {
    let file = file();
    for case in &file.cases {
        let deviation = deviation(&file, case, case.optimizer);
        println!("{:?}: {deviation:.1e}", case.optimizer);
        assert!(deviation <= TOLERANCE, "{:?}: {deviation}", case.optimizer);
    }
}

#[test]
fn every_update_is_in_the_file() {
    let tested: Vec<&str> = file().cases.iter().map(|case| update(case.optimizer).kernel.name).collect();
    let missing: Vec<_> =
        updates::ALL.iter().map(|update| update.kernel).filter(|name| !tested.contains(name)).collect();
    assert!(missing.is_empty(), "tests/golden/optimizers.py has no case of {missing:?}");
}

/// A rate or decay that is one percent off would be noticed.
#[test]
fn small_errors_of_settings_are_noticed() {
    let file = file();
    for case in &file.cases {
        let rate = case.optimizer.learning_rate();
        let faster = deviation(&file, case, case.optimizer.with_learning_rate(rate * 1.01));
        assert!(faster > TOLERANCE, "{:?}: {faster}", case.optimizer);
    }
}
