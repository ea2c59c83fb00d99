//! Values of one column, collected while a table is read: numbers, or levels (different texts) of a category.

use std::collections::HashMap;

use super::number_format::Found;
use super::text::{is_missing, is_missing_target};
use super::text_format::CellReader;

/// Values of a column, one per row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Values {
    /// Number of each row; NaN if it is missing. Booleans are 0 and 1, dates are seconds.
    Numbers(Vec<f64>),
    /// Index of the level of each row; [`NO_LEVEL`] if it is missing.
    Levels { indices: Vec<u32>, levels: Vec<String> },
    /// No values, since the column is not used.
    None,
}

/// Index that stands for a missing level.
pub(super) const NO_LEVEL: u32 = u32::MAX;

impl Values {
    pub(super) fn is_missing(&self, row: usize) -> bool {
        match self {
            Self::Numbers(values) => values[row].is_nan(),
            Self::Levels { indices, .. } => indices[row] == NO_LEVEL,
            Self::None => false,
        }
    }
}

/// Cells of a column with text that its reader cannot read: their number, and the first one.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Unread {
    pub(super) cells: usize,
    pub(super) first: Option<Found>,
}

/// Collector of the values of a column, cell by cell.
pub(super) enum Collector {
    Skip,
    Numbers { reader: CellReader, values: Vec<f64>, missing: usize, unread: Unread },
    Levels { index: HashMap<String, u32>, indices: Vec<u32>, firsts: Vec<u64> },
}

impl Collector {
    pub(super) fn numbers(reader: CellReader) -> Self {
        Self::Numbers { reader, values: vec![], missing: 0, unread: Unread::default() }
    }

    pub(super) fn levels() -> Self {
        Self::Levels { index: HashMap::new(), indices: vec![], firsts: vec![] }
    }

    /// Adds a cell. `start` is the byte offset of its row in the text.
    pub(super) fn see(&mut self, start: u64, cell: &str) {
        match self {
            Self::Skip => {}
            Self::Numbers { reader, values, missing, unread } => {
                let number = reader.number(cell).filter(|number| (*number as f32).is_finite());
                if number.is_none() {
                    *missing += 1;
                    if !cell.is_empty() && !is_missing(cell) {
                        unread.cells += 1;
                        unread.first.get_or_insert_with(|| Found { start, cell: cell.into() });
                    }
                }
                values.push(number.unwrap_or(f64::NAN));
            }
            Self::Levels { index, indices, firsts } => {
                let level = index.get(cell).copied().unwrap_or_else(|| {
                    firsts.push(start);
                    index.insert(cell.into(), index.len() as u32);
                    index.len() as u32 - 1
                });
                indices.push(level);
            }
        }
    }

    /// Returns the cells as levels. An empty cell is a level, too, so none is missing.
    pub(super) fn into_text(self) -> Values {
        let Self::Levels { index, indices, .. } = self else { return Values::None };
        let mut levels = vec![String::new(); index.len()];
        index.into_iter().for_each(|(level, at)| levels[at as usize] = level);
        Values::Levels { indices, levels }
    }

    /// Returns the levels of a category. Levels that are words for missing values are removed, and their cells get
    /// [`NO_LEVEL`]. In a target (`is_target`), words that may be class names, such as `none`, are kept.
    pub(super) fn into_levels(self, is_target: bool) -> Levels {
        let Self::Levels { index, indices, firsts } = self else { return Levels::default() };
        let Values::Levels { indices, levels } = (Self::Levels { index, indices, firsts: vec![] }).into_text() else {
            return Levels::default();
        };
        let stands_for_none = missing_levels(&levels, is_target);
        let mut kept = Levels::default();
        let mut new = vec![];
        for ((level, first), is_missing) in levels.into_iter().zip(firsts).zip(stands_for_none) {
            new.push(if is_missing { NO_LEVEL } else { kept.levels.len() as u32 });
            if !is_missing {
                kept.levels.push(level);
                kept.firsts.push(first);
            }
        }
        kept.counts = vec![0; kept.levels.len()];
        kept.indices = indices;
        for index in &mut kept.indices {
            *index = new[*index as usize];
            match kept.counts.get_mut(*index as usize) {
                Some(count) => *count += 1,
                None => kept.missing += 1,
            }
        }
        kept
    }
}

/// Levels of a category, with the level of each row.
#[derive(Default)]
pub(super) struct Levels {
    /// Index of the level of each row; [`NO_LEVEL`] if it is missing.
    pub(super) indices: Vec<u32>,
    pub(super) levels: Vec<String>,
    /// Number of rows of each level.
    pub(super) counts: Vec<usize>,
    /// Byte offset of the first row of each level.
    pub(super) firsts: Vec<u64>,
    /// Number of rows without a level.
    pub(super) missing: usize,
}

/// For each level, returns true if it stands for a missing value. `NA` among country codes and `-` beside `+` are
/// values.
fn missing_levels(levels: &[String], is_target: bool) -> Vec<bool> {
    let stands_for_none = if is_target { is_missing_target } else { is_missing };
    let is_code = |level: &str| level.len() == 2 && level.bytes().all(|byte| byte.is_ascii_uppercase());
    let mut others = levels.iter().filter(|level| !level.is_empty() && !is_missing(level)).peekable();
    let are_codes = others.peek().is_some() && others.all(|level| is_code(level));
    let has_plus = levels.iter().any(|level| level == "+");
    let is_value = |level: &String| (are_codes && is_code(level)) || (has_plus && level == "-");
    levels.iter().map(|level| level.is_empty() || (stands_for_none(level) && !is_value(level))).collect()
}
