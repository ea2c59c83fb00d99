//! Sums each column over the rows in use: the gradient of a bias.
//!
//! Formula: `sums[c] = Σᵣ input[r, c]`. Symbols: r a row in use, c a column.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | input | rows×columns | read |
//! | 3 | sums | 1×columns | write |
//!
//! Rounding: [`Sum`] in blocks, one term per row.

use std::ops::Range;

use crate::kernels::shared::{self, grid_1d_prelude, groups, iterations_per_workgroup};
use crate::numeric::{SUM_DEPTH, Sum};
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
    name: "column_sum",
    bindings: &[Binding::read("input", Dtype::F32), Binding::write("sums", Dtype::F32)],
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::Part,
    flops: |_, s| s[0].elements() as u64,
    reference: |call| {
        let (p, rows, items) = (*call.params::<Params>(), call.step.rows as usize, call.items.clone());
        let [input, sums] = call.args();
        reference(&p, rows, items, input.f32(), sums.f32_mut());
    },
    fast: None,
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/column_sum.wgsl"),
        shared: &[shared::STEP, shared::LINEAR_INDEX, shared::TREE, shared::BLOCKS],
        prelude: grid_1d_prelude,
        grid: |_, shapes| groups(shapes[1].elements()),
        rounds: Some(|_, shapes| iterations_per_workgroup(shapes[0].rows)),
        tiles: None,
    },
};

/// sums = the sum of each column of input.
pub fn op(plan: &Plan, input: ViewId, sums: ViewId) -> Op {
    let columns = plan.shape(input).columns;
    Op::new(&KERNEL, &[input, sums], &Params { columns: columns as u32 }, columns)
}

/// The reference implementation; `sums` begins at column `items.start`.
pub fn reference(p: &Params, rows: usize, items: Range<usize>, input: &[f32], sums: &mut [f32]) {
    let columns = p.columns as usize;
    for c in items.clone() {
        let mut sum = 0.0;
        for r in 0..rows {
            sum += f64::from(input[r * columns + c]);
        }
        sums[c - items.start] = sum as f32;
    }
}

fn tolerance(before: &Call<'_>, _after: &Call<'_>) -> Vec<Tolerance> {
    let columns = before.params::<Params>().columns as usize;
    let column = |c: usize| {
        let mut sum = Sum::default();
        (0..before.step.rows as usize).for_each(|r| sum.add(before.f32(0)[r * columns + c], 1.0));
        sum.in_blocks(SUM_DEPTH).tolerance()
    };
    vec![Tolerance::Each((0..columns).map(column).collect())]
}
