//! Copies selected rows of a data set of bytes into the window. A table maps each byte to a number.
//!
//! Formula: window[s, r·width + w] = table[min(w, tables − 1), byte w of data[index[epoch_batch + first_item + s, r] −
//! first_row]]. Nothing is written for a batch beyond the index, or for a row that is not in data. Byte w of a row is
//! bits 8·(w mod 4) to 8·(w mod 4) + 7 of its word w / 4.
//! Symbols: as in `gather`; w a byte of the row, and tables the number of tables: one for each byte of a row, or one
//! for all.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | data | rows×words | read |
//! | 3 | index | batches of an epoch×batch | read |
//! | 4 | table | tables×256 | read |
//! | 5 | window | batches×(batch·width, padded) | fill |
//!
//! Rounding: none. Any scaling is part of the table, so all devices get the same numbers.

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
        /// Number of words per row of data.
        words: u32,
        /// Number of bytes per row of data, without padding.
        width: u32,
        /// Number of tables: `width`, or 1.
        tables: u32,
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
    name: "gather_bytes",
    bindings: &[
        Binding::read("data", Dtype::U32).by_rows().touches(Touches::BatchPerItem),
        Binding::read("index", Dtype::U32).touches(Touches::RowPerItem),
        Binding::read("table", Dtype::F32),
        Binding::fill("window", Dtype::F32).by_columns(),
    ],
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::Block,
    flops: |_, _| 0,
    reference: |call| {
        let (p, step, steps) = (*call.params::<Params>(), *call.step, call.items.clone());
        let [data, index, table, window] = call.args();
        reference(&p, &step, steps, [data.words(), index.words()], table.f32(), window.f32_mut());
    },
    fast: Some(fast),
    tolerance: |_, _| vec![Tolerance::Exact],
    shader: Shader {
        source: include_str!("../../shaders/gather_bytes.wgsl"),
        shared: &[shared::STEP, shared::LINEAR_INDEX],
        prelude: grid_1d_prelude,
        grid: |op, shapes| grid_1d(shapes[3].rows * shapes[1].columns * op.params::<Params>().width as usize),
        rounds: None,
        tiles: None,
    },
};

/// Fills window with the rows of data that index lists, from the submission's first batch in the epoch on. Each byte is
/// replaced by its value in table. A row has `width` bytes.
pub fn op(plan: &Plan, [data, index, table, window]: [ViewId; 4], width: usize) -> Op {
    let (data_shape, window_shape) = (plan.shape(data), plan.shape(window));
    let params = Params {
        rows: data_shape.rows as u32,
        first_row: 0,
        words: data_shape.columns as u32,
        width: width as u32,
        tables: plan.shape(table).rows as u32,
        batch: plan.shape(index).columns as u32,
        stride: window_shape.columns as u32,
        first_item: 0,
    };
    Op::new(&KERNEL, &[data, index, table, window], &params, window_shape.rows)
}

/// The reference implementation.
pub fn reference(
    p: &Params,
    step: &Step,
    steps: Range<usize>,
    [data, index]: [&[u32]; 2],
    table: &[f32],
    window: &mut [f32],
) {
    let (width, batch, stride) = (p.width as usize, p.batch as usize, p.stride as usize);
    let (words, tables) = (p.words as usize, p.tables as usize);
    let first = step.epoch_batch as usize + p.first_item as usize + steps.start;
    for (s, rows) in index.chunks_exact(batch).skip(first).take(steps.len()).enumerate() {
        for (r, row) in rows.iter().enumerate() {
            // An index below `first_row` wraps around to one beyond the last row.
            let row = row.wrapping_sub(p.first_row);
            if row < p.rows {
                for w in 0..width {
                    let word = data[row as usize * words + w / 4];
                    let byte = (word >> (8 * (w % 4))) & 255;
                    window[s * stride + r * width + w] = table[w.min(tables - 1) * 256 + byte as usize];
                }
            }
        }
    }
}

/// Returns byte `w` of a row; words are little-endian.
fn byte(row: &[u32], w: usize) -> usize {
    (row[w / 4] >> (8 * (w % 4)) & 255) as usize
}

/// Writes the table's numbers for the bytes of a row, starting at byte `first`, to `to`, four at a time.
fn look_up(row: &[u32], first: usize, table: &[f32; 256], to: &mut [f32]) {
    let whole = first.next_multiple_of(4);
    let (head, rest) = to.split_at_mut((whole - first).min(to.len()));
    (first..whole).zip(head).for_each(|(w, to)| *to = table[byte(row, w)]);
    let (fours, rest) = rest.as_chunks_mut::<4>();
    let (words, last) = row[whole / 4..].split_at(fours.len());
    for (four, word) in fours.iter_mut().zip(words) {
        *four = word.to_le_bytes().map(|byte| table[usize::from(byte)]);
    }
    let last = last.iter().flat_map(|word| word.to_le_bytes());
    rest.iter_mut().zip(last).for_each(|(to, byte)| *to = table[usize::from(byte)]);
}

/// Same computation as [`reference`], row by row. It can be limited to some columns of the window.
fn fast(call: Call<'_>) {
    let (p, step, steps) = (*call.params::<Params>(), *call.step, call.items.clone());
    let [data, index, table, window] = call.args();
    let (index, table, width) = (index.words(), table.f32(), p.width as usize);
    let data = Rows { values: data.words(), each: p.words as usize, first: p.first_row, count: p.rows };
    let mut window = window.matrix_mut(steps.len(), p.stride as usize);
    let columns = window.columns();
    let first = step.epoch_batch as usize + p.first_item as usize + steps.start;
    for (s, batch) in index.chunks_exact(p.batch as usize).skip(first).take(steps.len()).enumerate() {
        data.gather_batch(batch, width, &columns, window.row(s), |row, from, to| match table.try_into() {
            Ok(table) => look_up(row, from.start, table, to),
            Err(_) => from.zip(to).for_each(|(w, to)| *to = table[w * 256 + byte(row, w)]),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_part_of_a_row_is_looked_up() {
        let row = [0x0302_0100, 0x0706_0504, 0x0b0a_0908];
        let table = std::array::from_fn(|byte| byte as f32);
        for first in 0..=12 {
            for end in first..=12 {
                let mut found = vec![f32::NAN; end - first];
                look_up(&row, first, &table, &mut found);
                let wanted: Vec<_> = (first..end).map(|byte| byte as f32).collect();
                assert_eq!(found, wanted, "bytes {first} to {end}");
            }
        }
    }
}
