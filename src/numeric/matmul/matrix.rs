//! A matrix as it lies in memory.

use std::marker::PhantomData;
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

    /// How many columns there are.
    pub fn column_count(&self) -> usize {
        self.columns
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

    /// All elements, in order, in slices as long as they lie in memory: whole rows, or all of them as one.
    ///
    /// # Panics
    /// Where it is a transpose.
    pub fn slices(&self) -> impl Iterator<Item = &'a [f32]> {
        assert_eq!(self.column_stride, 1, "the columns of a transpose lie apart");
        let together = self.columns == self.row_stride;
        let (count, len) = if together { (1, self.rows * self.columns) } else { (self.rows, self.columns) };
        let (values, stride) = (self.values, self.row_stride);
        (0..count).map(move |row| &values[row * stride..][..len])
    }

    /// Whether all elements are in `values`.
    pub(super) fn is_whole(&self) -> bool {
        let last = |count: usize, stride: usize| count.saturating_sub(1) * stride;
        let elements = self.rows * self.columns;
        elements == 0 || last(self.rows, self.row_stride) + last(self.columns, self.column_stride) < self.values.len()
    }
}

/// Some columns of a row-major matrix, to be written. Other threads may have other columns of the same rows.
#[derive(Debug)]
pub struct MatrixMut<'a> {
    pub(super) start: *mut f32,
    pub(super) rows: usize,
    /// Which columns of the matrix these are.
    columns: Range<usize>,
    pub(super) row_stride: usize,
    lent: PhantomData<&'a mut [f32]>,
}

// SAFETY: it is an exclusive borrow of all its elements.
unsafe impl Send for MatrixMut<'_> {}

impl<'a> MatrixMut<'a> {
    /// `values` as [rows, columns]; longer slices are cut.
    ///
    /// # Panics
    /// Where `values` is too short, which would be a mistake in a kernel.
    pub fn new(values: &'a mut [f32], rows: usize, columns: usize) -> Self {
        Self::apart(values, rows, columns, columns)
    }

    /// So many rows that lie `row_stride` apart.
    ///
    /// # Panics
    /// Where `values` is too short, or rows overlap, which would be a mistake, too.
    pub(super) fn apart(values: &'a mut [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        assert!(rows == 0 || columns <= row_stride && (rows - 1) * row_stride + columns <= values.len(), "no room");
        // SAFETY: all rows are within `values`, which is borrowed as long.
        unsafe { Self::lent(values.as_mut_ptr(), rows, 0..columns, row_stride) }
    }

    /// Some columns of a matrix of which `start` is the first element, in rows of `row_stride` numbers.
    ///
    /// # Safety
    /// These elements are in memory, and nobody else uses them, as long as it lives.
    pub unsafe fn lent(start: *mut f32, rows: usize, columns: Range<usize>, row_stride: usize) -> Self {
        Self { start: start.wrapping_add(columns.start), rows, columns, row_stride, lent: PhantomData }
    }

    /// How many rows there are.
    pub fn row_count(&self) -> usize {
        self.rows
    }

    /// Which columns of the whole matrix these are.
    pub fn columns(&self) -> Range<usize> {
        self.columns.clone()
    }

    /// What it has of a row.
    pub fn row(&mut self, row: usize) -> &mut [f32] {
        assert!(row < self.rows, "row out of range");
        // SAFETY: the row is in memory, and exclusively borrowed, as is self.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(row * self.row_stride), self.columns.len()) }
    }

    /// All elements, in order, in slices as long as they lie in memory: whole rows, or all of them as one.
    pub fn slices(&mut self) -> impl Iterator<Item = &mut [f32]> {
        let (count, len) = match self.columns.len() {
            columns if columns == self.row_stride => (1, self.rows * columns),
            columns => (self.rows, columns),
        };
        // SAFETY: these rows are in memory, each is given once, and self is exclusively borrowed as long as they are used.
        (0..count).map(move |row| unsafe { std::slice::from_raw_parts_mut(self.start.add(row * self.row_stride), len) })
    }

    /// The same, for a while.
    pub fn lend(&mut self) -> MatrixMut<'_> {
        MatrixMut { columns: self.columns.clone(), ..*self }
    }

    /// Some of its rows, and some columns of those that it has.
    pub fn into_part(self, rows: Range<usize>, columns: Range<usize>) -> Self {
        assert!(rows.start <= rows.end && rows.end <= self.rows, "rows out of range");
        assert!(columns.start <= columns.end && columns.end <= self.columns.len(), "columns out of range");
        let own = self.columns.start + columns.start..self.columns.start + columns.end;
        let start = self.start.wrapping_add(rows.start * self.row_stride + columns.start);
        Self { start, rows: rows.len(), columns: own, ..self }
    }
}
