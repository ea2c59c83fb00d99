//! Updates of all parameters. Each update of `elementwise::updates` has a kernel such as `update_adamw`, and a kernel
//! such as `update_adamw_grouped` for parameter groups with settings of their own.
//!
//! Formula, for each element p with gradient g:
//!
//! ```text
//! g ← g·clip + l2·p                       gradient clipping, and weight decay as an L2 penalty
//! p, states ← the declared update of p, the states and g, with learning rate η and kept = 1 − η·decay
//! ```
//!
//! In groups:
//!
//! ```text
//! g ← clamp(g·clip, ±max_value) + l2·p + l1·sign(p)
//! p, states ← the same update, with learning rate η·factor; nothing changes in a frozen block
//! ```
//!
//! Symbols: η the learning rate of the step, clip the factor of `norm::clip`, in groups of
//! the norm to which the group refers. From the flag's step on, nothing changes.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | parameter | 1×(64·blocks) | read-write |
//! | 3 | gradient | 1×(64·blocks) | read |
//! | 4 | norm | 1×1; in groups also one per tensor | read |
//! | 5 | flag | 1 | atomic |
//! | 6 … | the states, if any | 1×(64·blocks) each | read-write |
//! | last | groups, if there are some: a [`Group`] per block | blocks×8 | read |
//!
//! The flag holds the index of the first step that is not applied (atomic min). A loss, gradient or norm that is not
//! finite records its own step there, and the update of that step then changes nothing. An update that writes a number
//! that is not finite records the next step. All elements of this update are still written, whichever thread or
//! workgroup sees the flag first, and no update follows.
//!
//! Source: `optim`, for each optimizer.
//! Rounding: running error analysis of the declared formula.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::elementwise::numbers::{Rounded, rounded};
use crate::elementwise::{Element, MAX_SETTINGS, MAX_STATES, Shared, Update, updates};
use crate::kernels::norm;
use crate::kernels::shared::{self, grid_1d, grid_1d_prelude};
use crate::plan::{Binding, Call, Field, Kernel, Op, Plan, Shader, Step, StepUse, Tolerance, ViewId, WorkItem};
use crate::shape::{Dtype, TENSOR_ALIGNMENT};

/// Number of bindings before the states.
const COMMON_BINDINGS: usize = 4;

const MOST_BINDINGS: usize = COMMON_BINDINGS + MAX_STATES + 1;

/// Names of the kernel parameters before the settings, without and with groups.
const COMMON_PARAMS: [&[&str]; 2] = [&["max_norm", "l2", "decay"], &["max_norm", "max_value"]];

/// Largest number of kernel parameters before the settings.
const MOST_COMMON: usize = 3;

/// Kernel parameters that all updates without groups have. The settings follow them.
#[derive(Clone, Copy, Debug)]
pub struct Common {
    /// Maximum norm of the gradients (gradient clipping).
    pub max_norm: f32,
    /// Weight decay as an L2 penalty, added to the gradient.
    pub l2: f32,
    /// Decoupled weight decay.
    pub decay: f32,
}

/// Kernel parameters that all updates with groups have. The settings follow them.
#[derive(Clone, Copy, Debug)]
pub struct CommonOfGroups {
    /// Maximum norm of the gradients (gradient clipping).
    pub max_norm: f32,
    /// Largest magnitude of a gradient (gradient clipping by value).
    pub max_value: f32,
}

/// Settings of a block of 64 parameters: a row of the view `groups`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Group {
    /// 1 if parameters and states keep their bits, else 0.
    pub frozen: f32,
    /// Factor of the learning rate.
    pub factor: f32,
    /// Decoupled weight decay.
    pub decay: f32,
    /// Coefficient of p in the gradient: L2 penalties.
    pub l2: f32,
    /// Coefficient of the sign of p in the gradient: an L1 penalty.
    pub l1: f32,
    /// Place in the view `norm` of the norm by which gradients are clipped.
    pub norm: f32,
    /// Number of the tensor.
    pub tensor: f32,
    /// Not used.
    pub unused: [f32; 1],
}

impl Group {
    /// Number of 32-bit words.
    pub const WORDS: usize = size_of::<Self>() / 4;

    /// Returns the rows of the view `groups`, one per block.
    pub fn all(words: &[u32]) -> &[Self] {
        bytemuck::cast_slice(words)
    }

    /// Returns `true` if no step changes the block's parameters.
    pub fn is_frozen(&self) -> bool {
        self.frozen != 0.0
    }

    /// Returns the factor of gradient clipping.
    fn clip(&self, norms: &[f32], max_norm: f32) -> f32 {
        norm::clip(norms[self.norm as usize], max_norm)
    }

    /// Returns the shared values of an update, with the learning rate and the weight decay of this group.
    fn shared(&self, values: &Shared<f32>) -> Shared<f32> {
        let rate = values.rate * self.factor;
        Shared { rate, decay: self.decay, kept: 1.0 - rate * self.decay, ..*values }
    }

    /// Returns the gradient after clipping, plus the gradients of the penalties.
    #[inline(always)]
    fn penalized(&self, gradient: f32, p: f32, clip: f32, max_value: f32) -> f32 {
        let sign = if p > 0.0 { 1.0 } else { -f32::from(u8::from(p < 0.0)) };
        (gradient * clip).clamp(-max_value, max_value) + self.l2 * p + self.l1 * sign
    }
}

/// Returns the kernels of all updates, in the order of [`updates::ALL`], without or with groups.
pub const fn kernels(grouped: bool) -> &'static [Kernel] {
    KERNELS[grouped as usize].split_at(updates::ALL.len()).0
}

/// Returns the kernel of an update without groups.
///
/// # Panics
/// If the update is not one of [`updates::ALL`].
pub fn kernel(update: &Update) -> &'static Kernel {
    &KERNELS[0][place(update)]
}

/// Returns the kernel of an update with groups.
///
/// # Panics
/// If the update is not one of [`updates::ALL`].
pub fn grouped_kernel(update: &Update) -> &'static Kernel {
    &KERNELS[1][place(update)]
}

fn place(update: &Update) -> usize {
    updates::ALL.iter().position(|other| other.name == update.name).expect("a declared update")
}

/// Creates the op that updates all parameters.
pub fn op(
    plan: &Plan,
    update: &Update,
    common: Common,
    settings: &[f32],
    [parameter, gradient, norm, flag]: [ViewId; 4],
    states: &[ViewId],
) -> Op {
    let views = [&[parameter, gradient, norm, flag], states].concat();
    let numbers = [&[common.max_norm, common.l2, common.decay], settings].concat();
    made(plan, kernel(update), views, numbers)
}

/// Creates the op that updates all parameters, with the settings of their groups.
pub fn grouped_op(
    plan: &Plan,
    update: &Update,
    common: CommonOfGroups,
    settings: &[f32],
    [parameter, gradient, norm, flag, groups]: [ViewId; 5],
    states: &[ViewId],
) -> Op {
    let views = [&[parameter, gradient, norm, flag], states, &[groups]].concat();
    let numbers = [&[common.max_norm, common.max_value], settings].concat();
    made(plan, grouped_kernel(update), views, numbers)
}

fn made(plan: &Plan, kernel: &'static Kernel, views: Vec<ViewId>, numbers: Vec<f32>) -> Op {
    let items = plan.shape(views[0]).elements() / TENSOR_ALIGNMENT;
    Op { kernel, views, params: numbers.into_iter().map(f32::to_bits).collect(), items, layer: None, tile: None }
}

/// Kernels of all updates, without and with groups. The functions of a kernel cannot capture its update, so they are
/// compiled once for each index in [`updates::ALL`].
static KERNELS: [[Kernel; 24]; 2] = {
    macro_rules! each {
        ($grouped:literal $($place:literal)*) => { [$(Of::<$place, $grouped>::KERNEL),*] };
    }
    [
        each!(false 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23),
        each!(true 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23),
    ]
};

const _: () = assert!(updates::ALL.len() <= KERNELS[0].len(), "KERNELS needs more places");

/// Functions of the update with index `PLACE` in [`updates::ALL`].
struct Of<const PLACE: usize, const GROUPED: bool>;

impl<const PLACE: usize, const GROUPED: bool> Of<PLACE, GROUPED> {
    const UPDATE: &'static Update =
        updates::ALL[if PLACE < updates::ALL.len() { PLACE } else { updates::ALL.len() - 1 }];

    const STATES: usize = Self::UPDATE.states.len();

    const BINDINGS: [Binding; MOST_BINDINGS] = {
        let mut bindings = [Binding::update("parameter", Dtype::F32); MOST_BINDINGS];
        bindings[1] = Binding::read("gradient", Dtype::F32).per_item();
        bindings[2] = Binding::read("norm", Dtype::F32);
        bindings[3] = Binding::atomic("flag");
        let mut state = 0;
        while state < Self::STATES {
            bindings[COMMON_BINDINGS + state] = Binding::update(Self::UPDATE.states[state], Dtype::F32);
            state += 1;
        }
        bindings[COMMON_BINDINGS + state] = Binding::read("groups", Dtype::F32).per_item();
        bindings
    };

    const COMMON: &'static [&'static str] = COMMON_PARAMS[GROUPED as usize];

    const PARAMS: [Field; MOST_COMMON + MAX_SETTINGS] = {
        let mut fields = [Field { name: "", kind: "f32" }; MOST_COMMON + MAX_SETTINGS];
        let mut common = 0;
        while common < Self::COMMON.len() {
            fields[common].name = Self::COMMON[common];
            common += 1;
        }
        let mut setting = 0;
        while setting < Self::UPDATE.settings.len() {
            fields[common + setting].name = Self::UPDATE.settings[setting];
            setting += 1;
        }
        fields
    };

    const KERNEL: Kernel = Kernel {
        name: if GROUPED { Self::UPDATE.grouped_kernel } else { Self::UPDATE.kernel },
        bindings: (&Self::BINDINGS as &'static [Binding]).split_at(COMMON_BINDINGS + Self::STATES + GROUPED as usize).0,
        params: (&Self::PARAMS as &'static [Field]).split_at(Self::COMMON.len() + Self::UPDATE.settings.len()).0,
        step: StepUse::One,
        item: WorkItem::Block,
        flops: |_, s| (Self::UPDATE.flops + if GROUPED { 4 } else { 0 }) * s[0].elements() as u64,
        reference: |call| reference(Self::UPDATE, GROUPED, call),
        fast: Some(|call| if GROUPED { fast_grouped(Self::UPDATE, call) } else { fast(Self::UPDATE, call) }),
        tolerance: |before, _| tolerance(Self::UPDATE, GROUPED, before),
        shader: Shader {
            source: if GROUPED { Self::UPDATE.grouped_wgsl } else { Self::UPDATE.wgsl },
            shared: if GROUPED {
                &[
                    shared::STEP,
                    shared::LINEAR_INDEX,
                    shared::CLIP,
                    shared::FINITE,
                    shared::ABOVE,
                    shared::UPDATE,
                    shared::GROUPED,
                ]
            } else {
                &[
                    shared::STEP,
                    shared::LINEAR_INDEX,
                    shared::CLIP,
                    shared::FINITE,
                    shared::ABOVE,
                    shared::UPDATE,
                    shared::UNGROUPED,
                ]
            },
            prelude: grid_1d_prelude,
            grid: |_, shapes| grid_1d(shapes[0].elements()),
            rounds: None,
            tiles: None,
        },
    };
}

/// Values of a call that are the same for all elements.
struct Values {
    shared: Shared<f32>,
    max_norm: f32,
    /// Coefficient of the L2 penalty without groups; 0 with groups.
    l2: f32,
    /// Largest magnitude of a gradient with groups; 0 without groups.
    max_value: f32,
}

impl Values {
    fn of(update: &Update, grouped: bool, call: &Call<'_>) -> Self {
        let (common, given) =
            bytemuck::cast_slice::<u32, f32>(call.params).split_at(COMMON_PARAMS[usize::from(grouped)].len());
        let mut settings = [0.0; MAX_SETTINGS];
        settings[..update.settings.len()].copy_from_slice(given);
        let [l2, decay, max_value] = if grouped { [0.0, 0.0, common[1]] } else { [common[1], common[2], 0.0] };
        let (step, rate) = (call.step, call.step.learning_rate);
        let scalars = [step.optimizer1, step.optimizer2, step.optimizer3, step.optimizer4];
        let shared = Shared { rate, decay, kept: 1.0 - rate * decay, share: step.average, settings, scalars };
        Self { shared, max_norm: common[0], l2, max_value }
    }
}

/// The reference implementation.
pub fn reference(update: &Update, grouped: bool, call: Call<'_>) {
    let (values, step) = (Values::of(update, grouped, &call), *call.step);
    let [parameter, gradient, norm, flag, rest @ ..] = call.args::<MOST_BINDINGS>();
    let (parameter, gradient, norm, flag) = (parameter.f32_mut(), gradient.f32(), norm.f32(), flag.atomic());
    let mut rest = rest.into_iter();
    let mut states: Vec<&mut [f32]> = rest.by_ref().take(update.states.len()).map(|state| state.f32_mut()).collect();
    let groups = rest.next().filter(|_| grouped).map(|groups| Group::all(groups.words()));
    if is_frozen(&step, flag.load(Ordering::Relaxed)) {
        return;
    }
    for i in 0..parameter.len() {
        let p = parameter[i];
        let (g, shared) = match groups.map(|groups| groups[i / TENSOR_ALIGNMENT]) {
            None => (gradient[i] * norm::clip(norm[0], values.max_norm) + values.l2 * p, values.shared),
            Some(group) if group.is_frozen() => continue,
            Some(group) => {
                let clip = group.clip(norm, values.max_norm);
                (group.penalized(gradient[i], p, clip, values.max_value), group.shared(&values.shared))
            }
        };
        let mut before = [p, 0.0, 0.0, 0.0, 0.0];
        states.iter().zip(&mut before[1..]).for_each(|(state, before)| *before = state[i]);
        let after = (update.single)(before, g, &shared);
        parameter[i] = after[0];
        states.iter_mut().zip(&after[1..]).for_each(|(state, after)| state[i] = *after);
        watch(&step, flag, after.iter().all(|number| number.is_finite()));
    }
}

/// Same computation as [`reference`], vectorized.
fn fast(update: &Update, call: Call<'_>) {
    let (values, step) = (Values::of(update, false, &call), *call.step);
    let [parameter, gradient, norm, flag, states @ .., _] = call.args::<MOST_BINDINGS>();
    let flag = flag.atomic();
    if !is_frozen(&step, flag.load(Ordering::Relaxed)) {
        let clip = norm::clip(norm.f32()[0], values.max_norm);
        let states = states.map(|state| state.present().map_or(&mut [][..], |state| state.f32_mut()));
        let largest = (update.fast)(parameter.f32_mut(), gradient.f32(), states, &values.shared, clip, values.l2);
        // The bits of NaN, without the sign bit, are larger than those of infinity.
        watch(&step, flag, largest < f32::INFINITY.to_bits());
    }
}

/// Same computation as [`reference`] with groups, vectorized within a block.
fn fast_grouped(update: &Update, call: Call<'_>) {
    let (values, step) = (Values::of(update, true, &call), *call.step);
    let [parameter, gradient, norm, flag, rest @ ..] = call.args::<MOST_BINDINGS>();
    let (parameter, gradient, norm, flag) = (parameter.f32_mut(), gradient.f32(), norm.f32(), flag.atomic());
    let mut rest = rest.into_iter();
    let mut states: [&mut [f32]; MAX_STATES] = Default::default();
    states.iter_mut().zip(rest.by_ref().take(update.states.len())).for_each(|(to, state)| *to = state.f32_mut());
    let Some(groups) = rest.next().map(|groups| Group::all(groups.words())) else { return };
    if is_frozen(&step, flag.load(Ordering::Relaxed)) {
        return;
    }
    let mut largest = 0;
    for (block, group) in groups.iter().enumerate().filter(|(_, group)| !group.is_frozen()) {
        let range = block * TENSOR_ALIGNMENT..(block + 1) * TENSOR_ALIGNMENT;
        let (p, clip) = (&mut parameter[range.clone()], group.clip(norm, values.max_norm));
        let mut g = [0.0; TENSOR_ALIGNMENT];
        for ((g, gradient), p) in g.iter_mut().zip(&gradient[range.clone()]).zip(&*p) {
            *g = group.penalized(*gradient, *p, clip, values.max_value);
        }
        let states = states.each_mut().map(|state| state.get_mut(range.clone()).unwrap_or_default());
        largest = (update.fast)(p, &g, states, &group.shared(&values.shared), 1.0, 0.0).max(largest);
    }
    watch(&step, flag, largest < f32::INFINITY.to_bits());
}

fn tolerance(update: &Update, grouped: bool, before: &Call<'_>) -> Vec<Tolerance> {
    let (values, count, states) = (Values::of(update, grouped, before), before.f32(0).len(), update.states.len());
    if is_frozen(before.step, before.words(3)[0]) {
        return vec![Tolerance::Exact; 2 + states];
    }
    let groups = grouped.then(|| Group::all(before.words(COMMON_BINDINGS + states)));
    let mut tolerances = vec![vec![0.0; count]; 1 + states];
    for block in 0..count / TENSOR_ALIGNMENT {
        let range = block * TENSOR_ALIGNMENT..(block + 1) * TENSOR_ALIGNMENT;
        let group = groups.map(|groups| groups[block]);
        if group.is_none_or(|group| !group.is_frozen()) {
            block_tolerance(update, &values, group, before, range, &mut tolerances);
        }
    }
    let mut tolerances: Vec<_> = tolerances.into_iter().map(Tolerance::Each).collect();
    tolerances.insert(1, Tolerance::Exact);
    tolerances
}

/// Computes the tolerances of a block, whose parameters have the same settings.
fn block_tolerance(
    update: &Update,
    values: &Values,
    group: Option<Group>,
    before: &Call<'_>,
    range: Range<usize>,
    tolerances: &mut [Vec<f64>],
) {
    let exact = Rounded::exact_f32;
    let Shared { rate, decay, share, settings, scalars, .. } = values.shared;
    let rate = group.map_or(exact(rate), |group| exact(rate) * exact(group.factor));
    let decay = exact(group.map_or(decay, |group| group.decay));
    let kept = 1.0 - rate * decay;
    let (settings, scalars) = (settings.map(exact), scalars.map(exact));
    let shared = Shared { rate, decay, kept, share: exact(share), settings, scalars };
    let clip = norm::rounded_clip(before.f32(2)[group.map_or(0, |group| group.norm as usize)], values.max_norm);
    for i in range {
        let at = |argument: usize| exact(before.f32(argument)[i]);
        let mut element: Element<Rounded> = [exact(0.0); 1 + MAX_STATES];
        element[0] = at(0);
        (0..update.states.len()).for_each(|state| element[1 + state] = at(COMMON_BINDINGS + state));
        let g = match group {
            None => at(1) * clip + exact(values.l2) * at(0),
            Some(group) => penalized(group, at(1) * clip, at(0), exact(values.max_value)),
        };
        let after = (update.rounded)(element, g, &shared);
        tolerances.iter_mut().zip(after).for_each(|(tolerance, after)| tolerance[i] = after.error());
    }
}

/// Returns [`Group::penalized`] with rounding errors. `g` is already multiplied by the clipping factor.
fn penalized(group: Group, g: Rounded, p: Rounded, most: Rounded) -> Rounded {
    let exact = Rounded::exact_f32;
    let clipped = rounded::above(g - most, most, rounded::above(-most - g, -most, g));
    let sign = rounded::above(p, 1.0, rounded::above(-p, -1.0, 0.0));
    clipped + exact(group.l2) * p + exact(group.l1) * sign
}

/// Returns `true` if the update of a step is skipped.
pub fn is_frozen(step: &Step, flag: u32) -> bool {
    flag < next(step)
}

/// Records the next step in the flag if `finite` is false, i.e. this update has written a number that is not finite.
pub fn watch(step: &Step, flag: &AtomicU32, finite: bool) {
    if !finite {
        flag.fetch_min(next(step), Ordering::Relaxed);
    }
}

fn next(step: &Step) -> u32 {
    step.index.wrapping_add(1)
}
