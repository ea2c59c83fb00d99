//! Tests of `square_sum`: the norm of each block of 64.

use super::case::{Case, Fill, Values};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use wgrad::kernels::square_sum;
use wgrad::plan::Section;
use wgrad::shape::{Dtype, Shape};

pub fn cases() -> Vec<Case> {
    let blocks = [1, 2, 3, 15, 17, 64, 131];
    let both = |(seed, blocks)| [Values::Real, Values::Whole].map(|values| case(blocks, values, seed));
    let far = [1e-30, 1e30].map(|unit| {
        let mut case = case(1, Values::Special, 1);
        let gradient = case.op().views[0];
        case.set_f32(gradient, &std::array::from_fn::<f32, 64, _>(|i| (i as f32 - 31.0) * unit));
        case
    });
    // A single number that is not 0, at different positions.
    let alone = (0..64).step_by(21).map(|at| {
        let mut case = case(1, Values::Special, 1);
        let gradient = case.op().views[0];
        case.set_f32(gradient, &std::array::from_fn::<f32, 64, _>(|i| if i == at { 1e30 } else { 0.0 }));
        case
    });
    // A block of tiny numbers, next to a block that begins with a huge number, and one that ends with one.
    let mut beside = case(3, Values::Special, 1);
    let gradient = beside.op().views[0];
    let huge = |i: usize| if i == 64 || i == 191 { 1e30 } else { 0.0 };
    beside.set_f32(gradient, &std::array::from_fn::<f32, 192, _>(|i| if i < 64 { 1e-30 } else { huge(i) }));
    // The squares of the numbers of `far` must neither underflow nor overflow.
    blocks.into_iter().enumerate().flat_map(both).chain(far).chain(alone).chain([beside]).collect()
}

fn case(blocks: usize, values: Values, seed: usize) -> Case {
    let mut case = Case::new(Section::Update, 3, values, seed);
    let gradient = case.tensor("gradient", Shape::vector(64 * blocks), Fill::Real(2.0));
    let partial = case.output("partial", Dtype::F32, Shape::vector(blocks));
    let op = square_sum::op(&case.plan, gradient, partial);
    case.with(op)
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let gradient = seen.numbers(0);
    vec![Expected::Numbers(gradient.chunks(64).map(|block| block.iter().map(|g| g * g).sum::<f64>().sqrt()).collect())]
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.0) > 400);
}
