//! Every kernel's cases, without the tests that `tests/kernels` makes of them.

#[allow(dead_code, unused, reason = "only the cases are used here")]
#[path = "../../kernels/main.rs"]
mod kernels;

pub use kernels::{STEMS, case};
