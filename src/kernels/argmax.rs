//! Index of the largest element of each row, or of the first of several equal ones. A row with a NaN has no index.
//!
//! Formula: `index[r] = min { c : input[r, c] = maxⱼ input[r, j] }`, or 2³² − 1, which is no class, if an element of
//! the row is NaN. Symbols: r a row of the batch, c and j columns.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | input | rows×columns | read |
//! | 3 | index | rows×1 | write |
//!
//! Rounding: none, the result is exact.

use crate::kernels::shared::{self, along_row, grid_1d, per_row, row_prelude};
use crate::plan::{Binding, Kernel, Op, Plan, Shader, StepUse, Tolerance, ViewId, WorkItem, words};
use crate::shape::Dtype;

words! {
    /// Kernel parameters.
    pub struct Params {
        /// Number of columns.
        columns: u32,
    }
}

/// Index for a row with a NaN. It is the index of no class, so the row is never counted as correct.
pub const NO_COLUMN: u32 = u32::MAX;

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "argmax",
    bindings: &[Binding::read("input", Dtype::F32).per_item(), Binding::write("index", Dtype::U32)],
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::BatchRow,
    flops: |_, s| s[0].elements() as u64,
    reference: |call| {
        let (p, rows) = (*call.params::<Params>(), call.items.len());
        let [input, index] = call.args();
        reference(&p, rows, input.f32(), index.words_mut());
    },
    fast: None,
    tolerance: |_, _| vec![Tolerance::Exact],
    shader: Shader {
        source: include_str!("../../shaders/argmax.wgsl"),
        shared: &[shared::STEP, shared::LINEAR_INDEX, shared::TREE],
        prelude: row_prelude,
        grid: |_, shapes| grid_1d(shapes[0].rows * per_row(shapes[0].columns)),
        rounds: Some(|_, shapes| along_row(shapes[0].columns)),
        tiles: None,
    },
};

/// index = the column of the largest element of each row.
pub fn op(plan: &Plan, input: ViewId, index: ViewId) -> Op {
    let shape = plan.shape(input);
    Op::new(&KERNEL, &[input, index], &Params { columns: shape.columns as u32 }, shape.rows)
}

/// The reference implementation.
pub fn reference(p: &Params, rows: usize, input: &[f32], index: &mut [u32]) {
    let columns = p.columns as usize;
    for r in 0..rows {
        let row = &input[r * columns..(r + 1) * columns];
        let (mut largest, mut nan) = (0, false);
        for c in 0..columns {
            if row[c] > row[largest] {
                largest = c;
            }
            nan |= row[c].is_nan();
        }
        index[r] = if nan { NO_COLUMN } else { largest as u32 };
    }
}
