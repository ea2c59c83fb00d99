//! The innermost loops: up to six rows and four vectors of columns of the output, held in registers over all terms of a
//! block. 24 sums, four vectors of b and one element of a fill the 32 registers of AVX-512 and NEON; AVX2 has 16, and takes
//! two vectors of columns.

use std::sync::LazyLock;

use pulp::{Arch, MemMask, Simd, WithSimd};

/// What the processor can do: asked for once.
static PROCESSOR: LazyLock<Arch> = LazyLock::new(Arch::new);

/// Rows of a tile.
pub(super) const ROWS: usize = 6;

/// Where the first factors lie: a row, a term, and the next tile of rows, in numbers.
#[derive(Clone, Copy)]
pub(super) struct Left {
    pub start: *const f32,
    pub row: usize,
    pub term: usize,
    pub tile: usize,
}

/// What the sums of a block begin with.
#[derive(Clone, Copy)]
pub(super) enum Begin {
    Zero,
    /// One number for each column.
    Bias(*const f32),
    /// What the blocks before have come to, in the output.
    Output,
}

/// Some rows, and the columns of one panel, over the terms of one block.
#[derive(Clone, Copy)]
pub(super) struct Panel {
    pub left: Left,
    /// The second factors of the first term; those of the next lie `right_term` further on.
    pub right: *const f32,
    pub right_term: usize,
    pub begin: Begin,
    pub out: *mut f32,
    pub out_row: usize,
    pub rows: usize,
    pub columns: usize,
    pub terms: usize,
}

/// Computes a panel.
///
/// # Safety
/// All that the panel's sizes and strides reach is in memory; nobody else sees what `out` reaches.
pub(super) unsafe fn run(panel: Panel) {
    PROCESSOR.dispatch(panel);
}

impl WithSimd for Panel {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = S::F32_LANES;
        let most = if lanes == 8 { 2 } else { 4 };
        let mut column = 0;
        while column < self.columns {
            let left = self.columns - column;
            let vectors = left.div_ceil(lanes).min(most);
            let columns = left.min(vectors * lanes);
            let last = columns - (vectors - 1) * lanes;
            // SAFETY: columns from `column` on are within the panel, which `run`'s callers vouch for.
            unsafe {
                match vectors {
                    1 => self.stripe::<S, 1>(simd, column, last),
                    2 => self.stripe::<S, 2>(simd, column, last),
                    3 => self.stripe::<S, 3>(simd, column, last),
                    _ => self.stripe::<S, 4>(simd, column, last),
                }
            }
            column += columns;
        }
    }
}

impl Panel {
    /// All rows of `VECTORS` vectors of columns, the last of which has `last` columns.
    ///
    /// # Safety
    /// As [`run`].
    #[inline(always)]
    unsafe fn stripe<S: Simd, const VECTORS: usize>(&self, simd: S, column: usize, last: usize) {
        for row in (0..self.rows).step_by(ROWS) {
            // SAFETY: rows and columns are within the panel.
            unsafe {
                match self.rows - row {
                    1 => self.tile::<S, 1, VECTORS>(simd, row, column, last),
                    2 => self.tile::<S, 2, VECTORS>(simd, row, column, last),
                    3 => self.tile::<S, 3, VECTORS>(simd, row, column, last),
                    4 => self.tile::<S, 4, VECTORS>(simd, row, column, last),
                    5 => self.tile::<S, 5, VECTORS>(simd, row, column, last),
                    _ => self.tile::<S, ROWS, VECTORS>(simd, row, column, last),
                }
            }
        }
    }

    /// # Safety
    /// As [`run`].
    #[inline(always)]
    unsafe fn tile<S: Simd, const HIGH: usize, const WIDE: usize>(
        &self,
        simd: S,
        row: usize,
        column: usize,
        last: usize,
    ) {
        let lanes = S::F32_LANES;
        let part = MemMask::new(simd.mask_between_m32s(0, last as u32).mask());
        // SAFETY: `run`'s callers vouch for all addresses; of the last vector only columns of the panel are touched.
        unsafe {
            let load = |from: *const f32, vector: usize| {
                if vector + 1 < WIDE {
                    from.add(vector * lanes).cast::<S::f32s>().read_unaligned()
                } else {
                    simd.mask_load_ptr_f32s(part, from.add(vector * lanes))
                }
            };
            let out = self.out.add(row * self.out_row + column);
            let mut sums = [[simd.splat_f32s(0.0); WIDE]; HIGH];
            for i in 0..HIGH {
                for v in 0..WIDE {
                    sums[i][v] = match self.begin {
                        Begin::Zero => simd.splat_f32s(0.0),
                        Begin::Bias(bias) => load(bias.add(column), v),
                        Begin::Output => load(out.add(i * self.out_row), v),
                    };
                }
            }
            let mut left = self.left.start.add(row / ROWS * self.left.tile);
            let mut right = self.right.add(column);
            if row + 2 * HIGH <= self.rows {
                (HIGH..2 * HIGH)
                    .for_each(|i| (0..WIDE).for_each(|v| will_write(out.wrapping_add(i * self.out_row + v * lanes))));
            }
            for _ in 0..self.terms {
                let mut b = [simd.splat_f32s(0.0); WIDE];
                for v in 0..WIDE {
                    b[v] = load(right, v);
                }
                for i in 0..HIGH {
                    let a = simd.splat_f32s(*left.add(i * self.left.row));
                    for v in 0..WIDE {
                        sums[i][v] = simd.mul_add_e_f32s(a, b[v], sums[i][v]);
                    }
                }
                left = left.wrapping_add(self.left.term);
                right = right.wrapping_add(self.right_term);
            }
            for i in 0..HIGH {
                let out = out.add(i * self.out_row);
                for v in 0..WIDE - 1 {
                    out.add(v * lanes).cast::<S::f32s>().write_unaligned(sums[i][v]);
                }
                simd.mask_store_ptr_f32s(part, out.add((WIDE - 1) * lanes), sums[i][WIDE - 1]);
            }
        }
    }
}

/// Brings a line of the cache near while something else is computed: the next tile's part of the output.
#[inline(always)]
fn will_write(address: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: this changes nothing that a program can see, whatever the address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_ET0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
