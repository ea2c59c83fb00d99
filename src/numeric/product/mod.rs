//! One block's matrix product, on the calling thread.
//!
//! Every element is summed in the same order, whatever is computed along with it: terms in blocks of up to [`BLOCK`], each
//! block from its first term to its last by fused multiply-adds, the blocks' sums one after the other. So its bits depend on
//! the number of terms alone, not on where an output is cut, nor on the width of the vectors. (Processors of x86 without AVX2
//! have no fused multiply-add in vectors; there each term is rounded twice.)
//!
//! Held against the crates `gemm` and `matrixmultiply` in benches/results.

mod pack;
mod tile;

use std::cell::RefCell;
use std::ops::Range;

/// Columns of b that are worked on together: four vectors of sixteen.
const PANEL: usize = 64;

/// Most terms that are summed before the sum goes to memory: their rows of a panel are 64 KiB.
const BLOCK: usize = 256;

/// Most rows of a that are brought together at once.
const GROUP: usize = 192;

/// Terms that lie further apart than so many numbers are brought together first: each would be in another page of memory, and
/// all of them in the same few sets of a cache.
const FAR: usize = 1024;

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
    pub fn columns(self, range: Range<usize>) -> Self {
        assert!(range.end <= self.columns && range.start <= range.end, "columns out of range");
        let start = (range.start * self.column_stride).min(self.values.len());
        Self { values: &self.values[start..], columns: range.len(), ..self }
    }

    /// The rows `range`.
    pub fn rows(self, range: Range<usize>) -> Self {
        self.transposed().columns(range).transposed()
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

    /// How many rows there are.
    pub fn row_count(&self) -> usize {
        self.rows
    }

    /// How many columns there are.
    pub fn column_count(&self) -> usize {
        self.columns
    }

    /// A row of a matrix that is no transpose.
    ///
    /// # Panics
    /// Where it is one.
    #[inline(always)]
    pub fn row(&self, row: usize) -> &'a [f32] {
        assert_eq!(self.column_stride, 1, "the columns of a transpose lie apart");
        &self.values[row * self.row_stride..][..self.columns]
    }

    /// Whether all elements are in `values`.
    fn is_whole(&self) -> bool {
        let last = |count: usize, stride: usize| count.saturating_sub(1) * stride;
        let elements = self.rows * self.columns;
        elements == 0 || last(self.rows, self.row_stride) + last(self.columns, self.column_stride) < self.values.len()
    }
}

/// The right operand of several products, brought together once: for each 64 columns a panel, row behind row.
#[derive(Clone, Copy, Debug)]
pub struct Panels<'a> {
    values: &'a [f32],
    terms: usize,
    columns: usize,
}

impl<'a> Panels<'a> {
    /// How many panels a matrix of so many columns has.
    pub fn count(columns: usize) -> usize {
        columns.div_ceil(PANEL)
    }

    /// Where in memory the panels `range` of a matrix of so many rows and columns lie.
    pub fn place(range: Range<usize>, terms: usize, columns: usize) -> Range<usize> {
        let element = |panel: usize| (panel * PANEL).min(columns) * terms;
        element(range.start)..element(range.end)
    }

    /// What [`Panels::pack`] has made of all of a matrix with so many rows and columns.
    pub fn new(values: &'a [f32], terms: usize, columns: usize) -> Self {
        Self { values: &values[..terms * columns], terms, columns }
    }

    /// Brings the panels `range` of `b` together.
    pub fn pack(b: Matrix<'_>, range: Range<usize>, out: &mut [f32]) {
        assert!(b.is_whole(), "a matrix is larger than its memory");
        let base = Self::place(0..range.start, b.rows, b.columns).end;
        for panel in range {
            let place = Self::place(panel..panel + 1, b.rows, b.columns);
            let columns = panel * PANEL..b.columns.min((panel + 1) * PANEL);
            pack::panel(b.columns(columns), &mut out[place.start - base..place.end - base]);
        }
    }
}

/// The right operand of a product.
#[derive(Clone, Copy, Debug)]
pub enum Right<'a> {
    /// As it lies in memory.
    Matrix(Matrix<'a>),
    /// Brought together before.
    Panels(Panels<'a>),
}

impl<'a> Right<'a> {
    /// `matrix`, as it was brought together into `packed`, or as it lies in memory where nothing is there.
    pub fn packed_or(packed: &'a [f32], matrix: Matrix<'a>) -> Self {
        if packed.is_empty() { matrix.into() } else { Panels::new(packed, matrix.rows, matrix.columns).into() }
    }
}

impl<'a> From<Matrix<'a>> for Right<'a> {
    fn from(matrix: Matrix<'a>) -> Self {
        Self::Matrix(matrix)
    }
}

impl<'a> From<Panels<'a>> for Right<'a> {
    fn from(panels: Panels<'a>) -> Self {
        Self::Panels(panels)
    }
}

impl Right<'_> {
    fn sizes(&self) -> [usize; 2] {
        match self {
            Self::Matrix(b) => [b.rows, b.columns],
            Self::Panels(b) => [b.terms, b.columns],
        }
    }
}

/// out = a·b, or a·b + bias in each row, with `out` [rows of a, columns of b] row-major.
pub fn product<'b>(a: Matrix<'_>, b: impl Into<Right<'b>>, bias: Option<&[f32]>, out: &mut [f32]) {
    let b = b.into();
    let [terms, columns] = b.sizes();
    assert_eq!(a.columns, terms, "inner sizes differ");
    // The sizes of `out`, which is in memory.
    let elements = a.rows.checked_mul(columns).expect("a matrix that is in memory has fewer elements than addresses");
    let out = &mut out[..elements];
    let bias = bias.map(|bias| &bias[..columns]);
    let whole = |b: &Right<'_>| if let Right::Matrix(b) = b { b.is_whole() } else { true };
    assert!(a.is_whole() && whole(&b), "a matrix is larger than its memory");
    if terms == 0 {
        match bias {
            Some(bias) => out.chunks_exact_mut(columns.max(1)).for_each(|row| row.copy_from_slice(bias)),
            None => out.fill(0.0),
        }
        return;
    }
    // As many blocks as are needed, of about the same size.
    let blocks = terms.div_ceil(BLOCK);
    let block = terms.div_ceil(blocks);
    let group = if a.column_stride >= FAR { GROUP } else { a.rows.max(1) };
    SPACE.with_borrow_mut(|space| {
        for (first, out) in (0..a.rows).step_by(group).zip(out.chunks_mut(group * columns.max(1))) {
            let rows = first..a.rows.min(first + group);
            for index in 0..blocks {
                let begin = match bias {
                    _ if index > 0 => tile::Begin::Output,
                    Some(bias) => tile::Begin::Bias(bias.as_ptr()),
                    None => tile::Begin::Zero,
                };
                block_of_terms(
                    a.rows(rows.clone()),
                    &b,
                    index * block..terms.min((index + 1) * block),
                    begin,
                    out,
                    space,
                );
            }
        }
    });
}

/// Where parts of operands are brought together: there from the first product of a thread on that needs it.
struct Space {
    tiles: Vec<f32>,
    panel: Vec<f32>,
}

thread_local! {
    static SPACE: RefCell<Space> = const { RefCell::new(Space { tiles: Vec::new(), panel: Vec::new() }) };
}

/// The first `count` numbers of a piece of memory that holds as many as are ever needed.
fn room<const MOST: usize>(space: &mut Vec<f32>, count: usize) -> &mut [f32] {
    if space.is_empty() {
        space.resize(MOST, 0.0);
    }
    &mut space[..count]
}

/// Adds up the terms `block` of all rows of `a`.
fn block_of_terms(
    a: Matrix<'_>,
    b: &Right<'_>,
    block: Range<usize>,
    begin: tile::Begin,
    out: &mut [f32],
    space: &mut Space,
) {
    let (terms, [_, columns]) = (block.len(), b.sizes());
    let a = a.columns(block.clone());
    let mut left = tile::Left {
        start: a.values.as_ptr(),
        row: a.row_stride,
        term: a.column_stride,
        tile: tile::ROWS * a.row_stride,
    };
    if a.column_stride >= FAR {
        let tiles = room::<{ GROUP * BLOCK }>(&mut space.tiles, a.rows.next_multiple_of(tile::ROWS) * terms);
        pack::tiles(a, tiles);
        left = tile::Left { start: tiles.as_ptr(), row: 1, term: tile::ROWS, tile: tile::ROWS * terms };
    }
    for first in (0..columns).step_by(PANEL) {
        let panel = first..columns.min(first + PANEL);
        let (right, right_term) = match b {
            Right::Panels(b) => {
                let start = first * b.terms + block.start * panel.len();
                (b.values[start..start + terms * panel.len()].as_ptr(), panel.len())
            }
            Right::Matrix(b) => {
                let b = b.rows(block.clone()).columns(panel.clone());
                if b.column_stride == 1 && (b.row_stride < FAR || a.rows < tile::ROWS) {
                    (b.values.as_ptr(), b.row_stride)
                } else {
                    let together = room::<{ PANEL * BLOCK }>(&mut space.panel, terms * panel.len());
                    pack::panel(b, together);
                    (together.as_ptr(), panel.len())
                }
            }
        };
        let begin = match begin {
            tile::Begin::Bias(bias) => tile::Begin::Bias(bias.wrapping_add(first)),
            other => other,
        };
        // SAFETY: a and b hold all elements that their sizes and strides reach (`is_whole`, or just packed); bias has a
        // number for each column; `out` is ours, and has a row for each of a with all columns of b.
        unsafe {
            tile::run(tile::Panel {
                left,
                right,
                right_term,
                begin,
                out: out.as_mut_ptr().add(first),
                out_row: columns,
                rows: a.rows,
                columns: panel.len(),
                terms,
            });
        }
    }
}
