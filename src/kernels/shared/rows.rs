//! Copies rows of a data set into the window, the view with the rows of the next batches, on the CPU.

use std::ops::Range;

use crate::numeric::{Line, will_read};

/// Number of values to prefetch ahead of the copy.
const AHEAD: usize = 1024;

/// Range of rows of a data set.
pub struct Rows<'a, T> {
    /// Values of all rows.
    pub values: &'a [T],
    /// Number of values per row. A value is a number, or a word of four packed bytes.
    pub each: usize,
    /// Index of the first row in the data set.
    pub first: u32,
    /// Number of rows.
    pub count: u32,
}

impl<'a, T> Rows<'a, T> {
    /// Returns the row with this index in the data set, if it is in the range.
    fn get(&self, row: u32) -> Option<&'a [T]> {
        // An index below `first` wraps around to one beyond the last row.
        let row = row.wrapping_sub(self.first);
        (row < self.count).then(|| &self.values[row as usize * self.each..][..self.each])
    }

    /// Calls `copy` for each row of `batch` that is in the range. Each row has `width` numbers. `columns` is the wanted
    /// range among the numbers of the whole batch, and `to` is the destination of this range. `copy` gets a row, the
    /// wanted range of its numbers, and their destination.
    pub fn gather_batch(
        &self,
        batch: &[u32],
        width: usize,
        columns: &Range<usize>,
        mut to: &mut [f32],
        copy: impl Fn(&[T], Range<usize>, &mut [f32]),
    ) {
        let ahead = AHEAD.div_ceil(self.each);
        let columns = columns.start..columns.end.min(batch.len() * width);
        for r in columns.start / width..columns.end.div_ceil(width) {
            if let Some(soon) = batch.get(r + ahead).and_then(|row| self.get(*row)) {
                soon.iter().take(AHEAD).step_by(Line::WORDS).for_each(|value| will_read(value));
            }
            let own = (r * width).max(columns.start)..((r + 1) * width).min(columns.end);
            let (part, rest) = std::mem::take(&mut to).split_at_mut(own.len());
            if let Some(row) = self.get(batch[r]) {
                copy(row, own.start - r * width..own.end - r * width, part);
            }
            to = rest;
        }
    }
}
