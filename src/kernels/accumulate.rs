//! Gradient accumulation: adds up the gradients of a step's micro-batches, one micro-batch per run.
//!
//! Formula, for each element with gradient g, sum s and compensation c (Kahan's sum; Higham, *Accuracy and Stability of
//! Numerical Algorithms*, §4.3):
//!
//! ```text
//! s ← g, c ← 0                            for the first micro-batch of a step, whose first_row is 0
//! y = g − c, t = s + y
//! c ← (t − s) − y, s ← t                  for each later micro-batch
//! flag = min(flag, index of the step) if any s is not finite
//! ```
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | gradient | 1×(64·blocks) | read |
//! | 3 | sum | 1×(64·blocks) | accumulate |
//! | 4 | compensation | 1×(64·blocks) | accumulate |
//! | 5 | flag | 1 | atomic |
//!
//! Each gradient was scaled by 1 / rows of the step, so the sum over the micro-batches of a step is the gradient of the
//! mean over the rows of the step. The sum may overflow even if no gradient did, hence the flag; c is then 0. Without
//! compensation, a sum over a thousand similar micro-batches would be off by 1.5e-5. Rounding: the first micro-batch is
//! copied. Each later one adds one rounded sum of three terms, and c holds its rounding error.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::kernels::shared::{self, grid_1d, grid_1d_prelude};
use crate::numeric::{Sum, add_compensated, all_finite};
use crate::plan::{Binding, Call, Kernel, Op, Plan, Shader, Step, StepUse, Tolerance, ViewId, WorkItem};
use crate::shape::{Dtype, TENSOR_ALIGNMENT};

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "accumulate",
    bindings: &[
        Binding::read("gradient", Dtype::F32).per_item(),
        Binding::accumulate("sum", Dtype::F32),
        Binding::accumulate("compensation", Dtype::F32),
        Binding::atomic("flag"),
    ],
    params: &[],
    step: StepUse::One,
    item: WorkItem::Block,
    flops: |_, s| 4 * s[0].elements() as u64,
    reference: |call| {
        let step = *call.step;
        let [gradient, sum, compensation, flag] = call.args();
        reference(&step, gradient.f32(), sum.f32_mut(), compensation.f32_mut(), flag.atomic());
    },
    fast: Some(fast),
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/accumulate.wgsl"),
        shared: &[shared::STEP, shared::LINEAR_INDEX, shared::FINITE],
        prelude: grid_1d_prelude,
        grid: |_, shapes| grid_1d(shapes[1].elements() / 4),
        rounds: None,
        tiles: None,
    },
};

/// sum = sum of the gradients of the step so far, including gradient; compensation = the rounding error of sum.
pub fn op(plan: &Plan, gradient: ViewId, sum: ViewId, compensation: ViewId, flag: ViewId) -> Op {
    Op::new(&KERNEL, &[gradient, sum, compensation, flag], &(), plan.shape(sum).elements() / TENSOR_ALIGNMENT)
}

/// The reference implementation.
pub fn reference(step: &Step, gradient: &[f32], sum: &mut [f32], compensation: &mut [f32], flag: &AtomicU32) {
    for i in 0..sum.len() {
        if step.first_row == 0 {
            (sum[i], compensation[i]) = (gradient[i], 0.0);
        } else {
            let term = gradient[i] - compensation[i];
            let total = sum[i] + term;
            compensation[i] = if total.is_finite() { (total - sum[i]) - term } else { 0.0 };
            sum[i] = total;
        }
        if !sum[i].is_finite() {
            flag.fetch_min(step.index, Ordering::Relaxed);
        }
    }
}

/// Same computation as [`reference`], vectorized.
fn fast(call: Call<'_>) {
    let step = *call.step;
    let [gradient, sum, compensation, flag] = call.args();
    let (gradient, sum, compensation) = (gradient.f32(), sum.f32_mut(), compensation.f32_mut());
    if step.first_row == 0 {
        sum.copy_from_slice(&gradient[..sum.len()]);
        compensation.fill(0.0);
    } else {
        add_compensated(gradient, sum, compensation);
    }
    if !all_finite(sum) {
        flag.atomic().fetch_min(step.index, Ordering::Relaxed);
    }
}

fn tolerance(before: &Call<'_>, _after: &Call<'_>) -> Vec<Tolerance> {
    let (gradient, sum, compensation) = (before.f32(0), before.f32(1), before.f32(2));
    if before.step.first_row == 0 {
        return vec![Tolerance::Exact; 3];
    }
    let rounding = |i: usize| {
        let mut terms = Sum::default();
        [sum[i], gradient[i], compensation[i]].into_iter().for_each(|term| terms.add(term, 1.0));
        terms.tolerance()
    };
    let sums = Tolerance::Each((0..sum.len()).map(rounding).collect());
    vec![sums.clone(), sums, Tolerance::Exact]
}
