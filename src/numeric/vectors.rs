//! Loops over many numbers, for the widest vectors that the processor has.

use crate::numeric::Matrix;

/// Compiles functions several times, for several widths of vectors, and chooses while the program runs. Their loops become
/// vectors as far as all that they call is inlined. No sum is reordered and nothing is contracted, so that the bits are those
/// of the same loops without vectors.
#[doc(hidden)]
#[macro_export]
macro_rules! widest {
    ($($function:item)*) => {
        $(#[multiversion::multiversion(targets(
            "x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+fma",
            "x86_64+avx2+fma"
        ))]
        $function)*
    };
}
pub use widest;

widest! {
    /// Whether no number is infinite or a NaN. Without an early exit, so that it is a loop of vectors.
    pub fn all_finite(values: &[f32]) -> bool {
        values.iter().fold(true, |finite, value| finite & value.is_finite())
    }

    /// sums += values, number by number, where `compensations` are what sums are too large by; of a sum that is not finite, 0.
    pub fn add_compensated(values: &[f32], sums: &mut [f32], compensations: &mut [f32]) {
        for ((sum, compensation), value) in sums.iter_mut().zip(compensations).zip(values) {
            let term = value - *compensation;
            let total = *sum + term;
            let rounded = (total - *sum) - term;
            *compensation = if total.is_finite() { rounded } else { 0.0 };
            *sum = total;
        }
    }

    /// sums\[c\] = Σᵣ matrix\[r, c\], in f32 over blocks of 16 rows, and in f64 over the blocks: errors do not grow with
    /// the number of rows.
    pub fn column_sum(matrix: Matrix<'_>, sums: &mut [f32]) {
        let rest = in_registers::<64>(matrix, 0, sums);
        let rest = in_registers::<16>(matrix, matrix.column_count() - rest.len(), rest);
        let rest = in_registers::<8>(matrix, matrix.column_count() - rest.len(), rest);
        in_registers::<1>(matrix, matrix.column_count() - rest.len(), rest);
    }
}

/// Rows whose sum is rounded to f32 row by row. Sixteen equal numbers come out at most 2.7e-7 wrong.
const BLOCK: usize = 16;

/// Sums of columns from `first` on, `N` at a time; returns those that are left over.
#[inline(always)]
fn in_registers<'a, const N: usize>(matrix: Matrix<'_>, first: usize, sums: &'a mut [f32]) -> &'a mut [f32] {
    let (blocks, rest) = sums.as_chunks_mut::<N>();
    for (block, sums) in blocks.iter_mut().enumerate() {
        let mut totals = [0.0f64; N];
        for start in (0..matrix.row_count()).step_by(BLOCK) {
            let mut together = [0.0f32; N];
            for r in start..matrix.row_count().min(start + BLOCK) {
                let values = &matrix.row(r)[first + block * N..][..N];
                together.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            }
            totals.iter_mut().zip(together).for_each(|(total, sum)| *total += f64::from(sum));
        }
        sums.iter_mut().zip(totals).for_each(|(sum, total)| *sum = total as f32);
    }
    rest
}
