//! Tests of `matmul_split`: the three forms of matrix multiplication, with the terms split into parts.

use super::case::{Case, Fill, MATMULS, Values};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::{prove, whole_numbers_are_exact};
use wgrad::kernels::matmul_split::{self, Params, Transpose};
use wgrad::plan::{Section, Tile};
use wgrad::shape::{Dtype, Shape};

/// All rows are active in `NT` and `NN`; for others see `dead_rows_are_left_alone`.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (seed, sizes) in MATMULS.into_iter().enumerate() {
        for values in [Values::Real, Values::Whole] {
            cases.push(case(Transpose::Nt, sizes, sizes.0, values, seed));
            cases.push(case(Transpose::Nn, sizes, sizes.0, values, seed));
            // Here the sum is over the rows of the batch.
            let (rows, m, n, live) = sizes;
            cases.push(case(Transpose::Tn, (m, n, rows, 0), live, values, seed));
        }
    }
    cases
}

fn case(
    transpose: Transpose,
    (m, n, k, _): (usize, usize, usize, usize),
    live: usize,
    values: Values,
    seed: usize,
) -> Case {
    let mut case = Case::new(Section::Gradients, live, values, seed);
    let [a, b] = match transpose {
        Transpose::Nt => [Shape::new(m, k), Shape::new(n, k)],
        Transpose::Nn => [Shape::new(m, k), Shape::new(k, n)],
        Transpose::Tn => [Shape::new(k, m), Shape::new(k, n)],
    };
    let a = case.batch("a", a, Fill::Real(1.0));
    let b = if transpose == Transpose::Tn {
        case.batch("b", b, Fill::Real(1.0))
    } else {
        case.tensor("b", b, Fill::Real(1.0))
    };
    let product = case.output("product", Dtype::F32, Shape::new(m, n));
    let tile = Tile { parts: 1 + seed as u32 % 4, ..Tile::PLAIN };
    let (op, _) = matmul_split::op(&mut case.plan, transpose, tile, a, b, product);
    case.with(op)
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let p: &Params = seen.params();
    let (m, n, chunk) = (p.m as usize, p.n as usize, p.chunk as usize);
    let (a, b, [a_shape, b_shape, partial]) = (seen.numbers(0), seen.numbers(1), [0, 1, 2].map(|i| seen.shape(i)));
    let name = seen.case.op().kernel.name;
    let (in_rows, terms) = if name.ends_with("tn") { (false, seen.rows()) } else { (true, a_shape.columns) };
    let a_at = |i: usize, l: usize| if in_rows { a[i * a_shape.columns + l] } else { a[l * a_shape.columns + i] };
    let b_at = |l: usize, j: usize| {
        if name.ends_with("nt") { b[j * b_shape.columns + l] } else { b[l * b_shape.columns + j] }
    };
    let mut numbers = Vec::new();
    for part in 0..partial.rows {
        let span = || (part * chunk..(part + 1) * chunk).filter(|l| *l < terms);
        for (i, j) in (0..m).flat_map(|i| (0..n).map(move |j| (i, j))) {
            numbers.push(span().map(|l| a_at(i, l) * b_at(l, j)).sum());
        }
        if !in_rows {
            numbers.extend((0..m).map(|i| span().map(|l| a_at(i, l)).sum::<f64>()));
        }
    }
    vec![Expected::Numbers(numbers)]
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.005) > 100_000);
    whole_numbers_are_exact(&cases());
}

#[test]
fn parts_hold_all_terms_once() {
    for (k, parts) in [(1, 1), (16, 2), (17, 2), (64, 3), (65, 4), (257, 8)] {
        let case = case(Transpose::Nt, (2, 3, k, 0), 2, Values::Whole, parts - 1);
        let (chunk, found) = (case.op().params::<Params>().chunk as usize, case.op().items);
        assert!(chunk % 16 == 0 && chunk * found >= k && chunk * (found - 1) < k, "{k}: {found} parts of {chunk}");
    }
}

#[test]
fn dead_rows_are_left_alone() {
    for transpose in [Transpose::Nt, Transpose::Nn] {
        let case = case(transpose, (5, 4, 33, 0), 3, Values::Real, 2);
        let seen = Seen::new(&case);
        let (words, before) = (seen.result_words(2), seen.words(2));
        for (at, (word, before)) in words.iter().zip(before).enumerate() {
            if at % 20 >= 12 {
                assert_eq!(word, before, "{transpose:?}: element {at} belongs to a dead row");
            }
        }
    }
}
