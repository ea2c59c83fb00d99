//! Tests of `adamw`: Adam and AdamW, one element at a time.

use super::case::{Case, Fill, Values};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use wgrad::kernels::adamw::{self, Params};
use wgrad::plan::Section;
use wgrad::shape::Shape;

/// Numbers of blocks of 64 parameters.
pub const BLOCKS: [usize; 5] = [1, 2, 3, 7, 17];

/// Settings of the gradients: their norm, the maximum norm, and the flag.
pub const SITUATIONS: [(f32, f32, u32); 6] = [
    (0.0, f32::MAX, u32::MAX),
    (40.0, 2.5, u32::MAX),
    (2.6, 2.5, u32::MAX),
    (2.4, 2.5, u32::MAX),
    (40.0, 2.5, 3),
    (4e-6, 4.5e-6, u32::MAX),
];

/// Hyperparameters: plain Adam, weight decay of Adam, weight decay of AdamW, and both with other rates.
pub fn settings() -> [Params; 4] {
    let params = |beta1: f64, beta2: f64, epsilon, l2, decay| Params {
        beta1: beta1 as f32,
        one_minus_beta1: (1.0 - beta1) as f32,
        beta2: beta2 as f32,
        one_minus_beta2: (1.0 - beta2) as f32,
        epsilon,
        l2,
        decay,
        max_norm: 0.0,
    };
    [
        params(0.9, 0.999, 1e-8, 0.0, 0.0),
        params(0.9, 0.999, 1e-3, 0.1, 0.0),
        params(0.9, 0.999, 1e-8, 0.0, 0.1),
        params(0.5, 0.75, 1e-2, 0.2, 0.3),
    ]
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (seed, blocks) in BLOCKS.into_iter().enumerate() {
        for (settings, situation) in settings().iter().flat_map(|s| SITUATIONS.map(|situation| (s, situation))) {
            cases.push(case(*settings, situation, blocks, Values::Real, seed));
        }
    }
    cases.push(first_step());
    cases.extend(hard());
    cases
}

/// Moments and parameters after long decay: subnormal, small normal, and 0.
pub const DECAYED: [f32; 8] = [1e-40, -1e-40, 1.18e-38, -1.18e-38, 1e-45, -2e-38, 3e-38, 0.0];

/// Returns x as a state stores it: 0 below the normal range, infinite beyond the range.
pub fn kept(x: f64) -> f64 {
    let beyond = |x: f64| if x.abs() > f64::from(f32::MAX) { f64::INFINITY.copysign(x) } else { x };
    if x.abs() < f64::from(f32::MIN_POSITIVE) { 0.0 } else { beyond(x) }
}

/// Returns the expected flag: the next step where the update has written a number that is not finite.
pub fn next_step(seen: &Seen<'_>, binding: usize, numbers: &[&[f64]]) -> Expected {
    let (flag, index) = (seen.words(binding)[0], seen.step().index);
    let overflows = flag > index && numbers.iter().any(|numbers| numbers.iter().any(|x| !x.is_finite()));
    Expected::Words(vec![if overflows { flag.min(index + 1) } else { flag }])
}

/// Flags at and around the step; overflow, which a flag at the next step must not hide; decayed values.
fn hard() -> Vec<Case> {
    let fresh = || case(settings()[0], SITUATIONS[0], 2, Values::Special, 1);
    let at = |ahead: u32| {
        let mut case = fresh();
        let (view, index) = (case.op().views[5], case.step().index);
        case.set(view, vec![index + ahead]);
        case
    };
    let with = |mut case: Case, binding: usize, numbers: &[f32]| {
        let view = case.op().views[binding];
        case.set_f32(view, &numbers.iter().copied().cycle().take(128).collect::<Vec<_>>());
        case
    };
    // One of 128 elements overflows: v from a gradient of 1e25, m and v, or the parameter from a large m.
    let one = |number: f32| [vec![0.25; 100], vec![number; 1], vec![0.25; 27]].concat();
    let decayed = with(with(with(fresh(), 0, &DECAYED), 2, &DECAYED), 3, &DECAYED.map(f32::abs));
    vec![
        at(0),
        at(1),
        at(2),
        with(fresh(), 1, &one(1e25)),
        with(at(1), 1, &one(-1e25)),
        with(with(fresh(), 1, &one(f32::MAX)), 2, &one(f32::MAX)),
        with(with(fresh(), 2, &one(3e38)), 3, &[1e-8]),
        with(with(fresh(), 0, &[1e30, -1e20]), 1, &[1e18, -1e18]),
        with(decayed.clone(), 1, &[0.0]),
        with(decayed, 1, &[1e-39, 1e-30, -1e-38]),
    ]
}

fn case(settings: Params, (norm, max_norm, flag): (f32, f32, u32), blocks: usize, values: Values, seed: usize) -> Case {
    let mut case = Case::new(Section::Update, 5, values, seed);
    let shape = Shape::vector(64 * blocks);
    let parameter = case.state("parameter", shape, Fill::Real(1.0));
    let gradient = case.tensor("gradient", shape, Fill::Real(0.5));
    let m = case.state("m", shape, Fill::Real(0.3));
    let v = case.state("v", shape, Fill::Positive(0.2));
    let norm = case.tensor("norm", Shape::vector(1), Fill::Same(norm.to_bits()));
    let flag = case.flag(flag);
    let op = adamw::op(&case.plan, &Params { max_norm, ..settings }, parameter, gradient, m, v, norm, flag);
    case.with(op)
}

/// The first step, from zero moments: the change is the learning rate, whatever the size of the gradient.
fn first_step() -> Case {
    let mut case = case(settings()[0], SITUATIONS[0], 2, Values::Special, 0);
    let views = case.op().views.clone();
    case.set_f32(views[2], &[0.0; 128]);
    case.set_f32(views[3], &[0.0; 128]);
    let gradients: Vec<f32> = (0..128).map(|i| [0.0, 1e-3, -2.0, 1e5][i % 4]).collect();
    case.set_f32(views[1], &gradients);
    case.steps[0].bias_correction1 = settings()[0].one_minus_beta1;
    case.steps[0].bias_correction2_root = settings()[0].one_minus_beta2.sqrt();
    case
}

/// Returns min(1, max_norm / (norm + 10⁻⁶)).
pub fn clip(norm: f64, max_norm: f32) -> f64 {
    (f64::from(max_norm) / (norm + 1e-6)).min(1.0)
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let (p, step): (&Params, _) = (seen.params(), seen.step());
    let [parameter, gradient, m, v, norm] = [0, 1, 2, 3, 4].map(|binding| seen.numbers(binding));
    let [beta1, rest1, beta2, rest2] = [p.beta1, p.one_minus_beta1, p.beta2, p.one_minus_beta2].map(f64::from);
    let [epsilon, l2, decay, rate] = [p.epsilon, p.l2, p.decay, step.learning_rate].map(f64::from);
    let live = seen.words(5)[0] > step.index;
    let new = (0..parameter.len()).map(|i| {
        if !live {
            return (parameter[i], m[i], v[i]);
        }
        let g = gradient[i] * clip(norm[0], p.max_norm) + l2 * parameter[i];
        let (m, v) = (kept(beta1 * m[i] + rest1 * g), kept(beta2 * v[i] + rest2 * g * g));
        let mean = m / f64::from(step.bias_correction1);
        let root = v.sqrt() / f64::from(step.bias_correction2_root);
        (kept(parameter[i] * (1.0 - rate * decay) - rate * mean / (root + epsilon)), m, v)
    });
    let (mut parameters, mut ms, mut vs) = (Vec::new(), Vec::new(), Vec::new());
    new.for_each(|(parameter, m, v)| {
        parameters.push(parameter);
        ms.push(m);
        vs.push(v);
    });
    let flag = next_step(seen, 5, &[&parameters, &ms, &vs]);
    [parameters, ms, vs].map(Expected::Numbers).into_iter().chain([flag]).collect()
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.001) > 80_000);
}

#[test]
fn a_lowered_flag_freezes_everything() {
    let case = case(settings()[3], SITUATIONS[4], 3, Values::Real, 1);
    let seen = Seen::new(&case);
    assert!(seen.before == seen.after);
}

#[test]
fn the_first_step_is_the_learning_rate() {
    let case = first_step();
    let seen = Seen::new(&case);
    let change: Vec<f64> = seen.results(0).iter().zip(seen.numbers(0)).map(|(after, before)| after - before).collect();
    let rate = f64::from(case.step().learning_rate);
    for (i, expected) in [0.0, -rate, rate, -rate].into_iter().enumerate() {
        approx::assert_abs_diff_eq!(change[i], expected, epsilon = 2e-6);
    }
}

#[test]
fn an_update_that_overflows_lowers_the_flag_to_the_next_step() {
    for case in hard() {
        let seen = Seen::new(&case);
        let (flag, index) = (seen.words(5)[0], seen.step().index);
        let finite = [0, 2, 3].iter().all(|binding| seen.results(*binding).iter().all(|x| x.is_finite()));
        assert_eq!(seen.result_words(5), [if finite { flag } else { index + 1 }], "{}", case.name);
    }
    let lowered = |case: &Case| Seen::new(case).result_words(5)[0] == case.step().index + 1;
    // One whose flag was already there, and four that overflow.
    assert_eq!(hard().iter().filter(|case| lowered(case)).count(), 5);
}

#[test]
fn what_has_decayed_below_the_normal_range_becomes_zero() {
    for case in &hard()[8..] {
        let mut fast = super::memory::Memory::before(case);
        fast.call(case, 0..2, case.op().kernel.fast.expect("it has one"));
        for after in [Seen::new(case).after, fast] {
            let seen = Seen { case, before: super::memory::Memory::before(case), after };
            for binding in [0, 2, 3] {
                let results = seen.results(binding);
                assert!(results.iter().all(|x| *x == 0.0 || x.abs() >= f64::from(f32::MIN_POSITIVE)), "{}", case.name);
                assert!(results.contains(&0.0) && results.iter().any(|x| *x != 0.0), "{}", case.name);
            }
        }
    }
}
