//! Tests of `update`: the update of every optimizer, one element at a time.

use super::case::{Case, Fill, Values};
use super::compare::{Expected, assert_close};
use super::memory::{Memory, Seen};
use super::prove::prove;
use wgrad::elementwise::{MAX_SETTINGS, MAX_STATES, Shared, Update, updates};
use wgrad::kernels::update::{Group, grouped_kernel};
use wgrad::lower::{TrainingSpec, lower};
use wgrad::plan::{Kernel, Op, Section, Step, Tolerance};
use wgrad::shape::{Dtype, Shape};
use wgrad::{Adagrad, Adam, Loss, Network, Optimizer, RAdam, Schedule, Sgd};

/// Numbers of blocks of 64 parameters.
const BLOCKS: [usize; 5] = [1, 2, 3, 7, 17];

/// Settings of the gradients: their norm, the maximum norm, and the flag.
const SITUATIONS: [(f32, f32, u32); 6] = [
    (0.0, f32::MAX, u32::MAX),
    (40.0, 2.5, u32::MAX),
    (2.6, 2.5, u32::MAX),
    (2.4, 2.5, u32::MAX),
    (40.0, 2.5, 3),
    (4e-6, 4.5e-6, u32::MAX),
];

/// Moments and parameters after long decay: subnormal, small normal, and 0.
const DECAYED: [f32; 8] = [1e-40, -1e-40, 1.18e-38, -1.18e-38, 1e-45, -2e-38, 3e-38, 0.0];

/// Places of the norm and the flag among the bindings, and of the first state.
const NORM: usize = 2;
const FLAG: usize = 3;
const STATES: usize = 4;

/// Settings of blocks, in turn: an ordinary one, one that grows and overflows in hard cases, a frozen one, and two with
/// other factors. Their gradients are clipped by three norms.
const GROUPS: [Group; 5] = [
    Group { frozen: 0.0, factor: 1.0, decay: 0.1, l2: 0.1, l1: 0.0, norm: 0.0, tensor: 0.0, unused: [0.0; 1] },
    Group { frozen: 0.0, factor: 2.0, decay: -4.0, l2: 0.0, l1: 0.05, norm: 1.0, tensor: 0.0, unused: [0.0; 1] },
    Group { frozen: 1.0, factor: 1.0, decay: 0.3, l2: 0.2, l1: 0.1, norm: 1.0, tensor: 0.0, unused: [0.0; 1] },
    Group { frozen: 0.0, factor: 3.0, decay: 0.0, l2: 0.25, l1: 0.3, norm: 2.0, tensor: 0.0, unused: [0.0; 1] },
    Group { frozen: 0.0, factor: 0.125, decay: 0.2, l2: 0.1, l1: 0.1, norm: 0.0, tensor: 0.0, unused: [0.0; 1] },
];

/// Number of the frozen block.
const FROZEN: usize = 2;

/// Largest magnitude of a gradient, which clips a fifth of them.
const MOST: f32 = 0.4;

/// An optimizer for each update, and settings that are 0 by default.
fn optimizers() -> Vec<Optimizer> {
    let more: [Optimizer; 4] = [
        Sgd::new(0.1).momentum(0.75).nesterov().into(),
        Sgd::new(0.1).momentum(0.75).dampening(0.5).into(),
        Adagrad::new(0.1).initial(0.25).rate_decay(0.5).into(),
        Adam::new(0.1).beta1(0.5).beta2(0.75).epsilon(1e-2).into(),
    ];
    more.into_iter().chain(Optimizer::one_per_update()).map(|optimizer| optimizer.with_weight_decay(0.1)).collect()
}

fn spec(optimizer: Optimizer) -> TrainingSpec {
    TrainingSpec::new(Network::input(1).dense(1), Loss::mean_squared_error(), optimizer, 1)
}

/// Kernel of an optimizer, and its parameters.
fn kernel(optimizer: Optimizer) -> (&'static Kernel, Vec<u32>) {
    let plan = lower(&spec(optimizer)).expect("the spec is sound");
    let is_update = |op: &&Op| updates::ALL.iter().any(|update| op.kernel.name.starts_with(update.kernel));
    let op = plan.ops(Section::Update).iter().find(is_update).expect("an update");
    let update = update(op.kernel);
    let settings = &op.params[op.params.len() - update.settings.len()..];
    (wgrad::kernels::update::kernel(update), [&[0; 3], settings].concat())
}

fn update(kernel: &Kernel) -> &'static Update {
    let has = |update: &&&Update| [update.kernel, update.grouped_kernel].contains(&kernel.name);
    updates::ALL.iter().find(has).expect("a declared update")
}

/// Sets the values that the optimizer computes for a step, and its learning rate.
fn at(mut case: Case, optimizer: Optimizer, index: u64) -> Case {
    let record = spec(optimizer).record(&Schedule::Constant, 1, index, 0, 1);
    let Step { optimizer1, optimizer2, optimizer3, optimizer4, .. } = record;
    let batch = case.batch_index;
    case.steps[batch] = Step { optimizer1, optimizer2, optimizer3, optimizer4, ..case.steps[batch] };
    case
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for optimizer in optimizers() {
        for (seed, blocks) in BLOCKS.into_iter().enumerate() {
            for (number, situation) in SITUATIONS.into_iter().enumerate() {
                let index = [0, 3, 40, 10_000][(seed + number) % 4];
                cases.push(at(case(optimizer, situation, blocks, Values::Real, seed), optimizer, index));
            }
        }
        cases.extend(hard(optimizer));
        cases.extend(BLOCKS.into_iter().enumerate().map(|(seed, blocks)| {
            let case = case(optimizer, SITUATIONS[(seed + 4) % 6], blocks, Values::Real, seed);
            grouped(&at(case, optimizer, [0, 3, 40][seed % 3]), &GROUPS, MOST)
        }));
        // A device may flush a parameter below the normal range, whose sign is then 0.
        let without_l1 = GROUPS.map(|group| Group { l1: 0.0, ..group });
        cases.extend(hard(optimizer).iter().map(|case| grouped(case, &without_l1, MOST)));
    }
    cases
}

/// The same update with settings per block, gradients of at most this magnitude, and three norms: that of the case,
/// twice it, and half of it.
fn grouped(case: &Case, table: &[Group], most: f32) -> Case {
    let (op, mut new) = (case.op().clone(), case.without_op());
    let words = table.iter().cycle().take(op.items).flat_map(|group| bytemuck::cast::<_, [u32; Group::WORDS]>(*group));
    let groups = new.plan.constant("groups", Dtype::F32, words.collect(), Group::WORDS);
    let mut views = [&op.views[..], &[groups]].concat();
    let norms = new.inputs.iter().find(|input| input.view == views[NORM]).map(|input| f32::from_bits(input.words[0]));
    let norms = norms.map(|norm| [norm, 2.0 * norm, 0.5 * norm].map(f32::to_bits)).expect("a case has a norm");
    views[NORM] = new.tensor("norms", Shape::vector(3), Fill::Same(0));
    new.set(views[NORM], norms.into());
    let params = [&[op.params[0], most.to_bits()], &op.params[3..]].concat();
    new.with(Op { kernel: grouped_kernel(update(op.kernel)), views, params, ..op })
}

/// Flags at and around the step; overflow, which a flag at the next step must not hide; decayed values.
fn hard(optimizer: Optimizer) -> Vec<Case> {
    let fresh = || at(case(optimizer, SITUATIONS[0], 2, Values::Special, 1), optimizer, 12);
    let update = update(fresh().op().kernel);
    let ahead = |ahead: u32| {
        let mut case = fresh();
        let (view, index) = (case.op().views[FLAG], case.step().index);
        case.set(view, vec![index + ahead]);
        case
    };
    let with = |mut case: Case, binding: usize, numbers: &[f32]| {
        let view = case.op().views[binding];
        case.set_f32(view, &numbers.iter().copied().cycle().take(128).collect::<Vec<_>>());
        case
    };
    let state = |case: Case, number: usize, numbers: &[f32]| {
        let squares = update.never_negative.contains(&update.states[number]);
        let numbers: Vec<f32> = numbers.iter().map(|x| if squares { x.abs() } else { *x }).collect();
        with(case, STATES + number, &numbers)
    };
    // One of 128 elements overflows: the parameter, or a state, or both.
    let one = |number: f32| [vec![0.25; 100], vec![number; 1], vec![0.25; 27]].concat();
    let decayed =
        (0..update.states.len()).fold(with(fresh(), 0, &DECAYED), |case, number| state(case, number, &DECAYED));
    let mut cases =
        vec![ahead(0), ahead(1), ahead(2), with(decayed.clone(), 1, &[0.0]), with(decayed, 1, &[1e-39, 1e-30, -1e-38])];
    // Only the parameter overflows, whatever the gradient.
    let growing = at(decaying(optimizer, SITUATIONS[0], [0.0, -10.0], 2, Values::Special, 1), optimizer, 12);
    cases.push(with(growing, 0, &one(f32::MAX)));
    // A variance would be the difference of two infinite numbers, which is not the f64 formula's.
    if !update.name.contains("centered") {
        cases.push(with(with(fresh(), 0, &one(f32::MAX)), 1, &one(f32::MIN)));
        cases.push(with(with(ahead(1), 0, &one(f32::MAX)), 1, &one(f32::MIN)));
        cases.push(with(fresh(), 1, &one(1e25)));
        cases.push(with(ahead(1), 1, &one(-1e25)));
    }
    cases
}

fn case(optimizer: Optimizer, situation: (f32, f32, u32), blocks: usize, values: Values, seed: usize) -> Case {
    let decays = [[0.0, 0.1, 0.25][seed % 3], [0.0, 0.3, 0.2][blocks % 3]];
    decaying(optimizer, situation, decays, blocks, values, seed)
}

/// Case with this L2 penalty and this decoupled weight decay, of which an optimizer has one.
fn decaying(
    optimizer: Optimizer,
    (norm, max_norm, flag): (f32, f32, u32),
    [l2, decay]: [f32; 2],
    blocks: usize,
    values: Values,
    seed: usize,
) -> Case {
    let (kernel, mut params) = kernel(optimizer);
    params[..3].copy_from_slice(&[max_norm, l2, decay].map(f32::to_bits));
    let mut case = Case::new(Section::Update, 5, values, seed);
    let shape = Shape::vector(64 * blocks);
    let parameter = case.state("parameter", shape, Fill::Real(1.0));
    let gradient = case.tensor("gradient", shape, Fill::Real(0.5));
    let norm = case.tensor("norm", Shape::vector(1), Fill::Same(norm.to_bits()));
    let flag = case.flag(flag);
    let update = update(kernel);
    let states = update.states.iter().map(|name| {
        let fill = if update.never_negative.contains(name) { Fill::Positive(0.2) } else { Fill::Real(0.3) };
        case.state(name, shape, fill)
    });
    let views = [parameter, gradient, norm, flag].into_iter().chain(states.collect::<Vec<_>>()).collect();
    case.with(Op { kernel, views, params, items: blocks, layer: None, tile: None })
}

/// The declared formula in f64.
fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let (kernel, step) = (seen.case.op().kernel, seen.step());
    let update = update(kernel);
    let params: Vec<f64> = seen.case.op().params.iter().map(|word| f64::from(f32::from_bits(*word))).collect();
    let is_grouped = kernel.name == update.grouped_kernel;
    let (max_norm, rate) = (params[0], f64::from(step.learning_rate));
    let mut settings = [0.0; MAX_SETTINGS];
    settings[..update.settings.len()].copy_from_slice(&params[if is_grouped { 2 } else { 3 }..]);
    let share = f64::from(step.average);
    let scalars = [step.optimizer1, step.optimizer2, step.optimizer3, step.optimizer4].map(f64::from);
    let [parameter, gradient, norm] = [0, 1, 2].map(|binding| seen.numbers(binding));
    let states: Vec<Vec<f64>> = (0..update.states.len()).map(|state| seen.numbers(STATES + state)).collect();
    let table = if is_grouped { seen.numbers(STATES + states.len()) } else { Vec::new() };
    let frozen = seen.words(FLAG)[0] <= step.index;
    let after: Vec<_> = (0..parameter.len())
        .map(|i| {
            let mut element = [0.0; 1 + MAX_STATES];
            element[0] = parameter[i];
            states.iter().zip(&mut element[1..]).for_each(|(state, element)| *element = state[i]);
            // Frozen, factor of the learning rate, decay, L2 and L1 penalty, and place of the norm.
            let group: [f64; 6] = match table.chunks(8).nth(i / 64) {
                Some(row) => std::array::from_fn(|column| row[column]),
                None => [0.0, 1.0, params[2], params[1], 0.0, 0.0],
            };
            let [fixed, factor, decay, l2, l1, place] = group;
            if frozen || fixed > 0.0 {
                return element;
            }
            let clip = (max_norm / (norm[place as usize] + 1e-6)).min(1.0);
            let most = if is_grouped { params[1] } else { f64::INFINITY };
            let sign = if parameter[i] == 0.0 { 0.0 } else { parameter[i].signum() };
            let g = (gradient[i] * clip).clamp(-most, most) + l2 * parameter[i] + l1 * sign;
            let rate = rate * factor;
            (update.double)(element, g, &Shared { rate, decay, kept: 1.0 - rate * decay, share, settings, scalars })
        })
        .collect();
    let column = |number: usize| after.iter().map(|element| element[number]).collect::<Vec<f64>>();
    let numbers: Vec<Vec<f64>> = (0..=update.states.len()).map(column).collect();
    let overflows = numbers.iter().flatten().any(|x| !x.is_finite());
    let (flag, next) = (seen.words(FLAG)[0], step.index + 1);
    let flag = Expected::Words(vec![if overflows && !frozen { flag.min(next) } else { flag }]);
    let mut expected: Vec<_> = numbers.into_iter().map(Expected::Numbers).collect();
    expected.insert(1, flag);
    expected
}

#[test]
fn cpu_kernels_are_right() {
    let all = cases();
    for name in updates::ALL.iter().flat_map(|update| [update.kernel, update.grouped_kernel]) {
        let cases: Vec<_> = all.iter().filter(|case| case.op().kernel.name == name).cloned().collect();
        // Where a centered variance is a small difference, the root is large or small.
        let weak = if name.contains("centered") { 0.03 } else { 0.001 };
        let least = if name.ends_with("_grouped") { 3_000 } else { 12_000 };
        assert!(prove(&cases, oracle, weak) > least, "{name}");
    }
}

/// Both the fast kernels and the references.
#[test]
fn frozen_blocks_keep_their_bits() {
    let mut frozen = 0;
    for case in cases().into_iter().filter(|case| case.op().kernel.name.ends_with("_grouped")) {
        let mut fast = Memory::before(&case);
        fast.call(&case, 0..case.op().items, case.op().kernel.fast.expect("it has one"));
        for after in [Seen::new(&case).after, fast] {
            let seen = Seen { case: &case, before: Memory::before(&case), after };
            for (binding, _) in case.written().filter(|(binding, _)| *binding != FLAG && case.op().items > FROZEN) {
                let elements = 64 * FROZEN..64 * (FROZEN + 1);
                assert_eq!(
                    seen.words(binding)[elements.clone()],
                    seen.result_words(binding)[elements],
                    "{}",
                    case.name
                );
                frozen += 1;
            }
        }
    }
    assert!(frozen > 100, "only {frozen} views with a frozen block");
}

/// Groups that change nothing give the same bits as no groups.
#[test]
fn usual_groups_change_no_bit() {
    for optimizer in optimizers() {
        let single = at(decaying(optimizer, SITUATIONS[1], [0.0625, 0.125], 3, Values::Real, 1), optimizer, 3);
        let usual = Group { factor: 1.0, l2: 0.0625, decay: 0.125, ..Group::default() };
        let case = grouped(&single, &[usual], f32::MAX);
        for binding in (0..single.op().views.len()).filter(|binding| ![1, 2].contains(binding)) {
            let [alone, in_groups] = [Seen::new(&single), Seen::new(&case)];
            assert_eq!(
                alone.result_words(binding),
                in_groups.result_words(binding),
                "{optimizer:?}, binding {binding}"
            );
        }
    }
}

#[test]
fn a_recorded_bad_step_freezes_everything() {
    for optimizer in optimizers() {
        let case = case(optimizer, SITUATIONS[4], 3, Values::Real, 1);
        let seen = Seen::new(&case);
        assert!(seen.before == seen.after, "{optimizer:?}");
    }
}

#[test]
fn the_first_step_of_adam_is_the_learning_rate() {
    let adam = Adam::new(0.05).into();
    let mut case = at(case(adam, SITUATIONS[0], 2, Values::Special, 0), adam, 0);
    let views = case.op().views.clone();
    (STATES..STATES + 2).for_each(|state| case.set_f32(views[state], &[0.0; 128]));
    case.set_f32(views[1], &(0..128).map(|i| [0.0, 1e-3, -2.0, 1e5][i % 4]).collect::<Vec<_>>());
    case.set_f32(views[0], &[1.0; 128]);
    let seen = Seen::new(&case);
    let rate = f64::from(case.step().learning_rate);
    let kept = 1.0 - rate * f64::from(f32::from_bits(case.op().params[2]));
    for (i, expected) in [0.0, -rate, rate, -rate].into_iter().enumerate() {
        approx::assert_abs_diff_eq!(seen.results(0)[i], kept + expected, epsilon = 2e-6);
    }
}

/// In its first steps, RAdam is SGD with momentum.
#[test]
fn radam_is_not_adaptive_in_the_first_step() {
    let radam = RAdam::new(0.05).into();
    let mut case = at(case(radam, SITUATIONS[0], 1, Values::Special, 0), radam, 0);
    let views = case.op().views.clone();
    for (view, number) in [(views[0], 1.0), (views[1], 2.0), (views[STATES], 0.0), (views[STATES + 1], 0.0)] {
        case.set_f32(view, &[number; 64]);
    }
    let rate = f64::from(case.step().learning_rate);
    let kept = 1.0 - rate * f64::from(f32::from_bits(case.op().params[2]));
    // m / (1 − β₁) is the gradient, 2.
    approx::assert_abs_diff_eq!(Seen::new(&case).results(0)[0], kept - 2.0 * rate, epsilon = 1e-6);
}

#[test]
fn an_update_that_overflows_records_the_next_step() {
    for optimizer in optimizers() {
        for case in hard(optimizer) {
            let seen = Seen::new(&case);
            let (flag, index) = (seen.words(FLAG)[0], seen.step().index);
            let written = case.written().filter(|(binding, _)| *binding != FLAG);
            let finite = written.map(|(binding, _)| seen.results(binding)).all(|r| r.iter().all(|x| x.is_finite()));
            assert_eq!(seen.result_words(FLAG), [if finite { flag } else { index + 1 }], "{}", case.name);
        }
        let recorded = |case: &&Case| Seen::new(case).result_words(FLAG)[0] == case.step().index + 1;
        // One whose flag was already there, and at least one that overflows.
        assert!(hard(optimizer).iter().filter(recorded).count() >= 2, "{optimizer:?}");
    }
}

#[test]
fn what_has_decayed_below_the_normal_range_becomes_zero() {
    for optimizer in optimizers() {
        for case in &hard(optimizer)[3..5] {
            let mut fast = Memory::before(case);
            fast.call(case, 0..2, case.op().kernel.fast.expect("it has one"));
            for after in [Seen::new(case).after, fast] {
                let seen = Seen { case, before: Memory::before(case), after };
                // An update with a direction leaves parameters as they are.
                let left = update(case.op().kernel).direction.map(|_| 0);
                for (binding, _) in case.written().filter(|(binding, _)| *binding != FLAG && Some(*binding) != left) {
                    let results = seen.results(binding);
                    let least = f64::from(f32::MIN_POSITIVE);
                    assert!(results.iter().all(|x| *x == 0.0 || x.abs() >= least), "{}", case.name);
                }
            }
        }
    }
}

/// Gradient, weight decay and momentum are each below the normal range, but their sum is not. A device may flush all three to 0.
#[test]
fn a_device_may_flush_each_term() {
    let (least, flush) = (f32::MIN_POSITIVE, |x: f32| if x.abs() < f32::MIN_POSITIVE { 0.0 } else { x });
    for (momentum, nesterov) in [(0.5, false), (0.5, true), (0.96, true)] {
        for rate in [0.01, 1.0, 4.0, 100.0] {
            let sgd = Sgd::new(0.1).momentum(momentum);
            let sgd = if nesterov { sgd.nesterov() } else { sgd };
            let mut case = at(decaying(sgd.into(), SITUATIONS[0], [0.5, 0.0], 1, Values::Special, 0), sgd.into(), 1);
            let op = case.op().clone();
            let (batch_index, momentum) = (case.batch_index, momentum as f32);
            case.steps[batch_index].learning_rate = rate;
            let numbers = [1.9 * least, 0.95 * least, 0.95 * least / momentum];
            for (binding, number) in [0, 1, STATES].into_iter().zip(numbers) {
                case.set_f32(op.views[binding], &[number; 64]);
            }
            let seen = Seen::new(&case);
            let tolerances = seen.tolerances().expect("items are live");
            let g = flush(flush(numbers[1]) + flush(0.5 * numbers[0]));
            let b = flush(flush(momentum * numbers[2]) + g);
            let direction = if nesterov { flush(g + flush(momentum * b)) } else { b };
            let found = [flush(numbers[0] - flush(rate * direction)), b];
            for (binding, tolerance, found) in [(0, 0, found[0]), (STATES, 2, found[1])] {
                let place = format!("binding {binding}, momentum {momentum}, Nesterov {nesterov}, rate {rate}");
                let Tolerance::Each(tolerances) = &tolerances[tolerance] else { panic!("{place}: exact") };
                let (found, tolerance) = ([f64::from(found)], Tolerance::Each(tolerances[..1].to_vec()));
                assert_close(&place, &found, &seen.results(binding)[..1], &tolerance);
            }
        }
    }
}
