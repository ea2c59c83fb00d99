//! Tests of `vector_sum`: the gradient of a weight that all columns share.

use super::case::{Case, Fill, Values};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::{prove, whole_numbers_are_exact};
use wgrad::kernels::vector_sum;
use wgrad::plan::Section;
use wgrad::shape::{Dtype, Shape};

/// Short and long vectors; and a sum that is infinite, with a flag that is not set and one that an earlier step has set.
pub fn cases() -> Vec<Case> {
    let lengths = [1, 2, 3, 63, 64, 65, 131, 1000, 70_001].into_iter().enumerate();
    let both =
        lengths.flat_map(|(seed, length)| [Values::Real, Values::Whole].map(|values| case(length, values, seed)));
    let broken = [u32::MAX, 2].map(|flag| {
        let mut case = case(3, Values::Special, 1);
        let views = case.op().views.clone();
        case.set_f32(views[0], &[3e38, 1.0, 3e38]);
        case.set(views[2], vec![flag]);
        case
    });
    both.chain(broken).collect()
}

fn case(length: usize, values: Values, seed: usize) -> Case {
    let mut case = Case::new(Section::Gradients, 3, values, seed);
    let input = case.tensor("input", Shape::vector(length), Fill::Positive(3.0));
    let sum = case.output("sum", Dtype::F32, Shape::vector(1));
    let flag = case.flag(u32::MAX);
    case.with(vector_sum::op([input, sum, flag]))
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let sum: f64 = seen.numbers(0).iter().sum();
    let sum = if sum > f64::from(f32::MAX) { f64::INFINITY } else { sum };
    let flag = seen.flag(2, &[sum]);
    vec![Expected::Numbers(vec![sum]), flag]
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.0) > 30);
}

/// [`whole_numbers_are_exact`] counts tolerances, and here is one per case.
#[test]
fn sums_of_whole_numbers_are_exact() {
    let cases: Vec<Case> = (0..12).flat_map(|_| cases()).collect();
    whole_numbers_are_exact(&cases);
}
