//! One block's matrix product, on the calling thread.
//!
//! Every element is summed in the same order, whatever is computed along with it: terms in blocks of up to [`BLOCK`], each
//! block from its first term to its last by fused multiply-adds, the blocks' sums one after the other. So its bits depend on
//! the number of terms alone, not on where an output is cut, nor on the width of the vectors. (Processors of x86 without AVX2
//! have no fused multiply-add in vectors; there each term is rounded twice.)
//!
//! A product reads its left operand number by number and its right operand in vectors of columns, so that a right operand which
//! is a transpose must be turned first. Where that is the larger one, as a layer's weight is for a small batch, the
//! transposes change places: outᵀ = bᵀ·aᵀ.
//!
//! Held against the crates `gemm` and `matrixmultiply` in benches/results.

mod matrix;
mod pack;
mod tile;

use std::cell::RefCell;
use std::ops::Range;

use crate::numeric::Line;
pub use matrix::Matrix;
use tile::Begin;

/// Columns of b that are worked on together: four vectors of sixteen.
const PANEL: usize = 64;

/// Columns of b that are brought together at once: rows of more than one panel, which is less of a leap from one to the next.
const WIDE: usize = 2 * PANEL;

/// Most terms that are summed before the sum goes to memory: their rows of a panel are 128 KiB.
const BLOCK: usize = 512;

/// Terms that are summed at once for a few rows, whose product is read from memory more than it is computed.
const FEW: usize = 16;

/// Most rows of a that are brought together at once: whole tiles.
const GROUP: usize = 43 * tile::ROWS;

/// What lies further apart than so many numbers is brought together first: each would be in another page of memory, and
/// all of them in the same few sets of a cache.
const FAR: usize = 1024;

/// Most rows and terms of a that are turned at once, where the transposes change places: 1 MiB.
const TURNED: [usize; 2] = [256, 1024];

/// out = a·b, or a·b + bias in each row, with `out` [rows of a, columns of b] row-major.
pub fn product(a: Matrix<'_>, b: Matrix<'_>, bias: Option<&[f32]>, out: &mut [f32]) {
    assert_eq!(a.columns, b.rows, "inner sizes differ");
    // The sizes of `out`, which is in memory.
    let elements = a.rows.checked_mul(b.columns).expect("a matrix that is in memory has fewer elements than addresses");
    let out = &mut out[..elements];
    let bias = bias.map(|bias| &bias[..b.columns]);
    assert!(a.is_whole() && b.is_whole(), "a matrix is larger than its memory");
    if elements == 0 {
        return;
    }
    if a.columns == 0 {
        match bias {
            Some(bias) => out.chunks_exact_mut(b.columns).for_each(|row| row.copy_from_slice(bias)),
            None => out.fill(0.0),
        }
        return;
    }
    let turns_b = b.column_stride != 1;
    SPACE.with_borrow_mut(|space| {
        if turns_b && a.rows * (b.rows + b.columns) < b.rows * b.columns {
            places_changed(a, b, bias, out, space);
        } else {
            let begin = bias.map_or(Begin::Zero, |bias| Begin::Bias(bias.as_ptr()));
            sum(a, Right::Matrix(b), begin, out, &mut space.together);
        }
    });
}

/// outᵀ = bᵀ·aᵀ: a and the output are turned instead of b.
fn places_changed(a: Matrix<'_>, b: Matrix<'_>, bias: Option<&[f32]>, out: &mut [f32], space: &mut Space) {
    for rows in cuts(a.rows, TURNED[0]) {
        for terms in cuts(a.columns, TURNED[1]) {
            let right = a.rows(rows.clone()).columns(terms.clone()).transposed();
            let values = room::<{ TURNED[0] * TURNED[1] }>(&mut space.turned, rows.len() * terms.len());
            pack::panels(right, values);
            let right = Right::Panels { values, terms: terms.len(), columns: rows.len() };
            for group in cuts(b.columns, GROUP) {
                let sums = room::<{ TURNED[0] * GROUP }>(&mut space.sums, group.len() * rows.len());
                let out = &mut out[rows.start * b.columns + group.start..];
                let begin = if terms.start > 0 {
                    let before = Matrix::apart(out, rows.len(), group.len(), b.columns);
                    pack::panel(before.transposed(), sums);
                    Begin::Output
                } else if let Some(bias) = bias {
                    let each = sums.chunks_exact_mut(rows.len()).zip(&bias[group.clone()]);
                    each.for_each(|(sums, bias)| sums.fill(*bias));
                    Begin::Output
                } else {
                    Begin::Zero
                };
                sum(b.columns(group.clone()).rows(terms.clone()).transposed(), right, begin, sums, &mut space.together);
                pack::copy(Matrix::new(sums, group.len(), rows.len()).transposed(), out, b.columns);
            }
        }
    }
}

/// Adds up all terms, block by block: as many as are needed, of about the same size.
fn sum(a: Matrix<'_>, b: Right<'_>, begin: Begin, out: &mut [f32], space: &mut Together) {
    let columns = b.columns();
    let order = Order::of(a, columns);
    let most = match (order, b) {
        // Rows of b as they lie are read whole, a few at a time.
        (Order::Given, Right::Matrix(b)) if a.rows < tile::ROWS && b.column_stride == 1 => FEW,
        // Of few columns more rows are as large.
        (Order::Given, _) => BLOCK * PANEL / columns.min(PANEL),
        _ => BLOCK,
    };
    let block = a.columns.div_ceil(a.columns.div_ceil(most));
    let group = if order == Order::Given { a.rows } else { a.rows.div_ceil(a.rows.div_ceil(GROUP)) };
    for (rows, out) in cuts(a.rows, group).zip(out.chunks_mut(group * columns)) {
        for block in cuts(a.columns, block) {
            let begin = if block.start > 0 { Begin::Output } else { begin };
            block_of_terms(a.rows(rows.clone()), order, b, block, begin, out, space);
        }
    }
}

/// How rows of a are brought together.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    /// Not at all.
    Given,
    /// Row behind row.
    Rows,
    /// In tiles.
    Tiles,
}

impl Order {
    fn of(a: Matrix<'_>, columns: usize) -> Self {
        if a.column_stride >= FAR {
            Self::Tiles
        } else if a.row_stride >= FAR && a.rows > tile::ROWS && columns > PANEL {
            Self::Rows
        } else {
            Self::Given
        }
    }
}

/// The right operand.
#[derive(Clone, Copy)]
enum Right<'a> {
    /// As it lies in memory.
    Matrix(Matrix<'a>),
    /// Brought together: for each 64 columns a panel, row behind row.
    Panels { values: &'a [f32], terms: usize, columns: usize },
}

impl Right<'_> {
    fn columns(&self) -> usize {
        match self {
            Self::Matrix(b) => b.columns,
            Self::Panels { columns, .. } => *columns,
        }
    }
}

/// Whether a part of b is brought together before so many rows are multiplied with it.
fn brings(b: Matrix<'_>, rows: usize) -> bool {
    let straddles = !b.row_stride.is_multiple_of(Line::WORDS) && b.columns > PANEL;
    b.column_stride != 1 || b.row_stride >= FAR && rows >= tile::ROWS || straddles && rows >= 8 * tile::ROWS
}

/// Where parts of operands are brought together: there from the first product of a thread on that needs it.
struct Space {
    together: Together,
    turned: Vec<Line>,
    sums: Vec<Line>,
}

struct Together {
    left: Vec<Line>,
    right: Vec<Line>,
}

thread_local! {
    static SPACE: RefCell<Space> = const {
        let together = Together { left: Vec::new(), right: Vec::new() };
        RefCell::new(Space { together, turned: Vec::new(), sums: Vec::new() })
    };
}

/// The first `count` numbers of a piece of memory that holds as many as are ever needed.
fn room<const MOST: usize>(space: &mut Vec<Line>, count: usize) -> &mut [f32] {
    if space.is_empty() {
        space.resize(MOST.div_ceil(Line::WORDS), Line::filled(0));
    }
    &mut bytemuck::cast_slice_mut(space)[..count]
}

/// Ranges of up to `each`, one behind the other.
fn cuts(count: usize, each: usize) -> impl Iterator<Item = Range<usize>> {
    (0..count).step_by(each).map(move |start| start..count.min(start + each))
}

/// Rows of a over one block of terms, brought together in `space` as `order` says.
fn left(a: Matrix<'_>, order: Order, space: &mut Vec<Line>) -> tile::Left {
    let terms = a.columns;
    match order {
        Order::Given => tile::Left {
            start: a.values.as_ptr(),
            row: a.row_stride,
            term: a.column_stride,
            tile: tile::ROWS * a.row_stride,
        },
        Order::Rows => {
            let rows = room::<{ GROUP * BLOCK }>(space, a.rows * terms);
            pack::panel(a, rows);
            tile::Left { start: rows.as_ptr(), row: terms, term: 1, tile: tile::ROWS * terms }
        }
        Order::Tiles => {
            let tiles = room::<{ GROUP * BLOCK }>(space, a.rows.next_multiple_of(tile::ROWS) * terms);
            pack::tiles(a, tiles);
            tile::Left { start: tiles.as_ptr(), row: 1, term: tile::ROWS, tile: tile::ROWS * terms }
        }
    }
}

/// Adds up the terms `block` of all rows of `a`.
fn block_of_terms(
    a: Matrix<'_>,
    order: Order,
    b: Right<'_>,
    block: Range<usize>,
    begin: Begin,
    out: &mut [f32],
    space: &mut Together,
) {
    let (terms, columns) = (block.len(), b.columns());
    let a = a.columns(block.clone());
    let left = left(a, order, &mut space.left);
    for wide in cuts(columns, WIDE) {
        let (b, first, skipped) = match b {
            Right::Matrix(b) if brings(b, a.rows) => {
                let values = room::<{ WIDE * BLOCK }>(&mut space.right, terms * wide.len());
                pack::panels(b.rows(block.clone()).columns(wide.clone()), values);
                (Right::Panels { values, terms, columns }, wide.start, 0)
            }
            other => (other, 0, block.start),
        };
        for panel in cuts(wide.len(), PANEL) {
            let (start, width) = (wide.start + panel.start, panel.len());
            let (right, right_term) = match b {
                Right::Panels { values, terms: all, .. } => {
                    (values[(start - first) * all + skipped * width..][..terms * width].as_ptr(), width)
                }
                Right::Matrix(b) => (b.rows(block.clone()).columns(start..start + width).values.as_ptr(), b.row_stride),
            };
            let begin = match begin {
                Begin::Bias(bias) => Begin::Bias(bias.wrapping_add(start)),
                other => other,
            };
            // SAFETY: a and b hold all elements that their sizes and strides reach (`is_whole`, or just brought together); bias
            // has a number for each column; `out` is ours, and has a row for each of a with all columns of b.
            unsafe {
                tile::run(tile::Panel {
                    left,
                    right,
                    right_term,
                    begin,
                    out: out.as_mut_ptr().add(start),
                    out_row: columns,
                    rows: a.rows,
                    columns: width,
                    terms,
                });
            }
        }
    }
}
