//! Right operand, b: its parts, and their packing.

use std::ops::Range;

use super::{BLOCK, Line, Matrix, PAGE_STRIDE, PANEL, PART, buffer_slice, cuts, even, in_chunks_of, pack, tile};

/// Right operand of a matrix multiplication.
#[derive(Clone, Copy)]
pub(super) enum Right<'a> {
    /// Unpacked, as it is in memory.
    Matrix(Matrix<'a>),
    /// Packed panels of [`PANEL`] columns each, one after the other. A panel is stored row after row.
    Panels { values: &'a [f32], terms: usize, columns: usize },
}

/// Block of the right operand: a range of columns, and a range of the inner dimension (the terms of each output's sum).
pub(super) struct Part {
    pub columns: Range<usize>,
    pub terms: Range<usize>,
}

impl<'a> Right<'a> {
    pub fn columns(&self) -> usize {
        match self {
            Self::Matrix(b) => b.columns,
            Self::Panels { columns, .. } => *columns,
        }
    }

    /// Returns `true` if a multiplication with `rows` rows of a reads b only once, so that packing does not pay.
    pub fn is_read_once(&self, rows: usize) -> bool {
        matches!(self, Self::Matrix(b) if b.column_stride == 1 && rows < tile::ROWS)
    }

    /// Returns the parts of a block of terms: panel by panel, and in a panel from the first term to the last. The
    /// number of terms per part is a multiple of `chunk`.
    pub fn parts(self, block: Range<usize>, chunk: Option<usize>) -> impl Iterator<Item = Part> {
        let most = match self {
            // With such a stride, the rows of a part map to the same few sets of a cache.
            Self::Matrix(b) if b.column_stride == 1 && b.row_stride >= PAGE_STRIDE => PART / 2,
            // If there are few columns, a part has more terms; otherwise loading and storing the sums would dominate.
            _ => (PART * PANEL / self.columns().min(PANEL)).min(BLOCK),
        };
        let each = in_chunks_of(chunk, even(block.len(), most));
        cuts(self.columns(), PANEL).flat_map(move |columns| {
            let moved = move |part: Range<usize>| block.start + part.start..block.start + part.end;
            cuts(block.len(), each).map(move |part| Part { columns: columns.clone(), terms: moved(part) })
        })
    }

    /// Returns the location from which tiles read a part of a block; packs the part if needed.
    pub fn pack(self, part: &Part, block: &Range<usize>, buffer: &mut Vec<Line>, packed: &mut Vec<Line>) -> tile::B {
        match self {
            Self::Panels { .. } => tile::B::Panel(self.at(part)),
            Self::Matrix(b) if b.column_stride != 1 => {
                let panel = buffer_slice::<{ BLOCK * PANEL }>(buffer, block.len() * PANEL);
                if part.terms.start == block.start {
                    pack::panels(b.rows(block.clone()).columns(part.columns.clone()), panel);
                }
                tile::B::Panel(panel[(part.terms.start - block.start) * PANEL..].as_ptr())
            }
            Self::Matrix(b) if b.row_stride == PANEL && b.columns == PANEL => tile::B::Panel(self.at(part)),
            Self::Matrix(b) => {
                let packed = buffer_slice::<{ BLOCK * PANEL }>(packed, part.terms.len() * PANEL).as_mut_ptr();
                tile::B::Matrix { start: self.at(part), stride: b.row_stride, packed }
            }
        }
    }

    /// Returns the rows of b in `part`, the next part to be multiplied. The current tiles, of `rows` rows of a,
    /// prefetch these rows.
    pub fn next(self, part: &Part, rows: usize) -> tile::Next {
        // The first tile of an unpacked matrix packs the current part, and prefetches nothing.
        let (stride, tiles) = match self {
            Self::Panels { .. } => (PANEL, rows.div_ceil(tile::ROWS)),
            Self::Matrix(b) if b.column_stride == 1 => (b.row_stride, rows.div_ceil(tile::ROWS) - 1),
            Self::Matrix(_) => return tile::Next::NOTHING,
        };
        let rows = part.terms.len();
        tile::Next { start: self.at(part), stride, rows, each: rows.div_ceil(tiles.max(1)) }
    }

    /// Returns the address of the first element of a part, unpacked.
    fn at(self, part: &Part) -> *const f32 {
        match self {
            Self::Panels { values, terms, .. } => {
                values[part.columns.start * terms + part.terms.start * PANEL..][..part.terms.len() * PANEL].as_ptr()
            }
            Self::Matrix(b) => b.rows(part.terms.clone()).columns(part.columns.clone()).values.as_ptr(),
        }
    }
}
