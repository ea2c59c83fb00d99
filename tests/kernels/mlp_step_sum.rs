//! Tests of `mlp_step_sum`: the gradients of a fused step, summed over its workgroups.

use super::case::{Case, Fill, Values, over_batches};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::{prove, whole_numbers_are_exact};
use wgrad::kernels::mlp_step_sum;
use wgrad::plan::Section;
use wgrad::shape::{Dtype, Shape};

pub fn cases() -> Vec<Case> {
    over_batches(|shape, _, values, seed| case(shape, values, seed, u32::MAX)).into_iter().chain(broken()).collect()
}

fn case(partial: Shape, values: Values, seed: usize, flag: u32) -> Case {
    let mut case = Case::new(Section::Gradients, 3, values, seed);
    let gradients = Shape::vector(partial.columns);
    let partial = case.tensor("partial", partial, Fill::Real(1.0));
    let gradients = case.output("gradients", Dtype::F32, gradients);
    let flag = case.flag(flag);
    let op = mlp_step_sum::op(&case.plan, partial, gradients, flag);
    case.with(op)
}

/// An infinite sum, with a flag that is not set, and one that an earlier step has set.
fn broken() -> impl Iterator<Item = Case> {
    [u32::MAX, 2].into_iter().map(|flag| {
        let mut case = case(Shape::new(3, 5), Values::Special, 1, flag);
        let partial = case.op().views[0];
        let mut numbers = [1.0; 15];
        (numbers[4], numbers[9]) = (3e38, 3e38);
        case.set_f32(partial, &numbers);
        case
    })
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let (partial, Shape { rows, columns }) = (seen.numbers(0), seen.shape(0));
    let sum = |i: usize| (0..rows).map(|p| partial[p * columns + i]).sum::<f64>();
    // In f32 a sum beyond the range is infinite.
    let in_range = |sum: f64| if sum > f64::from(f32::MAX) { f64::INFINITY } else { sum };
    let sums: Vec<f64> = (0..columns).map(|i| in_range(sum(i))).collect();
    let flag = seen.flag(2, &sums);
    vec![Expected::Numbers(sums), flag]
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.01) > 500);
    whole_numbers_are_exact(&cases());
}
