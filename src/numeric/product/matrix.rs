//! A matrix as it lies in memory.

use std::ops::Range;

/// A matrix in row-major memory, or its transpose.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    pub(super) values: &'a [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row_stride: usize,
    pub(super) column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// `values` as [rows, columns]; longer slices are cut.
    ///
    /// # Panics
    /// Where `values` is too short, which would be a mistake in a kernel.
    pub fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        // Kernels give sizes of views, whose allocations are in memory: their product is a number of elements there.
        let elements = rows.checked_mul(columns).expect("a matrix that is in memory has fewer elements than addresses");
        Self { values: &values[..elements], rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// [rows, columns] of a matrix whose rows lie `row_stride` apart.
    pub(super) fn apart(values: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        Self { values, rows, columns, row_stride, column_stride: 1 }
    }

    /// The columns `range`.
    pub fn columns(self, range: Range<usize>) -> Self {
        assert!(range.end <= self.columns && range.start <= range.end, "columns out of range");
        let start = (range.start * self.column_stride).min(self.values.len());
        Self { values: &self.values[start..], columns: range.len(), ..self }
    }

    /// The rows `range`.
    pub fn rows(self, range: Range<usize>) -> Self {
        self.transposed().columns(range).transposed()
    }

    /// The transpose, without moving anything.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// How many rows there are.
    pub fn row_count(&self) -> usize {
        self.rows
    }

    /// A row of a matrix that is no transpose.
    ///
    /// # Panics
    /// Where it is one.
    #[inline(always)]
    pub fn row(&self, row: usize) -> &'a [f32] {
        assert_eq!(self.column_stride, 1, "the columns of a transpose lie apart");
        &self.values[row * self.row_stride..][..self.columns]
    }

    /// Whether all elements are in `values`.
    pub(super) fn is_whole(&self) -> bool {
        let last = |count: usize, stride: usize| count.saturating_sub(1) * stride;
        let elements = self.rows * self.columns;
        elements == 0 || last(self.rows, self.row_stride) + last(self.columns, self.column_stride) < self.values.len()
    }
}
