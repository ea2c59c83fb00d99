//! Tests of `matmul`: the three forms of matrix multiplication.

use super::case::{Case, Fill, Values, over_matmuls};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::{prove, whole_numbers_are_exact};
use wgrad::kernels::matmul;
use wgrad::plan::Section;
use wgrad::shape::{Dtype, Shape};

pub fn cases() -> Vec<Case> {
    let nt = over_matmuls(nt).into_iter().chain([infinite_weight()]).collect();
    let nn = over_matmuls(nn).into_iter().chain([whole_tiles()]).collect();
    // Here the sum is over the rows of the batch.
    let tn = over_matmuls(|[rows, m, n], live, values, seed| {
        let mut case = Case::new(Section::Gradients, live, values, seed);
        let a = case.batch("a", Shape::new(rows, m), Fill::Real(1.0));
        let b = case.batch("b", Shape::new(rows, n), Fill::Real(1.0));
        let out = case.output("out", Dtype::F32, Shape::new(m, n));
        let op = matmul::tn(&case.plan, a, b, out);
        case.with(op)
    });
    [nt, nn, tn].concat()
}

fn nt([m, n, k]: [usize; 3], live: usize, values: Values, seed: usize) -> Case {
    let mut case = Case::new(Section::Gradients, live, values, seed);
    let a = case.batch("a", Shape::new(m, k), Fill::Real(1.0));
    let b = case.tensor("b", Shape::new(n, k), Fill::Real(1.0));
    let out = case.batch_output("out", Dtype::F32, Shape::new(m, n));
    let op = matmul::nt(&case.plan, a, b, out);
    case.with(op)
}

fn nn([m, n, k]: [usize; 3], live: usize, values: Values, seed: usize) -> Case {
    let mut case = Case::new(Section::Gradients, live, values, seed);
    let a = case.batch("a", Shape::new(m, k), Fill::Real(1.0));
    let b = case.tensor("b", Shape::new(k, n), Fill::Real(1.0));
    let out = case.batch_output("out", Dtype::F32, Shape::new(m, n));
    let op = matmul::nn(&case.plan, a, b, out);
    case.with(op)
}

/// A multiple of the tile in columns, several rows of tiles, and some inactive rows.
fn whole_tiles() -> Case {
    nn([161, 64, 3], 100, Values::Real, 2)
}

/// An infinite number where the terms of the second column of b begin, after those of the first column. It must not
/// reach the sums of the first, not even with a factor of 0.
fn infinite_weight() -> Case {
    let mut case = nt([2, 8, 4], 2, Values::Special, 1);
    let views = case.op().views.clone();
    let mut b = [0.5; 32];
    b[4] = f32::INFINITY;
    case.set_f32(views[0], &[1.0; 8]);
    case.set_f32(views[1], &b);
    case
}

/// Returns element (row, column) of a matrix, or of its transpose.
fn at(values: &[f64], shape: Shape, transposed: bool, row: usize, column: usize) -> f64 {
    let (row, column) = if transposed { (column, row) } else { (row, column) };
    values[row * shape.columns + column]
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let (a, b, [a_shape, b_shape, out]) = (seen.numbers(0), seen.numbers(1), [0, 1, 2].map(|i| seen.shape(i)));
    let (a_transposed, b_transposed) = match seen.case.op().kernel.name {
        "matmul_nt" => (false, true),
        "matmul_nn" => (false, false),
        "matmul_tn" => (true, false),
        other => panic!("{other} is no product"),
    };
    let (rows, terms) = if a_transposed { (out.rows, seen.rows()) } else { (seen.rows(), a_shape.columns) };
    let mut product = Vec::new();
    for (i, j) in (0..rows).flat_map(|i| (0..out.columns).map(move |j| (i, j))) {
        let term = |l| at(&a, a_shape, a_transposed, i, l) * at(&b, b_shape, b_transposed, l, j);
        product.push((0..terms).map(term).sum());
    }
    vec![Expected::Numbers(product)]
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.005) > 120_000);
    whole_numbers_are_exact(&cases());
}
