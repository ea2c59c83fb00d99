//! Views of matrices in memory.

use std::marker::PhantomData;
use std::ops::Range;

/// View of a matrix in row-major memory, or of its transpose.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    pub(super) values: &'a [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row_stride: usize,
    pub(super) column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Creates a view of `values` as [rows, columns]; further values are ignored.
    ///
    /// # Panics
    /// Panics if `values` is too short, which would be a bug in a kernel.
    pub fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        // Kernels pass sizes of views whose allocations are in memory, so the number of elements fits.
        let elements = rows.checked_mul(columns).expect("a matrix that is in memory has fewer elements than addresses");
        Self { values: &values[..elements], rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// Returns a view of the columns `range`.
    pub fn columns(self, range: Range<usize>) -> Self {
        assert!(range.end <= self.columns && range.start <= range.end, "columns out of range");
        let start = (range.start * self.column_stride).min(self.values.len());
        Self { values: &self.values[start..], columns: range.len(), ..self }
    }

    /// Returns a view of the rows `range`.
    pub fn rows(self, range: Range<usize>) -> Self {
        self.transposed().columns(range).transposed()
    }

    /// Returns a view of the transpose, without moving data.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// Returns the number of rows.
    pub fn row_count(&self) -> usize {
        self.rows
    }

    /// Returns the number of columns.
    pub fn column_count(&self) -> usize {
        self.columns
    }

    /// Returns a row of a matrix that is not transposed.
    ///
    /// # Panics
    /// Panics if the matrix is transposed.
    #[inline(always)]
    pub fn row(&self, row: usize) -> &'a [f32] {
        assert_eq!(self.column_stride, 1, "the columns of a transpose lie apart");
        &self.values[row * self.row_stride..][..self.columns]
    }

    /// Returns all elements in order, as contiguous slices: one per row, or a single slice if the rows are adjacent.
    ///
    /// # Panics
    /// Panics if the matrix is transposed.
    pub fn slices(&self) -> impl Iterator<Item = &'a [f32]> {
        assert_eq!(self.column_stride, 1, "the columns of a transpose lie apart");
        let together = self.columns == self.row_stride;
        let (count, len) = if together { (1, self.rows * self.columns) } else { (self.rows, self.columns) };
        let (values, stride) = (self.values, self.row_stride);
        (0..count).map(move |row| &values[row * stride..][..len])
    }

    /// Returns `true` if all elements are within `values`.
    pub(super) fn is_whole(&self) -> bool {
        let last = |count: usize, stride: usize| count.saturating_sub(1) * stride;
        let elements = self.rows * self.columns;
        elements == 0 || last(self.rows, self.row_stride) + last(self.columns, self.column_stride) < self.values.len()
    }
}

/// Mutable view of some columns of a row-major matrix. Other threads may hold other columns of the same rows.
#[derive(Debug)]
pub struct MatrixMut<'a> {
    pub(super) start: *mut f32,
    pub(super) rows: usize,
    /// Range of the view's columns in the whole matrix.
    columns: Range<usize>,
    pub(super) row_stride: usize,
    borrow: PhantomData<&'a mut [f32]>,
}

// SAFETY: a view is an exclusive borrow of all its elements.
unsafe impl Send for MatrixMut<'_> {}

impl<'a> MatrixMut<'a> {
    /// Creates a view of `values` as [rows, columns]; further values are ignored.
    ///
    /// # Panics
    /// Panics if `values` is too short, which would be a bug in a kernel.
    pub fn new(values: &'a mut [f32], rows: usize, columns: usize) -> Self {
        Self::with_row_stride(values, rows, columns, columns)
    }

    /// Creates a view of `rows` rows whose starts are `row_stride` apart.
    ///
    /// # Panics
    /// Panics if `values` is too short, or rows overlap, which would be a bug in a kernel.
    pub(super) fn with_row_stride(values: &'a mut [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        assert!(rows == 0 || columns <= row_stride && (rows - 1) * row_stride + columns <= values.len(), "no room");
        // SAFETY: all rows are within `values`, which is borrowed as long.
        unsafe { Self::from_raw(values.as_mut_ptr(), rows, 0..columns, row_stride) }
    }

    /// Creates a view of some columns of a matrix. `start` points to its first element, and its rows are `row_stride`
    /// numbers apart.
    ///
    /// # Safety
    /// All elements of the view are in memory, and nothing else accesses them during the lifetime of the view.
    pub unsafe fn from_raw(start: *mut f32, rows: usize, columns: Range<usize>, row_stride: usize) -> Self {
        Self { start: start.wrapping_add(columns.start), rows, columns, row_stride, borrow: PhantomData }
    }

    /// Returns the number of rows.
    pub fn row_count(&self) -> usize {
        self.rows
    }

    /// Returns the range of the view's columns in the whole matrix.
    pub fn columns(&self) -> Range<usize> {
        self.columns.clone()
    }

    /// Returns the elements of a row that are in the view.
    pub fn row(&mut self, row: usize) -> &mut [f32] {
        assert!(row < self.rows, "row out of range");
        // SAFETY: the row is in memory, and exclusively borrowed, as is self.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(row * self.row_stride), self.columns.len()) }
    }

    /// Returns all elements in order, as contiguous slices: one per row, or a single slice if the rows are adjacent.
    pub fn slices(&mut self) -> impl Iterator<Item = &mut [f32]> {
        let (count, len) = match self.columns.len() {
            columns if columns == self.row_stride => (1, self.rows * columns),
            columns => (self.rows, columns),
        };
        // SAFETY: these rows are in memory, each is given once, and self is exclusively borrowed as long as they are
        // used.
        (0..count).map(move |row| unsafe { std::slice::from_raw_parts_mut(self.start.add(row * self.row_stride), len) })
    }

    /// Reborrows the view, so that this one can be used again later.
    pub fn reborrow(&mut self) -> MatrixMut<'_> {
        MatrixMut { columns: self.columns.clone(), ..*self }
    }

    /// Returns the part with the given rows and columns; both ranges are relative to this view.
    pub fn into_part(self, rows: Range<usize>, columns: Range<usize>) -> Self {
        assert!(rows.start <= rows.end && rows.end <= self.rows, "rows out of range");
        assert!(columns.start <= columns.end && columns.end <= self.columns.len(), "columns out of range");
        let own = self.columns.start + columns.start..self.columns.start + columns.end;
        let start = self.start.wrapping_add(rows.start * self.row_stride + columns.start);
        Self { start, rows: rows.len(), columns: own, ..self }
    }
}
