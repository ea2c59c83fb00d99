//! Arrays of SIMD vectors that stay in registers: load, multiply-add and store. Loops do not iterate over these arrays
//! by value, which would move them through memory.

use pulp::{MemMask, Simd};

/// Columns of a row in `WIDE` vectors, of which the last may be partially filled.
#[derive(Clone, Copy)]
pub(super) struct Columns<S: Simd, const WIDE: usize> {
    pub simd: S,
    last: MemMask<S::m32s>,
}

impl<S: Simd, const WIDE: usize> Columns<S, WIDE> {
    /// Creates a row of `columns` columns. They must fill more than `WIDE` - 1 vectors, and at most `WIDE`.
    #[inline(always)]
    pub fn new(simd: S, columns: usize) -> Self {
        let last = columns - (WIDE - 1) * S::F32_LANES;
        // Only the mask is used, since the load and store routines that come with it would not be inlined.
        Self { simd, last: MemMask::new(simd.mask_between_m32s(0, last as u32).mask()) }
    }

    /// Loads the columns into vectors; the rest of the last vector is 0.
    ///
    /// # Safety
    /// The columns are readable at `from`.
    #[inline(always)]
    pub unsafe fn load(self, from: *const f32) -> [S::f32s; WIDE] {
        let mut vectors = [self.simd.splat_f32s(0.0); WIDE];
        // SAFETY: as the caller promises.
        unsafe {
            for v in 0..WIDE - 1 {
                vectors[v] = from.add(v * S::F32_LANES).cast::<S::f32s>().read_unaligned();
            }
            vectors[WIDE - 1] = self.simd.mask_load_ptr_f32s(self.last, from.add((WIDE - 1) * S::F32_LANES));
        }
        vectors
    }

    /// Stores the vectors' numbers in the columns.
    ///
    /// # Safety
    /// The columns are writable at `to`.
    #[inline(always)]
    pub unsafe fn store(self, to: *mut f32, vectors: [S::f32s; WIDE]) {
        // SAFETY: as the caller promises.
        unsafe {
            for v in 0..WIDE - 1 {
                to.add(v * S::F32_LANES).cast::<S::f32s>().write_unaligned(vectors[v]);
            }
            self.simd.mask_store_ptr_f32s(self.last, to.add((WIDE - 1) * S::F32_LANES), vectors[WIDE - 1]);
        }
    }
}

/// Loads `WIDE` full vectors.
///
/// # Safety
/// `WIDE` vectors are readable at `from`.
#[inline(always)]
pub(super) unsafe fn vectors<S: Simd, const WIDE: usize>(simd: S, from: *const f32) -> [S::f32s; WIDE] {
    let mut vectors = [simd.splat_f32s(0.0); WIDE];
    for (v, vector) in vectors.iter_mut().enumerate() {
        // SAFETY: as the caller promises.
        *vector = unsafe { from.add(v * S::F32_LANES).cast::<S::f32s>().read_unaligned() };
    }
    vectors
}

/// Returns sums\[i\] + a\[i\]·b, for the elements a\[i\] at `left`.
///
/// # Safety
/// `HIGH` numbers are readable at `left`, with stride `row`.
#[inline(always)]
pub(super) unsafe fn add_term<S: Simd, const HIGH: usize, const WIDE: usize>(
    simd: S,
    mut sums: [[S::f32s; WIDE]; HIGH],
    left: *const f32,
    row: usize,
    b: [S::f32s; WIDE],
) -> [[S::f32s; WIDE]; HIGH] {
    for i in 0..HIGH {
        // SAFETY: as the caller promises.
        let a = simd.splat_f32s(unsafe { *left.add(i * row) });
        for v in 0..WIDE {
            sums[i][v] = simd.mul_add_e_f32s(a, b[v], sums[i][v]);
        }
    }
    sums
}
