//! Arithmetic that several kernels share: the product of one block, and how far rounding can carry a sum.

mod product;
mod rounding;

pub use product::{Matrix, product};
pub use rounding::{LOGARITHM_ERROR, Sum, UNIT_ROUNDOFF, exponential_error, or_flushed};
