//! Arithmetic that several kernels share: the product of one block, loops for wide vectors, exponentials for these, and how
//! far rounding can carry a sum.

mod exponential;
mod line;
mod near;
mod product;
mod rounding;
mod vectors;

pub use exponential::{exponential, sigmoid, tanh};
pub use line::Line;
pub use near::{will_read, will_write};
pub use product::{Matrix, MatrixMut, copy, product, product_over_rows, reserve_for_products};
pub use rounding::{EXPONENTIAL_ERROR, LOG_1P_ERROR, SUM_DEPTH, Sum, UNIT_ROUNDOFF, or_flushed};
pub use vectors::{add_compensated, all_finite, column_sum, widest};
