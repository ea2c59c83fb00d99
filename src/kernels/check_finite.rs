//! Records the first step with an infinite or NaN gradient in the flag.
//!
//! Formula: flag = min(flag, index of the step) if any element is not finite.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | gradient | 1×(64·blocks) | read |
//! | 3 | flag | 1 | atomic |
//!
//! From the step in the flag on, the optimizers change nothing. Rounding: none, the result is exact.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::kernels::shared::{self, grid_1d, grid_1d_prelude};
use crate::plan::{Binding, Kernel, Op, Plan, Shader, Step, StepUse, ViewId, WorkItem};
use crate::shape::{Dtype, TENSOR_ALIGNMENT};

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "check_finite",
    bindings: &[Binding::read("gradient", Dtype::F32).per_item(), Binding::atomic("flag")],
    params: &[],
    step: StepUse::One,
    item: WorkItem::Block,
    flops: |_, _| 0,
    reference: |call| {
        let step = *call.step;
        let [gradient, flag] = call.args();
        reference(&step, gradient.f32(), flag.atomic());
    },
    fast: None,
    tolerance: |_, _| vec![crate::plan::Tolerance::Exact],
    shader: Shader {
        source: include_str!("../../shaders/check_finite.wgsl"),
        shared: &[shared::STEP, shared::LINEAR_INDEX, shared::FINITE],
        prelude: grid_1d_prelude,
        grid: |_, shapes| grid_1d(shapes[0].elements()),
        rounds: None,
        tiles: None,
    },
};

/// Creates the op that checks all elements of gradient.
pub fn op(plan: &Plan, gradient: ViewId, flag: ViewId) -> Op {
    Op::new(&KERNEL, &[gradient, flag], &(), plan.shape(gradient).elements() / TENSOR_ALIGNMENT)
}

/// The reference implementation.
pub fn reference(step: &Step, gradient: &[f32], flag: &AtomicU32) {
    for value in gradient {
        if !value.is_finite() {
            flag.fetch_min(step.index, Ordering::Relaxed);
        }
    }
}
