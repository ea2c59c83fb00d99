//! Statistics of a column, computed in one pass.

use std::collections::{BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::{Column, Kind, Moments, Role};
use crate::data::NumberFormat;
use crate::data::text::is_missing;

/// Most different values whose hashes a column keeps: 160 KB, regardless of the table's length.
pub(super) const MOST_DIFFERENT: usize = 10_000;

/// Running statistics of a column.
#[derive(Default)]
pub(super) struct Survey {
    numbers: usize,
    whole: usize,
    pub(super) texts: usize,
    empty: usize,
    /// Number of cells that are words for "missing", and the different words.
    words: usize,
    different_words: BTreeSet<String>,
    min: f64,
    max: f64,
    mean: f64,
    /// Sum of squared deviations from the mean.
    squares: f64,
    different: HashSet<u64>,
    pub(super) more_different: bool,
    /// True if any counted value has appeared twice.
    pub(super) repeats: bool,
    first_empty: Option<u64>,
    first_word: Option<u64>,
    pub(super) first_text: Option<(u64, String)>,
    pub(super) differs_from_target: bool,
}

/// Returns the number in a cell, if it is finite as f32.
pub(super) fn finite(cell: &str, format: NumberFormat) -> Option<f64> {
    format.read(cell).filter(|number| (*number as f32).is_finite())
}

impl Survey {
    /// Adds a cell of the row that begins at byte `start`. `format` is the number format of the column. `target` is the target
    /// cell of the row, and its number if it has one.
    pub(super) fn see(&mut self, start: u64, cell: &str, format: NumberFormat, target: (&str, Option<f64>)) {
        let number = finite(cell, format);
        self.differs_from_target |= cell != target.0 && (number.is_none() || number != target.1);
        if let Some(number) = number {
            self.number(number);
        } else if cell.is_empty() {
            self.empty += 1;
            self.first_empty.get_or_insert(start);
        } else if is_missing(cell) {
            self.words += 1;
            self.first_word.get_or_insert(start);
            self.different_words.insert(cell.to_lowercase());
        } else {
            self.texts += 1;
            self.first_text.get_or_insert_with(|| (start, cell.into()));
            self.value(cell);
        }
    }

    /// Adds a number to the statistics. Mean and variance are computed by Welford's method: in one pass, and without losing
    /// digits if the mean is large.
    fn number(&mut self, number: f64) {
        self.numbers += 1;
        self.whole += usize::from(number.fract() == 0.0);
        (self.min, self.max) = match self.numbers {
            1 => (number, number),
            _ => (self.min.min(number), self.max.max(number)),
        };
        let before = number - self.mean;
        self.mean += before / self.numbers as f64;
        self.squares += before * (number - self.mean);
        // Makes `-0` and `0` one value.
        self.value((number + 0.0).to_bits());
    }

    fn value(&mut self, value: impl Hash) {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        let hash = hasher.finish();
        if self.different.contains(&hash) {
            self.repeats = true;
        } else if self.different.len() < MOST_DIFFERENT {
            self.different.insert(hash);
        } else {
            self.more_different = true;
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self { texts: 1.., .. } => Kind::Text,
            Self { numbers: 0, .. } => Kind::Empty,
            _ if self.whole == self.numbers => Kind::WholeNumber,
            _ => Kind::Number,
        }
    }

    /// Returns the byte at which the row of the first missing cell begins; `None` if no cell is missing. In a column of text,
    /// `NA` is text.
    pub(super) fn first_missing(&self) -> Option<u64> {
        let word = self.first_word.filter(|_| self.texts == 0);
        self.first_empty.into_iter().chain(word).min()
    }

    pub(super) fn column(&self, name: String, role: Role, format: NumberFormat) -> Column {
        let (missing_words, different_words) =
            if self.texts == 0 { (self.words, 0) } else { (0, self.different_words.len()) };
        let moments = (self.numbers > 0 && self.texts == 0).then(|| Moments {
            min: self.min,
            mean: self.mean,
            max: self.max,
            deviation: (self.squares / self.numbers as f64).sqrt(),
        });
        Column {
            name,
            role,
            kind: self.kind(),
            format: Some(format).filter(|format| *format != NumberFormat::PLAIN),
            missing: self.empty + missing_words,
            different: self.different.len() + different_words,
            different_or_more: self.more_different,
            moments,
        }
    }
}
