//! Tests of `sgd`: stochastic gradient descent, with and without momentum.

use super::adamw::{BLOCKS, DECAYED, SITUATIONS, clip, kept, next_step};
use super::case::{Case, Fill, Values};
use super::compare::{Expected, assert_close};
use super::memory::Seen;
use super::prove::prove;
use wgrad::kernels::sgd::{self, Params};
use wgrad::plan::{Section, Tolerance};
use wgrad::shape::Shape;

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (seed, blocks) in BLOCKS.into_iter().enumerate() {
        for (momentum, nesterov, l2) in [(0.0, 0, 0.0), (0.0, 0, 0.25), (0.9, 0, 0.0), (0.75, 1, 0.1)] {
            for (norm, max_norm, flag) in SITUATIONS {
                cases.push(case(Params { momentum, nesterov, l2, max_norm }, norm, flag, blocks, seed));
            }
        }
    }
    cases.extend(hard());
    cases
}

/// Overflow of parameter and momentum, which a flag at the next step must not hide; decayed values.
fn hard() -> Vec<Case> {
    let with = |momentum: f32, numbers: [&[f32]; 3], ahead: Option<u32>| {
        let params = Params { momentum, nesterov: 0, l2: 0.0, max_norm: f32::MAX };
        let mut case = case(params, 0.0, u32::MAX, 2, 1);
        let (views, index) = (case.op().views.clone(), case.step().index);
        for (view, numbers) in [views[0], views[1]].iter().chain(views.get(4)).zip(numbers) {
            case.set_f32(*view, &numbers.iter().copied().cycle().take(128).collect::<Vec<_>>());
        }
        case.set(views[3], vec![ahead.map_or(u32::MAX, |ahead| index + ahead)]);
        case.values = Values::Special;
        case
    };
    let one = |number: f32| [vec![0.25; 100], vec![number; 1], vec![0.25; 27]].concat();
    let cases = [0.0, 0.75].map(|momentum| {
        vec![
            with(momentum, [&[1.0], &[0.5], &[0.1]], Some(0)),
            with(momentum, [&[1.0], &[0.5], &[0.1]], Some(1)),
            with(momentum, [&one(f32::MAX), &one(f32::MIN), &[0.1]], None),
            with(momentum, [&one(f32::MIN), &one(f32::MAX), &[0.1]], Some(1)),
            with(momentum, [&DECAYED, &[0.0], &DECAYED], None),
            with(momentum, [&DECAYED, &[1e-39, 1e-30, -1e-38], &DECAYED], None),
        ]
    });
    // Only the momentum overflows, since the learning rate is far below 1.
    let momentum = with(0.75, [&[1.0], &one(2e38), &one(3e38)], None);
    cases.into_iter().flatten().chain([momentum]).collect()
}

fn case(params: Params, norm: f32, flag: u32, blocks: usize, seed: usize) -> Case {
    let mut case = Case::new(Section::Update, 5, Values::Real, seed);
    let shape = Shape::vector(64 * blocks);
    let parameter = case.state("parameter", shape, Fill::Real(1.0));
    let gradient = case.tensor("gradient", shape, Fill::Real(0.5));
    let norm = case.tensor("norm", Shape::vector(1), Fill::Same(norm.to_bits()));
    let flag = case.flag(flag);
    let momentum = (params.momentum > 0.0).then(|| case.state("momentum", shape, Fill::Real(0.7)));
    let op = sgd::op(&case.plan, &params, parameter, gradient, norm, flag, momentum);
    case.with(op)
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let p: &Params = seen.params();
    let [parameter, gradient, norm] = [0, 1, 2].map(|binding| seen.numbers(binding));
    let momentum = (p.momentum > 0.0).then(|| seen.numbers(4));
    let (mu, l2, rate) = (f64::from(p.momentum), f64::from(p.l2), f64::from(seen.step().learning_rate));
    let frozen = seen.words(3)[0] <= seen.step().index;
    let element = |i: usize| {
        let old = momentum.as_ref().map_or(0.0, |momentum| momentum[i]);
        if frozen {
            return (parameter[i], old);
        }
        let g = gradient[i] * clip(norm[0], p.max_norm) + l2 * parameter[i];
        let velocity = if momentum.is_some() { kept(mu * old + g) } else { g };
        let direction = if p.nesterov == 1 { g + mu * velocity } else { velocity };
        (kept(parameter[i] - rate * direction), velocity)
    };
    let (parameters, buffers): (Vec<f64>, Vec<f64>) = (0..parameter.len()).map(element).unzip();
    let flag = next_step(seen, 3, &[&parameters, if momentum.is_some() { &buffers } else { &[] }]);
    let with = momentum.is_some().then_some(Expected::Numbers(buffers));
    [Expected::Numbers(parameters), flag].into_iter().chain(with).collect()
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.001) > 30_000);
}

/// Gradient, weight decay and momentum are each below the normal range, but their sum is not. A device may flush all
/// three to 0.
#[test]
fn a_device_may_flush_each_term() {
    let least = f32::MIN_POSITIVE;
    for (momentum, nesterov) in [(0.0, 0), (0.5, 0), (0.5, 1), (0.96, 1)] {
        for rate in [0.01, 1.0, 4.0, 100.0] {
            let params = Params { momentum, nesterov, l2: 0.5, max_norm: f32::MAX };
            let mut case = case(params, 0.0, u32::MAX, 1, 1);
            let batch_index = case.batch_index;
            case.steps[batch_index].learning_rate = rate;
            let (views, numbers) = (case.op().views.clone(), [1.9 * least, 0.95 * least, 0.95 * least / momentum]);
            let set = [views[0], views[1]].into_iter().chain(views.get(4).copied()).zip(numbers);
            set.for_each(|(view, number)| case.set_f32(view, &[number; 64]));
            case.values = Values::Special;
            let seen = Seen::new(&case);
            let tolerances = seen.tolerances().expect("items are live");
            let flush = |x: f32| if x.abs() < least { 0.0 } else { x };
            let g = flush(flush(numbers[1]) + flush(0.5 * numbers[0]));
            let b = if momentum > 0.0 { flush(flush(momentum * numbers[2]) + g) } else { g };
            let direction = if nesterov == 1 { flush(g + flush(momentum * b)) } else { b };
            let found = [flush(numbers[0] - flush(rate * direction)), b];
            for (binding, tolerance, found) in [(0, 0, found[0]), (4, 2, found[1])].into_iter().take(views.len() - 3) {
                let place = format!("binding {binding}, momentum {momentum}, Nesterov {nesterov}, rate {rate}");
                let wanted = seen.results(binding);
                let Tolerance::Each(tolerances) = &tolerances[tolerance] else { panic!("{place}: exact") };
                assert_close(&place, &[f64::from(found)], &wanted[..1], &Tolerance::Each(tolerances[..1].to_vec()));
            }
        }
    }
}

#[test]
fn a_lowered_flag_freezes_everything() {
    for momentum in [0.0, 0.9] {
        let case = case(Params { momentum, nesterov: 0, l2: 0.1, max_norm: 1.0 }, 3.0, 0, 3, 1);
        let seen = Seen::new(&case);
        assert!(seen.before == seen.after);
    }
}
