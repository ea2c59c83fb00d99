//! Tests of `norm`: the global norm of the gradients, and the gradient clipping factor.

use super::case::{Case, Fill, Values};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use approx::assert_relative_eq;
use wgrad::kernels::norm;
use wgrad::plan::Section;
use wgrad::shape::{Dtype, Shape};

pub fn cases() -> Vec<Case> {
    let blocks = [1, 2, 3, 15, 17, 64, 131, 1000, 70_001];
    let both = |(seed, blocks)| [Values::Real, Values::Whole].map(|values| case(blocks, values, seed));
    let far = [1e-30, 1e30].map(|unit| {
        let mut case = case(3, Values::Special, 1);
        let partial = case.op().views[0];
        case.set_f32(partial, &[unit, 3.0 * unit, 2.0 * unit]);
        case
    });
    // The squares of the numbers of `far` must neither underflow nor overflow.
    blocks.into_iter().enumerate().flat_map(both).chain(far).chain(broken()).collect()
}

fn case(blocks: usize, values: Values, seed: usize) -> Case {
    let mut case = Case::new(Section::Update, 3, values, seed);
    let partial = case.tensor("partial", Shape::vector(blocks), Fill::Positive(9.0));
    let output = case.output("norm", Dtype::F32, Shape::vector(1));
    let flag = case.flag(u32::MAX);
    case.with(norm::op(partial, output, flag))
}

/// An infinite norm, with a flag that is not set, and one that an earlier step has set.
fn broken() -> [Case; 2] {
    [u32::MAX, 2].map(|flag| {
        let mut case = case(3, Values::Special, 1);
        let views = case.op().views.clone();
        case.set_f32(views[0], &[1.0, f32::INFINITY, 2.0]);
        case.set(views[2], vec![flag]);
        case
    })
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let norm = seen.numbers(0).iter().map(|norm| norm * norm).sum::<f64>().sqrt();
    vec![Expected::Numbers(vec![norm]), seen.flag(2, &[norm])]
}

#[test]
fn cpu_kernels_are_right() {
    assert_eq!(prove(&cases(), oracle, 0.0), 2 * cases().len());
}

#[test]
fn clipped_gradients_have_at_most_the_norm() {
    assert_relative_eq!(f64::from(norm::clip(10.0, 2.5)), 2.5 / (10.0 + 1e-6), max_relative = 1e-6);
    assert_relative_eq!(f64::from(norm::clip(2.5, 2.5)), 2.5 / (2.5 + 1e-6), max_relative = 1e-7);
    assert_eq!([norm::clip(2.0, 2.5), norm::clip(2.5, f32::MAX), norm::clip(0.0, 1e-3)], [1.0; 3]);
    assert_eq!(norm::clip(f32::INFINITY, 1.0), 0.0);
}

#[test]
fn the_flag_records_the_first_step_in_which_the_norm_is_not_finite_and_only_then() {
    for (bad, is_recorded) in [(1e38, false), (f32::INFINITY, true), (f32::NAN, true)] {
        let mut case = case(3, Values::Special, 1);
        let partial = case.op().views[0];
        case.set_f32(partial, &[1.0, bad, 2.0]);
        let expected = if is_recorded { case.step().index } else { u32::MAX };
        assert_eq!(Seen::new(&case).result_words(2), [expected], "{bad}");
    }
}
