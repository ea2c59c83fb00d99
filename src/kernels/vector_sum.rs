//! Sums a vector, with a check that the sum is finite: the gradient of a weight that all columns share.
//!
//! Formula: `sum = Σᵢ input[i]`; flag = min(flag, index of the step) if the sum is not finite.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | input | 1×columns | read |
//! | 3 | sum | 1×1 | write |
//! | 4 | flag | 1 | atomic |
//!
//! Rounding: [`Sum`] in blocks, one term per column.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::kernels::shared::{self, grid_1d_prelude, iterations_per_workgroup};
use crate::numeric::{SUM_DEPTH, Sum};
use crate::plan::{Binding, Call, Kernel, Op, Shader, Step, StepUse, Tolerance, ViewId, WorkItem};
use crate::shape::Dtype;

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "vector_sum",
    bindings: &[Binding::read("input", Dtype::F32), Binding::write("sum", Dtype::F32), Binding::atomic("flag")],
    params: &[],
    step: StepUse::One,
    item: WorkItem::Part,
    flops: |_, s| s[0].elements() as u64,
    reference: |call| {
        let step = *call.step;
        let [input, sum, flag] = call.args();
        reference(&step, input.f32(), sum.f32_mut(), flag.atomic());
    },
    fast: None,
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/vector_sum.wgsl"),
        shared: &[shared::STEP, shared::TREE, shared::BLOCKS, shared::FINITE],
        prelude: grid_1d_prelude,
        grid: |_, _| [1; 3],
        rounds: Some(|_, shapes| iterations_per_workgroup(shapes[0].elements())),
        tiles: None,
    },
};

/// sum = the sum of all elements of input.
pub fn op(views: [ViewId; 3]) -> Op {
    Op::new(&KERNEL, &views, &(), 1)
}

/// The reference implementation.
pub fn reference(step: &Step, input: &[f32], sum: &mut [f32], flag: &AtomicU32) {
    sum[0] = input.iter().map(|x| f64::from(*x)).sum::<f64>() as f32;
    if !sum[0].is_finite() {
        flag.fetch_min(step.index, Ordering::Relaxed);
    }
}

fn tolerance(before: &Call<'_>, _after: &Call<'_>) -> Vec<Tolerance> {
    let mut sum = Sum::default();
    before.f32(0).iter().for_each(|x| sum.add(*x, 1.0));
    vec![Tolerance::Each(vec![sum.in_blocks(SUM_DEPTH).tolerance()]), Tolerance::Exact]
}
