//! Packing: copies parts of operands, so that a tile reads memory in order.

use std::ops::Range;

use super::tile::ROWS;
use super::{Line, Matrix, MatrixMut, PANEL};
use crate::numeric::prefetch::{will_read, will_write};
use crate::numeric::widest;

/// Rows and columns of the blocks that are transposed in registers.
const SQUARE: usize = 4;

/// Packs b as panels, one after the other. Missing columns of the last panel are not written.
pub(super) fn panels(b: Matrix<'_>, out: &mut [f32]) {
    for (first, out) in (0..b.columns).step_by(PANEL).zip(out.chunks_exact_mut(PANEL * b.rows)) {
        let columns = first..b.columns.min(first + PANEL);
        copy(b.columns(columns.clone()), MatrixMut::with_row_stride(out, b.rows, columns.len(), PANEL));
    }
}

/// Copies `b`, which may be a transpose: out\[r, c\] = b\[r, c\].
///
/// # Panics
/// Panics if the matrices have different sizes, or `b` is larger than its memory.
pub fn copy(b: Matrix<'_>, mut out: MatrixMut<'_>) {
    assert!(b.is_whole(), "a matrix is larger than its memory");
    assert_eq!([b.rows, b.columns], [out.rows, out.columns().len()], "the output has another size");
    if b.column_stride == 1 {
        (0..b.rows).for_each(|r| out.row(r).copy_from_slice(b.row(r)));
    } else if b.row_stride == 1 {
        // SAFETY: all of `b` is in memory, and `out` has its size.
        unsafe { transposed(b, out) };
    } else {
        elements(b, 0..b.rows, 0..b.columns, &mut out);
    }
}

/// Copies elements one by one.
fn elements(b: Matrix<'_>, rows: Range<usize>, columns: Range<usize>, out: &mut MatrixMut<'_>) {
    for r in rows {
        let row = out.row(r);
        columns.clone().for_each(|c| row[c] = b.values[r * b.row_stride + c * b.column_stride]);
    }
}

widest! {
    /// Does what [`copy`] does, for a matrix whose columns are contiguous in memory. Transposes 4×4 blocks, one cache
    /// line of the output after the other, and the remaining elements one by one.
    ///
    /// # Safety
    /// All of `b` is in memory, and `out` has its size.
    unsafe fn transposed(b: Matrix<'_>, mut out: MatrixMut<'_>) {
        let (start, stride) = (out.start, out.row_stride);
        let (rows, columns) = (b.rows - b.rows % SQUARE, b.columns - b.columns % SQUARE);
        for first in (0..columns).step_by(Line::WORDS) {
            for r in (0..rows).step_by(SQUARE) {
                if r % Line::WORDS == 0 {
                    // Prefetches the numbers that are read two cache lines later.
                    let (ahead, last) = (r + 2 * Line::WORDS, columns.min(first + Line::WORDS));
                    (first..last).for_each(|c| will_read(b.values.as_ptr().wrapping_add(ahead + c * b.column_stride)));
                }
                (r..r + SQUARE).for_each(|r| will_write(start.wrapping_add(r * stride + first + Line::WORDS)));
                for c in (first..columns.min(first + Line::WORDS)).step_by(SQUARE) {
                    // SAFETY: the block is within both, as the caller promises.
                    unsafe {
                        let from = b.values.as_ptr().add(r + c * b.column_stride);
                        square(from, b.column_stride, start.add(r * stride + c), stride);
                    }
                }
            }
        }
        elements(b, 0..rows, columns..b.columns, &mut out);
        elements(b, rows..b.rows, 0..b.columns, &mut out);
    }
}

/// Transposes a 4×4 block. The shuffles are written by hand because compilers do not generate them.
///
/// # Safety
/// Four rows of four numbers are readable at `from`, `stride` apart, and writable at `to`, `to_stride` apart.
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

/// Transposes a 4×4 block.
///
/// # Safety
/// Four rows of four numbers are readable at `from`, `stride` apart, and writable at `to`, `to_stride` apart.
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

/// Packs rows of a as tiles: for each tile the elements of the tile's rows for the first term, then for the second
/// term, and so on. Missing rows of the last tile are not written.
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
