//! Inspection of a table before training: statistics of each column, and warnings.
//!
//! A [`Survey`](survey::Survey) sees the cells of one column once, in bounded memory, and becomes a [`Column`]. Tables that
//! training refuses can be inspected, too: those with missing cells, text, or numbers that are not finite.

mod survey;
mod surveys;
mod table;
mod target;
mod target_warnings;
mod warnings;

use std::path::Path;

use csv::Position;
use serde::Serialize;
use surveys::Surveys;
pub use table::warning_lines;
pub use target::{Class, ReadAs, TargetColumn};
pub use warnings::{Warning, listed};

use super::decode::{decode, of_text};
use super::number_format::{Column as Written, NumberFormat};
use super::table::{Header, no_rows};
use super::text::Text;
use super::{ColumnKind, CsvOptions, Dataset, Table, Targets, bytes};
use crate::error::Result;

/// Statistics of a table or a data set, and warnings about it.
///
/// # Examples
/// ```
/// use wgrad::data::{Inspection, Kind};
/// let found = Inspection::of_csv_text("houses", "id,area,price\nA,50,1.5\nB,,2.1\n", None)?;
/// assert_eq!((found.rows, found.columns[0].kind, found.columns[1].missing), (2, Kind::Text, 1));
/// assert!(found.warnings.iter().any(|warning| warning.message.contains("--drop id")));
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Inspection {
    /// Name of the data set.
    pub name: String,
    /// Number of rows, without the header.
    pub rows: usize,
    /// Delimiter of the columns; `None` for a data set that is not a table.
    pub delimiter: Option<char>,
    /// True if the first row of a table holds the column names, and for a data set that is not a table.
    pub header: bool,
    /// Columns, in the order of the table.
    pub columns: Vec<Column>,
    /// Target column.
    pub target: TargetColumn,
    /// Number of rows that equal an earlier row, in all columns but the dropped ones.
    pub duplicate_rows: usize,
    /// Warnings; problems that are errors in training come first.
    pub warnings: Vec<Warning>,
}

/// Statistics of a column.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Column {
    /// Name of the column.
    pub name: String,
    /// Role of the column.
    pub role: Role,
    /// Kind of its cells.
    pub kind: Kind,
    /// Format of its numbers; `None` for the plain format, `-1234.5`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<NumberFormat>,
    /// Number of missing cells: empty ones and, if all others are numbers, `NA`, `N/A`, `NaN`, `null` and `?`, in upper or lower
    /// case.
    pub missing: usize,
    /// Number of different values, without missing ones; at most 10,000 are counted.
    pub different: usize,
    /// True if there are more different values than were counted.
    pub different_or_more: bool,
    /// Statistics of a column of numbers; `None` for other columns.
    #[serde(flatten)]
    pub moments: Option<Moments>,
}

/// Statistics of a column of numbers, without missing cells.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Moments {
    /// Smallest number.
    pub min: f64,
    /// Mean.
    pub mean: f64,
    /// Largest number.
    pub max: f64,
    /// Standard deviation (over n, not n − 1).
    pub deviation: f64,
}

/// Role of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// An input of the network.
    Input,
    /// The target.
    Target,
    /// A dropped column.
    LeftOut,
}

/// Kind of the cells of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// Finite numbers, some of them not whole.
    Number,
    /// Whole numbers.
    WholeNumber,
    /// Some cells are not finite numbers.
    Text,
    /// All cells are missing.
    Empty,
}

impl Inspection {
    /// Inspects a table in a file, in the format of [`Dataset::from_csv`].
    ///
    /// # Errors
    /// See [`Dataset::from_csv`]. Cells that are empty, not finite or not a number are warnings, not errors.
    pub fn of_csv(path: impl AsRef<Path>, form: impl Into<CsvOptions>) -> Result<Self> {
        let (path, form) = (path.as_ref(), form.into());
        let decoded = decode(path, bytes::read(path)?, form.delimiter)?;
        of_header(&bytes::name(path), Header::new(Text::new(path, &decoded.bytes, form.delimiter)?, &form)?)
    }

    /// Inspects the text of a table, as [`Inspection::of_csv`] does for a file.
    ///
    /// # Errors
    /// See [`Inspection::of_csv`]; messages have the name in place of the path.
    pub fn of_csv_text(name: &str, text: &str, form: impl Into<CsvOptions>) -> Result<Self> {
        let form = form.into();
        let text = of_text(text, form.delimiter);
        of_header(name, Header::new(Text::new(Path::new(name), &text, form.delimiter)?, &form)?)
    }

    /// Removes warnings about columns that a [`Table`] prepares or leaves out: text, missing cells, constants and ids. Warnings
    /// about its target stay, except for missing cells.
    pub(super) fn keep_what_remains(&mut self, table: &Table, is_task_given: bool) {
        let is_target = |warning: &Warning| warning.columns.contains(&self.target.column);
        let is_used = |name: &String| table.kind(name).is_none_or(ColumnKind::is_used);
        let prepared = ["missing", "constant", "id", "empty"];
        self.warnings.retain(|warning| match warning.kind {
            "text" => is_target(warning),
            "many_values" => !is_task_given,
            "leak" => warning.columns.iter().all(is_used),
            kind => !prepared.contains(&kind),
        });
    }

    /// Inspects a data set. Of several target columns, [`Inspection::target`] is the last.
    pub fn of(data: &Dataset) -> Self {
        let (names, read_as) = match data.targets() {
            Targets::Classes { .. } => (vec!["class".to_string()], ReadAs::Class),
            Targets::Numbers { columns, .. } => (columns.clone(), ReadAs::Number),
        };
        let roles = [vec![Role::Input; data.inputs()], vec![Role::Target; names.len()]].concat();
        let formats = vec![NumberFormat::PLAIN; roles.len()];
        let mut all = Surveys::new([data.columns(), &names].concat(), roles, formats);
        for row in 0..data.len() {
            let input = (0..data.inputs()).map(|column| data.value(row, column).to_string());
            let cells: Vec<String> = match data.targets() {
                Targets::Classes { indices, names } => input.chain([names[indices[row] as usize].clone()]).collect(),
                Targets::Numbers { values, columns } => input
                    .chain(values.chunks(columns.len()).nth(row).into_iter().flatten().map(f64::to_string))
                    .collect(),
            };
            all.see(row as u64, &cells.iter().map(String::as_str).collect::<Vec<_>>());
        }
        all.inspection(data.name().into(), None, Some(read_as), None, &|row| row as usize)
    }
}

/// Inspects the rows of a table.
pub(super) fn of_header(name: &str, header: Header) -> Result<Inspection> {
    let Header { text, layout, target, is_input, read_as, .. } = header;
    let roles = is_input.iter().map(|&input| if input { Role::Input } else { Role::LeftOut });
    let mut roles: Vec<Role> = roles.collect();
    roles[target] = Role::Target;
    let formats = layout.written.iter().map(Written::format).collect();
    let mut all = Surveys::new(layout.columns.clone(), roles, formats);
    for record in text.rows() {
        let record = record?;
        all.see(record.position().map_or(0, Position::byte), &record.iter().collect::<Vec<_>>());
    }
    if all.rows == 0 {
        return Err(no_rows(text));
    }
    let (delimiter, line) = (Some(text.delimiter.into()), |start| text.line(start));
    Ok(all.inspection(name.into(), delimiter, read_as, Some(&layout), &line))
}
