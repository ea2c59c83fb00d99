//! Sums of squares of blocks of gradients: the first half of the global norm.
//!
//! Formula: `partial[b]` = Σ over the 64 elements of block b of gradient².
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | gradient | 1×(64·blocks) | read |
//! | 3 | partial | 1×blocks | write |
//!
//! Rounding: 64 positive terms, relative.

use crate::kernels::{line, line_prelude, shared};
use crate::numeric::UNIT_ROUNDOFF;
use crate::plan::{Binding, Bound, Call, Kernel, Lane, Op, Plan, Shader, StepUse, ViewId};
use crate::shape::{Dtype, TENSOR_ALIGNMENT};

/// See the module.
pub static KERNEL: Kernel = Kernel {
    name: "square_sum",
    bindings: &[Binding::read("gradient", Dtype::F32).cut(), Binding::write("partial", Dtype::F32)],
    params: &[],
    step: StepUse::One,
    lane: Lane::Block,
    flops: |_, s| 2 * s[0].elements() as u64,
    reference: |call| {
        let [gradient, partial] = call.slots();
        reference(gradient.f32(), partial.f32_mut());
    },
    fast: None,
    bound,
    shader: Shader {
        source: include_str!("../../shaders/square_sum.wgsl"),
        shared: &[shared::LINE],
        prelude: line_prelude,
        grid: |_, shapes| line(shapes[1].elements()),
        tiles: None,
    },
};

/// partial = the sum of squares of each block of gradient.
pub fn op(plan: &Plan, gradient: ViewId, partial: ViewId) -> Op {
    Op::new(&KERNEL, &[gradient, partial], &(), plan.shape(partial).elements())
}

/// The plain twin.
pub fn reference(gradient: &[f32], partial: &mut [f32]) {
    for (block, sum) in partial.iter_mut().enumerate() {
        *sum = 0.0;
        for i in block * TENSOR_ALIGNMENT..(block + 1) * TENSOR_ALIGNMENT {
            *sum += gradient[i] * gradient[i];
        }
    }
}

fn bound(_before: &Call<'_>, after: &Call<'_>) -> Vec<Bound> {
    let relative = 2.0 * (TENSOR_ALIGNMENT + 2) as f64 * UNIT_ROUNDOFF;
    vec![Bound::Each(
        after.f32(1).iter().map(|sum| relative * f64::from(*sum) + f64::from(f32::MIN_POSITIVE)).collect(),
    )]
}
