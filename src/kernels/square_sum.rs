//! Norm of each block of the gradients: the first half of the global norm.
//!
//! Formula: `partial[b]` = √(Σ over the 64 elements of block b of gradient²).
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | gradient | 1×(64·blocks) | read |
//! | 3 | partial | 1×blocks | write |
//!
//! Squares neither overflow nor underflow: the reference sums in f64, the shader scales by a power of two.
//! Rounding: half of the relative error of 64 positive terms, and a square root accurate to 4.5 ULP; elements below the
//! normal range may be flushed to 0.

use crate::kernels::shared::{self, grid_1d, grid_1d_prelude};
use crate::numeric::UNIT_ROUNDOFF;
use crate::plan::{Binding, Call, Kernel, Op, Plan, Shader, StepUse, Tolerance, ViewId, WorkItem};
use crate::shape::{Dtype, TENSOR_ALIGNMENT};

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "square_sum",
    bindings: &[Binding::read("gradient", Dtype::F32).per_item(), Binding::write("partial", Dtype::F32)],
    params: &[],
    step: StepUse::One,
    item: WorkItem::Block,
    flops: |_, s| 2 * s[0].elements() as u64,
    reference: |call| {
        let [gradient, partial] = call.args();
        reference(gradient.f32(), partial.f32_mut());
    },
    fast: None,
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/square_sum.wgsl"),
        shared: &[shared::LINEAR_INDEX, shared::SCALE],
        prelude: grid_1d_prelude,
        grid: |_, shapes| grid_1d(shapes[1].elements()),
        rounds: None,
        tiles: None,
    },
};

/// partial = the square root of the sum of squares of each block of gradient.
pub fn op(plan: &Plan, gradient: ViewId, partial: ViewId) -> Op {
    Op::new(&KERNEL, &[gradient, partial], &(), plan.shape(partial).elements())
}

/// The reference implementation.
pub fn reference(gradient: &[f32], partial: &mut [f32]) {
    for (block, root) in partial.iter_mut().enumerate() {
        let mut sum = 0.0f64;
        for i in block * TENSOR_ALIGNMENT..(block + 1) * TENSOR_ALIGNMENT {
            sum += f64::from(gradient[i]) * f64::from(gradient[i]);
        }
        *root = sum.sqrt() as f32;
    }
}

fn tolerance(_before: &Call<'_>, after: &Call<'_>) -> Vec<Tolerance> {
    let relative = (TENSOR_ALIGNMENT + 2) as f64 * UNIT_ROUNDOFF + 12.0 * UNIT_ROUNDOFF;
    // All elements may be flushed to 0.
    let flushed = (TENSOR_ALIGNMENT as f64).sqrt() * f64::from(f32::MIN_POSITIVE);
    vec![Tolerance::Each(after.f32(1).iter().map(|root| relative * f64::from(*root) + flushed).collect())]
}
