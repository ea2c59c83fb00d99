//! Innermost loops of matrix multiplication. They compute up to six rows and four vectors of columns of the output,
//! kept in registers over some terms. 24 sums, four vectors of b and one element of a fit into the 32 registers of
//! AVX-512 and NEON. AVX2 has 16 registers, and uses two vectors of columns.
//!
//! A loop does little besides multiply-adds and loads, since address computations would slow it down. So strides are
//! constants where possible, and prefetches for later tiles are issued only every few terms.

use std::ops::Range;
use std::sync::LazyLock;

use pulp::{Arch, Simd, WithSimd};

use super::registers::{Columns, add_term, vectors};
use super::{Line, PANEL, PART};
use crate::numeric::prefetch::{will_read, will_write};

/// SIMD capabilities of the processor, detected once.
static PROCESSOR: LazyLock<Arch> = LazyLock::new(Arch::new);

/// Number of rows per tile.
pub(super) const ROWS: usize = 6;

/// Number of terms per unrolled iteration, each with one prefetch.
const UNROLLED: usize = 4;

/// Location of the left operand: address of its first element, and the strides to the next row, the next term, and the
/// next tile of rows. Strides count numbers, not bytes.
#[derive(Clone, Copy)]
pub(super) struct A {
    pub start: *const f32,
    pub row: usize,
    pub term: usize,
    pub tile: usize,
}

/// Location of the right operand at the first term.
#[derive(Clone, Copy)]
pub(super) enum B {
    /// A packed panel: [`PANEL`] columns of one term, followed by those of the next term.
    Panel(*const f32),
    /// A matrix whose rows are `stride` numbers apart. The first full tile packs it into a panel at `packed`.
    Matrix { start: *const f32, stride: usize, packed: *mut f32 },
}

/// Rows of b that are needed next, `stride` numbers apart. Each tile prefetches `each` of these rows, or fewer if its
/// loop is short.
#[derive(Clone, Copy)]
pub(super) struct Next {
    pub start: *const f32,
    pub stride: usize,
    pub rows: usize,
    pub each: usize,
}

/// Location of the sums; their rows are `stride` numbers apart.
#[derive(Clone, Copy)]
pub(super) struct Sums {
    pub start: *mut f32,
    pub stride: usize,
}

/// Initial value of the sums.
#[derive(Clone, Copy)]
pub(super) enum Begin {
    Zero,
    /// One number per column.
    Bias(*const f32),
    /// The sums of the previous terms.
    Sums(Sums),
}

/// Unit of work: some rows, and the columns of one panel, over some terms.
#[derive(Clone, Copy)]
pub(super) struct Panel {
    pub left: A,
    /// Location of rows of a that are not packed yet; each tile first copies its rows from there to `left`. `term` is 1
    /// in both locations.
    pub unpacked: Option<A>,
    pub right: B,
    pub next: Next,
    pub begin: Begin,
    pub out: Sums,
    pub rows: usize,
    pub columns: usize,
    pub terms: usize,
    /// Number of terms per chunk. Each chunk is summed from zero, then added to the sum of the previous chunks. If
    /// `None`, all terms are added one by one to the initial value.
    pub chunk: Option<usize>,
}

/// Rows that a tile prefetches while it computes: address of the first row, stride in numbers, number of rows, and
/// `true` if more than a panel's width is prefetched of each.
struct Prefetch {
    address: *const f32,
    stride: usize,
    count: usize,
    wide: bool,
}

/// Computes a panel.
///
/// # Safety
/// All memory that the panel's sizes and strides reach is valid, except that of `next`. Panels, given or `packed`, are
/// [`PANEL`] wide, however few the columns. One of `left.row` and `left.term` is 1. With `unpacked`, `left.term` and
/// `unpacked.term` are 1. Nobody else accesses the memory that `out`, `packed` and, with `unpacked`, `left` reach.
pub(super) unsafe fn run(panel: Panel) {
    PROCESSOR.dispatch(panel);
}

impl A {
    /// Returns the address of the first term of a row.
    #[inline(always)]
    fn at(&self, row: usize) -> *const f32 {
        self.start.wrapping_add(row / ROWS * self.tile + row % ROWS * self.row)
    }
}

impl Next {
    pub const NOTHING: Self = Self { start: std::ptr::null(), stride: 0, rows: 0, each: 0 };
}

impl Prefetch {
    const NOTHING: Self = Self { address: std::ptr::null(), stride: 0, count: 0, wide: false };
}

impl Sums {
    #[inline(always)]
    fn at(&self, row: usize, column: usize) -> *mut f32 {
        self.start.wrapping_add(row * self.stride + column)
    }
}

/// Memory layouts that the loops are compiled for. `ANY_LAYOUT` is any layout. The other two have a packed panel of b,
/// and either rows of a with adjacent terms, or columns of a with adjacent rows.
const ANY_LAYOUT: u8 = 0;
const ROWS_BY_PANEL: u8 = 1;
const COLUMNS_BY_PANEL: u8 = 2;

/// Vertical part of a panel, up to four vectors wide.
#[derive(Clone, Copy)]
struct Stripe {
    column: usize,
    columns: usize,
    /// Start of the packed panel. If b is a matrix, the first tile of the stripe packs it.
    panel: *mut f32,
}

impl WithSimd for Panel {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let most = if S::F32_LANES == 8 { 2 } else { 4 };
        let mut column = 0;
        while column < self.columns {
            let left = self.columns - column;
            // SAFETY: columns from `column` on are within the panel, as the callers of `run` promise.
            column += unsafe {
                match left.div_ceil(S::F32_LANES).min(most) {
                    1 => self.stripe::<S, 1>(simd, column),
                    2 | 3 => self.stripe::<S, 2>(simd, column),
                    _ => self.stripe::<S, 4>(simd, column),
                }
            };
        }
    }
}

impl Panel {
    /// Computes all rows of up to `WIDE` vectors of columns. Returns the number of columns.
    ///
    /// # Safety
    /// As [`run`].
    #[inline(always)]
    unsafe fn stripe<S: Simd, const WIDE: usize>(&self, simd: S, column: usize) -> usize {
        let columns = (self.columns - column).min(WIDE * S::F32_LANES);
        let (panel, first) = match self.right {
            B::Panel(start) => (start.cast_mut(), 0),
            B::Matrix { packed, .. } => (packed, self.rows.min(ROWS)),
        };
        let stripe = Stripe { column, columns, panel };
        // SAFETY: rows and columns are within the panel.
        unsafe {
            self.tiles::<S, WIDE, ANY_LAYOUT>(simd, 0..first, stripe);
            if self.left.term == 1 {
                self.tiles::<S, WIDE, ROWS_BY_PANEL>(simd, first..self.rows, stripe);
            } else {
                self.tiles::<S, WIDE, COLUMNS_BY_PANEL>(simd, first..self.rows, stripe);
            }
        }
        columns
    }

    /// Computes the tiles of these rows in one stripe.
    ///
    /// # Safety
    /// As [`run`].
    #[inline(always)]
    unsafe fn tiles<S: Simd, const WIDE: usize, const LAYOUT: u8>(&self, simd: S, rows: Range<usize>, stripe: Stripe) {
        let mut row = rows.start;
        while row < rows.end {
            // SAFETY: rows and columns are within the panel.
            row += unsafe {
                match rows.end - row {
                    1 => self.tile::<S, 1, WIDE, LAYOUT>(simd, row, stripe),
                    2 | 3 => self.tile::<S, 2, WIDE, LAYOUT>(simd, row, stripe),
                    4 | 5 => self.tile::<S, 4, WIDE, LAYOUT>(simd, row, stripe),
                    _ => self.tile::<S, ROWS, WIDE, LAYOUT>(simd, row, stripe),
                }
            };
        }
    }

    /// Computes a tile of `HIGH` rows. Returns `HIGH`.
    ///
    /// # Safety
    /// As [`run`].
    #[inline(always)]
    unsafe fn tile<S: Simd, const HIGH: usize, const WIDE: usize, const LAYOUT: u8>(
        &self,
        simd: S,
        row: usize,
        stripe: Stripe,
    ) -> usize {
        let columns = Columns::<S, WIDE>::new(simd, stripe.columns);
        // SAFETY: the callers of `run` promise that all addresses are valid.
        unsafe {
            self.prefetch_sums::<HIGH, WIDE>(row, stripe.column, S::F32_LANES);
            if stripe.column == 0
                && let Some(unpacked) = self.unpacked
            {
                for i in 0..HIGH {
                    let (from, to) = (unpacked.at(row + i), self.left.at(row + i).cast_mut());
                    std::ptr::copy_nonoverlapping(from, to, self.terms);
                }
            }
            let mut prefetch =
                if LAYOUT == ANY_LAYOUT { Prefetch::NOTHING } else { self.next_prefetch::<HIGH>(row, stripe.column) };
            let Some(chunk) = self.chunk else {
                let before = self.sums_before(columns, self.begin, row, stripe);
                let sums =
                    self.add_terms::<S, HIGH, WIDE, LAYOUT>(columns, before, row, stripe, 0..self.terms, &mut prefetch);
                (0..HIGH).for_each(|i| columns.store(self.out.at(row + i, stripe.column), sums[i]));
                return HIGH;
            };
            let mut begin = self.begin;
            for first in (0..self.terms).step_by(chunk) {
                let terms = first..self.terms.min(first + chunk);
                // Sums of earlier chunks are added to the sum of this one; a bias is its first term.
                let (first, before) = match begin {
                    Begin::Sums(_) => (Begin::Zero, begin),
                    Begin::Zero | Begin::Bias(_) => (begin, Begin::Zero),
                };
                let first = self.sums_before(columns, first, row, stripe);
                let mut sums =
                    self.add_terms::<S, HIGH, WIDE, LAYOUT>(columns, first, row, stripe, terms, &mut prefetch);
                if let Begin::Sums(_) = before {
                    let before: [_; HIGH] = self.sums_before(columns, before, row, stripe);
                    for i in 0..HIGH {
                        (0..WIDE).for_each(|v| sums[i][v] = simd.add_f32s(before[i][v], sums[i][v]));
                    }
                }
                (0..HIGH).for_each(|i| columns.store(self.out.at(row + i, stripe.column), sums[i]));
                begin = Begin::Sums(self.out);
            }
        }
        HIGH
    }

    /// Returns the initial values of a tile's sums.
    ///
    /// # Safety
    /// As [`run`].
    #[inline(always)]
    unsafe fn sums_before<S: Simd, const HIGH: usize, const WIDE: usize>(
        &self,
        columns: Columns<S, WIDE>,
        begin: Begin,
        row: usize,
        stripe: Stripe,
    ) -> [[S::f32s; WIDE]; HIGH] {
        let mut sums = [[columns.simd.splat_f32s(0.0); WIDE]; HIGH];
        for i in 0..HIGH {
            // SAFETY: as the callers of `run` promise.
            unsafe {
                match begin {
                    Begin::Zero => {}
                    Begin::Bias(bias) => sums[i] = columns.load(bias.add(stripe.column)),
                    Begin::Sums(before) => sums[i] = columns.load(before.at(row + i, stripe.column)),
                }
            }
        }
        sums
    }

    /// Adds terms to a tile's sums.
    ///
    /// # Safety
    /// As [`run`].
    #[inline(always)]
    unsafe fn add_terms<S: Simd, const HIGH: usize, const WIDE: usize, const LAYOUT: u8>(
        &self,
        columns: Columns<S, WIDE>,
        sums: [[S::f32s; WIDE]; HIGH],
        row: usize,
        stripe: Stripe,
        terms: Range<usize>,
        prefetch: &mut Prefetch,
    ) -> [[S::f32s; WIDE]; HIGH] {
        // SAFETY: as the callers of `run` promise.
        unsafe {
            if LAYOUT == ANY_LAYOUT {
                self.add_matrix(columns, sums, row, stripe, terms)
            } else {
                self.add_panel::<S, HIGH, WIDE, LAYOUT>(columns.simd, sums, row, stripe, terms, prefetch)
            }
        }
    }

    /// Prefetches the sums and outputs of the next tile, if it has as many rows as this one.
    #[inline(always)]
    fn prefetch_sums<const HIGH: usize, const WIDE: usize>(&self, row: usize, column: usize, lanes: usize) {
        let next = row + HIGH..row + 2 * HIGH;
        if next.end > self.rows {
            return;
        }
        for i in next.clone() {
            (0..WIDE).for_each(|v| will_write(self.out.at(i, column + v * lanes)));
        }
        if let Begin::Sums(before) = self.begin
            && before.start != self.out.start
        {
            for i in next {
                (0..WIDE).for_each(|v| will_read(before.at(i, column + v * lanes)));
            }
        }
    }

    /// Adds terms if b is an unpacked matrix; a full tile also packs b.
    ///
    /// # Safety
    /// As [`run`].
    #[inline(always)]
    unsafe fn add_matrix<S: Simd, const HIGH: usize, const WIDE: usize>(
        &self,
        columns: Columns<S, WIDE>,
        mut sums: [[S::f32s; WIDE]; HIGH],
        row: usize,
        Stripe { column, panel, .. }: Stripe,
        terms: Range<usize>,
    ) -> [[S::f32s; WIDE]; HIGH] {
        let B::Matrix { start, stride, .. } = self.right else { unreachable!("only these are not panels") };
        let mut left = self.left.at(row).wrapping_add(terms.start * self.left.term);
        let mut right = start.wrapping_add(column + terms.start * stride);
        let mut packed = panel.wrapping_add(column + terms.start * PANEL);
        for _ in terms {
            // SAFETY: as the callers of `run` promise. Of the last vector, only columns of the panel are read. The
            // whole vector is written, since packed panels have their full width.
            unsafe {
                let b = columns.load(right);
                if HIGH == ROWS {
                    for v in 0..WIDE {
                        packed.add(v * S::F32_LANES).cast::<S::f32s>().write_unaligned(b[v]);
                    }
                }
                sums = add_term(columns.simd, sums, left, self.left.row, b);
            }
            left = left.wrapping_add(self.left.term);
            right = right.wrapping_add(stride);
            packed = packed.wrapping_add(PANEL);
        }
        sums
    }

    /// Adds terms if b is a panel, and prefetches the rows in `prefetch`.
    ///
    /// # Safety
    /// As [`run`]; a panel at `packed` has been written by the first tile of the stripe.
    #[inline(always)]
    unsafe fn add_panel<S: Simd, const HIGH: usize, const WIDE: usize, const LAYOUT: u8>(
        &self,
        simd: S,
        mut sums: [[S::f32s; WIDE]; HIGH],
        row: usize,
        Stripe { column, panel, .. }: Stripe,
        terms: Range<usize>,
        prefetch: &mut Prefetch,
    ) -> [[S::f32s; WIDE]; HIGH] {
        let mut left = self.left.at(row).wrapping_add(terms.start * self.left.term);
        let mut right = panel.wrapping_add(column + terms.start * PANEL).cast_const();
        let mut terms = terms.len();
        // SAFETY: as the callers of `run` promise.
        unsafe {
            while terms >= UNROLLED {
                if prefetch.count > 0 {
                    (0..PANEL).step_by(Line::WORDS).for_each(|c| will_read(prefetch.address.wrapping_add(c)));
                    if prefetch.wide {
                        (PANEL..PART).step_by(Line::WORDS).for_each(|c| will_read(prefetch.address.wrapping_add(c)));
                    }
                    prefetch.address = prefetch.address.wrapping_add(prefetch.stride);
                    prefetch.count -= 1;
                }
                for term in 0..UNROLLED {
                    let b = vectors(simd, right.add(term * PANEL));
                    if LAYOUT == ROWS_BY_PANEL {
                        sums = add_term(simd, sums, left.add(term), self.left.row, b);
                    } else {
                        sums = add_term(simd, sums, left, 1, b);
                        left = left.wrapping_add(self.left.term);
                    }
                }
                if LAYOUT == ROWS_BY_PANEL {
                    left = left.wrapping_add(UNROLLED);
                }
                right = right.wrapping_add(UNROLLED * PANEL);
                terms -= UNROLLED;
            }
            for _ in 0..terms {
                let row = if LAYOUT == ROWS_BY_PANEL { self.left.row } else { 1 };
                sums = add_term(simd, sums, left, row, vectors(simd, right));
                left = left.wrapping_add(self.left.term);
                right = right.wrapping_add(PANEL);
            }
        }
        sums
    }

    /// Returns the rows that this tile prefetches: rows of a for the next tile, if they are not packed yet; otherwise
    /// some rows of b.
    #[inline(always)]
    fn next_prefetch<const HIGH: usize>(&self, row: usize, column: usize) -> Prefetch {
        if column > 0 {
            return Prefetch::NOTHING;
        }
        if let Some(unpacked) = self.unpacked {
            let address = unpacked.at(row).wrapping_add(unpacked.tile);
            return Prefetch { address, stride: unpacked.row, count: HIGH, wide: true };
        }
        let tile = row / ROWS - usize::from(matches!(self.right, B::Matrix { .. }));
        let before = (tile * self.next.each).min(self.next.rows);
        let count = self.next.each.min(self.next.rows - before);
        let address = self.next.start.wrapping_add(before * self.next.stride);
        Prefetch { address, stride: self.next.stride, count, wide: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: [(usize, usize, usize); 5] = [(13, 64, 9), (6, 61, 4), (5, 17, 7), (23, 3, 5), (8, 47, 130)];

    /// Computes panels with one kind of SIMD, and compares them with plain sums of small integers.
    fn holds(kind: &str, run: impl Fn(Panel)) {
        for (rows, columns, terms) in SIZES {
            let a: Vec<f32> = (0..rows * terms).map(|at| (at % 7) as f32 - 3.0).collect();
            let b: Vec<f32> = (0..terms * PANEL).map(|at| (at % 5) as f32 - 2.0).collect();
            let mut before: Vec<f32> = (0..rows * columns).map(|at| (at % 3) as f32).collect();
            for case in 0..48 {
                let (by_rows, packed, begins) = (case % 2 == 0, case / 2 % 2 == 0, case / 4 % 3);
                let (is_unpacked, chunk) = (case / 12 % 2 == 1, (case >= 24).then_some(3));
                let (row, term) = if by_rows { (terms, 1) } else { (1, rows) };
                let (mut panel, mut packed_rows) = (vec![f32::NAN; terms * PANEL], vec![f32::NAN; a.len()]);
                let given = A { start: a.as_ptr(), row, term, tile: ROWS * row };
                let is_unpacked = is_unpacked && by_rows;
                // The gap after each row of the output must not be written.
                let stride = columns + 3;
                let mut sums = vec![f32::NAN; rows * stride];
                run(Panel {
                    left: if is_unpacked { A { start: packed_rows.as_mut_ptr(), ..given } } else { given },
                    unpacked: is_unpacked.then_some(given),
                    right: if packed {
                        B::Panel(b.as_ptr())
                    } else {
                        B::Matrix { start: b.as_ptr(), stride: PANEL, packed: panel.as_mut_ptr() }
                    },
                    next: Next { start: b.as_ptr(), stride: PANEL, rows: terms, each: 2 },
                    begin: match begins {
                        0 => Begin::Zero,
                        1 => Begin::Bias(b.as_ptr()),
                        _ => Begin::Sums(Sums { start: before.as_mut_ptr(), stride: columns }),
                    },
                    out: Sums { start: sums.as_mut_ptr(), stride },
                    rows,
                    columns,
                    terms,
                    chunk,
                });
                for (at, sum) in sums.iter().enumerate() {
                    let (r, c) = (at / stride, at % stride);
                    let what = format!("{kind}, {rows}×{columns}, {terms} terms, case {case}: {r}, {c}");
                    if c >= columns {
                        assert!(sum.is_nan(), "{what} was written");
                        continue;
                    }
                    let first = [0.0, b[c], before[r * columns + c]][begins];
                    let wanted: f32 = (0..terms).map(|t| a[r * row + t * term] * b[t * PANEL + c]).sum();
                    assert_eq!(*sum, first + wanted, "{what}");
                }
            }
        }
    }

    /// Tests the vector widths of this machine, including those that it would not choose.
    #[test]
    fn vectors_of_every_width_add_up_the_same() {
        holds("this processor", |panel| PROCESSOR.dispatch(panel));
        holds("one number", |panel| panel.with_simd(pulp::Scalar::new()));
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V3::try_new() {
            holds("AVX2", |panel| Simd::vectorize(simd, panel));
        }
    }
}
