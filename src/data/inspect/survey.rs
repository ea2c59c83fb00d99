//! Statistics of one column, computed in one pass over the cells.

use std::collections::{BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::{Column, Kind, Moments, Role};
use crate::data::NumberFormat;
use crate::data::text::is_missing;

/// Maximum number of different values that are counted per column. Their hashes take 160 KB, even for a long table.
pub(super) const MOST_DIFFERENT: usize = 10_000;

/// Statistics of the cells of a column, updated with each cell that is added.
#[derive(Default)]
pub(super) struct Survey {
    /// Number of cells with numbers.
    numbers: usize,
    /// Number of cells with whole numbers.
    whole: usize,
    /// Number of cells with text.
    pub(super) texts: usize,
    /// Number of empty cells.
    empty: usize,
    /// Number of cells that are words for missing values.
    words: usize,
    /// Different words for missing values, in lower case.
    different_words: BTreeSet<String>,
    min: f64,
    max: f64,
    mean: f64,
    /// Sum of squared deviations from the mean.
    squares: f64,
    /// Hashes of the different values.
    different: HashSet<u64>,
    /// True if there are more than [`MOST_DIFFERENT`] different values.
    pub(super) more_different: bool,
    /// True if a counted value appeared at least twice.
    pub(super) repeats: bool,
    /// Position of the row of the first empty cell.
    first_empty: Option<u64>,
    /// Position of the row of the first word for a missing value.
    first_word: Option<u64>,
    /// Position of the row of the first cell with text, and this cell.
    pub(super) first_text: Option<(u64, String)>,
    /// True if at least one cell differs from the target of its row.
    pub(super) differs_from_target: bool,
}

/// Returns the number in a cell; `None` if the cell is not a number, or not finite as f32.
pub(super) fn finite(cell: &str, format: NumberFormat) -> Option<f64> {
    format.read(cell).filter(|number| (*number as f32).is_finite())
}

impl Survey {
    /// Adds a cell. `start` is the position of its row (see [`Surveys::see`](super::surveys::Surveys::see)), and
    /// `format` is the number format of the column. `target` is the target cell of the row, with its number if it is
    /// one.
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

    /// Adds a number to the statistics by Welford's method: mean and variance need only one pass, and lose no digits if
    /// the mean is large.
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
        // Adding 0 makes `-0` and `0` the same value.
        self.value((number + 0.0).to_bits());
    }

    /// Counts a value if it is new.
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

    /// Returns the position of the row of the first missing cell; `None` if no cell is missing. In a column with text,
    /// words such as `NA` are not missing cells.
    pub(super) fn first_missing(&self) -> Option<u64> {
        let word = self.first_word.filter(|_| self.texts == 0);
        self.first_empty.into_iter().chain(word).min()
    }

    /// Returns the statistics of the column.
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
