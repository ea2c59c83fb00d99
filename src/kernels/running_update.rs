//! Update of all running statistics of the network, once per step.
//!
//! Formula: `running[i] ← 0.9ᵏ·running[i] + pending[i]`, where k is the number of micro-batches of the step, and
//! `pending` the contribution of these micro-batches to the running statistics (see `batch_norm`). From the flag's step
//! on, nothing changes. A result that is not finite records the next step in the flag, as in `update`.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | running | 1×(64·blocks) | read-write |
//! | 3 | pending | 1×(64·blocks) | read |
//! | 4 | flag | 1 | atomic |
//!
//! The step's record is that of its last micro-batch, so k is first_row / micro_batch + 1.
//! Tolerance: rounding errors as [`Rounded`] computes them; the power is k multiplications.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::elementwise::numbers::Rounded;
use crate::kernels::batch_norm::DECAY;
use crate::kernels::shared::{self, grid_1d, grid_1d_prelude};
use crate::kernels::update::{is_frozen, watch};
use crate::plan::{Binding, Call, Kernel, Op, Plan, Shader, Step, StepUse, Tolerance, ViewId, WorkItem, words};
use crate::shape::{Dtype, TENSOR_ALIGNMENT};

words! {
    /// Kernel parameters.
    pub struct Params {
        /// Number of rows of a full micro-batch.
        micro_batch: u32,
    }
}

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "running_update",
    bindings: &[
        Binding::update("running", Dtype::F32),
        Binding::read("pending", Dtype::F32).per_item(),
        Binding::atomic("flag"),
    ],
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::Block,
    flops: |_, s| 2 * s[0].elements() as u64,
    reference: |call| {
        let (p, step) = (*call.params::<Params>(), *call.step);
        let [running, pending, flag] = call.args();
        reference(&p, &step, running.f32_mut(), pending.f32(), flag.atomic());
    },
    fast: None,
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/running_update.wgsl"),
        shared: &[shared::STEP, shared::LINEAR_INDEX, shared::FINITE, shared::UPDATE],
        prelude: grid_1d_prelude,
        grid: |_, shapes| grid_1d(shapes[0].elements()),
        // At most 1,024 micro-batches per step.
        rounds: Some(|_, _| 1024),
        tiles: None,
    },
};

/// running = the running statistics after the step.
pub fn op(plan: &Plan, micro_batch: usize, [running, pending, flag]: [ViewId; 3]) -> Op {
    let blocks = plan.shape(running).elements() / TENSOR_ALIGNMENT;
    Op::new(&KERNEL, &[running, pending, flag], &Params { micro_batch: micro_batch as u32 }, blocks)
}

/// Returns the number of micro-batches of the step.
fn micro_batches(p: &Params, step: &Step) -> u32 {
    step.first_row / p.micro_batch + 1
}

/// The reference implementation.
pub fn reference(p: &Params, step: &Step, running: &mut [f32], pending: &[f32], flag: &AtomicU32) {
    if is_frozen(step, flag.load(Ordering::Relaxed)) {
        return;
    }
    let mut kept = 1.0;
    for _ in 0..micro_batches(p, step) {
        kept *= DECAY as f32;
    }
    for i in 0..running.len() {
        running[i] = kept * running[i] + pending[i];
        watch(step, flag, running[i].is_finite());
    }
}

fn tolerance(before: &Call<'_>, _after: &Call<'_>) -> Vec<Tolerance> {
    let p = before.params::<Params>();
    if is_frozen(before.step, before.words(2)[0]) {
        return vec![Tolerance::Exact; 2];
    }
    let one = Rounded::exact(1.0);
    let kept = (0..micro_batches(p, before.step)).fold(one, |kept, _| kept * Rounded::from(DECAY));
    let [running, pending] = [0, 1].map(|binding| before.f32(binding));
    let after = |i: usize| kept * Rounded::exact_f32(running[i]) + Rounded::exact_f32(pending[i]);
    vec![Tolerance::Each((0..running.len()).map(|i| after(i).error()).collect()), Tolerance::Exact]
}
