//! Moves each tensor along a direction, by a distance in proportion to the tensor's own norm.
//!
//! Formula, for each element p of a tensor with direction d:
//!
//! ```text
//! p ← p − η·‖p‖·(d / ‖d‖)       where both norms are above 0: the trust ratio is ‖p‖ / ‖d‖
//! p ← p − η·d                    otherwise
//! ```
//!
//! Symbols: η the learning rate of the step times the factor of the tensor's group. The norms are those of the whole
//! tensor, from `tensor_norm`. A frozen tensor keeps its bits.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | parameter | 1×(64·blocks) | read-write |
//! | 3 | direction | 1×(64·blocks) | read |
//! | 4 | parameter_norm | 1×tensors | read |
//! | 5 | direction_norm | 1×tensors | read |
//! | 6 | groups: a [`Group`] per block | blocks×8 | read |
//! | 7 | flag | 1 | atomic |
//!
//! The flag is that of `update`: from its step on, nothing changes, and a number that is not finite records the next
//! step. Elements are divided by the norm before they are multiplied, since a ratio of two norms may overflow.
//!
//! Source: You et al. 2020, algorithm 2, with the identity for φ. Rounding: running error analysis of the formula.

use std::sync::atomic::Ordering;

use crate::elementwise::numbers::{Rounded, rounded, single};
use crate::kernels::shared::{self, grid_1d, grid_1d_prelude};
use crate::kernels::update::{Group, is_frozen, watch};
use crate::plan::{Binding, Call, Kernel, Op, Plan, Shader, StepUse, Tolerance, ViewId, WorkItem};
use crate::shape::{Dtype, TENSOR_ALIGNMENT};

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "trust_ratio",
    bindings: &[
        Binding::update("parameter", Dtype::F32),
        Binding::read("direction", Dtype::F32).per_item(),
        Binding::read("parameter_norm", Dtype::F32),
        Binding::read("direction_norm", Dtype::F32),
        Binding::read("groups", Dtype::F32).per_item(),
        Binding::atomic("flag"),
    ],
    params: &[],
    step: StepUse::One,
    item: WorkItem::Block,
    flops: |_, s| 4 * s[0].elements() as u64,
    reference,
    fast: None,
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/trust_ratio.wgsl"),
        shared: &[shared::STEP, shared::LINEAR_INDEX, shared::FINITE, shared::UPDATE],
        prelude: grid_1d_prelude,
        grid: |_, shapes| grid_1d(shapes[0].elements()),
        rounds: None,
        tiles: None,
    },
};

/// Op that moves all parameters along a direction. `norms` are those of parameters and directions, per tensor.
pub fn op(plan: &Plan, [parameter, direction]: [ViewId; 2], norms: [ViewId; 2], groups: ViewId, flag: ViewId) -> Op {
    let items = plan.shape(parameter).elements() / TENSOR_ALIGNMENT;
    Op::new(&KERNEL, &[parameter, direction, norms[0], norms[1], groups, flag], &(), items)
}

/// Returns whether the step is in proportion to the tensor's norm.
fn is_adapted(parameter_norm: f32, direction_norm: f32) -> bool {
    parameter_norm >= f32::MIN_POSITIVE && direction_norm >= f32::MIN_POSITIVE
}

/// The reference implementation.
pub fn reference(call: Call<'_>) {
    let (step, [parameter, direction, parameter_norm, direction_norm, groups, flag]) = (*call.step, call.args());
    let (parameter, direction, flag) = (parameter.f32_mut(), direction.f32(), flag.atomic());
    let (parameter_norm, direction_norm) = (parameter_norm.f32(), direction_norm.f32());
    if is_frozen(&step, flag.load(Ordering::Relaxed)) {
        return;
    }
    for (block, group) in Group::all(groups.words()).iter().enumerate().filter(|(_, group)| !group.is_frozen()) {
        let (norm, of_direction) = (parameter_norm[group.tensor as usize], direction_norm[group.tensor as usize]);
        let (rate, adapted) = (step.learning_rate * group.factor, is_adapted(norm, of_direction));
        for i in block * TENSOR_ALIGNMENT..(block + 1) * TENSOR_ALIGNMENT {
            let d = if adapted { norm * (direction[i] / of_direction) } else { direction[i] };
            parameter[i] = single::normal(parameter[i] - rate * d);
            watch(&step, flag, parameter[i].is_finite());
        }
    }
}

fn tolerance(before: &Call<'_>, _: &Call<'_>) -> Vec<Tolerance> {
    if is_frozen(before.step, before.words(5)[0]) {
        return vec![Tolerance::Exact; 2];
    }
    let (exact, groups) = (Rounded::exact_f32, Group::all(before.words(4)));
    let of_element = |(i, p): (usize, &f32)| {
        let group = groups[i / TENSOR_ALIGNMENT];
        if group.is_frozen() {
            return 0.0;
        }
        let [norm, of_direction] = [2, 3].map(|argument| before.f32(argument)[group.tensor as usize]);
        let d = exact(before.f32(1)[i]);
        let d = if is_adapted(norm, of_direction) { exact(norm) * (d / exact(of_direction)) } else { d };
        rounded::normal(exact(*p) - exact(before.step.learning_rate) * exact(group.factor) * d).error()
    };
    vec![Tolerance::Each(before.f32(0).iter().enumerate().map(of_element).collect()), Tolerance::Exact]
}
