//! Stochastic gradient descent, with and without momentum.

use super::adamw::{BLOCKS, SITUATIONS, clip};
use super::case::{Case, Fill, Values};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use wgrad::kernels::sgd::{self, Params};
use wgrad::plan::Section;
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
    cases
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
    let frozen = seen.words(3)[0] != u32::MAX;
    let element = |i: usize| {
        let old = momentum.as_ref().map_or(0.0, |momentum| momentum[i]);
        if frozen {
            return (parameter[i], old);
        }
        let g = gradient[i] * clip(norm[0], p.max_norm) + l2 * parameter[i];
        let velocity = mu * old + g;
        let direction = if p.nesterov == 1 { g + mu * velocity } else { velocity };
        (parameter[i] - rate * direction, velocity)
    };
    let (parameters, buffers): (Vec<f64>, Vec<f64>) = (0..parameter.len()).map(element).unzip();
    let with = momentum.is_some().then_some(Expected::Numbers(buffers));
    [Expected::Numbers(parameters)].into_iter().chain(with).collect()
}

#[test]
fn twins() {
    assert!(prove(&cases(), oracle, 0.001) > 30_000);
}

#[test]
fn a_lowered_flag_freezes_everything() {
    for momentum in [0.0, 0.9] {
        let case = case(Params { momentum, nesterov: 0, l2: 0.1, max_norm: 1.0 }, 3.0, 0, 3, 1);
        let seen = Seen::new(&case);
        assert!(seen.before == seen.after);
    }
}
