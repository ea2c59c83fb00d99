//! The column of each row's largest element.

use super::case::{Case, Fill, Values, over_rows};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use wgrad::kernels::argmax;
use wgrad::plan::Section;
use wgrad::shape::{Dtype, Shape};

/// Whole numbers in ±3: ties in nearly every row.
pub fn cases() -> Vec<Case> {
    over_rows(case)
}

fn case(shape: Shape, live: usize, values: Values, seed: usize) -> Case {
    let mut case = Case::new(Section::Score, live, values, seed);
    let input = case.batch("input", shape, Fill::Real(2.0));
    let index = case.batch_output("index", Dtype::U32, Shape::new(shape.rows, 1));
    let op = argmax::op(&case.plan, input, index);
    case.with(op)
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let (input, columns) = (seen.numbers(0), seen.shape(0).columns);
    let first_largest = |row: &[f64]| {
        let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        row.iter().position(|x| *x == largest).expect("a row has a largest element") as u32
    };
    vec![Expected::Words(input[..seen.live(0)].chunks(columns).map(first_largest).collect())]
}

#[test]
fn twins() {
    assert!(prove(&cases(), oracle, 0.0) > 600);
}

#[test]
fn of_equal_elements_the_first_wins() {
    let mut case = case(Shape::new(3, 4), 3, Values::Special, 1);
    let input = case.op().views[0];
    case.set_f32(input, &[2.0, 5.0, 5.0, 1.0, -1.0, -1.0, -1.0, -1.0, f32::NEG_INFINITY, -3e38, 0.0, -0.0]);
    assert_eq!(Seen::new(&case).results(1), [1.0, 0.0, 2.0]);
}
