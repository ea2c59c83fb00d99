//! Average of the parameters over training steps.
//!
//! Formula, with the weight w of the step ([`Step::average`]), for each element of parameter p and average a:
//!
//! ```text
//! a ← p                 if w = 1
//! a ← a + w·(p − a)     otherwise
//! ```
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | parameter | 1×(64·blocks) | read |
//! | 3 | average | 1×(64·blocks) | read-write |
//! | 4 | flag | 1 | atomic |
//!
//! From the flag's step on, the average does not change. It does not change in the step before either, whose update has
//! written a number that is not finite. Results below the normal range become 0, as in updates.
//!
//! Source: `optim::Average`. Rounding: running error analysis of the formula.

use std::sync::atomic::Ordering;

use crate::elementwise::numbers::{Rounded, rounded, single};
use crate::kernels::shared::{self, grid_1d, grid_1d_prelude};
use crate::plan::{Binding, Call, Kernel, Op, Plan, Shader, Step, StepUse, Tolerance, ViewId, WorkItem};
use crate::shape::{Dtype, TENSOR_ALIGNMENT};

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "average",
    bindings: &[
        Binding::read("parameter", Dtype::F32).per_item(),
        Binding::update("average", Dtype::F32),
        Binding::atomic("flag"),
    ],
    params: &[],
    step: StepUse::One,
    item: WorkItem::Block,
    flops: |_, s| 3 * s[0].elements() as u64,
    reference,
    fast: None,
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/average.wgsl"),
        shared: &[shared::STEP, shared::LINEAR_INDEX, shared::FINITE, shared::UPDATE],
        prelude: grid_1d_prelude,
        grid: |_, shapes| grid_1d(shapes[0].elements()),
        rounds: None,
        tiles: None,
    },
};

/// Creates the op that updates the average of all parameters.
pub fn op(plan: &Plan, parameter: ViewId, average: ViewId, flag: ViewId) -> Op {
    let items = plan.shape(parameter).elements() / TENSOR_ALIGNMENT;
    Op::new(&KERNEL, &[parameter, average, flag], &(), items)
}

/// Returns `true` if the average must not change in this step.
fn is_left_out(step: &Step, flag: u32) -> bool {
    flag <= step.index.wrapping_add(1)
}

/// The reference implementation.
pub fn reference(call: Call<'_>) {
    let (step, [parameter, average, flag]) = (*call.step, call.args());
    if is_left_out(&step, flag.atomic().load(Ordering::Relaxed)) {
        return;
    }
    for (a, p) in average.f32_mut().iter_mut().zip(parameter.f32()) {
        *a = if step.average >= 1.0 { *p } else { single::normal(*a + step.average * (*p - *a)) };
    }
}

fn tolerance(before: &Call<'_>, _: &Call<'_>) -> Vec<Tolerance> {
    let (step, exact) = (before.step, Rounded::exact_f32);
    if is_left_out(step, before.words(2)[0]) {
        return vec![Tolerance::Exact; 2];
    }
    let after = |(a, p): (&f32, &f32)| {
        let (a, p) = (exact(*a), exact(*p));
        let after = if step.average >= 1.0 { p } else { rounded::normal(a + exact(step.average) * (p - a)) };
        after.error()
    };
    vec![Tolerance::Each(before.f32(1).iter().zip(before.f32(0)).map(after).collect()), Tolerance::Exact]
}
