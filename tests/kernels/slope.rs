//! Tests of `slope`: PReLU and scaling.

use super::case::{Case, Fill, Values, over_rows};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use wgrad::kernels::slope::{self, Params};
use wgrad::plan::Section;
use wgrad::shape::{Dtype, Shape};

/// One slope and one per column, with and without positive elements kept.
pub fn cases() -> Vec<Case> {
    let kinds = [(false, false), (false, true), (true, false), (true, true)].into_iter();
    kinds.flat_map(|kind| over_rows(|shape, live, values, seed| case(shape, live, values, seed, kind))).collect()
}

fn case(shape: Shape, live: usize, values: Values, seed: usize, (is_shared, keeps): (bool, bool)) -> Case {
    let mut case = Case::new(Section::Gradients, live, values, seed);
    let input = case.batch("input", shape, Fill::Real(2.0));
    let weights = if is_shared { 1 } else { shape.columns };
    let weight = case.tensor("weight", Shape::vector(weights), Fill::Real(1.5));
    let output = case.batch_output("output", Dtype::F32, shape);
    let op = slope::op(&case.plan, keeps, [input, weight, output]);
    case.with(op)
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let [input, weight] = [0, 1].map(|binding| seen.numbers(binding));
    let (keeps, columns) = (seen.params::<Params>().keeps_positive == 1, seen.shape(0).columns);
    let output = |i: usize| {
        let slope = if weight.len() == 1 { weight[0] } else { weight[i % columns] };
        if keeps { input[i].max(0.0) + slope * input[i].min(0.0) } else { slope * input[i] }
    };
    vec![Expected::Numbers((0..seen.live(0)).map(output).collect())]
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.01) > 100_000);
}
