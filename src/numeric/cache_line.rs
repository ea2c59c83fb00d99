//! Memory aligned to cache lines, so that vectors do not straddle two lines.

/// Cache line of 64 bytes: sixteen words.
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
pub struct Line([u32; 16]);

impl Line {
    /// Number of words per cache line.
    pub const WORDS: usize = 16;

    /// Returns a line filled with one word.
    pub const fn filled(word: u32) -> Self {
        Self([word; Self::WORDS])
    }
}
