//! Tests of `column_sum`: the sum of each column over the active rows.

use super::case::{Case, Fill, Values, over_rows};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::{prove, whole_numbers_are_exact};
use wgrad::kernels::column_sum;
use wgrad::plan::Section;
use wgrad::shape::{Dtype, Shape};

/// Includes enough rows that an invocation on a GPU sums in blocks at all levels.
pub fn cases() -> Vec<Case> {
    let many =
        [(5000, 4999), (1_100_000, 1_099_999)].map(|(rows, live)| case(Shape::new(rows, 1), live, Values::Real, rows));
    over_rows(case).into_iter().chain(many).collect()
}

fn case(shape: Shape, live: usize, values: Values, seed: usize) -> Case {
    let mut case = Case::new(Section::Gradients, live, values, seed);
    let input = case.batch("input", shape, Fill::Real(2.0));
    let sums = case.output("sums", Dtype::F32, Shape::vector(shape.columns));
    let op = column_sum::op(&case.plan, input, sums);
    case.with(op)
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let (input, columns) = (seen.numbers(0), seen.shape(0).columns);
    let sum = |c: usize| (0..seen.rows()).map(|r| input[r * columns + c]).sum();
    vec![Expected::Numbers((0..columns).map(sum).collect())]
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.005) > 800);
    whole_numbers_are_exact(&cases());
}
