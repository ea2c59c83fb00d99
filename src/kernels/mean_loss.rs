//! Mean loss of each batch of a submission, from the losses of its rows. With gradient accumulation, this is a
//! micro-batch's share of the loss of its step.
//!
//! Formula: `loss[s] = scale_s · Σ_r row_loss[s, r]`. Symbols: s a batch of the submission, r one of its rows in use,
//! scale_s its `loss_scale`.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | row_loss | batches×(batch, padded) | read |
//! | 3 | loss | batches×1 | write |
//!
//! Rounding: [`Sum`] in blocks, one term per row.

use crate::kernels::shared::{self, grid_1d_prelude, groups, iterations_per_workgroup};
use crate::numeric::{SUM_DEPTH, Sum};
use crate::plan::{Binding, Call, Kernel, Op, Plan, Shader, Step, StepUse, Tolerance, ViewId, WorkItem, words};
use crate::shape::Dtype;

words! {
    /// Kernel parameters.
    pub struct Params {
        /// Number of elements from one batch to the next in row_loss.
        stride: u32,
    }
}

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "mean_loss",
    bindings: &[Binding::read("row_loss", Dtype::F32).per_item(), Binding::write("loss", Dtype::F32)],
    params: Params::FIELDS,
    step: StepUse::All,
    item: WorkItem::Part,
    flops: |_, s| s[0].elements() as u64,
    reference: |call| {
        let (p, steps) = (*call.params::<Params>(), &call.steps[call.items.clone()]);
        let [row_loss, loss] = call.args();
        reference(&p, steps, row_loss.f32(), loss.f32_mut());
    },
    fast: None,
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/mean_loss.wgsl"),
        shared: &[shared::STEPS, shared::LINEAR_INDEX, shared::TREE, shared::BLOCKS],
        prelude: grid_1d_prelude,
        grid: |_, shapes| groups(shapes[0].rows),
        rounds: Some(|op, _| iterations_per_workgroup(op.params::<Params>().stride as usize)),
        tiles: None,
    },
};

/// loss = the sum of the elements in use of each row of row_loss, times the `loss_scale` of its step record.
pub fn op(plan: &Plan, row_loss: ViewId, loss: ViewId) -> Op {
    let shape = plan.shape(row_loss);
    Op::new(&KERNEL, &[row_loss, loss], &Params { stride: shape.columns as u32 }, shape.rows)
}

/// The reference implementation.
pub fn reference(p: &Params, steps: &[Step], row_loss: &[f32], loss: &mut [f32]) {
    for (s, step) in steps.iter().enumerate() {
        let mut sum = 0.0;
        for r in 0..step.rows.min(p.stride) {
            sum += f64::from(row_loss[s * p.stride as usize + r as usize]);
        }
        loss[s] = (sum * f64::from(step.loss_scale)) as f32;
    }
}

fn tolerance(before: &Call<'_>, after: &Call<'_>) -> Vec<Tolerance> {
    let stride = before.params::<Params>().stride as usize;
    let mut tolerances = vec![0.0; after.f32(1).len()];
    for (s, step) in before.steps[before.items.clone()].iter().enumerate() {
        let mut sum = Sum::default();
        (0..stride.min(step.rows as usize)).for_each(|r| sum.add(before.f32(0)[s * stride + r], step.loss_scale));
        tolerances[s] = sum.in_blocks(SUM_DEPTH).tolerance();
    }
    vec![Tolerance::Each(tolerances)]
}
