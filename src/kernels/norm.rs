//! The global norm of the gradients, from sums of squares of their blocks.
//!
//! Formula: `norm = √(Σ_b partial[b])`.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | partial | 1×blocks | read |
//! | 3 | norm | 1×1 | write |
//! | 4 | flag | 1 | atomic: lowered to the step's index where the norm is not finite |
//!
//! The optimizers scale gradients by [`clip`]. Rounding: positive terms, relative; a root of 2 ULP.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::kernels::{line_prelude, shared};
use crate::numeric::{UNIT_ROUNDOFF, or_flushed};
use crate::plan::{Binding, Bound, Call, Kernel, Lane, Op, Shader, Step, StepUse, ViewId};
use crate::shape::Dtype;

/// See the module.
pub static KERNEL: Kernel = Kernel {
    name: "norm",
    bindings: &[Binding::read("partial", Dtype::F32), Binding::write("norm", Dtype::F32), Binding::atomic("flag")],
    params: &[],
    step: StepUse::One,
    lane: Lane::Part,
    flops: |_, s| s[0].elements() as u64,
    reference: |call| {
        let step = *call.step;
        let [partial, norm, flag] = call.slots();
        reference(&step, partial.f32(), norm.f32_mut(), flag.atomic());
    },
    fast: None,
    bound,
    shader: Shader {
        source: include_str!("../../shaders/norm.wgsl"),
        shared: &[shared::STEP, shared::FINITE, shared::TREE],
        prelude: line_prelude,
        grid: |_, _| [1; 3],
        tiles: None,
    },
};

/// norm = the root of the sum of partial.
pub fn op(partial: ViewId, norm: ViewId, flag: ViewId) -> Op {
    Op::new(&KERNEL, &[partial, norm, flag], &(), 1)
}

/// The plain twin.
pub fn reference(step: &Step, partial: &[f32], norm: &mut [f32], flag: &AtomicU32) {
    let mut sum = 0.0;
    for b in 0..partial.len() {
        sum += partial[b];
    }
    norm[0] = f32::sqrt(sum);
    if !norm[0].is_finite() {
        flag.fetch_min(step.index, Ordering::Relaxed);
    }
}

/// The factor on gradients of that norm, as PyTorch's `clip_grad_norm_`: max_norm / (norm + 10⁻⁶), at most 1.
#[inline(always)]
pub fn clip(norm: f32, max_norm: f32) -> f32 {
    if norm + 1e-6 > max_norm { max_norm / (norm + 1e-6) } else { 1.0 }
}

fn bound(before: &Call<'_>, after: &Call<'_>) -> Vec<Bound> {
    // Half the sum's relative error, and that of the root on both sides.
    let relative = (before.f32(0).len() + 2) as f64 * UNIT_ROUNDOFF + 12.0 * UNIT_ROUNDOFF;
    vec![Bound::Each(vec![or_flushed(relative * f64::from(after.f32(1)[0]))]), Bound::Exact]
}
