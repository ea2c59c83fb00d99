//! Gradients of a fused step: the sums over its workgroups, with a check that they are finite.
//!
//! Formula: `gradients[i] = Σₚ partial[p, i]`; flag = min(flag, index of the step) if any gradient is not finite.
//! Symbols: p a workgroup of the step, i an element of the parameters.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | partial | parts×parameters | read |
//! | 3 | gradients | 1×parameters | write |
//! | 4 | flag | 1 | atomic |
//!
//! Runs after `mlp_step_fused`. `dense_grad_weight_sum` does the same for one layer, with separate outputs for weight
//! and bias. Rounding: [`Sum`](crate::numeric::Sum), one term per part.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::kernels::shared::parts;
use crate::kernels::shared::{self, grid_1d, grid_1d_prelude};
use crate::plan::{Binding, Call, Kernel, Op, Plan, Shader, Step, StepUse, Tolerance, ViewId, WorkItem, words};
use crate::shape::Dtype;

words! {
    /// Kernel parameters.
    pub struct Params {
        /// Number of parts of each sum.
        parts: u32,
    }
}

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "mlp_step_sum",
    bindings: &[Binding::read("partial", Dtype::F32), Binding::write("gradients", Dtype::F32), Binding::atomic("flag")],
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::Part,
    flops: |_, s| s[0].elements() as u64,
    reference: |call| {
        let (p, step) = (*call.params::<Params>(), *call.step);
        let [partial, gradients, flag] = call.args();
        reference(&p, &step, partial.f32(), gradients.f32_mut(), flag.atomic());
    },
    fast: None,
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/mlp_step_sum.wgsl"),
        shared: &[shared::STEP, shared::LINEAR_INDEX, shared::BLOCKS, shared::PARTS, shared::FINITE],
        prelude: grid_1d_prelude,
        grid: |_, shapes| grid_1d(shapes[1].elements()),
        rounds: Some(|_, shapes| shapes[0].rows as u64),
        tiles: None,
    },
};

/// gradients = the sum of the rows of partial.
pub fn op(plan: &Plan, partial: ViewId, gradients: ViewId, flag: ViewId) -> Op {
    Op::new(&KERNEL, &[partial, gradients, flag], &Params { parts: plan.shape(partial).rows as u32 }, 1)
}

/// The reference implementation.
pub fn reference(p: &Params, step: &Step, partial: &[f32], gradients: &mut [f32], flag: &AtomicU32) {
    let count = gradients.len();
    for i in 0..count {
        let sum = parts::sum(partial, p.parts, count, i);
        gradients[i] = sum;
        if !sum.is_finite() {
            flag.fetch_min(step.index, Ordering::Relaxed);
        }
    }
}

fn tolerance(before: &Call<'_>, after: &Call<'_>) -> Vec<Tolerance> {
    let (parts, count) = (before.params::<Params>().parts, after.f32(1).len());
    let tolerances = (0..count).map(|i| parts::bounded(before.f32(0), parts, count, i).tolerance());
    vec![Tolerance::Each(tolerances.collect()), Tolerance::Exact]
}
