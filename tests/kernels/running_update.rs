//! Tests of `running_update`: the running statistics after a step.

use super::case::{Case, Fill, Values};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use wgrad::kernels::running_update::{self, Params};
use wgrad::plan::Section;
use wgrad::shape::Shape;

/// Steps of 1, 2, 4 and 1,000 micro-batches; bad steps now and before, and a bad step later; and an update that overflows.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (seed, blocks) in [1, 2, 3, 17].into_iter().enumerate() {
        for values in [Values::Real, Values::Whole] {
            for first_row in [0, 5, 15, 4995] {
                cases.push(case(blocks, values, seed, first_row, u32::MAX));
            }
        }
        let index = case(1, Values::Real, seed, 0, 0).step().index;
        cases.extend([index - 1, index, index + 1].map(|flag| case(blocks, Values::Real, seed, 5, flag)));
    }
    let mut overflow = case(1, Values::Special, 1, 0, u32::MAX);
    let views = overflow.op().views.clone();
    overflow.set_f32(views[0], &[f32::MAX; 64]);
    overflow.set_f32(views[1], &[1e38; 64]);
    cases.into_iter().chain([overflow]).collect()
}

fn case(blocks: usize, values: Values, seed: usize, first_row: u32, flag: u32) -> Case {
    let mut case = Case::new(Section::Update, 3, values, seed);
    case.steps[case.batch_index].first_row = first_row;
    let running = case.state("running", Shape::vector(64 * blocks), Fill::Positive(2.0));
    let pending = case.tensor("pending", Shape::vector(64 * blocks), Fill::Real(0.5));
    let flag = case.flag(flag);
    let op = running_update::op(&case.plan, 5, [running, pending, flag]);
    case.with(op)
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let [running, pending] = [0, 1].map(|binding| seen.numbers(binding));
    let (flag, index) = (seen.words(2)[0], seen.step().index);
    if flag <= index {
        return vec![Expected::Numbers(running), Expected::Words(vec![flag])];
    }
    let batches = seen.step().first_row / seen.params::<Params>().micro_batch + 1;
    let kept = 0.9f64.powi(batches as i32);
    let in_range = |x: f64| if x > f64::from(f32::MAX) { f64::INFINITY } else { x };
    let after: Vec<f64> = running.iter().zip(&pending).map(|(running, add)| in_range(kept * running + add)).collect();
    // The bad number is recorded for the next step.
    let flag = if after.iter().all(|x| x.is_finite()) { flag } else { flag.min(index + 1) };
    vec![Expected::Numbers(after), Expected::Words(vec![flag])]
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.02) > 5_000);
}
