//! Copies chosen rows of a data set into the window: one part of it for each step.
//!
//! Formula: window[s, r·width + w] = data[index[epoch_step + first_item + s, r] − first_row, w]; a step beyond the index,
//! and an index of a row that is not in data, leave theirs alone.
//! Letters: s a step of the submission, r a row of its batch, w a word of the row; epoch_step the row of the index at
//! which the submission begins; first_item the step, and first_row the row of the data set, that window and data begin
//! with, where other ops see the others.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | data | rows×width | read |
//! | 3 | index | steps of an epoch×batch | read |
//! | 4 | window | steps×(batch·width, padded) | fill |
//!
//! Exact: words are moved, whatever their type.

use std::ops::Range;

use crate::kernels::shared::rows::Rows;
use crate::kernels::{line, line_prelude, shared};
use crate::plan::{
    Binding, Call, Kernel, Op, Plan, Shader, Step, StepUse, Tolerance, Touches, ViewId, WorkItem, words,
};
use crate::shape::Dtype;

words! {
    /// Sizes.
    pub struct Params {
        /// Rows of data.
        rows: u32,
        /// Row of the data set that data begins with.
        first_row: u32,
        /// Words a row.
        width: u32,
        /// Rows of a batch.
        batch: u32,
        /// Words from one step's part of the window to the next.
        stride: u32,
        /// Step of the submission that the window begins with.
        first_item: u32,
    }
}

/// See the module.
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
        shared: &[shared::STEP, shared::LINE],
        prelude: line_prelude,
        grid: |_, shapes| line(shapes[2].rows * shapes[1].columns * shapes[0].columns),
        rounds: None,
        tiles: None,
    },
};

/// window = the rows of data that index names, from the submission's step of the epoch on.
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
    let first = step.epoch_step as usize + p.first_item as usize + steps.start;
    for (s, rows) in index.chunks_exact(batch).skip(first).take(steps.len()).enumerate() {
        for (r, row) in rows.iter().enumerate() {
            // A row before the first becomes one beyond the last.
            let row = row.wrapping_sub(p.first_row);
            if row < p.rows {
                for w in 0..width {
                    window[s * stride + r * width + w] = data[row as usize * width + w];
                }
            }
        }
    }
}

/// The reference implementation, row by row, or what some columns of the window have of each row.
fn fast(call: Call<'_>) {
    let (p, step, steps) = (*call.params::<Params>(), *call.step, call.items.clone());
    let [data, index, window] = call.args();
    let (index, width) = (index.words(), p.width as usize);
    let data = Rows { values: data.f32(), each: width, first: p.first_row, count: p.rows };
    let mut window = window.matrix_mut(steps.len(), p.stride as usize);
    let columns = window.columns();
    let first = step.epoch_step as usize + p.first_item as usize + steps.start;
    for (s, batch) in index.chunks_exact(p.batch as usize).skip(first).take(steps.len()).enumerate() {
        data.bring(batch, width, &columns, window.row(s), |row, from, to| to.copy_from_slice(&row[from]));
    }
}
