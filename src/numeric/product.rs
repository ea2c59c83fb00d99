//! One block's matrix product, through the crate `matrixmultiply` on the calling thread.

/// A matrix in row-major memory, or its transpose.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
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
    pub fn columns(self, range: std::ops::Range<usize>) -> Self {
        assert!(range.end <= self.columns && range.start <= range.end, "columns out of range");
        let start = (range.start * self.column_stride).min(self.values.len());
        Self { values: &self.values[start..], columns: range.len(), ..self }
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
}

/// out = a·b, with `out` [rows of a, columns of b] row-major. The order of summation depends on the shapes
/// and the processor (whose widest vectors the crate uses), and on nothing else.
pub fn product(a: Matrix<'_>, b: Matrix<'_>, out: &mut [f32]) {
    assert_eq!(a.columns, b.rows, "inner sizes differ");
    let (m, n, k) = (a.rows, b.columns, a.columns);
    // The sizes of `out`, which is in memory.
    let elements = m.checked_mul(n).expect("a matrix that is in memory has fewer elements than addresses");
    let out = &mut out[..elements];
    if k == 0 || out.is_empty() {
        return out.fill(0.0);
    }
    // SAFETY: `out` is m×n with strides (n, 1), and exclusively ours; `a` and `b` hold every element that their
    // sizes and strides reach, by construction of `Matrix`; as beta is 0, `out` is not read.
    unsafe {
        matrixmultiply::sgemm(
            m,
            k,
            n,
            1.0,
            a.values.as_ptr(),
            a.row_stride as isize,
            a.column_stride as isize,
            b.values.as_ptr(),
            b.row_stride as isize,
            b.column_stride as isize,
            0.0,
            out.as_mut_ptr(),
            n as isize,
            1,
        );
    }
}
