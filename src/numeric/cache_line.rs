//! Memory whose vectors do not straddle lines of the cache.

/// A line of the cache: sixteen words, or numbers.
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
pub struct Line([u32; 16]);

impl Line {
    /// How many words it has.
    pub const WORDS: usize = 16;

    /// The same word, sixteen times.
    pub const fn filled(word: u32) -> Self {
        Self([word; Self::WORDS])
    }
}
