//! Copies chosen rows of a data set into the window: one part of it for each step.
//!
//! Formula: window[s, r·width + w] = data[index[epoch_step + first_lane + s, r] − first_row, w]; a step beyond the index,
//! and an index of a row that is not in data, leave theirs alone.
//! Letters: s a step of the submission, r a row of its batch, w a word of the row; epoch_step the row of the index at
//! which the submission begins; first_lane the step, and first_row the row of the data set, that window and data begin
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

use crate::kernels::{line, line_prelude, shared};
use crate::numeric::{Line, will_read};
use crate::plan::{Binding, Bound, Call, Kernel, Lane, Op, Plan, Shader, Step, StepUse, Touches, ViewId, words};
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
        first_lane: u32,
    }
}

/// See the module.
pub static KERNEL: Kernel = Kernel {
    name: "gather",
    bindings: &[
        Binding::read("data", Dtype::F32).any().by_rows().touches(Touches::BatchALane),
        Binding::read("index", Dtype::U32).touches(Touches::RowALane),
        Binding::fill("window", Dtype::F32).any().by_columns(),
    ],
    params: Params::FIELDS,
    step: StepUse::One,
    lane: Lane::Block,
    flops: |_, _| 0,
    reference: |call| {
        let (p, step, steps) = (*call.params::<Params>(), *call.step, call.lanes.clone());
        let [data, index, window] = call.slots();
        reference(&p, &step, steps, data.words(), index.words(), window.words_mut());
    },
    fast: Some(fast),
    bound: |_, _| vec![Bound::Exact],
    shader: Shader {
        source: include_str!("../../shaders/gather.wgsl"),
        shared: &[shared::STEP, shared::LINE],
        prelude: line_prelude,
        grid: |_, shapes| line(shapes[2].rows * shapes[1].columns * shapes[0].columns),
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
        first_lane: 0,
    };
    Op::new(&KERNEL, &[data, index, window], &params, window_shape.rows)
}

/// The plain twin.
pub fn reference(p: &Params, step: &Step, steps: Range<usize>, data: &[u32], index: &[u32], window: &mut [u32]) {
    let (width, batch, stride) = (p.width as usize, p.batch as usize, p.stride as usize);
    let first = step.epoch_step as usize + p.first_lane as usize + steps.start;
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

/// The plain twin, row by row, or what some columns of the window have of each row.
fn fast(call: Call<'_>) {
    let (p, step, steps) = (*call.params::<Params>(), *call.step, call.lanes.clone());
    let [data, index, window] = call.slots();
    let (data, index, width) = (data.f32(), index.words(), p.width as usize);
    let mut window = window.matrix_mut(steps.len(), p.stride as usize);
    let columns = window.columns();
    let first = step.epoch_step as usize + p.first_lane as usize + steps.start;
    let rows = index.chunks_exact(p.batch as usize).skip(first).take(steps.len());
    for (s, rows) in rows.enumerate() {
        let of = |row: u32| {
            let row = row.wrapping_sub(p.first_row);
            (row < p.rows).then(|| &data[row as usize * width..][..width])
        };
        let ahead = NUMBERS_AHEAD.div_ceil(width);
        for (part, to) in parts(rows.len(), width, &columns, window.row(s)) {
            if let Some(soon) = rows.get(part.row + ahead).and_then(|row| of(*row)) {
                soon.iter().take(NUMBERS_AHEAD).step_by(Line::WORDS).for_each(|word| will_read(word));
            }
            if let Some(row) = of(rows[part.row]) {
                to.copy_from_slice(&row[part.columns]);
            }
        }
    }
}

/// Numbers of a row, or rows, that are asked for before they are copied.
const NUMBERS_AHEAD: usize = 1024;

/// Some columns of a row of a batch.
pub struct Part {
    /// Which of the batch's rows.
    pub row: usize,
    /// Which numbers of it.
    pub columns: Range<usize>,
}

/// What `columns` of a window's row, which are at `to`, have of each of a batch's rows of `width` numbers, and where it belongs.
pub fn parts<'a>(
    batch: usize,
    width: usize,
    columns: &Range<usize>,
    mut to: &'a mut [f32],
) -> impl Iterator<Item = (Part, &'a mut [f32])> {
    let columns = columns.start..columns.end.min(batch * width);
    (columns.start / width..columns.end.div_ceil(width)).map(move |row| {
        let own = (row * width).max(columns.start)..((row + 1) * width).min(columns.end);
        let (part, rest) = std::mem::take(&mut to).split_at_mut(own.len());
        to = rest;
        (Part { row, columns: own.start - row * width..own.end - row * width }, part)
    })
}
