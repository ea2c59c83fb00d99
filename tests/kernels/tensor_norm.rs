//! Tests of `tensor_norm`: the norm of each tensor, from the norms of its blocks.

use super::case::{Case, Fill, Values};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use wgrad::kernels::tensor_norm;
use wgrad::plan::Section;
use wgrad::shape::{Dtype, Shape};

/// Numbers of blocks of tensors that follow one another: below, at and above the size of a workgroup, and many tensors.
fn networks() -> [Vec<usize>; 6] {
    [vec![1], vec![3, 1], vec![64, 65, 1, 63], vec![1; 70], vec![131, 2, 1000, 17], vec![5, 66_001, 1]]
}

pub fn cases() -> Vec<Case> {
    let both = |(seed, blocks): (usize, Vec<usize>)| {
        [Values::Real, Values::Whole].map(|values| case(&blocks, values, seed, Fill::Positive(9.0)))
    };
    // Squares that underflow and overflow beside each other, and a norm that is no f32.
    let beside = |numbers: [f32; 5]| {
        let mut case = case(&[2, 2, 1], Values::Special, 1, Fill::Positive(1.0));
        let partial = case.op().views[0];
        case.set_f32(partial, &numbers);
        case
    };
    let special = [[1e-30, 3e-30, 1e30, 2e30, 0.0], [3e38, 3e38, 1.0, 0.0, 2e-30]].map(beside);
    // One block that is not 0, at the begin, the end and within.
    let alone = [3, 66, 67, 68, 132, 133].map(|at| {
        let mut case = case(&[3, 65, 66], Values::Special, 2, Fill::Positive(1.0));
        let partial = case.op().views[0];
        case.set_f32(partial, &std::array::from_fn::<f32, 134, _>(|b| if b == at { 1e30 } else { 0.0 }));
        case
    });
    networks().into_iter().enumerate().flat_map(both).chain(special).chain(alone).collect()
}

fn case(blocks: &[usize], values: Values, seed: usize, fill: Fill) -> Case {
    let mut case = Case::new(Section::Update, 3, values, seed);
    let partial = case.tensor("partial", Shape::vector(blocks.iter().sum()), fill);
    let mut end = 0;
    let table = blocks.iter().flat_map(|blocks| {
        end += *blocks as u32;
        [end - *blocks as u32, end]
    });
    let table = table.collect();
    let tensors = case.plan.constant("tensors", Dtype::U32, table, 2);
    let norm = case.output("norm", Dtype::F32, Shape::vector(blocks.len()));
    let op = tensor_norm::op(&case.plan, partial, tensors, norm);
    case.with(op)
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let (partial, tensors) = (seen.numbers(0), seen.words(1));
    let norm = |blocks: &[u32]| {
        let of_tensor = &partial[blocks[0] as usize..blocks[1] as usize];
        of_tensor.iter().map(|norm| norm * norm).sum::<f64>().sqrt().min(f32::MAX.into())
    };
    vec![Expected::Numbers(tensors.chunks(2).map(norm).collect())]
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.0) > 190);
}
