//! Norm of each tensor, from the norms of its blocks of 64 elements.
//!
//! Formula: `norm[t] = √(Σ_b partial[b]²)`, with the sum over the blocks b of tensor t. A norm above the largest f32 is
//! that number.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | partial | 1×blocks | read |
//! | 3 | tensors: the first block of each, and the one after its last | tensors×2 | read |
//! | 4 | norm | 1×tensors | write |
//!
//! For gradient clipping per tensor, and for optimizers that need norms of tensors. `square_sum` computes the norms of
//! blocks. Squares neither overflow nor underflow: the reference sums in f64, the shader scales by a power of two. As a
//! norm is always finite, it needs no flag; what it was computed from was checked before. Rounding: positive terms in
//! blocks, relative; a square root accurate to 4.5 ULP; norms below the normal range may be flushed to 0.

use crate::kernels::shared::{self, GROUP, grid_1d_prelude, groups};
use crate::numeric::{SUM_DEPTH, UNIT_ROUNDOFF};
use crate::plan::{Binding, Call, Kernel, Op, Plan, Shader, StepUse, Tolerance, ViewId, WorkItem};
use crate::shape::Dtype;

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "tensor_norm",
    bindings: &[
        Binding::read("partial", Dtype::F32),
        Binding::read("tensors", Dtype::U32).per_item(),
        Binding::write("norm", Dtype::F32),
    ],
    params: &[],
    step: StepUse::One,
    item: WorkItem::Part,
    flops: |_, s| 2 * s[0].elements() as u64,
    reference: |call| {
        let [partial, tensors, norm] = call.args();
        reference(partial.f32(), bytemuck::cast_slice(tensors.words()), norm.f32_mut());
    },
    fast: None,
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/tensor_norm.wgsl"),
        shared: &[shared::LINEAR_INDEX, shared::FINITE, shared::TREE, shared::BLOCKS, shared::SCALE],
        prelude: grid_1d_prelude,
        grid: |op, _| groups(op.items),
        rounds: Some(|_, shapes| 2 * (shapes[0].elements().div_ceil(GROUP) + GROUP) as u64),
        tiles: None,
    },
};

/// norm = the norm of each of the tensors, whose blocks have the norms `partial`.
pub fn op(plan: &Plan, partial: ViewId, tensors: ViewId, norm: ViewId) -> Op {
    Op::new(&KERNEL, &[partial, tensors, norm], &(), plan.shape(norm).elements())
}

/// The reference implementation. `tensors` has the first block of each tensor, and the one after its last.
pub fn reference(partial: &[f32], tensors: &[[u32; 2]], norm: &mut [f32]) {
    for (norm, [first, end]) in norm.iter_mut().zip(tensors) {
        let mut sum = 0.0;
        for b in *first as usize..*end as usize {
            sum += f64::from(partial[b]) * f64::from(partial[b]);
        }
        let root = f64::sqrt(sum) as f32;
        *norm = if root.is_finite() { root } else { f32::MAX };
    }
}

fn tolerance(before: &Call<'_>, after: &Call<'_>) -> Vec<Tolerance> {
    // Half of the sum's relative error, plus the error of the square root, on both the device and the reference.
    let of_tensor = |([first, end], norm): (&[u32; 2], &f32)| {
        let blocks = (end - first) as usize;
        let relative = (blocks.min(SUM_DEPTH) + 2) as f64 * UNIT_ROUNDOFF + 12.0 * UNIT_ROUNDOFF;
        relative * f64::from(*norm) + (blocks as f64).sqrt() * f64::from(f32::MIN_POSITIVE)
    };
    let tensors: &[[u32; 2]] = bytemuck::cast_slice(before.words(1));
    vec![Tolerance::Each(tensors.iter().zip(after.f32(2)).map(of_tensor).collect())]
}
