//! Tests of `dense_grad_weight_sum`: the gradients of a dense layer's weight and bias, summed over parts.

use super::case::{Case, Fill, Values, over_matmuls};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::{prove, whole_numbers_are_exact};
use wgrad::kernels::dense_grad_weight_sum;
use wgrad::plan::Section;
use wgrad::shape::Shape;

pub fn cases() -> Vec<Case> {
    over_matmuls(case).into_iter().chain(broken()).collect()
}

fn case([k, outputs, inputs]: [usize; 3], live: usize, values: Values, seed: usize) -> Case {
    let mut case = Case::new(Section::Gradients, live, values, seed);
    let partial = case.tensor("partial", Shape::new(1 + k % 4, outputs * (inputs + 1)), Fill::Real(1.0));
    let shapes = [Shape::new(outputs, inputs), Shape::vector(outputs)];
    let [weight, bias] = case.pair_of_outputs(["grad_weight", "grad_bias"], shapes);
    let flag = case.flag(u32::MAX);
    let op = dense_grad_weight_sum::op(&case.plan, partial, weight, bias, flag);
    case.with(op)
}

/// An infinite part of one weight and of one bias, with a flag that is not set, and one that an earlier step has set.
fn broken() -> Vec<Case> {
    let with = |(at, flag)| {
        let mut case = case([3, 2, 5], 3, Values::Special, 1);
        let views = case.op().views.clone();
        let mut numbers = vec![0.5; case.plan.shape(views[0]).elements()];
        numbers[at] = f32::INFINITY;
        case.set_f32(views[0], &numbers);
        case.set(views[3], vec![flag]);
        case
    };
    [(3, u32::MAX), (12 + 11, u32::MAX), (11, 2)].into_iter().map(with).collect()
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let (partial, parts) = (seen.numbers(0), seen.shape(0));
    let mut weights: Vec<f64> =
        (0..parts.columns).map(|i| (0..parts.rows).map(|part| partial[part * parts.columns + i]).sum()).collect();
    let flag = seen.flag(3, &weights);
    let biases = weights.split_off(seen.shape(1).elements());
    vec![Expected::Numbers(weights), Expected::Numbers(biases), flag]
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.005) > 40_000);
    whole_numbers_are_exact(&cases());
}
