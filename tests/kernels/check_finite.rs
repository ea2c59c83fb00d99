//! Tests of `check_finite`: the flag records the step where a gradient is not finite.

use super::case::{Case, Fill, Values};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use wgrad::kernels::check_finite;
use wgrad::plan::Section;
use wgrad::shape::Shape;

/// Different numbers of blocks, with and without a bad value, and with different flags before.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (seed, blocks) in [1, 2, 3, 7, 17].into_iter().enumerate() {
        cases.push(case(blocks, seed, u32::MAX, None));
        let odd_nan = f32::from_bits(0xffc0_0001);
        let last = 64 * blocks - 1;
        let bad = [(0, f32::NAN), (last, f32::INFINITY), (32 * blocks + 1, f32::NEG_INFINITY), (last - 1, odd_nan)];
        for (at, bad) in bad {
            for flag in [u32::MAX, 2] {
                cases.push(case(blocks, seed, flag, Some((at, bad))));
            }
        }
    }
    cases
}

fn case(blocks: usize, seed: usize, flag: u32, bad: Option<(usize, f32)>) -> Case {
    let mut case = Case::new(Section::Gradients, 3, Values::Special, seed);
    let shape = Shape::vector(64 * blocks);
    let gradient = case.tensor("gradient", shape, Fill::Real(1e30));
    if let Some((at, bad)) = bad {
        let mut words = case.inputs[0].words.clone();
        words[at] = bad.to_bits();
        case.set(gradient, words);
    }
    let flag = case.flag(flag);
    let op = check_finite::op(&case.plan, gradient, flag);
    case.with(op)
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let bad = seen.numbers(0).iter().any(|g| !g.is_finite());
    let flag = seen.words(1)[0];
    vec![Expected::Words(vec![if bad { flag.min(seen.step().index) } else { flag }])]
}

#[test]
fn cpu_kernels_are_right() {
    assert_eq!(prove(&cases(), oracle, 0.0), cases().len());
}

#[test]
fn an_earlier_step_keeps_the_flag() {
    let kept = Seen::new(&case(1, 0, 2, Some((5, f32::NAN)))).result_words(1).to_vec();
    assert_eq!(kept, [2]);
    let case = case(1, 0, 900, Some((5, f32::NAN)));
    assert_eq!(Seen::new(&case).result_words(1), [case.step().index]);
}
