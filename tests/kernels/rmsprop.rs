//! Tests of `rmsprop`: RMSprop, one element at a time.

use super::adamw::{BLOCKS, DECAYED, SITUATIONS, clip, kept, next_step};
use super::case::{Case, Fill, Values};
use super::compare::{Expected, assert_close};
use super::memory::Seen;
use super::prove::prove;
use wgrad::kernels::rmsprop::{self, Params};
use wgrad::plan::{Section, Tolerance};
use wgrad::shape::Shape;

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (seed, blocks) in BLOCKS.into_iter().enumerate() {
        for (alpha, epsilon, l2) in [(0.99f64, 1e-8, 0.0), (0.5, 1e-2, 0.2)] {
            for situation in SITUATIONS {
                let (alpha, one_minus_alpha) = (alpha as f32, (1.0 - alpha) as f32);
                let params = Params { alpha, one_minus_alpha, epsilon, l2, max_norm: situation.1 };
                cases.push(case(params, situation.0, situation.2, blocks, seed));
            }
        }
    }
    cases.extend(hard());
    cases
}

/// Overflow of square and parameter, which a flag at the next step must not hide; decayed values.
fn hard() -> Vec<Case> {
    let params = Params { alpha: 0.5, one_minus_alpha: 0.5, epsilon: 1e-8, l2: 0.0, max_norm: f32::MAX };
    let with = |numbers: [&[f32]; 3], ahead: Option<u32>| {
        let mut case = case(params, 0.0, u32::MAX, 2, 1);
        let (views, index) = (case.op().views.clone(), case.step().index);
        for (view, numbers) in views.iter().zip(numbers) {
            case.set_f32(*view, &numbers.iter().copied().cycle().take(128).collect::<Vec<_>>());
        }
        case.set(views[4], vec![ahead.map_or(u32::MAX, |ahead| index + ahead)]);
        case.values = Values::Special;
        case
    };
    let one = |number: f32| [vec![0.25; 100], vec![number; 1], vec![0.25; 27]].concat();
    vec![
        with([&[1.0], &[0.5], &[0.1]], Some(0)),
        with([&[1.0], &[0.5], &[0.1]], Some(1)),
        with([&[1.0], &one(1e25), &[0.1]], None),
        with([&[1.0], &one(-1e25), &[0.1]], Some(1)),
        with([&one(f32::MAX), &one(-1.0), &[0.1]], None),
        with([&DECAYED, &[0.0], &DECAYED.map(f32::abs)], None),
        with([&DECAYED, &[1e-39, 1e-25, -1e-38], &DECAYED.map(f32::abs)], None),
    ]
}

fn case(params: Params, norm: f32, flag: u32, blocks: usize, seed: usize) -> Case {
    let mut case = Case::new(Section::Update, 5, Values::Real, seed);
    let shape = Shape::vector(64 * blocks);
    let parameter = case.state("parameter", shape, Fill::Real(1.0));
    let gradient = case.tensor("gradient", shape, Fill::Real(0.5));
    let square = case.state("square", shape, Fill::Positive(0.2));
    let norm = case.tensor("norm", Shape::vector(1), Fill::Same(norm.to_bits()));
    let flag = case.flag(flag);
    let op = rmsprop::op(&case.plan, &params, parameter, gradient, square, norm, flag);
    case.with(op)
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let p: &Params = seen.params();
    let [parameter, gradient, square, norm] = [0, 1, 2, 3].map(|binding| seen.numbers(binding));
    let [alpha, rest, epsilon, l2] = [p.alpha, p.one_minus_alpha, p.epsilon, p.l2].map(f64::from);
    if seen.words(4)[0] <= seen.step().index {
        let flag = Expected::Words(seen.words(4).to_vec());
        return vec![Expected::Numbers(parameter), Expected::Numbers(square), flag];
    }
    let gradient = |i: usize| gradient[i] * clip(norm[0], p.max_norm) + l2 * parameter[i];
    let squares: Vec<f64> = (0..square.len()).map(|i| kept(alpha * square[i] + rest * gradient(i).powi(2))).collect();
    let rate = f64::from(seen.step().learning_rate);
    let new = |i: usize| kept(parameter[i] - rate * gradient(i) / (squares[i].sqrt() + epsilon));
    let parameters: Vec<f64> = (0..squares.len()).map(new).collect();
    let flag = next_step(seen, 4, &[&parameters, &squares]);
    vec![Expected::Numbers(parameters), Expected::Numbers(squares), flag]
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.001) > 30_000);
}

/// Gradient and weight decay are both below the normal range, but their sum is not. A device may flush both to 0.
#[test]
fn a_device_may_flush_each_term() {
    let least = f32::MIN_POSITIVE;
    for (rate, epsilon) in [(0.01, 1e-8), (1.0, 1e-2), (4.0, 1.0), (100.0, 1e-8)] {
        let params = Params { alpha: 0.5, one_minus_alpha: 0.5, epsilon, l2: 0.5, max_norm: f32::MAX };
        let mut case = case(params, 0.0, u32::MAX, 1, 1);
        let batch_index = case.batch_index;
        case.steps[batch_index].learning_rate = rate;
        let views = case.op().views.clone();
        for (view, number) in [(views[0], 1.9 * least), (views[1], 0.95 * least), (views[2], 0.0)] {
            case.set_f32(view, &[number; 64]);
        }
        case.values = Values::Special;
        let seen = Seen::new(&case);
        let Tolerance::Each(tolerances) = &seen.tolerances().expect("items are live")[0] else { panic!("exact") };
        // Without a gradient the parameter does not change.
        let (found, tolerance) = ([f64::from(1.9 * least)], Tolerance::Each(tolerances[..1].to_vec()));
        assert_close(&format!("rate {rate}, epsilon {epsilon}"), &found, &seen.results(0)[..1], &tolerance);
    }
}

#[test]
fn a_lowered_flag_freezes_everything() {
    let params = Params { alpha: 0.9, one_minus_alpha: 0.1, epsilon: 1e-8, l2: 0.1, max_norm: 1.0 };
    let case = case(params, 3.0, 0, 3, 1);
    let seen = Seen::new(&case);
    assert!(seen.before == seen.after);
}
