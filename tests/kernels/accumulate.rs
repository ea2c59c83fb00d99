//! Tests of `accumulate`: sums of the gradients of a step's micro-batches.

use super::case::{Case, Fill, Values};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::{items_compute_alone, prove, whole_numbers_are_exact};
use wgrad::kernels::accumulate;
use wgrad::plan::Section;
use wgrad::shape::Shape;

/// First and later micro-batches with finite sums, and some with numbers that are not finite.
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
    case.steps[case.batch_index].first_row = first_row;
    let shape = Shape::vector(64 * blocks);
    let gradient = case.tensor("gradient", shape, Fill::Real(0.5));
    let sum = case.state("sum", shape, Fill::Real(0.7));
    let compensation = case.state("compensation", shape, Fill::Real(1e-7));
    let flag = case.flag(flag);
    let op = accumulate::op(&case.plan, gradient, sum, compensation, flag);
    case.with(op)
}

/// A bad gradient, or finite numbers with a bad sum: the index, and the gradient and sum there.
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
    let [gradient, sum, compensation] = [0, 1, 2].map(|binding| seen.numbers(binding));
    let first = seen.step().first_row == 0;
    let total = |i: usize| if first { gradient[i] } else { sum[i] + (gradient[i] - compensation[i]) };
    // Beyond the range of f32, a sum is infinite.
    let held = |x: f64| if x.abs() > f64::from(f32::MAX) { x * f64::INFINITY } else { x };
    let totals: Vec<f64> = (0..sum.len()).map(|i| held(total(i))).collect();
    let flag = seen.flag(3, &totals);
    // Without rounding, the compensation is 0. With rounding it is within the tolerance; the next test checks its bits.
    let rest = vec![0.0; totals.len()];
    vec![Expected::Numbers(totals), Expected::Numbers(rest), flag]
}

/// Numbers that a plain sum would lose, and some with a compensation from before.
#[test]
fn what_is_rounded_is_not_lost() {
    let large = (1 << 24) as f32;
    for (sum, compensation, gradient, wanted) in [
        (large, 0.0, 1.0, [large, -1.0]),
        (large, -1.0, 1.0, [large + 2.0, 0.0]),
        (large, 1.0, 1.0, [large, 0.0]),
        (-large, 0.0, -1.0, [-large, 1.0]),
        (-large, 1.0, -1.0, [-large - 2.0, 0.0]),
        (1.0, 0.25, 3.0, [3.75, 0.0]),
        (f32::MAX, 1.0, f32::MAX, [f32::INFINITY, 0.0]),
    ] {
        let mut case = case(2, Values::Special, 0, 7, u32::MAX);
        for (view, number) in case.op().views.clone().into_iter().zip([gradient, sum, compensation]) {
            case.set_f32(view, &[number; 128]);
        }
        let seen = Seen::new(&case);
        let found = [1, 2].map(|binding| seen.results(binding));
        for (found, wanted) in found.iter().zip(wanted) {
            assert!(found.iter().all(|x| *x == f64::from(wanted)), "{sum}, {compensation}, {gradient}: {:?}", found[0]);
        }
        items_compute_alone(&case);
    }
}

#[test]
fn cpu_kernels_are_right() {
    // A compensation is no larger than its tolerance; `what_is_rounded_is_not_lost` checks its bits.
    assert!(prove(&cases(), oracle, 0.5) > 5_000);
    whole_numbers_are_exact(&cases());
}
