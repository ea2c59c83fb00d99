//! Sizes and element types of what a plan's views hold.

use std::fmt;

/// Rows and columns of a view, row-major; a vector is one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns: consecutive elements in memory.
    pub columns: usize,
}

impl Shape {
    /// A matrix of `rows` × `columns`.
    pub const fn new(rows: usize, columns: usize) -> Self {
        Self { rows, columns }
    }

    /// A vector: one row.
    pub const fn vector(columns: usize) -> Self {
        Self { rows: 1, columns }
    }

    /// Number of elements; the largest number where there are more than it, so that a check of sizes sees them.
    pub const fn elements(self) -> usize {
        self.rows.saturating_mul(self.columns)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{}", self.rows, self.columns)
    }
}

/// The type of one element. Every type so far is one 32-bit word, so that any memory is a slice of words.
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

/// Tensors in one allocation start at multiples of this many elements (256 bytes, the offset alignment
/// that every GPU accepts).
pub const TENSOR_ALIGNMENT: usize = 64;

/// `elements` rounded up to [`TENSOR_ALIGNMENT`].
pub const fn padded(elements: usize) -> usize {
    elements.div_ceil(TENSOR_ALIGNMENT).saturating_mul(TENSOR_ALIGNMENT)
}
