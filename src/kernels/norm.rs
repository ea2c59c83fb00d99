//! Global norm of the gradients, from the norms of their blocks.
//!
//! Formula: `norm = √(Σ_b partial[b]²)`.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | partial | 1×blocks | read |
//! | 3 | norm | 1×1 | write |
//! | 4 | flag | 1 | atomic min with the step's index if the norm is not finite |
//!
//! For gradient clipping, the optimizers multiply the gradients by [`clip`]. Squares neither overflow nor underflow:
//! the reference sums in f64, the shader scales by a power of two. Rounding: positive terms in blocks, relative; a
//! square root accurate to 4.5 ULP; norms below the normal range may be flushed to 0.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::elementwise::numbers::{self, Rounded};
use crate::kernels::shared::{self, grid_1d_prelude, iterations_per_workgroup};
use crate::numeric::{SUM_DEPTH, UNIT_ROUNDOFF};
use crate::plan::{Binding, Call, Kernel, Op, Shader, Step, StepUse, Tolerance, ViewId, WorkItem};
use crate::shape::Dtype;

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "norm",
    bindings: &[Binding::read("partial", Dtype::F32), Binding::write("norm", Dtype::F32), Binding::atomic("flag")],
    params: &[],
    step: StepUse::One,
    item: WorkItem::Part,
    flops: |_, s| s[0].elements() as u64,
    reference: |call| {
        let step = *call.step;
        let [partial, norm, flag] = call.args();
        reference(&step, partial.f32(), norm.f32_mut(), flag.atomic());
    },
    fast: None,
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/norm.wgsl"),
        shared: &[shared::STEP, shared::FINITE, shared::TREE, shared::BLOCKS, shared::SCALE],
        prelude: grid_1d_prelude,
        grid: |_, _| [1; 3],
        rounds: Some(|_, shapes| 2 * iterations_per_workgroup(shapes[0].elements())),
        tiles: None,
    },
};

/// norm = the square root of the sum of squares of partial.
pub fn op(partial: ViewId, norm: ViewId, flag: ViewId) -> Op {
    Op::new(&KERNEL, &[partial, norm, flag], &(), 1)
}

/// The reference implementation.
pub fn reference(step: &Step, partial: &[f32], norm: &mut [f32], flag: &AtomicU32) {
    let mut sum = 0.0;
    for b in 0..partial.len() {
        sum += f64::from(partial[b]) * f64::from(partial[b]);
    }
    norm[0] = f64::sqrt(sum) as f32;
    if !norm[0].is_finite() {
        flag.fetch_min(step.index, Ordering::Relaxed);
    }
}

/// Returns the gradient clipping factor for a norm, as in PyTorch's `clip_grad_norm_`: max_norm / (norm + 10⁻⁶), at
/// most 1.
#[inline(always)]
pub fn clip(norm: f32, max_norm: f32) -> f32 {
    if norm + 1e-6 > max_norm { max_norm / (norm + 1e-6) } else { 1.0 }
}

/// Returns [`clip`] with its rounding error.
pub fn rounded_clip(norm: f32, max_norm: f32) -> Rounded {
    let (norm, max_norm) = (Rounded::exact_f32(norm) + 1e-6, Rounded::exact_f32(max_norm));
    numbers::rounded::above(norm - max_norm, max_norm / norm, 1.0)
}

fn tolerance(before: &Call<'_>, after: &Call<'_>) -> Vec<Tolerance> {
    // Half of the sum's relative error, plus the error of the square root, on both the device and the reference.
    let blocks = before.f32(0).len();
    let relative = (blocks.min(SUM_DEPTH) + 2) as f64 * UNIT_ROUNDOFF + 12.0 * UNIT_ROUNDOFF;
    let flushed = (blocks as f64).sqrt() * f64::from(f32::MIN_POSITIVE);
    vec![Tolerance::Each(vec![relative * f64::from(after.f32(1)[0]) + flushed]), Tolerance::Exact]
}
