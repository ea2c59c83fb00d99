//! Packing of the left operand, a. Rows of a are packed once, and then multiplied with many parts of the right operand,
//! b.

use super::{BLOCK, GROUP, Line, Matrix, PAGE_STRIDE, PANEL, buffer_slice, pack, tile};

/// Packing of the rows of a.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Packing {
    /// Not packed.
    Unpacked,
    /// Row after row.
    Rows,
    /// In tiles of rows.
    Tiles,
}

impl Packing {
    /// Returns the fastest packing of `a` for a multiplication with `columns` columns of b.
    pub fn of(a: Matrix<'_>, columns: usize) -> Self {
        if a.column_stride >= PAGE_STRIDE {
            Self::Tiles
        } else if a.column_stride == 1 && a.row_stride >= PAGE_STRIDE && a.rows > tile::ROWS && columns > PANEL {
            Self::Rows
        } else {
            Self::Unpacked
        }
    }

    /// Returns the maximum number of rows of a that can be packed at once.
    pub fn most_rows(self) -> usize {
        if self == Self::Unpacked { usize::MAX } else { GROUP }
    }

    /// Packs rows of a over one block of terms, and returns the location of the packed rows. With `Packing::Rows`
    /// nothing is copied yet: the tiles of the first panel copy the rows from the second location that is returned.
    pub fn pack(self, a: Matrix<'_>, buffer: &mut Vec<Line>) -> (tile::A, Option<tile::A>) {
        let terms = a.columns;
        let given = tile::A {
            start: a.values.as_ptr(),
            row: a.row_stride,
            term: a.column_stride,
            tile: tile::ROWS * a.row_stride,
        };
        match self {
            Self::Unpacked => (given, None),
            Self::Rows => {
                let rows = buffer_slice::<{ GROUP * BLOCK }>(buffer, a.rows * terms);
                (tile::A { start: rows.as_mut_ptr(), row: terms, term: 1, tile: tile::ROWS * terms }, Some(given))
            }
            Self::Tiles => {
                let tiles = buffer_slice::<{ GROUP * BLOCK }>(buffer, a.rows.next_multiple_of(tile::ROWS) * terms);
                pack::tiles(a, tiles);
                (tile::A { start: tiles.as_ptr(), row: 1, term: tile::ROWS, tile: tile::ROWS * terms }, None)
            }
        }
    }
}
