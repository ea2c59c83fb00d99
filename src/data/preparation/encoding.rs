//! Encodings of columns: rules that convert a cell to inputs of a network.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::data::text::is_missing;
use crate::data::text_format::CellReader;
use crate::data::time_format::{DAY, date_of};
use crate::data::{ColumnKind, NumberFormat, TimeFormat};
use crate::error::{Error, Result};

/// Encoding of a column: the rule that converts a cell to inputs of a network.
///
/// In place of a missing number, date or boolean, the input is `fill`, the median of the training set. If the training
/// set has missing cells (`has_missing`), the column has one more input: 1 if the cell is missing, otherwise 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Encoding {
    /// One input: the number. Further inputs, one per bin, are a piecewise linear encoding of the number x: the bin from
    /// a to b gives (x − a) / (b − a), at least 0 and at most 1. (Gorishniy et al., 2022, "On Embeddings for Numerical
    /// Features in Tabular Deep Learning"; there, the first and the last bin have no limit.)
    Number {
        /// Number format of the cells.
        format: NumberFormat,
        /// Input in place of a missing number.
        fill: f64,
        /// True if numbers are missing in the training set.
        has_missing: bool,
        /// Edges of the bins, ascending; empty if there are no bins.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        edges: Vec<f64>,
    },
    /// One input: 1 for yes, 0 for no.
    Boolean {
        /// Input in place of a missing boolean: 0 or 1.
        fill: f64,
        /// True if cells are missing in the training set.
        has_missing: bool,
    },
    /// One or two inputs for each part of a date or time.
    Date {
        /// Format of the dates or times in the cells.
        format: TimeFormat,
        /// Earliest time in the training set, in seconds since 1970-01-01 or since midnight.
        origin: f64,
        /// Parts that differ between rows of the training set.
        parts: Vec<TimePart>,
        /// Time in place of a missing one, in seconds like `origin`.
        fill: f64,
        /// True if times are missing in the training set.
        has_missing: bool,
    },
    /// One-hot encoding: one input per level (different text), which is 1 in rows of this level, otherwise 0.
    Category {
        /// Levels with one input each, sorted: the most frequent ones of the training set, at most 64, each with at
        /// least 3 rows.
        levels: Vec<String>,
        /// True if all other levels share one input. If false, all inputs are 0 for a level that is not in `levels`.
        has_other: bool,
        /// True if missing cells have an input. If false, a missing cell is encoded like a level that is not in
        /// `levels`.
        has_missing: bool,
    },
    /// No inputs, since the column is not used.
    LeftOut {
        /// Kind of the column, which is the reason why it is not used.
        because: ColumnKind,
    },
}

/// Part of a date or time. A cyclic part becomes a sine and a cosine, so that December is near January.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TimePart {
    /// Days since the earliest time in the training set.
    Elapsed,
    /// Year, not cyclic.
    Year,
    /// Month of the year, cyclic.
    Month,
    /// Day of the month, cyclic.
    Day,
    /// Day of the week, cyclic.
    Weekday,
    /// Hour of the day with its fraction, cyclic.
    Hour,
}

impl TimePart {
    pub(super) const ALL: [Self; 6] = [Self::Elapsed, Self::Year, Self::Month, Self::Day, Self::Weekday, Self::Hour];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Elapsed => "days",
            Self::Year => "year",
            Self::Month => "month",
            Self::Day => "day",
            Self::Weekday => "weekday",
            Self::Hour => "hour",
        }
    }

    /// Number of values after which a cyclic part repeats; `None` for elapsed days and years.
    fn cycle(self) -> Option<f64> {
        match self {
            Self::Elapsed | Self::Year => None,
            Self::Month => Some(12.0),
            Self::Day => Some(31.0),
            Self::Weekday => Some(7.0),
            Self::Hour => Some(24.0),
        }
    }

    /// Value of the part at a time in seconds. Cyclic parts are counted from 0. `origin` is the time from which elapsed
    /// days are counted.
    pub(super) fn of(self, seconds: f64, origin: f64) -> f64 {
        let day = (seconds / DAY).floor();
        match self {
            Self::Elapsed => (seconds - origin) / DAY,
            Self::Year => date_of(day as i64).0 as f64,
            Self::Month => date_of(day as i64).1 as f64,
            Self::Day => date_of(day as i64).2 as f64,
            // January 1, 1970 was a Thursday.
            Self::Weekday => (day + 3.0).rem_euclid(7.0),
            Self::Hour => (seconds - day * DAY) / 3600.0,
        }
    }

    /// Number of inputs of the part: 2 if it is cyclic, otherwise 1.
    fn width(self) -> usize {
        if self.cycle().is_some() { 2 } else { 1 }
    }
}

/// Level of a cell: the index of a level with its own input, any other level, or a missing cell.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Level {
    Known(usize),
    Other,
    Missing,
}

impl Encoding {
    /// Number of inputs of the column.
    pub(super) fn width(&self) -> usize {
        match self {
            Self::Number { has_missing, edges, .. } => edges.len().max(1) + usize::from(*has_missing),
            Self::Boolean { has_missing, .. } => 1 + usize::from(*has_missing),
            Self::Date { parts, has_missing, .. } => {
                parts.iter().map(|part| part.width()).sum::<usize>() + usize::from(*has_missing)
            }
            Self::Category { levels, has_other, has_missing } => {
                levels.len() + usize::from(*has_other) + usize::from(*has_missing)
            }
            Self::LeftOut { .. } => 0,
        }
    }

    /// Names of the inputs. `column` is the name of the column.
    pub(super) fn names(&self, column: &str) -> Vec<String> {
        let missing = |has: &bool| has.then(|| format!("{column} is missing"));
        match self {
            Self::Number { has_missing, edges, .. } => {
                let bins = edges.windows(2).map(|bin| format!("{column} from {} to {}", bin[0], bin[1]));
                std::iter::once(column.to_string()).chain(bins).chain(missing(has_missing)).collect()
            }
            Self::Boolean { has_missing, .. } => {
                std::iter::once(column.to_string()).chain(missing(has_missing)).collect()
            }
            Self::Date { parts, has_missing, .. } => {
                let names = parts.iter().flat_map(|part| {
                    let cyclic: &[&str] = if part.cycle().is_some() { &[" sin", " cos"] } else { &[""] };
                    cyclic.iter().map(|end| format!("{column}: {}{end}", part.name()))
                });
                names.chain(missing(has_missing)).collect()
            }
            Self::Category { levels, has_other, has_missing } => {
                let names = levels.iter().map(|level| format!("{column}={level}"));
                names.chain(has_other.then(|| format!("{column} is another"))).chain(missing(has_missing)).collect()
            }
            Self::LeftOut { .. } => vec![],
        }
    }

    /// Appends the inputs of a number to `inputs`; NaN is a missing number.
    pub(super) fn write_number(&self, number: f64, inputs: &mut Vec<f64>) {
        let (Self::Number { fill, has_missing, .. }
        | Self::Boolean { fill, has_missing }
        | Self::Date { fill, has_missing, .. }) = self
        else {
            return;
        };
        let is_missing = number.is_nan();
        let number = if is_missing { *fill } else { number };
        match self {
            Self::Date { origin, parts, .. } => {
                for part in parts {
                    let value = part.of(number, *origin);
                    match part.cycle() {
                        Some(cycle) => {
                            let (sine, cosine) = (std::f64::consts::TAU * value / cycle).sin_cos();
                            inputs.extend([sine, cosine]);
                        }
                        None => inputs.push(value),
                    }
                }
            }
            Self::Number { edges, .. } => {
                inputs.push(number);
                inputs.extend(edges.windows(2).map(|bin| ((number - bin[0]) / (bin[1] - bin[0])).clamp(0.0, 1.0)));
            }
            Self::Boolean { .. } | Self::Category { .. } | Self::LeftOut { .. } => inputs.push(number),
        }
        inputs.extend(has_missing.then_some(f64::from(u8::from(is_missing))));
    }

    /// Appends the one-hot encoding of a category's level to `inputs`. Other encodings append nothing.
    pub(super) fn write_level(&self, level: Level, inputs: &mut Vec<f64>) {
        let Self::Category { levels, has_other, has_missing } = self else { return };
        let first = inputs.len();
        inputs.resize(first + self.width(), 0.0);
        let at = match level {
            Level::Known(at) => Some(at),
            Level::Missing if *has_missing => Some(levels.len() + usize::from(*has_other)),
            Level::Missing | Level::Other => has_other.then_some(levels.len()),
        };
        at.into_iter().for_each(|at| inputs[first + at] = 1.0);
    }

    /// Returns the level of a cell. A whole number may be written as `3` or `3.0`. A word for missing values is a level
    /// if it was a level in the training set.
    pub(super) fn level_of(&self, text: &str) -> Level {
        let Self::Category { levels, .. } = self else { return Level::Other };
        let find = |text: &str| levels.iter().position(|level| level == text);
        let found = find(text).or_else(|| find(text.strip_suffix(".0")?)).or_else(|| find(&format!("{text}.0")));
        let is_missing = text.is_empty() || is_missing(text);
        found.map_or(if is_missing { Level::Missing } else { Level::Other }, Level::Known)
    }

    /// Appends the inputs of a cell to `inputs`.
    pub(super) fn write_cell(&self, cell: &str, inputs: &mut Vec<f64>) {
        match self.reader() {
            Some(CellReader::Level) => self.write_level(self.level_of(cell), inputs),
            Some(reader) => {
                let number = reader.number(cell).filter(|number| (*number as f32).is_finite());
                self.write_number(number.unwrap_or(f64::NAN), inputs);
            }
            None => {}
        }
    }

    /// Way to read the cells; `None` if the column is not used.
    pub(in crate::data) fn reader(&self) -> Option<CellReader> {
        match self {
            Self::Number { format, .. } => Some(CellReader::Number(*format)),
            Self::Boolean { .. } => Some(CellReader::Boolean),
            Self::Date { format, .. } => Some(CellReader::Time(*format)),
            Self::Category { .. } => Some(CellReader::Level),
            Self::LeftOut { .. } => None,
        }
    }

    /// Refuses values that fitting cannot produce, as a damaged model file may have.
    pub(super) fn check(&self, place: &str) -> Result<()> {
        let finite = |name: &str, value: f64| match (value as f32).is_finite() {
            true => Ok(()),
            false => Err(Error::value(place, name, value, "finite")),
        };
        let twice = |what: &str| Err(Error::conflict(place, format!("it has a {what} twice"), "keep one of them"));
        match self {
            Self::Number { format, fill, edges, .. } => {
                format.check(place)?;
                edges.iter().try_for_each(|edge| finite("edge", *edge))?;
                if let Some(bin) = edges.windows(2).find(|bin| !(bin[0] < bin[1])) {
                    let problem = format!("the edge {} is followed by {}", bin[0], bin[1]);
                    return Err(Error::conflict(place, problem, "let edges of bins ascend"));
                }
                match edges.len() {
                    1 => Err(Error::value(place, "edges of bins", 1, "0, or 2 and more")),
                    _ => finite("fill", *fill),
                }
            }
            Self::Boolean { fill, .. } => finite("fill", *fill),
            Self::Date { origin, parts, fill, .. } => {
                if parts.iter().collect::<HashSet<_>>().len() < parts.len() {
                    return twice("part");
                }
                // Years are computed in steps from 1970, and elapsed days as a difference, so huge times are refused.
                for (name, value) in [("fill", *fill), ("origin", *origin)] {
                    if !(value.abs() <= 1e12) {
                        return Err(Error::value(place, name, value, "from -1e12 to 1e12"));
                    }
                }
                Ok(())
            }
            Self::Category { levels, .. } if levels.iter().collect::<HashSet<_>>().len() < levels.len() => {
                twice("level")
            }
            Self::Category { .. } | Self::LeftOut { .. } => Ok(()),
        }
    }
}
