//! The sum of the gradients of a step's batches.

use super::case::{Case, Fill, Values};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::{prove, whole_numbers_are_exact};
use wgrad::kernels::accumulate;
use wgrad::plan::Section;
use wgrad::shape::Shape;

/// First batches and others, whose sums stay finite.
pub fn cases() -> Vec<Case> {
    let mut cases = vec![case(2, Values::Special, 3, 40, 2)];
    for (seed, blocks) in [1, 2, 3, 15, 17, 131].into_iter().enumerate() {
        for values in [Values::Real, Values::Whole] {
            for (first_row, flag) in [(0, u32::MAX), (1, u32::MAX), (40, u32::MAX), (40, 3)] {
                cases.push(case(blocks, values, seed, first_row, flag));
            }
        }
        for first_row in [0, 7] {
            cases
                .extend(bad(64 * blocks).map(|bad| with_bad(case(blocks, Values::Special, seed, first_row, 900), bad)));
        }
    }
    cases
}

fn case(blocks: usize, values: Values, seed: usize, first_row: u32, flag: u32) -> Case {
    let mut case = Case::new(Section::Gradients, 3, values, seed);
    case.steps[case.slot].first_row = first_row;
    let shape = Shape::vector(64 * blocks);
    let gradient = case.tensor("gradient", shape, Fill::Real(0.5));
    let sum = case.state("sum", shape, Fill::Real(0.7));
    let flag = case.flag(flag);
    let op = accumulate::op(&case.plan, gradient, sum, flag);
    case.with(op)
}

/// A bad gradient, or a bad sum of good numbers: where, and what gradient and sum are there.
type Bad = (usize, [f32; 2]);

fn bad(elements: usize) -> [Bad; 4] {
    let odd_nan = f32::from_bits(0xffc0_0001);
    [
        (0, [f32::NAN, 1.0]),
        (elements - 1, [f32::NEG_INFINITY, 1.0]),
        (elements / 2 + 1, [odd_nan, 0.0]),
        (elements - 2, [f32::MAX, f32::MAX]),
    ]
}

fn with_bad(mut case: Case, (at, numbers): Bad) -> Case {
    for (binding, number) in numbers.into_iter().enumerate() {
        let view = case.op().views[binding];
        let input = case.inputs.iter_mut().find(|input| input.view == view).expect("it was filled");
        input.words[at] = number.to_bits();
    }
    case
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let (gradient, sum) = (seen.numbers(0), seen.numbers(1));
    let first = seen.step().first_row == 0;
    let total = |i: usize| if first { gradient[i] } else { sum[i] + gradient[i] };
    // Beyond what an f32 can hold there is infinity.
    let held = |x: f64| if x.abs() > f64::from(f32::MAX) { x * f64::INFINITY } else { x };
    let totals: Vec<f64> = (0..sum.len()).map(|i| held(total(i))).collect();
    let flag = seen.flag(2, &totals);
    vec![Expected::Numbers(totals), flag]
}

#[test]
fn twins() {
    assert!(prove(&cases(), oracle, 0.01) > 5_000);
    whole_numbers_are_exact(&cases());
}
