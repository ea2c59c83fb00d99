//! Tests of `count_correct`: the number of predictions that equal their targets.

use super::case::{Case, Fill, Values, over_rows};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use wgrad::kernels::count_correct;
use wgrad::plan::Section;
use wgrad::shape::{Dtype, Shape};

/// Classes, and numbers that are 0 or 1. Inactive rows are equal, so counting them would show.
pub fn cases() -> Vec<Case> {
    [Fill::Below(3), Fill::Bit]
        .into_iter()
        .flat_map(|fill| over_rows(move |s, live, v, seed| case(s, live, v, seed, fill)))
        .collect()
}

fn case(shape: Shape, live: usize, values: Values, seed: usize, fill: Fill) -> Case {
    let mut case = Case::new(Section::Score, live, values, seed);
    let predicted = case.batch("predicted", shape, fill);
    let target = case.batch("target", shape, fill);
    let count = case.output("count", Dtype::U32, Shape::vector(1));
    let op = count_correct::op(&case.plan, predicted, target, count);
    case.with(op)
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let pairs = seen.words(0).iter().zip(seen.words(1)).take(seen.live(0));
    vec![Expected::Words(vec![pairs.filter(|(predicted, target)| predicted == target).count() as u32])]
}

#[test]
fn cpu_kernels_are_right() {
    assert_eq!(prove(&cases(), oracle, 0.0), cases().len());
}
