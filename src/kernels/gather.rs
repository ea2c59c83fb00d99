//! Copies selected rows of a data set into the window, which has one row per batch of the submission.
//!
//! Formula: window[s, r·width + w] = data[index[epoch_batch + first_item + s, r] − first_row, w]. Nothing is written
//! for a batch beyond the index, or for a row that is not in data. Symbols: s a batch of the submission; r one of its
//! rows; w a word of the row; epoch_batch the row of the index at which the submission begins. first_item is the batch
//! at which window begins, and first_row the row of the data set at which data begins. They are not 0 if several ops
//! share the work.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | data | rows×width | read |
//! | 3 | index | batches of an epoch×batch | read |
//! | 4 | window | batches×(batch·width, padded) | fill |
//!
//! Rounding: none. Words are copied, whatever their type.

use std::ops::Range;

use crate::kernels::shared::rows::Rows;
use crate::kernels::shared::{self, grid_1d, grid_1d_prelude};
use crate::plan::{
    Binding, Call, Kernel, Op, Plan, Shader, Step, StepUse, Tolerance, Touches, ViewId, WorkItem, words,
};
use crate::shape::Dtype;

words! {
    /// Kernel parameters.
    pub struct Params {
        /// Number of rows of data.
        rows: u32,
        /// Index in the data set of the first row of data.
        first_row: u32,
        /// Number of words per row.
        width: u32,
        /// Number of rows per batch.
        batch: u32,
        /// Number of words from one batch to the next in the window.
        stride: u32,
        /// Batch of the submission at which the window begins.
        first_item: u32,
    }
}

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "gather",
    bindings: &[
        Binding::read("data", Dtype::F32).any().by_rows().touches(Touches::BatchPerItem),
        Binding::read("index", Dtype::U32).touches(Touches::RowPerItem),
        Binding::fill("window", Dtype::F32).any().by_columns(),
    ],
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::Block,
    flops: |_, _| 0,
    reference: |call| {
        let (p, step, steps) = (*call.params::<Params>(), *call.step, call.items.clone());
        let [data, index, window] = call.args();
        reference(&p, &step, steps, data.words(), index.words(), window.words_mut());
    },
    fast: Some(fast),
    tolerance: |_, _| vec![Tolerance::Exact],
    shader: Shader {
        source: include_str!("../../shaders/gather.wgsl"),
        shared: &[shared::STEP, shared::LINEAR_INDEX],
        prelude: grid_1d_prelude,
        grid: |_, shapes| grid_1d(shapes[2].rows * shapes[1].columns * shapes[0].columns),
        rounds: None,
        tiles: None,
    },
};

/// window = the rows of data that index names, starting at the batch of the epoch at which the submission begins.
pub fn op(plan: &Plan, data: ViewId, index: ViewId, window: ViewId) -> Op {
    let (data_shape, window_shape) = (plan.shape(data), plan.shape(window));
    let params = Params {
        rows: data_shape.rows as u32,
        first_row: 0,
        width: data_shape.columns as u32,
        batch: plan.shape(index).columns as u32,
        stride: window_shape.columns as u32,
        first_item: 0,
    };
    Op::new(&KERNEL, &[data, index, window], &params, window_shape.rows)
}

/// The reference implementation.
pub fn reference(p: &Params, step: &Step, steps: Range<usize>, data: &[u32], index: &[u32], window: &mut [u32]) {
    let (width, batch, stride) = (p.width as usize, p.batch as usize, p.stride as usize);
    let first = step.epoch_batch as usize + p.first_item as usize + steps.start;
    for (s, rows) in index.chunks_exact(batch).skip(first).take(steps.len()).enumerate() {
        for (r, row) in rows.iter().enumerate() {
            // An index below `first_row` wraps around to one beyond the last row.
            let row = row.wrapping_sub(p.first_row);
            if row < p.rows {
                for w in 0..width {
                    window[s * stride + r * width + w] = data[row as usize * width + w];
                }
            }
        }
    }
}

/// Same computation as [`reference`], row by row. It can be limited to some columns of the window.
fn fast(call: Call<'_>) {
    let (p, step, steps) = (*call.params::<Params>(), *call.step, call.items.clone());
    let [data, index, window] = call.args();
    let (index, width) = (index.words(), p.width as usize);
    let data = Rows { values: data.f32(), each: width, first: p.first_row, count: p.rows };
    let mut window = window.matrix_mut(steps.len(), p.stride as usize);
    let columns = window.columns();
    let first = step.epoch_batch as usize + p.first_item as usize + steps.start;
    for (s, batch) in index.chunks_exact(p.batch as usize).skip(first).take(steps.len()).enumerate() {
        data.gather_batch(batch, width, &columns, window.row(s), |row, from, to| to.copy_from_slice(&row[from]));
    }
}
