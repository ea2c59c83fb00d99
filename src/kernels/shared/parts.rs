//! Sums over the parts of a split matrix multiplication: `partial` has one row per part. Parts are added in a fixed
//! order.

use crate::numeric::{SUM_DEPTH, Sum};

/// Returns the sum of element `i` over the first `parts` rows of partial [rows, `part_size`].
pub fn sum(partial: &[f32], parts: u32, part_size: usize, i: usize) -> f32 {
    let mut sum = 0.0;
    for part in 0..parts as usize {
        sum += f64::from(partial[part * part_size + i]);
    }
    sum as f32
}

/// Returns [`sum`] with its rounding tolerance.
pub fn bounded(partial: &[f32], parts: u32, part_size: usize, i: usize) -> Sum {
    let mut sum = Sum::default();
    (0..parts as usize).for_each(|part| sum.add(partial[part * part_size + i], 1.0));
    sum.in_blocks(SUM_DEPTH)
}
