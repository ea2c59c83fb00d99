//! Brings parts of operands together, so that what a tile needs next lies next.

use std::ops::Range;

use super::tile::{ROWS, will_write};
use super::{Line, Matrix, PANEL};
use crate::numeric::widest;

/// Rows and columns of the squares that are transposed in registers.
const SQUARE: usize = 4;

/// Panels of b, one behind the other; columns that the last one lacks are left as they are.
pub(super) fn panels(b: Matrix<'_>, out: &mut [f32]) {
    for (first, out) in (0..b.columns).step_by(PANEL).zip(out.chunks_exact_mut(PANEL * b.rows)) {
        copy(b.columns(first..b.columns.min(first + PANEL)), out, PANEL);
    }
}

/// out\[r, c\] = b\[r, c\], of rows that lie `apart`.
pub(super) fn copy(b: Matrix<'_>, out: &mut [f32], apart: usize) {
    assert!(b.is_whole(), "a matrix is larger than its memory");
    let last = (b.rows.max(1) - 1) * apart + b.columns;
    assert!(b.columns <= apart && last <= out.len(), "the room is too small");
    if b.column_stride == 1 {
        for (r, row) in out.chunks_mut(apart.max(1)).take(b.rows).enumerate() {
            row[..b.columns].copy_from_slice(&b.values[r * b.row_stride..][..b.columns]);
        }
    } else if b.row_stride == 1 {
        // SAFETY: all of `b` is in memory, and there is room for it.
        unsafe { transposed(b, out, apart) };
    } else {
        elements(b, 0..b.rows, 0..b.columns, out, apart);
    }
}

/// One by one.
fn elements(b: Matrix<'_>, rows: Range<usize>, columns: Range<usize>, out: &mut [f32], apart: usize) {
    for c in columns {
        for r in rows.clone() {
            out[r * apart + c] = b.values[r * b.row_stride + c * b.column_stride];
        }
    }
}

widest! {
    /// [`copy`] of a matrix whose columns lie in memory as its rows will: in squares, lines of the output one after the other,
    /// and what is left over one by one.
    ///
    /// # Safety
    /// All of `b` is in memory, and `out` has room for it.
    unsafe fn transposed(b: Matrix<'_>, out: &mut [f32], apart: usize) {
        let (rows, columns) = (b.rows - b.rows % SQUARE, b.columns - b.columns % SQUARE);
        for first in (0..columns).step_by(Line::WORDS) {
            for r in (0..rows).step_by(SQUARE) {
                (r..r + SQUARE).for_each(|r| will_write(out.as_ptr().wrapping_add(r * apart + first + Line::WORDS)));
                for c in (first..columns.min(first + Line::WORDS)).step_by(SQUARE) {
                    // SAFETY: the square is within both, as the caller promises.
                    unsafe {
                        let from = b.values.as_ptr().add(r + c * b.column_stride);
                        square(from, b.column_stride, out.as_mut_ptr().add(r * apart + c), apart);
                    }
                }
            }
        }
        elements(b, 0..rows, columns..b.columns, out, apart);
        elements(b, rows..b.rows, 0..b.columns, out, apart);
    }
}

/// A square's transpose. Compilers do not find these eight shuffles by themselves.
///
/// # Safety
/// Four rows of four numbers, so many numbers apart, are in memory at `from`, and may be written at `to`.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn square(from: *const f32, stride: usize, to: *mut f32, to_stride: usize) {
    use std::arch::x86_64::{
        _mm_loadu_ps, _mm_movehl_ps, _mm_movelh_ps, _mm_storeu_ps, _mm_unpackhi_ps, _mm_unpacklo_ps,
    };
    // SAFETY: as the caller promises; every processor of this architecture has SSE.
    unsafe {
        let (a, b) = (_mm_loadu_ps(from), _mm_loadu_ps(from.add(stride)));
        let (c, d) = (_mm_loadu_ps(from.add(2 * stride)), _mm_loadu_ps(from.add(3 * stride)));
        let (ab, cd) = (_mm_unpacklo_ps(a, b), _mm_unpacklo_ps(c, d));
        _mm_storeu_ps(to, _mm_movelh_ps(ab, cd));
        _mm_storeu_ps(to.add(to_stride), _mm_movehl_ps(cd, ab));
        let (ab, cd) = (_mm_unpackhi_ps(a, b), _mm_unpackhi_ps(c, d));
        _mm_storeu_ps(to.add(2 * to_stride), _mm_movelh_ps(ab, cd));
        _mm_storeu_ps(to.add(3 * to_stride), _mm_movehl_ps(cd, ab));
    }
}

/// A square's transpose.
///
/// # Safety
/// Four rows of four numbers, so many numbers apart, are in memory at `from`, and may be written at `to`.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
unsafe fn square(from: *const f32, stride: usize, to: *mut f32, to_stride: usize) {
    for i in 0..SQUARE {
        for j in 0..SQUARE {
            // SAFETY: as the caller promises.
            unsafe { *to.add(i * to_stride + j) = *from.add(j * stride + i) };
        }
    }
}

/// Rows of a in tiles: for each tile its rows' elements of the first term, of the second, …; places for rows that the last
/// tile lacks are left as they are.
pub(super) fn tiles(a: Matrix<'_>, out: &mut [f32]) {
    for (first, tile) in (0..a.rows).step_by(ROWS).zip(out.chunks_mut(ROWS * a.columns)) {
        let rows = ROWS.min(a.rows - first);
        for (term, elements) in tile.chunks_exact_mut(ROWS).enumerate() {
            let from = &a.values[first * a.row_stride + term * a.column_stride..];
            for i in 0..rows {
                elements[i] = from[i * a.row_stride];
            }
        }
    }
}
