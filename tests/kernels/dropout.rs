//! Tests of `dropout`, on activations and on their gradients.

use super::case::{Case, Fill, Values, over_batches};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use wgrad::kernels::dropout::{self, Mask, Params};
use wgrad::plan::{Section, Step};
use wgrad::rng::philox;
use wgrad::shape::{Dtype, Shape};

pub fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = [0.0, 0.1, 0.5, 0.9]
        .into_iter()
        .flat_map(|rate| over_batches(move |shape, live, values, seed| case(rate, shape, live, values, seed)))
        .collect();
    // Large enough for the CPU to split it into blocks.
    cases.push(case(0.25, Shape::new(35, 25_001), 33, Values::Real, 1));
    // Exactly as many groups of four columns as four workgroups have invocations.
    cases.push(case(0.25, Shape::new(64, 16), 64, Values::Real, 1));
    cases
}

fn case(rate: f32, shape: Shape, live: usize, values: Values, seed: usize) -> Case {
    let mut case = Case::new(Section::Gradients, live, values, seed);
    let input = case.batch("input", shape, Fill::Real(2.0));
    let output = case.batch_output("output", Dtype::F32, shape);
    let op = dropout::op(&case.plan, Mask::new(3 + seed, rate), input, output);
    case.with(op)
}

/// Returns whether the random word of (layer, step, row of the whole batch, column) is at least the threshold. It is
/// word `column mod 4` of Philox at counter (column / 4, row, step, layer·2⁸ + stream 0).
pub fn keeps(threshold: u32, step: &Step, layer: u32, row: usize, column: usize) -> bool {
    let counter = [column as u32 / 4, step.first_row + row as u32, step.index, layer * 256];
    philox(counter, [step.seed_low, step.seed_high])[column % 4] >= threshold
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let (p, input, columns): (&Params, _, _) = (seen.params(), seen.numbers(0), seen.shape(0).columns);
    let element = |i: usize| {
        let kept = keeps(p.threshold, seen.step(), p.layer, i / columns, i % columns);
        if kept { input[i] * f64::from(p.scale) } else { 0.0 }
    };
    vec![Expected::Numbers((0..seen.live(0)).map(element).collect())]
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.0) > 900_000);
}

/// Applies dropout to ones. Returns the share of zeros, and the results.
fn dropped(case: &mut Case) -> (f64, Vec<f64>) {
    let input = case.op().views[0];
    let count = case.plan.shape(input).elements();
    case.set_f32(input, &vec![1.0; count]);
    let results = Seen::new(case).results(1);
    (results.iter().filter(|y| **y == 0.0).count() as f64 / count as f64, results)
}

#[test]
fn the_rate_is_within_five_sigma_and_the_rest_is_scaled() {
    for rate in [0.1f32, 0.5, 0.9] {
        let (share, results) = dropped(&mut case(rate, Shape::new(101, 99), 101, Values::Special, 2));
        let sigma = (f64::from(rate * (1.0 - rate)) / (101.0 * 99.0)).sqrt();
        assert!((share - f64::from(rate)).abs() < 5.0 * sigma, "{share} for {rate}");
        let kept = f64::from(1.0 / (1.0 - rate));
        assert!(results.iter().all(|y| *y == 0.0 || *y == kept));
        // Scaling keeps the mean.
        let mean = results.iter().sum::<f64>() / results.len() as f64;
        assert!((mean - 1.0).abs() < 5.0 * sigma * kept, "mean {mean}");
    }
}

#[test]
fn gradients_get_the_same_mask_and_other_steps_rows_and_layers_another() {
    let shape = Shape::new(21, 33);
    let mask = |change: fn(&mut Case)| {
        let mut case = case(0.5, shape, 21, Values::Special, 3);
        change(&mut case);
        dropped(&mut case).1
    };
    let first = mask(|_| ());
    assert_eq!(first, mask(|_| ()));
    let others: [fn(&mut Case); 4] = [
        |case| case.steps[0].index += 1,
        |case| case.steps[0].first_row += 40,
        |case| case.steps[0].seed_low += 1,
        |case| case.steps[0].seed_high += 1,
    ];
    for (number, other) in others.into_iter().enumerate() {
        let other = mask(other);
        let same = first.iter().zip(&other).filter(|(a, b)| a == b).count() as f64 / first.len() as f64;
        assert!((same - 0.5).abs() < 0.1, "change {number}: {same} of the mask is the same");
    }
}

#[test]
fn a_batch_cut_in_two_has_the_mask_of_the_whole() {
    let whole = dropped(&mut case(0.5, Shape::new(10, 7), 10, Values::Special, 3)).1;
    let mut second = case(0.5, Shape::new(6, 7), 6, Values::Special, 3);
    second.steps[0].first_row += 4;
    assert_eq!(dropped(&mut second).1, whole[4 * 7..]);
}
