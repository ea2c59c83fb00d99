//! Adds the bias vector to every row.
//!
//! Formula: `output[r, c] = input[r, c] + bias[c]`. Symbols: r a row of the batch, c a column.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | input | rows×columns | read |
//! | 3 | bias | 1×columns | read |
//! | 4 | output | rows×columns | write |
//!
//! Derivative: with respect to input the identity, with respect to bias `column_sum`.
//! Rounding: one rounded addition.

use crate::kernels::shared::{self, grid_1d, grid_1d_prelude};
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
    name: "bias_add",
    bindings: &[
        Binding::read("input", Dtype::F32).per_item(),
        Binding::read("bias", Dtype::F32),
        Binding::write("output", Dtype::F32),
    ],
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::BatchRow,
    flops: |_, s| s[0].elements() as u64,
    reference: |call| {
        let (p, rows) = (*call.params::<Params>(), call.items.len());
        let [input, bias, output] = call.args();
        reference(&p, rows, input.f32(), bias.f32(), output.f32_mut());
    },
    fast: None,
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/bias_add.wgsl"),
        shared: &[shared::STEP, shared::LINEAR_INDEX],
        prelude: grid_1d_prelude,
        grid: |_, shapes| grid_1d(shapes[0].elements()),
        rounds: None,
        tiles: None,
    },
};

/// output = input + bias in every row.
pub fn op(plan: &Plan, input: ViewId, bias: ViewId, output: ViewId) -> Op {
    let shape = plan.shape(input);
    Op::new(&KERNEL, &[input, bias, output], &Params { columns: shape.columns as u32 }, shape.rows)
}

/// The reference implementation.
pub fn reference(p: &Params, rows: usize, input: &[f32], bias: &[f32], output: &mut [f32]) {
    let columns = p.columns as usize;
    for r in 0..rows {
        for c in 0..columns {
            output[r * columns + c] = input[r * columns + c] + bias[c];
        }
    }
}

fn tolerance(before: &Call<'_>, after: &Call<'_>) -> Vec<Tolerance> {
    let (input, bias) = (before.f32(0), before.f32(1));
    let mut tolerances = vec![0.0; after.f32(2).len()];
    for i in 0..before.items.len() * bias.len() {
        let mut sum = Sum::default();
        sum.add(input[i], 1.0);
        sum.add(bias[i % bias.len()], 1.0);
        tolerances[i] = sum.tolerance();
    }
    vec![Tolerance::Each(tolerances)]
}
