//! Multiplies the loss of each row, and its gradient, by the weight of the row.
//!
//! Formulas: `row_loss[r] = weight[r] · loss[r]`, `grad[r, c] = weight[r] · unweighted[r, c]`. Symbols: r a row of the
//! batch, c a column.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | weight | rows×1 | read |
//! | 3 | loss | rows×1 | read |
//! | 4 | unweighted | rows×columns | read |
//! | 5 | row_loss | rows×1 | write |
//! | 6 | grad | rows×columns | write |
//! | 7 | flag | 1 | atomic min with the step's index where the weighted loss of a row is not finite |
//!
//! With a `loss_scale` of 1 / Σ weight over all rows of the step, losses and gradients are those of the weighted mean.
//! Derivative: weights are constants.
//! Rounding: one rounded product.

use crate::kernels::shared::{self, grid_1d, grid_1d_prelude, row_loss};
use crate::numeric::Sum;
use crate::plan::{Binding, Call, Kernel, Op, Plan, Shader, StepUse, Tolerance, ViewId, WorkItem, words};
use crate::shape::Dtype;

words! {
    /// Kernel parameters.
    pub struct Params {
        /// Number of columns.
        columns: u32,
    }
}

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "weigh_rows",
    bindings: &[
        Binding::read("weight", Dtype::F32).per_item(),
        Binding::read("loss", Dtype::F32).per_item(),
        Binding::read("unweighted", Dtype::F32).per_item(),
        Binding::write("row_loss", Dtype::F32),
        Binding::write("grad", Dtype::F32),
        Binding::atomic("flag"),
    ],
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::BatchRow,
    flops: |_, s| (s[0].elements() + s[2].elements()) as u64,
    reference,
    fast: None,
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/weigh_rows.wgsl"),
        shared: &[shared::STEP, shared::LINEAR_INDEX, shared::FINITE],
        prelude: grid_1d_prelude,
        grid: |_, shapes| grid_1d(shapes[2].elements()),
        rounds: None,
        tiles: None,
    },
};

/// row_loss and grad = the loss of each row and its gradient, multiplied by the weight of the row.
pub fn op(
    plan: &Plan,
    weight: ViewId,
    [loss, unweighted]: [ViewId; 2],
    [row_loss, grad]: [ViewId; 2],
    flag: ViewId,
) -> Op {
    let shape = plan.shape(unweighted);
    let views = [weight, loss, unweighted, row_loss, grad, flag];
    Op::new(&KERNEL, &views, &Params { columns: shape.columns as u32 }, shape.rows)
}

/// The reference implementation.
pub fn reference(call: Call<'_>) {
    let (p, step, rows) = (*call.params::<Params>(), *call.step, call.items.len());
    let [weight, loss, unweighted, row_loss, grad, flag] = call.args();
    let (weight, loss, unweighted) = (weight.f32(), loss.f32(), unweighted.f32());
    let (row_loss, grad, flag) = (row_loss.f32_mut(), grad.f32_mut(), flag.atomic());
    let columns = p.columns as usize;
    for r in 0..rows {
        for c in r * columns..(r + 1) * columns {
            grad[c] = weight[r] * unweighted[c];
        }
        row_loss::write(&mut row_loss[r], weight[r] * loss[r], &step, flag);
    }
}

fn tolerance(before: &Call<'_>, after: &Call<'_>) -> Vec<Tolerance> {
    let columns = before.params::<Params>().columns as usize;
    let weight = before.f32(0);
    let rounded = |values: &[f32], columns: usize, count: usize| {
        let mut tolerances = vec![0.0; count];
        for i in 0..before.items.len() * columns {
            let mut sum = Sum::default();
            sum.add(values[i], weight[i / columns]);
            tolerances[i] = sum.tolerance();
        }
        Tolerance::Each(tolerances)
    };
    let losses = rounded(before.f32(1), 1, after.f32(3).len());
    vec![losses, rounded(before.f32(2), columns, after.f32(4).len()), Tolerance::Exact]
}
