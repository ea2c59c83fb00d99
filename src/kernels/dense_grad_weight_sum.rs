//! Second half of a weight gradient whose matrix multiplication was split into parts: sums, with a check that they are
//! finite.
//!
//! Formula: `grad_weight[o, i] = Σₚ partial[p, o·inputs + i]`, `grad_bias[o] = Σₚ partial[p, outputs·inputs + o]`;
//! flag = min(flag, index of the step) if any gradient is not finite.
//! Symbols: p a part, i an input, o an output.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | partial | parts×(outputs·inputs + outputs) | read |
//! | 3 | grad_weight | outputs×inputs | write |
//! | 4 | grad_bias | 1×outputs | write |
//! | 5 | flag | 1 | atomic |
//!
//! With `matmul_split_tn` it replaces `dense_grad_weight`.
//! Rounding: [`Sum`](crate::numeric::Sum), one term per part.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::kernels::shared::parts;
use crate::kernels::shared::{self, grid_1d, grid_1d_prelude};
use crate::numeric::{Matrix, all_finite, column_sum};
use crate::plan::{Binding, Call, Kernel, Op, Plan, Shader, Step, StepUse, Tolerance, ViewId, WorkItem, words};
use crate::shape::Dtype;

words! {
    /// Kernel parameters.
    pub struct Params {
        /// Number of parts of each sum.
        parts: u32,
        /// Number of columns of the weight.
        inputs: u32,
        /// Number of rows of the weight.
        outputs: u32,
    }
}

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "dense_grad_weight_sum",
    bindings: &[
        Binding::read("partial", Dtype::F32),
        Binding::write("grad_weight", Dtype::F32),
        Binding::write("grad_bias", Dtype::F32),
        Binding::atomic("flag"),
    ],
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::Part,
    flops: |p, s| u64::from(p[0]) * (s[1].elements() + s[2].elements()) as u64,
    reference: |call| {
        let (p, step, items) = (*call.params::<Params>(), *call.step, call.items.clone());
        let [partial, grad_weight, grad_bias, flag] = call.args();
        reference(&p, &step, items, partial.f32(), grad_weight.f32_mut(), grad_bias.f32_mut(), flag.atomic());
    },
    fast: Some(fast),
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/dense_grad_weight_sum.wgsl"),
        shared: &[shared::STEP, shared::LINEAR_INDEX, shared::BLOCKS, shared::PARTS, shared::FINITE],
        prelude: grid_1d_prelude,
        grid: |_, shapes| grid_1d(shapes[1].elements() + shapes[2].elements()),
        rounds: Some(|_, shapes| shapes[0].rows as u64),
        tiles: None,
    },
};

/// grad_weight and grad_bias = the sums over the parts of partial.
pub fn op(plan: &Plan, partial: ViewId, grad_weight: ViewId, grad_bias: ViewId, flag: ViewId) -> Op {
    let (parts, weight) = (plan.shape(partial).rows, plan.shape(grad_weight));
    let params = Params { parts: parts as u32, inputs: weight.columns as u32, outputs: weight.rows as u32 };
    Op::new(&KERNEL, &[partial, grad_weight, grad_bias, flag], &params, weight.rows)
}

/// The reference implementation; grad_weight and grad_bias begin at output `items.start`.
pub fn reference(
    p: &Params,
    step: &Step,
    items: Range<usize>,
    partial: &[f32],
    grad_weight: &mut [f32],
    grad_bias: &mut [f32],
    flag: &AtomicU32,
) {
    let (inputs, outputs) = (p.inputs as usize, p.outputs as usize);
    let part_size = outputs * (inputs + 1);
    for o in items.clone() {
        let item = o - items.start;
        let bias = parts::sum(partial, p.parts, part_size, outputs * inputs + o);
        grad_bias[item] = bias;
        let mut finite = bias.is_finite();
        for i in 0..inputs {
            let sum = parts::sum(partial, p.parts, part_size, o * inputs + i);
            grad_weight[item * inputs + i] = sum;
            finite = finite && sum.is_finite();
        }
        if !finite {
            flag.fetch_min(step.index, Ordering::Relaxed);
        }
    }
}

/// Same computation as [`reference`], part by part, so that memory is read in order.
fn fast(call: Call<'_>) {
    let (p, step, items) = (*call.params::<Params>(), *call.step, call.items.clone());
    let [partial, grad_weight, grad_bias, flag] = call.args();
    let (grad_weight, grad_bias) = (grad_weight.f32_mut(), grad_bias.f32_mut());
    let (inputs, outputs, parts) = (p.inputs as usize, p.outputs as usize, p.parts as usize);
    let partial = Matrix::new(partial.f32(), parts, outputs * (inputs + 1));
    column_sum(partial.columns(items.start * inputs..items.end * inputs), grad_weight);
    column_sum(partial.columns(outputs * inputs + items.start..outputs * inputs + items.end), grad_bias);
    if !(all_finite(grad_weight) && all_finite(grad_bias)) {
        flag.atomic().fetch_min(step.index, Ordering::Relaxed);
    }
}

fn tolerance(before: &Call<'_>, _after: &Call<'_>) -> Vec<Tolerance> {
    let p = before.params::<Params>();
    let weights = (p.inputs * p.outputs) as usize;
    let part_size = weights + p.outputs as usize;
    let sum_at = |i: usize| parts::bounded(before.f32(0), p.parts, part_size, i).tolerance();
    let mut tolerances: Vec<f64> = (0..part_size).map(sum_at).collect();
    let biases = tolerances.split_off(weights);
    vec![Tolerance::Each(tolerances), Tolerance::Each(biases), Tolerance::Exact]
}
