//! Mutations of inputs: of bytes, ranges, words of other inputs, and numbers.

use std::ops::Range;

use wgrad::rng::{Philox, Stream};

/// Longest input, in bytes; longer ones find no more.
const LONGEST: usize = 16 << 10;

/// Limits of number types, and words with a special meaning.
const WORDS: [&str; 40] = [
    "0",
    "1",
    "-1",
    "2",
    "7",
    "255",
    "256",
    "1000",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "3000000000",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "99999999999999999999",
    "1e308",
    "1e309",
    "1e-400",
    "3.5e38",
    "-0",
    "0.5",
    "NaN",
    "inf",
    "-inf",
    "null",
    "true",
    "false",
    "[]",
    "{}",
    "\"\"",
    "\"",
    "\\",
    "é",
    "\u{feff}",
    "\u{2028}",
    "\0",
    "\r\n",
];

pub struct Mutator {
    random: Philox,
    /// Words of the seed inputs, and [`WORDS`].
    words: Vec<Vec<u8>>,
}

impl Mutator {
    pub fn new(seed: u64, seeds: &[Vec<u8>]) -> Self {
        let own = seeds.iter().flat_map(|seed| seed.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_'));
        let mut words: Vec<Vec<u8>> = own.filter(|word| (2..40).contains(&word.len())).map(<[u8]>::to_vec).collect();
        words.extend(WORDS.iter().map(|word| word.as_bytes().to_vec()));
        words.sort();
        words.dedup();
        Self { random: Philox::new(seed, Stream::Data, 0), words }
    }

    fn below(&mut self, limit: usize) -> usize {
        self.random.below(limit as u32) as usize
    }

    /// Draws a range of an input, usually a short one.
    fn range(&mut self, length: usize) -> Range<usize> {
        let most = if self.below(4) == 0 { length } else { length.min(12) };
        let (size, begin) = (self.below(most + 1), self.below(length + 1));
        begin..(begin + size).min(length)
    }

    /// Draws a number in an input; returns the range of its digits.
    fn number(&mut self, input: &[u8]) -> Option<Range<usize>> {
        let from = self.below(input.len().max(1));
        let is_digit = |byte: &u8| byte.is_ascii_digit();
        let begin = from + input.get(from..)?.iter().position(is_digit)?;
        let begin = begin - input[..begin].iter().rev().take_while(|byte| is_digit(byte)).count();
        Some(begin..begin + input[begin..].iter().take_while(|byte| is_digit(byte)).count())
    }

    /// Returns one of the inputs, mutated in 1 to 8 places.
    pub fn change(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let at = self.below(corpus.len());
        let mut input = corpus[at].clone();
        for _ in 0..1 << self.below(4) {
            self.change_once(&mut input, corpus);
        }
        input.truncate(LONGEST);
        input
    }

    fn change_once(&mut self, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let range = self.range(input.len());
        match self.below(9) {
            0 if !input.is_empty() => {
                let at = self.below(input.len());
                input[at] ^= 1 << self.below(8);
            }
            1 if !input.is_empty() => {
                let at = self.below(input.len());
                input[at] = [0, 1, 0x7f, 0x80, 0xff, b'\n', b' ', b',', b'"'][self.below(9)];
            }
            2 => drop(input.drain(range)),
            3 => {
                let part = input[range].to_vec();
                let most = if self.below(8) == 0 { 12 } else { 2 };
                let (at, times) = (self.below(input.len() + 1), 1 << self.below(most));
                let copies = part.len().saturating_mul(times).min(LONGEST);
                input.splice(at..at, part.into_iter().cycle().take(copies));
            }
            4 => {
                let other = self.below(corpus.len());
                let part = self.range(corpus[other].len());
                input.splice(range, corpus[other][part].iter().copied());
            }
            5 => {
                let word = self.below(self.words.len());
                let end = if self.below(2) == 0 { range.start } else { range.end };
                input.splice(range.start..end, self.words[word].iter().copied());
            }
            // Replaces a word by another one.
            6 => {
                let word = self.below(self.words.len());
                let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
                let end = range.start + input[range.start..].iter().take_while(|byte| is_part(byte)).count();
                input.splice(range.start..end, self.words[word].iter().copied());
            }
            _ => {
                let Some(range) = self.number(input) else { return };
                let old = std::str::from_utf8(&input[range.clone()]).ok().and_then(|text| text.parse::<u64>().ok());
                let new = match (old, self.below(4)) {
                    (Some(old), 0) => old.wrapping_add(1).to_string(),
                    (Some(old), 1) => old.wrapping_sub(1).to_string(),
                    (Some(old), 2) => old.wrapping_mul(2).to_string(),
                    _ => WORDS[self.below(18)].to_string(),
                };
                input.splice(range, new.bytes());
            }
        }
    }
}
