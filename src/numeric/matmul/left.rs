//! Packing of the left operand, a. Rows of a are packed once, and then multiplied with many parts of the right operand,
//! b.

use super::{BLOCK, FAR, GROUP, Line, Matrix, PANEL, pack, room, tile};

/// Packing of the rows of a.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Order {
    /// Not packed.
    Given,
    /// Row after row.
    Rows,
    /// In tiles of rows.
    Tiles,
}

impl Order {
    /// Returns the fastest packing of `a` for a multiplication with `columns` columns of b.
    pub fn of(a: Matrix<'_>, columns: usize) -> Self {
        if a.column_stride >= FAR {
            Self::Tiles
        } else if a.column_stride == 1 && a.row_stride >= FAR && a.rows > tile::ROWS && columns > PANEL {
            Self::Rows
        } else {
            Self::Given
        }
    }

    /// Returns the maximum number of rows of a that can be packed at once.
    pub fn most_rows(self) -> usize {
        if self == Self::Given { usize::MAX } else { GROUP }
    }

    /// Packs rows of a over one block of terms, and returns the location of the packed rows. With `Order::Rows` nothing
    /// is copied yet: the tiles of the first panel copy the rows from the second location that is returned.
    pub fn bring(self, a: Matrix<'_>, space: &mut Vec<Line>) -> (tile::A, Option<tile::A>) {
        let terms = a.columns;
        let given = tile::A {
            start: a.values.as_ptr(),
            row: a.row_stride,
            term: a.column_stride,
            tile: tile::ROWS * a.row_stride,
        };
        match self {
            Self::Given => (given, None),
            Self::Rows => {
                let rows = room::<{ GROUP * BLOCK }>(space, a.rows * terms);
                (tile::A { start: rows.as_mut_ptr(), row: terms, term: 1, tile: tile::ROWS * terms }, Some(given))
            }
            Self::Tiles => {
                let tiles = room::<{ GROUP * BLOCK }>(space, a.rows.next_multiple_of(tile::ROWS) * terms);
                pack::tiles(a, tiles);
                (tile::A { start: tiles.as_ptr(), row: 1, term: tile::ROWS, tile: tile::ROWS * terms }, None)
            }
        }
    }
}
