//! Mutants of the reference implementations, as kernels that can replace the originals.

use wgrad::plan::Kernel;

/// Kernel file with one change.
pub struct Mutant {
    /// Stem of the kernel.
    pub stem: &'static str,
    /// Changed line, of its file or of a shared one.
    pub line: usize,
    /// Line before and after.
    pub change: &'static str,
    /// Kernels of the changed file.
    pub kernels: &'static [&'static Kernel],
}

#[allow(unused, clippy::all, missing_docs, reason = "changed code is not meant to be good code")]
mod made {
    use super::Mutant;
    include!(concat!(env!("OUT_DIR"), "/mutants.rs"));
}

pub use made::MUTANTS;
