//! Tests of `trust_ratio`: steps in proportion to the norms of tensors.

use super::case::{Case, Fill, Values};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use wgrad::kernels::trust_ratio;
use wgrad::kernels::update::Group;
use wgrad::plan::Section;
use wgrad::shape::{Dtype, Shape};

/// Settings of blocks, in turn: three tensors, of which the second has two blocks and the third is frozen.
const GROUPS: [Group; 4] = [
    Group { frozen: 0.0, factor: 1.0, decay: 0.1, l2: 0.2, l1: 0.3, norm: 2.0, tensor: 0.0, unused: [0.0; 1] },
    Group { frozen: 0.0, factor: 0.25, decay: 0.0, l2: 0.0, l1: 0.0, norm: 0.0, tensor: 1.0, unused: [0.0; 1] },
    Group { frozen: 0.0, factor: 0.25, decay: 0.0, l2: 0.0, l1: 0.0, norm: 0.0, tensor: 1.0, unused: [0.0; 1] },
    Group { frozen: 1.0, factor: 1.0, decay: 0.0, l2: 0.0, l1: 0.0, norm: 0.0, tensor: 2.0, unused: [0.0; 1] },
];

/// Norms of parameters and directions of the three tensors. The first pair is usual; then one of them is 0, below the
/// normal range, at its end, or both are very small or large.
const NORMS: [[[f32; 3]; 2]; 6] = [
    [[3.0, 0.125, 1.0], [0.5, 4.0, 2.0]],
    [[0.0, 2.0, 1.0], [0.5, 0.0, 2.0]],
    [[1e-39, 2.0, 1.0], [0.5, 1e-39, 2.0]],
    [[f32::MIN_POSITIVE, 2.0, 1.0], [0.5, 3.0, 2.0]],
    [[1e30, 1e-30, 1.0], [2e30, 3e-30, 2.0]],
    [[4.0, 1e-30, 1.0], [1e-30, 4.0, 2.0]],
];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (seed, blocks) in [1, 2, 3, 4, 7, 17].into_iter().enumerate() {
        cases.extend(NORMS.map(|norms| case(blocks, norms, u32::MAX, Values::Real, seed)));
    }
    // The flag's step, the one before it, whose update overflowed, and the one before that.
    let index = case(4, NORMS[0], 0, Values::Real, 1).step().index;
    cases.extend([0, 1, 2].map(|ahead| case(4, NORMS[0], index + ahead, Values::Real, 1)));
    // A direction as small as its norm, one parameter that overflows, and parameters that fall below the normal range.
    let special = |norms, numbers: [f32; 2], directions: [f32; 2]| {
        let mut case = case(2, norms, u32::MAX, Values::Special, 1);
        let views = case.op().views.clone();
        let one = |[one, rest]: [f32; 2]| std::array::from_fn::<f32, 128, _>(|i| if i == 77 { one } else { rest });
        case.set_f32(views[0], &one(numbers));
        case.set_f32(views[1], &one(directions));
        case
    };
    cases.push(special(NORMS[5], [1.0, 0.5], [0.0, 1e-31]));
    cases.push(special([[2.0, 2.0, 1.0], [f32::MIN_POSITIVE; 3]], [1.0, 0.5], [0.0, 1.2e-38]));
    cases.push(special(NORMS[0], [f32::MAX, 0.5], [f32::MIN, 1.0]));
    cases.push(special([[1e38, 3e38, 1.0], [1.0, 1.0, 1.0]], [f32::MAX, 0.5], [-600.0, 0.25]));
    cases.push(special(NORMS[1], [1.2e-38, -1.2e-38], [1e-38, -1e-38]));
    cases
}

fn case(blocks: usize, norms: [[f32; 3]; 2], flag: u32, values: Values, seed: usize) -> Case {
    let mut case = Case::new(Section::Update, 3, values, seed);
    let shape = Shape::vector(64 * blocks);
    let parameter = case.state("parameter", shape, Fill::Real(1.0));
    let direction = case.tensor("direction", shape, Fill::Real(0.5));
    let norms = [("parameter_norm", norms[0]), ("direction_norm", norms[1])].map(|(name, norms)| {
        let view = case.tensor(name, Shape::vector(3), Fill::Same(0));
        case.set_f32(view, &norms);
        view
    });
    let words = GROUPS.iter().cycle().take(blocks).flat_map(|group| bytemuck::cast::<_, [u32; Group::WORDS]>(*group));
    let groups = case.plan.constant("groups", Dtype::F32, words.collect(), Group::WORDS);
    let flag = case.flag(flag);
    let op = trust_ratio::op(&case.plan, [parameter, direction], norms, groups, flag);
    case.with(op)
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let [parameter, direction, norm, length, groups] = [0, 1, 2, 3, 4].map(|binding| seen.numbers(binding));
    let (step, flag) = (seen.step(), seen.words(5)[0]);
    let is_left_out = flag <= step.index;
    let least = f64::from(f32::MIN_POSITIVE);
    let after = |(i, p): (usize, &f64)| {
        let group = &groups[i / 64 * 8..][..8];
        let tensor = group[6] as usize;
        let ratio = if norm[tensor] >= least && length[tensor] >= least { norm[tensor] / length[tensor] } else { 1.0 };
        let after = p - f64::from(step.learning_rate) * group[1] * ratio * direction[i];
        match () {
            () if is_left_out || group[0] > 0.0 => *p,
            () if after.abs() < least => 0.0,
            () if after.abs() > f32::MAX.into() => f64::INFINITY.copysign(after),
            () => after,
        }
    };
    let after: Vec<f64> = parameter.iter().enumerate().map(after).collect();
    let overflows = after.iter().any(|p| p.is_infinite());
    vec![Expected::Numbers(after), Expected::Words(vec![if overflows { flag.min(step.index + 1) } else { flag }])]
}

/// Tolerances are weak where parameter and step nearly cancel.
#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.01) > 12_000);
}

/// A tensor whose direction is its own value changes by the learning rate times its norm.
#[test]
fn the_step_is_as_long_as_the_norm_times_the_learning_rate() {
    let mut case = case(1, [[8.0, 1.0, 1.0], [24.0, 1.0, 1.0]], u32::MAX, Values::Special, 0);
    let views = case.op().views.clone();
    // 64 elements: norms 8 and 24.
    case.set_f32(views[0], &[1.0; 64]);
    case.set_f32(views[1], &[3.0; 64]);
    let rate = f64::from(case.step().learning_rate);
    let squares = Seen::new(&case).results(0).iter().map(|p| (1.0 - p).powi(2)).sum::<f64>();
    // Each of 64 differences has a rounding error of 6e-8.
    approx::assert_abs_diff_eq!(squares.sqrt(), 8.0 * rate, epsilon = 5e-7);
}
