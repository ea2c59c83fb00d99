//! Mutants of the reference implementations, as kernels that can stand in for the honest ones.

use wgrad::plan::Kernel;

/// A kernel's file with one small change.
pub struct Mutant {
    /// Stem of the kernel.
    pub stem: &'static str,
    /// The changed line, of its file or of a shared one.
    pub line: usize,
    /// The line before and after.
    pub change: &'static str,
    /// The kernels of the changed file.
    pub kernels: &'static [&'static Kernel],
}

#[allow(unused, clippy::all, missing_docs, reason = "changed code is not meant to be good code")]
mod made {
    use super::Mutant;
    include!(concat!(env!("OUT_DIR"), "/mutants.rs"));
}

pub use made::MUTANTS;
