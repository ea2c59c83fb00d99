//! Tests of `average`: the average of the parameters over steps.

use super::case::{Case, Fill, Values};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use wgrad::kernels::average;
use wgrad::plan::Section;
use wgrad::shape::Shape;

/// Weights: a copy, a usual average, one step of many, and no change.
const WEIGHTS: [f32; 4] = [1.0, 0.0625, 1e-4, 0.0];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (seed, blocks) in [1, 2, 3, 7, 17].into_iter().enumerate() {
        cases.extend(WEIGHTS.map(|weight| case(blocks, weight, u32::MAX, seed)));
    }
    // The flag's step, the one before it, whose update overflowed, and the one before that.
    cases.extend([0, 1, 2].map(|ahead| {
        let index = case(2, 0.25, 0, 1).step().index;
        case(2, 0.25, index + ahead, 1)
    }));
    // What decays below the normal range becomes 0.
    let mut decayed = case(1, 0.5, u32::MAX, 1);
    let views = decayed.op().views.clone();
    let numbers: Vec<f32> = [1.2e-38, -1.2e-38, 3e-38, 0.0].into_iter().cycle().take(64).collect();
    decayed.set_f32(views[0], &[0.0; 64]);
    decayed.set_f32(views[1], &numbers);
    cases.push(decayed);
    cases
}

fn case(blocks: usize, weight: f32, flag: u32, seed: usize) -> Case {
    let mut case = Case::new(Section::Update, 3, Values::Real, seed);
    let shape = Shape::vector(64 * blocks);
    let parameter = case.tensor("parameter", shape, Fill::Real(1.0));
    let average = case.state("average", shape, Fill::Real(2.0));
    let flag = case.flag(flag);
    let batch_index = case.batch_index;
    case.steps[batch_index].average = weight;
    let op = average::op(&case.plan, parameter, average, flag);
    case.with(op)
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let (parameter, average, flag) = (seen.numbers(0), seen.numbers(1), seen.words(2)[0]);
    let (step, weight) = (seen.step(), f64::from(seen.step().average));
    let after = parameter.iter().zip(&average).map(|(p, a)| {
        let after = (1.0 - weight) * a + weight * p;
        if flag <= step.index + 1 {
            *a
        } else if after.abs() < f64::from(f32::MIN_POSITIVE) {
            0.0
        } else {
            after
        }
    });
    vec![Expected::Numbers(after.collect()), Expected::Words(vec![flag])]
}

/// Tolerances are weak where the sum nearly cancels.
#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.01) > 7_000);
}

/// As after the first step.
#[test]
fn a_weight_of_one_copies_the_bits() {
    let case = case(3, 1.0, u32::MAX, 2);
    let seen = Seen::new(&case);
    assert_eq!(seen.words(0), seen.result_words(1));
}
