//! Updates of all parameters, one kernel for each of `elementwise::updates`: `update_sgd`, `update_adamw` and so on.
//!
//! Formula, for each element p with gradient g:
//!
//! ```text
//! g ← g·clip + l2·p                       gradient clipping, and weight decay as an L2 penalty
//! p, states ← the declared update of p, the states and g, with learning rate η and kept = 1 − η·decay
//! ```
//!
//! Symbols: η the learning rate of the step, clip the factor of `norm::clip`. From the flag's step on, nothing changes.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | parameter | 1×(64·blocks) | read-write |
//! | 3 | gradient | 1×(64·blocks) | read |
//! | 4 | norm | 1×1 | read |
//! | 5 | flag | 1 | atomic |
//! | 6 … | the states, if any | 1×(64·blocks) each | read-write |
//!
//! The flag holds the index of the first step that is not applied (atomic min). A loss, gradient or norm that is not
//! finite records its own step there, and the update of that step then changes nothing. An update that writes a number
//! that is not finite records the next step. All elements of this update are still written, whichever thread or
//! workgroup sees the flag first, and no update follows.
//!
//! Source: `optim`, for each optimizer.
//! Rounding: running error analysis of the declared formula.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::elementwise::numbers::Rounded;
use crate::elementwise::{MAX_SETTINGS, MAX_STATES, Shared, Update, updates};
use crate::kernels::norm;
use crate::kernels::shared::{self, line, line_prelude};
use crate::plan::{Binding, Call, Field, Kernel, Op, Plan, Shader, Step, StepUse, Tolerance, ViewId, WorkItem};
use crate::shape::{Dtype, TENSOR_ALIGNMENT};

/// Number of bindings before the states.
const COMMON_BINDINGS: usize = 4;

const MOST_BINDINGS: usize = COMMON_BINDINGS + MAX_STATES;

/// Number of parameters before the settings.
const COMMON_PARAMS: usize = 3;

/// Parameters that all updates have. The settings follow.
#[derive(Clone, Copy, Debug)]
pub struct Common {
    /// Maximum norm of the gradients (gradient clipping).
    pub max_norm: f32,
    /// Weight decay as an L2 penalty, added to the gradient.
    pub l2: f32,
    /// Decoupled weight decay.
    pub decay: f32,
}

/// Kernels of all updates, in the order of [`updates::ALL`].
pub const fn kernels() -> &'static [Kernel] {
    KERNELS.split_at(updates::ALL.len()).0
}

/// Returns the kernel of an update.
///
/// # Panics
/// If the update is not one of [`updates::ALL`].
pub fn kernel(update: &Update) -> &'static Kernel {
    let place = updates::ALL.iter().position(|other| other.name == update.name).expect("a declared update");
    &KERNELS[place]
}

/// Op that updates all parameters.
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
    Op {
        kernel: kernel(update),
        views,
        params: numbers.into_iter().map(f32::to_bits).collect(),
        items: plan.shape(parameter).elements() / TENSOR_ALIGNMENT,
        layer: None,
        tile: None,
    }
}

/// The kernels. The functions of a kernel cannot capture its update, so they are compiled once for each index of
/// [`updates::ALL`].
static KERNELS: [Kernel; 24] = {
    macro_rules! each {
        ($($place:literal)*) => { [$(Of::<$place>::KERNEL),*] };
    }
    each!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23)
};

const _: () = assert!(updates::ALL.len() <= KERNELS.len(), "KERNELS needs more places");

/// Kernel functions of the update at index `PLACE` of [`updates::ALL`].
struct Of<const PLACE: usize>;

impl<const PLACE: usize> Of<PLACE> {
    const UPDATE: &'static Update =
        updates::ALL[if PLACE < updates::ALL.len() { PLACE } else { updates::ALL.len() - 1 }];

    const BINDINGS: [Binding; MOST_BINDINGS] = {
        let mut bindings = [Binding::update("parameter", Dtype::F32); MOST_BINDINGS];
        bindings[1] = Binding::read("gradient", Dtype::F32).cut();
        bindings[2] = Binding::read("norm", Dtype::F32);
        bindings[3] = Binding::atomic("flag");
        let mut state = 0;
        while state < Self::UPDATE.states.len() {
            bindings[COMMON_BINDINGS + state] = Binding::update(Self::UPDATE.states[state], Dtype::F32);
            state += 1;
        }
        bindings
    };

    const PARAMS: [Field; COMMON_PARAMS + MAX_SETTINGS] = {
        let mut fields = [Field { name: "max_norm", kind: "f32" }; COMMON_PARAMS + MAX_SETTINGS];
        fields[1].name = "l2";
        fields[2].name = "decay";
        let mut setting = 0;
        while setting < Self::UPDATE.settings.len() {
            fields[COMMON_PARAMS + setting].name = Self::UPDATE.settings[setting];
            setting += 1;
        }
        fields
    };

    const KERNEL: Kernel = Kernel {
        name: Self::UPDATE.kernel,
        bindings: (&Self::BINDINGS as &'static [Binding]).split_at(COMMON_BINDINGS + Self::UPDATE.states.len()).0,
        params: (&Self::PARAMS as &'static [Field]).split_at(COMMON_PARAMS + Self::UPDATE.settings.len()).0,
        step: StepUse::One,
        item: WorkItem::Block,
        flops: |_, s| Self::UPDATE.flops * s[0].elements() as u64,
        reference: |call| reference(Self::UPDATE, call),
        fast: Some(|call| fast(Self::UPDATE, call)),
        tolerance: |before, _| tolerance(Self::UPDATE, before),
        shader: Shader {
            source: Self::UPDATE.wgsl,
            shared: &[shared::STEP, shared::LINE, shared::CLIP, shared::FINITE, shared::ABOVE, shared::UPDATE],
            prelude: line_prelude,
            grid: |_, shapes| line(shapes[0].elements()),
            rounds: None,
            tiles: None,
        },
    };
}

/// Returns the parameters that all updates have, and the values of a call that all elements share.
fn values(update: &Update, call: &Call<'_>) -> (Common, Shared<f32>) {
    let params: &[f32] = bytemuck::cast_slice(call.params);
    let common = Common { max_norm: params[0], l2: params[1], decay: params[2] };
    let mut settings = [0.0; MAX_SETTINGS];
    settings[..update.settings.len()].copy_from_slice(&params[COMMON_PARAMS..]);
    let step = call.step;
    let shared = Shared {
        rate: step.learning_rate,
        kept: 1.0 - step.learning_rate * common.decay,
        settings,
        scalars: [step.optimizer1, step.optimizer2, step.optimizer3, step.optimizer4],
    };
    (common, shared)
}

/// The reference implementation.
pub fn reference(update: &Update, call: Call<'_>) {
    let (common, values) = values(update, &call);
    let step = *call.step;
    let [parameter, gradient, norm, flag, states @ ..] = call.args::<MOST_BINDINGS>();
    let (parameter, gradient, flag) = (parameter.f32_mut(), gradient.f32(), flag.atomic());
    let mut states = states.map(|state| state.present().map_or(&mut [][..], |state| state.f32_mut()));
    if is_frozen(&step, flag.load(Ordering::Relaxed)) {
        return;
    }
    let clip = norm::clip(norm.f32()[0], common.max_norm);
    for i in 0..parameter.len() {
        let g = gradient[i] * clip + common.l2 * parameter[i];
        let [s0, s1, s2, s3] = std::array::from_fn(|state| states[state].get(i).copied().unwrap_or_default());
        let after = (update.single)([parameter[i], s0, s1, s2, s3], g, &values);
        parameter[i] = after[0];
        let used = states.iter_mut().zip(&after[1..]).take(update.states.len());
        used.for_each(|(state, after)| state[i] = *after);
        watch(&step, flag, after.iter().all(|number| number.is_finite()));
    }
}

/// Same computation as [`reference`], vectorized.
fn fast(update: &Update, call: Call<'_>) {
    let (common, values) = values(update, &call);
    let step = *call.step;
    let [parameter, gradient, norm, flag, states @ ..] = call.args::<MOST_BINDINGS>();
    let flag = flag.atomic();
    if !is_frozen(&step, flag.load(Ordering::Relaxed)) {
        let clip = norm::clip(norm.f32()[0], common.max_norm);
        let states = states.map(|state| state.present().map_or(&mut [][..], |state| state.f32_mut()));
        let largest = (update.fast)(parameter.f32_mut(), gradient.f32(), states, &values, clip, common.l2);
        // The bits of infinity; those of NaN, without the sign bit, are larger.
        watch(&step, flag, largest < f32::INFINITY.to_bits());
    }
}

fn tolerance(update: &Update, before: &Call<'_>) -> Vec<Tolerance> {
    let (common, values) = values(update, before);
    let (step, count, states) = (before.step, before.f32(0).len(), update.states.len());
    if is_frozen(step, before.words(3)[0]) {
        return vec![Tolerance::Exact; 2 + states];
    }
    let exact = Rounded::exact_f32;
    let shared = Shared {
        rate: exact(values.rate),
        kept: 1.0 - exact(values.rate) * exact(common.decay),
        settings: values.settings.map(exact),
        scalars: values.scalars.map(exact),
    };
    let clip = norm::rounded_clip(before.f32(2)[0], common.max_norm);
    let mut tolerances = vec![vec![0.0; count]; 1 + states];
    for i in 0..count {
        let at = |argument: usize| exact(before.f32(argument)[i]);
        let mut element = [exact(0.0); 1 + MAX_STATES];
        element[0] = at(0);
        (0..states).for_each(|state| element[1 + state] = at(COMMON_BINDINGS + state));
        let g = at(1) * clip + exact(common.l2) * at(0);
        let after = (update.rounded)(element, g, &shared);
        tolerances.iter_mut().zip(after).for_each(|(tolerance, after)| tolerance[i] = after.error());
    }
    let mut tolerances: Vec<_> = tolerances.into_iter().map(Tolerance::Each).collect();
    tolerances.insert(1, Tolerance::Exact);
    tolerances
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
