//! Shapes and element types of a plan's views.

use std::fmt;

/// Numbers of rows and columns of a view, which is row-major. A vector is one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns. The elements of a row are consecutive in memory.
    pub columns: usize,
}

impl Shape {
    /// Creates the shape of a matrix of `rows` × `columns`.
    pub const fn new(rows: usize, columns: usize) -> Self {
        Self { rows, columns }
    }

    /// Creates the shape of a vector: one row.
    pub const fn vector(columns: usize) -> Self {
        Self { rows: 1, columns }
    }

    /// Returns the number of elements; saturates at `usize::MAX`, so that size checks see an overflow.
    pub const fn elements(self) -> usize {
        self.rows.saturating_mul(self.columns)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{}", self.rows, self.columns)
    }
}

/// Type of one element. Every type so far is one 32-bit word, so any memory is a slice of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// 32-bit float.
    F32,
    /// 32-bit unsigned integer: indices, classes, flags.
    U32,
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::U32 => "u32",
        })
    }
}

/// Alignment of tensors in an allocation, in elements (256 bytes, the offset alignment that every GPU accepts).
pub const TENSOR_ALIGNMENT: usize = 64;

/// Rounds `elements` up to a multiple of [`TENSOR_ALIGNMENT`].
pub const fn padded(elements: usize) -> usize {
    elements.div_ceil(TENSOR_ALIGNMENT).saturating_mul(TENSOR_ALIGNMENT)
}
