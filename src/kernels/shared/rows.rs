//! Rows of a data set on their way into the window, on the CPU.

use std::ops::Range;

use crate::numeric::{Line, will_read};

/// Values of a row, or rows, that are asked for before they are brought.
const AHEAD: usize = 1024;

/// Rows of a data set.
pub struct Rows<'a, T> {
    /// All of them.
    pub values: &'a [T],
    /// Values of a row: words, or numbers.
    pub each: usize,
    /// Row of the data set that they begin with.
    pub first: u32,
    /// How many rows there are.
    pub count: u32,
}

impl<'a, T> Rows<'a, T> {
    /// A row, if it is one of these.
    fn get(&self, row: u32) -> Option<&'a [T]> {
        // A row before the first becomes one beyond the last.
        let row = row.wrapping_sub(self.first);
        (row < self.count).then(|| &self.values[row as usize * self.each..][..self.each])
    }

    /// Gives `copy` each row that `batch` names, which of its `width` numbers are wanted, and where these belong: `columns` of
    /// the batch's numbers are at `to`.
    pub fn bring(
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
