//! Sums of products whose terms were cut into parts: a row of `partial` for each part, added in a fixed order.

use crate::numeric::{SUM_DEPTH, Sum};

/// The sum of element `i` of the first `parts` rows of partial [rows, `part_size`].
pub fn sum(partial: &[f32], parts: u32, part_size: usize, i: usize) -> f32 {
    let mut sum = 0.0;
    for part in 0..parts as usize {
        sum += f64::from(partial[part * part_size + i]);
    }
    sum as f32
}

/// [`sum`] with what its rounding may come to.
pub fn bounded(partial: &[f32], parts: u32, part_size: usize, i: usize) -> Sum {
    let mut sum = Sum::default();
    (0..parts as usize).for_each(|part| sum.add(partial[part * part_size + i], 1.0));
    sum.in_blocks(SUM_DEPTH)
}
