//! Kinds of columns. The kind of a column is determined from its name and its values.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Kind of a column. It determines if the column becomes inputs of a network, and how it is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ColumnKind {
    /// Numbers, except row numbers and ids.
    Number,
    /// Boolean values in any spelling, such as yes and no.
    Boolean,
    /// Dates, times, or both.
    Date,
    /// Text or codes. The number of different values is at most half the number of rows, or at most 9 if some of them
    /// repeat.
    Category,
    /// Row numbers: 0, 1, 2, … or 1, 2, 3, …, in a column without a name, or with a name such as `id` or `index`.
    RowNumber,
    /// Names or ids: text with more different values than a category has. Whole numbers are ids if all differ and the
    /// column has a name such as `customer_id`.
    Identifier,
    /// Sentences: text that would be an id, but has three or more words on average.
    FreeText,
    /// One value that is the same in every row.
    Constant,
    /// Only missing cells.
    Empty,
    /// Column that the user dropped.
    Dropped,
}

impl ColumnKind {
    /// Returns true if the column becomes inputs of a network.
    ///
    /// # Examples
    /// ```
    /// use wgrad::data::ColumnKind;
    /// assert!(ColumnKind::Category.is_used() && !ColumnKind::Identifier.is_used());
    /// ```
    pub fn is_used(self) -> bool {
        self.unused_because().is_none()
    }

    /// Returns the reason why the column is not used, as a verb phrase such as `has no values`; `None` if it is used.
    pub(super) fn unused_because(self) -> Option<&'static str> {
        match self {
            Self::Number | Self::Boolean | Self::Date | Self::Category => None,
            Self::RowNumber => Some("numbers the rows"),
            Self::Identifier | Self::FreeText => Some("differs in almost every row"),
            Self::Constant => Some("has one value in every row"),
            Self::Empty => Some("has no values"),
            Self::Dropped => Some("is dropped"),
        }
    }
}

impl fmt::Display for ColumnKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Number => "number",
            Self::Boolean => "yes or no",
            Self::Date => "date",
            Self::Category => "category",
            Self::RowNumber => "row number",
            Self::Identifier => "id",
            Self::FreeText => "text",
            Self::Constant => "constant",
            Self::Empty => "empty",
            Self::Dropped => "dropped",
        })
    }
}

/// Minimum number of rows of a table in which a column of numbers is recognized as ids or row numbers.
const FEWEST_ROWS: usize = 20;

/// Maximum number of different values with which text is a category although they exceed half the number of rows. This
/// does not hold if all rows differ.
const FEW_LEVELS: usize = 9;

/// Minimum mean number of words with which different texts are [`ColumnKind::FreeText`].
const WORDS: f64 = 3.0;

/// Last words of the names of id columns, in lower case.
const IDS: [&str; 14] =
    ["id", "ids", "uid", "uuid", "guid", "index", "idx", "key", "rownames", "row", "rowid", "number", "no", "nr"];

/// Determines the kind of a column of numbers; a missing number is NaN. `kind` is the kind by the format of the cells.
/// `is_unnamed` is true for a first column without a name, in which pandas and R write the row numbers.
pub(super) fn of_numbers(name: &str, is_unnamed: bool, values: &[f64], kind: ColumnKind) -> ColumnKind {
    let mut present = values.iter().filter(|value| !value.is_nan());
    let Some(first) = present.next() else { return ColumnKind::Empty };
    let all_present = !values.iter().any(|value| value.is_nan());
    if present.all(|value| value == first) && all_present {
        return ColumnKind::Constant;
    }
    if kind != ColumnKind::Number || values.len() < FEWEST_ROWS || !all_present {
        return kind;
    }
    // In a column with another name, such as `x`, such numbers may be data.
    if !is_unnamed && !is_id(name) {
        return kind;
    }
    let steps = values.iter().enumerate().all(|(row, value)| *value == first + row as f64);
    if steps && (*first == 0.0 || *first == 1.0) {
        return ColumnKind::RowNumber;
    }
    let is_whole = values.iter().all(|value| value.fract() == 0.0);
    if !is_unnamed && is_whole && all_differ(values) { ColumnKind::Identifier } else { kind }
}

/// Returns true if a column name is typical of ids: `id`, `customer_id`, `PassengerId`, `Unnamed: 0`.
fn is_id(name: &str) -> bool {
    let lower = name.to_lowercase();
    let last = lower.rsplit([' ', '_', '-', '.']).next().unwrap_or_default();
    let camel = name.strip_suffix("Id").or(name.strip_suffix("ID"));
    IDS.contains(&last)
        || camel.is_some_and(|rest| rest.ends_with(char::is_lowercase))
        || lower.starts_with("unnamed: ")
}

fn all_differ(values: &[f64]) -> bool {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.windows(2).all(|two| two[0] != two[1])
}

/// Determines the kind of a column of text from its levels (different values). `counts` has the number of rows of each
/// level, and `missing` is the number of missing cells.
pub(super) fn of_levels(levels: &[String], counts: &[usize], missing: usize) -> ColumnKind {
    let rows: usize = counts.iter().sum();
    match levels.len() {
        0 => ColumnKind::Empty,
        1 if missing == 0 => ColumnKind::Constant,
        different if 2 * different > rows && (different > FEW_LEVELS || different == rows && rows > 2) => {
            let words: usize = levels.iter().map(|level| level.split_whitespace().count()).sum();
            let is_text = words as f64 >= WORDS * different as f64;
            if is_text { ColumnKind::FreeText } else { ColumnKind::Identifier }
        }
        _ => ColumnKind::Category,
    }
}
