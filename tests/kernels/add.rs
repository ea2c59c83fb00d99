//! Tests of `add`: output = first + second.

use super::case::{Case, Fill, Values, over_batches};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::{prove, whole_numbers_are_exact};
use wgrad::kernels::add;
use wgrad::plan::Section;
use wgrad::shape::{Dtype, Shape};

pub fn cases() -> Vec<Case> {
    over_batches(case)
}

fn case(shape: Shape, live: usize, values: Values, seed: usize) -> Case {
    let mut case = Case::new(Section::Gradients, live, values, seed);
    let first = case.batch("first", shape, Fill::Real(2.0));
    let second = case.batch("second", shape, Fill::Real(1.0));
    let output = case.batch_output("output", Dtype::F32, shape);
    let op = add::op(&case.plan, first, second, output);
    case.with(op)
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let (first, second) = (seen.numbers(0), seen.numbers(1));
    vec![Expected::Numbers((0..seen.live(0)).map(|i| first[i] + second[i]).collect())]
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.001) > 20_000);
    whole_numbers_are_exact(&cases());
}
