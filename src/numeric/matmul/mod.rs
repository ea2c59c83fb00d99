//! Matrix multiplication on the calling thread. The left operand is a, the right one b. The terms of an output element
//! are the products a\[i, t\]·b\[t, j\] that are added.
//!
//! Every element of the output is summed by fused multiply-adds, from its first term to its last, whatever other
//! elements are computed at the same time. So its bits depend only on the terms, and neither on the tile sizes nor on
//! the vector width. The error of such a sum grows with the number of terms. If the terms are rows of a batch, there
//! may be millions. They are then summed in blocks of fixed size ([`matmul_over_rows`]). (x86 processors without AVX2
//! have no vectorized fused multiply-add; there each term is rounded twice.)
//!
//! The left operand is read number by number, the right operand in vectors of columns. So a right operand that is a
//! transpose must be transposed first. If this transpose is the larger operand, as the weight of a layer is for a small
//! batch, the operands are exchanged instead: outᵀ = bᵀ·aᵀ.
//!
//! The right operand is processed in parts that fit into the L1 cache (`right.rs`). Each part is multiplied with all
//! packed rows of the left operand (`left.rs`), tile by tile (`tile.rs`, `registers.rs`). On x86 the next part is
//! prefetched meanwhile. benches/results has a comparison with the crates `gemm` and `matrixmultiply`.

mod left;
mod matrix;
mod pack;
mod registers;
mod right;
mod tile;

use std::cell::RefCell;
use std::ops::Range;

use crate::numeric::Line;
use left::Packing;
pub use matrix::{Matrix, MatrixMut};
pub use pack::copy;
use right::Right;
use tile::{Begin, Sums};

/// Number of columns of b that are processed together: four vectors of sixteen.
const PANEL: usize = 64;

/// Maximum number of terms of a panel that are processed together: 32 KiB, which fits into the L1 cache.
const PART: usize = 128;

/// Maximum number of terms per block. Rows of a are packed for one block at a time.
const BLOCK: usize = 512;

/// Maximum number of terms per block for few rows, where memory bandwidth is the limit.
const SMALL_BLOCK: usize = 32;

/// Maximum number of rows of a that are processed together: packed, with their sums stored contiguously, or transposed
/// back. A multiple of the rows of a tile and of the numbers of a cache line.
const GROUP: usize = 48 * tile::ROWS;

/// Number of terms per chunk. In a sum over rows, the terms of a chunk are added one by one. For equal numbers the
/// relative error is at most 5.0e-7 with chunks of 32 terms, 9.8e-7 with 64, and 1.9e-6 with 128. A divisor of
/// [`SMALL_BLOCK`], [`BLOCK`] and the number of terms of a part of b.
const CHUNK: usize = 32;

/// Number of terms per chunk for sums of up to two such chunks. Usual batches have so few rows, and their steps would
/// take 2 % longer with chunks of 32. A multiple of [`CHUNK`], and half of [`PART`].
const LARGE_CHUNK: usize = 64;

/// Number of terms per slice of a sum over rows. The chunks of a slice are added one by one in f32, and slices are
/// added in f64.
const SLICE: usize = CHUNK * CHUNK;

/// Maximum number of sums that are added in f64 at once; they stay in the L2 cache.
const TOTALS: usize = 1 << 16;

/// Smallest stride, in numbers, with which each access is in another page of memory, and all accesses map to the same
/// few sets of a cache.
const PAGE_STRIDE: usize = 1024;

/// Maximum rows and terms of a that are transposed at once, if the operands are exchanged: 4 MiB.
const MOST_TRANSPOSED: [usize; 2] = [256, 4096];

/// Computes out = a·b, or a·b + bias in each row. `out` is [rows of a, columns of b]; `bias` has one number per column.
///
/// # Panics
/// Panics if the sizes do not match, or a matrix is larger than its memory.
pub fn matmul(a: Matrix<'_>, b: Matrix<'_>, bias: Option<&[f32]>, mut out: MatrixMut<'_>) {
    check(a, b, &out);
    let bias = bias.map(|bias| &bias[..b.columns]);
    if a.rows == 0 || b.columns == 0 {
        return;
    }
    if a.columns == 0 {
        (0..a.rows).for_each(|row| match bias {
            Some(bias) => out.row(row).copy_from_slice(bias),
            None => out.row(row).fill(0.0),
        });
        return;
    }
    let b_is_transposed = b.column_stride != 1;
    BUFFERS.with_borrow_mut(|buffers| {
        if b_is_transposed && a.rows * (b.rows + b.columns) < b.rows * b.columns {
            with_operands_swapped(a, b, bias, out, buffers);
        } else {
            sum(a, Right::Matrix(b), bias.map_or(First::Zero, First::Bias), None, out, &mut buffers.block);
        }
    });
}

/// Computes out = a·b, where the inner dimension is the rows of a batch. The terms are summed in blocks, so that the
/// error does not grow with the number of rows.
///
/// # Panics
/// Panics if the sizes do not match, or a matrix is larger than its memory.
pub fn matmul_over_rows(a: Matrix<'_>, b: Matrix<'_>, mut out: MatrixMut<'_>) {
    check(a, b, &out);
    if a.rows == 0 || b.columns == 0 {
        return;
    }
    if a.columns == 0 {
        return (0..a.rows).for_each(|row| out.row(row).fill(0.0));
    }
    BUFFERS.with_borrow_mut(|Buffers { block, sums, totals, .. }| {
        if a.columns <= SLICE {
            return in_chunks(a, b, out, block);
        }
        for columns in cuts(b.columns, TOTALS / tile::ROWS) {
            let most = TOTALS / columns.len() / tile::ROWS * tile::ROWS;
            for rows in cuts(a.rows, most) {
                let count = rows.len() * columns.len();
                totals.clear();
                totals.resize(count, 0.0);
                let sums = buffer_slice::<{ MOST_TRANSPOSED[0] * GROUP }>(sums, count);
                for terms in cuts(a.columns, SLICE) {
                    let a = a.rows(rows.clone()).columns(terms.clone());
                    let b = b.columns(columns.clone()).rows(terms);
                    in_chunks(a, b, MatrixMut::new(sums, rows.len(), columns.len()), block);
                    totals.iter_mut().zip(&*sums).for_each(|(total, sum)| *total += f64::from(*sum));
                }
                let mut out = out.reborrow().into_part(rows.clone(), columns.clone());
                for (row, totals) in totals.chunks_exact(columns.len()).enumerate() {
                    out.row(row).iter_mut().zip(totals).for_each(|(sum, total)| *sum = *total as f32);
                }
            }
        }
    });
}

fn in_chunks(a: Matrix<'_>, b: Matrix<'_>, out: MatrixMut<'_>, buffers: &mut BlockBuffers) {
    let chunk = match a.columns {
        0..=LARGE_CHUNK => None,
        rows if rows <= 2 * LARGE_CHUNK => Some(LARGE_CHUNK),
        _ => Some(CHUNK),
    };
    sum(a, Right::Matrix(b), First::Zero, chunk, out, buffers);
}

#[inline]
fn check(a: Matrix<'_>, b: Matrix<'_>, out: &MatrixMut<'_>) {
    assert_eq!(a.columns, b.rows, "inner sizes differ");
    assert_eq!([a.rows, b.columns], [out.rows, out.columns().len()], "the output has another size");
    assert!(a.is_whole() && b.is_whole(), "a matrix is larger than its memory");
}

/// Computes out = a·b + bias as outᵀ = bᵀ·aᵀ + bias. Blocks of a and of the output are copied in transposed order, and
/// b is read as it lies in memory. Otherwise b would be copied, which takes longer if b is much the largest of the
/// three.
fn with_operands_swapped(
    a: Matrix<'_>,
    b: Matrix<'_>,
    bias: Option<&[f32]>,
    mut out: MatrixMut<'_>,
    buffers: &mut Buffers,
) {
    for rows in cuts(a.rows, MOST_TRANSPOSED[0]) {
        for terms in cuts(a.columns, MOST_TRANSPOSED[1]) {
            let transposed = a.rows(rows.clone()).columns(terms.clone()).transposed();
            let values = rows.len().next_multiple_of(PANEL) * terms.len();
            let values = buffer_slice::<{ MOST_TRANSPOSED[0] * MOST_TRANSPOSED[1] }>(&mut buffers.transposed, values);
            pack::panels(transposed, values);
            let right = Right::Panels { values, terms: terms.len(), columns: rows.len() };
            for group in cuts(b.columns, GROUP) {
                let sums = buffer_slice::<{ MOST_TRANSPOSED[0] * GROUP }>(&mut buffers.sums, group.len() * rows.len());
                let mut out = out.reborrow().into_part(rows.clone(), group.clone());
                let first = if terms.start > 0 {
                    for r in 0..rows.len() {
                        out.row(r).iter().enumerate().for_each(|(c, sum)| sums[c * rows.len() + r] = *sum);
                    }
                    First::Sums
                } else if let Some(bias) = bias {
                    let each = sums.chunks_exact_mut(rows.len()).zip(&bias[group.clone()]);
                    each.for_each(|(sums, bias)| sums.fill(*bias));
                    First::Sums
                } else {
                    First::Zero
                };
                let left = b.columns(group.clone()).rows(terms.clone()).transposed();
                let out_transposed = MatrixMut::new(sums, group.len(), rows.len());
                sum(left, right, first, None, out_transposed, &mut buffers.block);
                copy(Matrix::new(sums, group.len(), rows.len()).transposed(), out);
            }
        }
    }
}

/// Initial value of the sums.
#[derive(Clone, Copy)]
enum First<'a> {
    Zero,
    /// One number per column.
    Bias(&'a [f32]),
    /// The values in the output.
    Sums,
}

/// Adds up all terms, block by block. Blocks are of about the same size, in multiples of a chunk.
fn sum(
    a: Matrix<'_>,
    b: Right<'_>,
    first: First<'_>,
    chunk: Option<usize>,
    mut out: MatrixMut<'_>,
    buffers: &mut BlockBuffers,
) {
    let columns = b.columns();
    let packing = Packing::of(a, columns);
    let group = even(a.rows, packing.most_rows()).next_multiple_of(tile::ROWS);
    let block = in_chunks_of(chunk, even(a.columns, if b.is_read_once(a.rows) { SMALL_BLOCK } else { BLOCK }));
    for rows in cuts(a.rows, group) {
        for block in cuts(a.columns, block) {
            let first = if block.start > 0 { First::Sums } else { first };
            let out = out.reborrow().into_part(rows.clone(), 0..columns);
            block_of_terms(a.rows(rows.clone()), packing, b, block, first, chunk, out, buffers);
        }
    }
}

/// Adds up the range `block` of terms, for all rows of `a`, one part of b at a time.
#[expect(clippy::too_many_arguments, reason = "what is computed, and in which order")]
fn block_of_terms(
    a: Matrix<'_>,
    packing: Packing,
    b: Right<'_>,
    block: Range<usize>,
    first: First<'_>,
    chunk: Option<usize>,
    out: MatrixMut<'_>,
    buffers: &mut BlockBuffers,
) {
    let columns = b.columns();
    let (left, unpacked) = packing.pack(a.columns(block.clone()), &mut buffers.left);
    let mut parts = b.parts(block.clone(), chunk).peekable();
    while let Some(part) = parts.next() {
        let right = b.pack(&part, &block, &mut buffers.right, &mut buffers.packed);
        let given = Sums { start: out.start.wrapping_add(part.columns.start), stride: out.row_stride };
        // While more terms are still to be added, the sums of a panel are stored contiguously.
        let meanwhile = if columns > PANEL && a.rows <= GROUP {
            let panel = buffer_slice::<{ GROUP * PANEL }>(&mut buffers.sums, a.rows * PANEL);
            Sums { start: panel.as_mut_ptr(), stride: PANEL }
        } else {
            given
        };
        let begin = match first {
            _ if part.terms.start > block.start => Begin::Sums(meanwhile),
            First::Zero => Begin::Zero,
            First::Bias(bias) => Begin::Bias(bias[part.columns.clone()].as_ptr()),
            First::Sums => Begin::Sums(given),
        };
        let from_here = |left: tile::A| {
            let skipped = (part.terms.start - block.start) * left.term;
            tile::A { start: left.start.wrapping_add(skipped), ..left }
        };
        // SAFETY: a and b hold all elements that their sizes and strides reach (`is_whole`, or just packed); bias has
        // one number per column; the buffers and `out` are exclusively ours, and have one row per row of a, with these
        // columns.
        unsafe {
            tile::run(tile::Panel {
                left: from_here(left),
                unpacked: unpacked.filter(|_| part.columns.start == 0).map(from_here),
                right,
                next: parts.peek().map_or(tile::Next::NOTHING, |next| b.next(next, a.rows)),
                begin,
                out: if part.terms.end < block.end { meanwhile } else { given },
                rows: a.rows,
                columns: part.columns.len(),
                terms: part.terms.len(),
                chunk,
            });
        }
    }
}

/// Per-thread buffers for packed operands, allocated by the first matmul that needs them.
struct Buffers {
    block: BlockBuffers,
    transposed: Vec<Line>,
    sums: Vec<Line>,
    totals: Vec<f64>,
}

/// Buffers for one block of terms: the packed left operand, the panel that a transposed right operand is packed into,
/// the panel that the first tile packs, and the sums of a panel.
struct BlockBuffers {
    left: Vec<Line>,
    right: Vec<Line>,
    packed: Vec<Line>,
    sums: Vec<Line>,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = const {
        let block = BlockBuffers { left: Vec::new(), right: Vec::new(), packed: Vec::new(), sums: Vec::new() };
        RefCell::new(Buffers { block, transposed: Vec::new(), sums: Vec::new(), totals: Vec::new() })
    };
}

/// Allocates the calling thread's buffers, so that the thread's first matmul need not allocate them.
pub fn reserve_for_matmuls() {
    BUFFERS.with_borrow_mut(|Buffers { block, transposed, sums, totals }| {
        buffer_slice::<{ GROUP * BLOCK }>(&mut block.left, 0);
        buffer_slice::<{ BLOCK * PANEL }>(&mut block.right, 0);
        buffer_slice::<{ BLOCK * PANEL }>(&mut block.packed, 0);
        buffer_slice::<{ GROUP * PANEL }>(&mut block.sums, 0);
        buffer_slice::<{ MOST_TRANSPOSED[0] * MOST_TRANSPOSED[1] }>(transposed, 0);
        buffer_slice::<{ MOST_TRANSPOSED[0] * GROUP }>(sums, 0);
        totals.reserve(TOTALS);
    });
}

/// Returns the first `count` numbers of a buffer. The first call allocates `MOST` numbers, the most that are ever
/// needed.
fn buffer_slice<const MOST: usize>(buffer: &mut Vec<Line>, count: usize) -> &mut [f32] {
    if buffer.is_empty() {
        // Zeroed pages, which the system allocates on first access.
        *buffer = bytemuck::zeroed_vec(MOST.div_ceil(Line::WORDS));
    }
    &mut bytemuck::cast_slice_mut(buffer)[..count]
}

/// Splits 0..count into ranges of up to `each`. (A `step_by` would begin with a division, which takes as long as a
/// small tile.)
fn cuts(count: usize, each: usize) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let range = start..count.min(start + each);
        start = range.end;
        (!range.is_empty()).then_some(range)
    })
}

/// Returns the size of the parts if `count` is split into as few parts of about equal size as possible, each of at most
/// `most`.
fn even(count: usize, most: usize) -> usize {
    if count <= most { count } else { count.div_ceil(count.div_ceil(most)) }
}

/// Returns `terms`, rounded up to whole chunks.
fn in_chunks_of(chunk: Option<usize>, terms: usize) -> usize {
    chunk.map_or(terms, |chunk| terms.next_multiple_of(chunk))
}
