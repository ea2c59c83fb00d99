//! Adds two views, element by element.
//!
//! Formula: `output[r, c] = first[r, c] + second[r, c]`. Symbols: r a row of the batch, c a column.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | first | rows×columns | read |
//! | 3 | second | rows×columns | read |
//! | 4 | output | rows×columns | write |
//!
//! Derivative: with respect to both inputs the identity.
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
    name: "add",
    bindings: &[
        Binding::read("first", Dtype::F32).per_item(),
        Binding::read("second", Dtype::F32).per_item(),
        Binding::write("output", Dtype::F32),
    ],
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::BatchRow,
    flops: |_, s| s[0].elements() as u64,
    reference: |call| {
        let (p, rows) = (*call.params::<Params>(), call.items.len());
        let [first, second, output] = call.args();
        reference(&p, rows, first.f32(), second.f32(), output.f32_mut());
    },
    fast: None,
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/add.wgsl"),
        shared: &[shared::STEP, shared::LINEAR_INDEX],
        prelude: grid_1d_prelude,
        grid: |_, shapes| grid_1d(shapes[0].elements()),
        rounds: None,
        tiles: None,
    },
};

/// output = first + second.
pub fn op(plan: &Plan, first: ViewId, second: ViewId, output: ViewId) -> Op {
    let shape = plan.shape(first);
    Op::new(&KERNEL, &[first, second, output], &Params { columns: shape.columns as u32 }, shape.rows)
}

/// The reference implementation.
pub fn reference(p: &Params, rows: usize, first: &[f32], second: &[f32], output: &mut [f32]) {
    for i in 0..rows * p.columns as usize {
        output[i] = first[i] + second[i];
    }
}

fn tolerance(before: &Call<'_>, after: &Call<'_>) -> Vec<Tolerance> {
    let (first, second) = (before.f32(0), before.f32(1));
    let mut tolerances = vec![0.0; after.f32(2).len()];
    for i in 0..before.items.len() * before.params::<Params>().columns as usize {
        let mut sum = Sum::default();
        sum.add(first[i], 1.0);
        sum.add(second[i], 1.0);
        tolerances[i] = sum.tolerance();
    }
    vec![Tolerance::Each(tolerances)]
}
