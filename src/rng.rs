//! Philox4x32-10: random numbers as a pure function of a key and a counter.
//!
//! Source: Salmon, Moraes, Dror, Shaw, *Parallel random numbers: as easy as 1, 2, 3* (SC'11). A number depends only on
//! the seed, the purpose ([`Stream`]), an index such as the step or epoch, and its position. Every thread, every device
//! and every resumed run therefore draws the same number. `shaders/shared/philox.wgsl` has the same function.

use std::convert::Infallible;

use rand::TryRng;

const MULTIPLIER: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// Number of rounds of [`philox`], on every device.
pub const PHILOX_ROUNDS: usize = 10;

/// Returns four random 32-bit words, computed from a counter and a key in ten rounds.
pub fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..PHILOX_ROUNDS {
        let a = u64::from(MULTIPLIER[0]) * u64::from(counter[0]);
        let b = u64::from(MULTIPLIER[1]) * u64::from(counter[2]);
        counter = [(b >> 32) as u32 ^ counter[1] ^ key[0], b as u32, (a >> 32) as u32 ^ counter[3] ^ key[1], a as u32];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

/// Computes [`philox`] for several counters at once: word i of counter l is `counters[i][l]`. The loops over counters
/// are vectorized if the caller is compiled for vector instructions.
#[inline(always)]
pub fn philox_lanes<const LANES: usize>(mut counters: [[u32; LANES]; 4], mut key: [u32; 2]) -> [[u32; LANES]; 4] {
    for _ in 0..PHILOX_ROUNDS {
        let [mut c0, mut c1, mut c2, mut c3] = [[0; LANES]; 4];
        for lane in 0..LANES {
            let a = u64::from(MULTIPLIER[0]) * u64::from(counters[0][lane]);
            let b = u64::from(MULTIPLIER[1]) * u64::from(counters[2][lane]);
            (c0[lane], c1[lane]) = ((b >> 32) as u32 ^ counters[1][lane] ^ key[0], b as u32);
            (c2[lane], c3[lane]) = ((a >> 32) as u32 ^ counters[3][lane] ^ key[1], a as u32);
        }
        counters = [c0, c1, c2, c3];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counters
}

/// Splits a 64-bit seed into a key: low half, high half.
pub fn key(seed: u64) -> [u32; 2] {
    [seed as u32, (seed >> 32) as u32]
}

/// Purpose of random numbers. No two streams have a counter in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Stream {
    /// Noise of layers, such as dropout masks: `STREAM_DROPOUT` in WGSL.
    Dropout = 0,
    /// Initial parameters.
    Init = 1,
    /// Order of the rows in an epoch.
    Shuffle = 2,
    /// Split of a data set into training, validation and test set.
    Split = 3,
    /// Generated data sets.
    Data = 4,
    /// Mixing of rows: shares and columns.
    Mix = 5,
    /// Permutations of columns.
    Permute = 6,
}

/// Sequence of random numbers from one stream. It implements the generator trait of the crate `rand`, so all
/// distributions of that crate work.
///
/// ```
/// use rand::{Rng, RngExt};
/// use wgrad::rng::{Philox, Stream};
/// let mut first = Philox::new(7, Stream::Data, 0);
/// let mut again = Philox::new(7, Stream::Data, 0);
/// assert_eq!(first.next_u64(), again.next_u64());
/// let (die, share): (u8, f64) = (first.random_range(1..=6), first.random());
/// assert!((1..=6).contains(&die) && (0.0..1.0).contains(&share));
/// ```
#[derive(Clone, Debug)]
pub struct Philox {
    key: [u32; 2],
    /// Counter of the next block of four random words. It has the block's number from 0 (low half, high half), the
    /// index of the sequence, and the stream.
    counter: [u32; 4],
    words: [u32; 4],
    used: usize,
}

impl Philox {
    /// Creates the sequence of `stream` under `seed`. `index` distinguishes the sequences of a stream: it is the epoch
    /// for `Shuffle`, and the number of the layer for `Init`.
    pub fn new(seed: u64, stream: Stream, index: u32) -> Self {
        Self { key: key(seed), counter: [0, 0, index, stream as u32], words: [0; 4], used: 4 }
    }

    fn word(&mut self) -> u32 {
        if self.used == 4 {
            self.words = philox(self.counter, self.key);
            self.used = 0;
            let (block, carry) = self.counter[0].overflowing_add(1);
            self.counter[0] = block;
            self.counter[1] += u32::from(carry);
        }
        self.used += 1;
        self.words[self.used - 1]
    }

    /// Returns a number uniform in [0, 1), with 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        let bits = (u64::from(self.word()) << 32 | u64::from(self.word())) >> 11;
        bits as f64 / (1u64 << 53) as f64
    }

    /// Returns a standard normal number (Box-Muller transform).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Returns a number uniform in `0..bound`, without bias (rejection). `bound` must be at least 1.
    pub fn below(&mut self, bound: u32) -> u32 {
        debug_assert!(bound > 0);
        loop {
            let product = u64::from(self.word()) * u64::from(bound);
            // Lemire's method: products whose low word is below 2³² mod `bound` are rejected. This remainder is less
            // than `bound`, so it is computed only if the low word is, too.
            if product as u32 >= bound || product as u32 >= bound.wrapping_neg() % bound {
                return (product >> 32) as u32;
            }
        }
    }

    /// Shuffles `items` in place (Fisher-Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u32 + 1) as usize);
        }
    }
}

impl TryRng for Philox {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.word())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from(self.word()) | u64::from(self.word()) << 32)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(4) {
            chunk.copy_from_slice(&self.word().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}
