//! Adds the gradients of a step's batches, one batch a run.
//!
//! Formula, for each element with gradient g and sum s:
//!
//! ```text
//! s ← g          for the first batch of a step, whose first_row is 0
//! s ← s + g      for the others
//! flag = min(flag, index of the step) if any s is not finite
//! ```
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | gradient | 1×(64·blocks) | read |
//! | 3 | sum | 1×(64·blocks) | accumulate |
//! | 4 | flag | 1 | atomic |
//!
//! Each gradient was scaled by 1 / rows of the step, so that the sum over its batches is the gradient of the mean over
//! its rows. The sum may overflow where no gradient did, hence the flag. Rounding: the first batch is copied; of the
//! others, one rounded sum each.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::kernels::{line, line_prelude, shared};
use crate::numeric::{Sum, add_all, all_finite};
use crate::plan::{Binding, Bound, Call, Kernel, Lane, Op, Plan, Shader, Step, StepUse, ViewId};
use crate::shape::{Dtype, TENSOR_ALIGNMENT};

/// See the module.
pub static KERNEL: Kernel = Kernel {
    name: "accumulate",
    bindings: &[
        Binding::read("gradient", Dtype::F32).cut(),
        Binding::accumulate("sum", Dtype::F32),
        Binding::atomic("flag"),
    ],
    params: &[],
    step: StepUse::One,
    lane: Lane::Block,
    flops: |_, s| s[0].elements() as u64,
    reference: |call| {
        let step = *call.step;
        let [gradient, sum, flag] = call.slots();
        reference(&step, gradient.f32(), sum.f32_mut(), flag.atomic());
    },
    fast: Some(fast),
    bound,
    shader: Shader {
        source: include_str!("../../shaders/accumulate.wgsl"),
        shared: &[shared::STEP, shared::LINE, shared::FINITE],
        prelude: line_prelude,
        grid: |_, shapes| line(shapes[1].elements() / 4),
        rounds: None,
        tiles: None,
    },
};

/// sum = the gradients of the step's batches so far, the last of which is gradient.
pub fn op(plan: &Plan, gradient: ViewId, sum: ViewId, flag: ViewId) -> Op {
    Op::new(&KERNEL, &[gradient, sum, flag], &(), plan.shape(sum).elements() / TENSOR_ALIGNMENT)
}

/// The plain twin.
pub fn reference(step: &Step, gradient: &[f32], sum: &mut [f32], flag: &AtomicU32) {
    for i in 0..sum.len() {
        sum[i] = if step.first_row == 0 { gradient[i] } else { sum[i] + gradient[i] };
        if !sum[i].is_finite() {
            flag.fetch_min(step.index, Ordering::Relaxed);
        }
    }
}

/// The plain twin, as loops of vectors.
fn fast(call: Call<'_>) {
    let step = *call.step;
    let [gradient, sum, flag] = call.slots();
    let (gradient, sum) = (gradient.f32(), sum.f32_mut());
    if step.first_row == 0 {
        sum.copy_from_slice(&gradient[..sum.len()]);
    } else {
        add_all(gradient, sum);
    }
    if !all_finite(sum) {
        flag.atomic().fetch_min(step.index, Ordering::Relaxed);
    }
}

fn bound(before: &Call<'_>, _after: &Call<'_>) -> Vec<Bound> {
    let (gradient, sum) = (before.f32(0), before.f32(1));
    let rounding = |i: usize| {
        let mut terms = Sum::default();
        terms.add(sum[i], 1.0);
        terms.add(gradient[i], 1.0);
        terms.bound()
    };
    let sums =
        if before.step.first_row == 0 { Bound::Exact } else { Bound::Each((0..sum.len()).map(rounding).collect()) };
    vec![sums, Bound::Exact]
}
