//! Arithmetic that several kernels share: single-threaded matrix multiplication, vectorized loops, exponentials, and
//! rounding tolerances.

mod cache_line;
mod exponential;
mod matmul;
mod prefetch;
mod rounding;
mod vectors;

pub use cache_line::Line;
pub use exponential::{cosine_of_turns, cosine_of_turns_f64, erf, erf_f64, exponential, log_1p, tanh};
pub use matmul::{Matrix, MatrixMut, copy, matmul, matmul_over_rows, reserve_for_matmuls};
pub use prefetch::{will_read, will_write};
pub use rounding::{EXPONENTIAL_ERROR, LOG_1P_ERROR, SUM_DEPTH, Sum, UNIT_ROUNDOFF, or_flushed};
pub use vectors::{
    add_compensated, all_finite, column_sum, first_chunk, magnitude_bits, sums_along_row, sums_over_rows, widest,
};
