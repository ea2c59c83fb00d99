//! Tests of `argmax`: the column of each row's largest element.

use super::case::{Case, Fill, Values, over_rows};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use wgrad::kernels::argmax;
use wgrad::plan::Section;
use wgrad::shape::{Dtype, Shape};

/// Integers in ±3, with ties in nearly every row; and rows with a NaN or an infinity in some column.
pub fn cases() -> Vec<Case> {
    over_rows(case).into_iter().chain([5, 200].map(not_finite)).collect()
}

/// One finite row, and rows with one number that is not finite, in the first, middle or last column.
fn not_finite(columns: usize) -> Case {
    // One of the NaNs has the bits closest to those of infinity.
    let numbers = [f32::NAN, -f32::NAN, f32::from_bits(0x7f80_0001), f32::INFINITY, f32::NEG_INFINITY];
    let places = [0, columns / 2, columns - 1];
    let rows = 1 + numbers.len() * places.len();
    let mut input: Vec<f32> = (0..rows * columns).map(|i| (i * 7 % 13) as f32 - 6.0).collect();
    for (at, number) in numbers.into_iter().enumerate() {
        for (row, place) in places.into_iter().enumerate() {
            input[(1 + at * places.len() + row) * columns + place] = number;
        }
    }
    let mut case = case(Shape::new(rows, columns), rows, Values::Special, 1);
    let view = case.op().views[0];
    case.set_f32(view, &input);
    case
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
        if row.iter().any(|x| x.is_nan()) {
            return argmax::NO_COLUMN;
        }
        let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        row.iter().position(|x| *x == largest).expect("a row has a largest element") as u32
    };
    vec![Expected::Words(input[..seen.live(0)].chunks(columns).map(first_largest).collect())]
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.0) > 600);
}

/// No class has the index of such a row, so it is never counted as correct.
#[test]
fn a_row_with_a_nan_has_no_column() {
    let case = not_finite(5);
    let found = Seen::new(&case).result_words(1).to_vec();
    assert!(found[0] < 5 && found[1..10].iter().all(|index| *index == u32::MAX), "{found:?}");
    assert_eq!(found[10..13], [0, 2, 4], "the largest is infinite");
}

#[test]
fn of_equal_elements_the_first_wins() {
    let mut case = case(Shape::new(3, 4), 3, Values::Special, 1);
    let input = case.op().views[0];
    case.set_f32(input, &[2.0, 5.0, 5.0, 1.0, -1.0, -1.0, -1.0, -1.0, f32::NEG_INFINITY, -3e38, 0.0, -0.0]);
    assert_eq!(Seen::new(&case).results(1), [1.0, 0.0, 2.0]);
}
