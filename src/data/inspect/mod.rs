//! Inspection of a table before training: statistics of each column, and warnings.
//!
//! A [`Survey`](survey::Survey) reads the cells of one column once, in bounded memory, and returns a [`Column`]. Tables
//! that training refuses can be inspected, too, such as tables with missing cells, text, or infinite numbers.

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
pub use warnings::{Warning, counted, listed};

use super::decode::Decoded;
use super::number_format::NumberFormat;
use super::table::{Header, no_rows};
use super::text::is_missing;
use super::text_format::CellReader;
use super::values::Values;
use super::{ColumnKind, CsvOptions, Dataset, Table, Targets, bytes};
use crate::error::Result;

/// Statistics of a table or a data set, with warnings about likely mistakes.
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
    /// Delimiter between columns: a blank if runs of blanks separate them. `None` for a data set that is not a table.
    pub delimiter: Option<char>,
    /// True if the first row of a table has the column names. For a data set that is not a table, it is true.
    pub header: bool,
    /// Statistics of each column, in the order of the table.
    pub columns: Vec<Column>,
    /// Name, interpretation and classes of the target column.
    pub target: TargetColumn,
    /// Number of rows that equal an earlier row. Dropped columns and weights are not compared.
    pub duplicate_rows: usize,
    /// Warnings. Those about problems that training refuses come first.
    pub warnings: Vec<Warning>,
}

/// Statistics of a column.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Column {
    /// Name of the column.
    pub name: String,
    /// Role of the column: input, target, or neither.
    pub role: Role,
    /// Kind of the cells: numbers, whole numbers, text, or none.
    pub kind: Kind,
    /// Format of the numbers; `None` for the plain format, `-1234.5`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<NumberFormat>,
    /// Number of missing cells. Empty cells are missing. Words such as `NA`, `NaN`, `null` and `?`, in upper or lower
    /// case, are missing if all other cells are numbers. After [`Table::read_and_inspect`], it is the number of cells
    /// that are missing in the table.
    pub missing: usize,
    /// Number of different values, without missing cells. At most 10,000 are counted.
    pub different: usize,
    /// True if there are more than 10,000 different values.
    pub different_or_more: bool,
    /// Statistics of the numbers; `None` if the column has text, or no values.
    #[serde(flatten)]
    pub moments: Option<Moments>,
}

/// Minimum, mean, maximum and standard deviation of a column of numbers, without missing cells.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Moments {
    /// Smallest number.
    pub min: f64,
    /// Mean of the numbers.
    pub mean: f64,
    /// Largest number.
    pub max: f64,
    /// Standard deviation (over n, not n − 1).
    pub deviation: f64,
}

/// Role of a column in training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// Input of the network.
    Input,
    /// Target, which the network learns to predict.
    Target,
    /// Dropped column, or the column with the weights of rows.
    LeftOut,
}

/// Kind of the cells of a column, as they are written. [`ColumnKind`] is the kind that training uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// Finite numbers. At least one is not whole.
    Number,
    /// Finite whole numbers.
    WholeNumber,
    /// Text, or numbers that are not finite as f32, in at least one cell.
    Text,
    /// Only missing cells.
    Empty,
}

impl Inspection {
    /// Inspects a table in a file, which is read as by [`Dataset::from_csv`].
    ///
    /// # Errors
    /// See [`Dataset::from_csv`]. An empty cell, a cell that is not a number, and a number that is not finite are
    /// warnings.
    pub fn of_csv(path: impl AsRef<Path>, form: impl Into<CsvOptions>) -> Result<Self> {
        let (path, form) = (path.as_ref(), form.into());
        of_header(&bytes::name(path), Header::new(Decoded::read(path, &form)?.text()?, &form)?, None)
    }

    /// Inspects a table in a text, as [`Inspection::of_csv`] inspects a file.
    ///
    /// # Errors
    /// See [`Inspection::of_csv`]. Messages have the name in place of the path.
    pub fn of_csv_text(name: &str, text: &str, form: impl Into<CsvOptions>) -> Result<Self> {
        let form = form.into();
        of_header(name, Header::new(Decoded::of_text(name, text, &form).text()?, &form)?, None)
    }

    /// Removes the warnings that do not apply to a [`Table`]: it can prepare text and missing cells, and leaves out
    /// constants and ids. Missing cells are counted as in the table. `is_task_given` is true if the user requested
    /// regression or classification.
    pub(super) fn keep_what_remains(&mut self, table: &Table, is_task_given: bool) {
        for column in &mut self.columns {
            column.missing = table.missing_cells(&column.name).unwrap_or(column.missing);
        }
        let is_used = |name: &String| table.kind(name).is_none_or(ColumnKind::is_used);
        let prepared = ["unclear", "text", "missing", "constant", "id", "empty"];
        self.warnings.retain(|warning| match warning.kind {
            "many_values" => !is_task_given,
            "leak" => warning.columns.iter().all(is_used),
            kind => !prepared.contains(&kind),
        });
    }

    /// Inspects a data set. If it has several target columns, [`Inspection::target`] describes the last one.
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

/// Inspects the rows of a table, given its header. If there is a `table`, words such as `NA` count as empty cells where
/// the value in it is missing.
pub(super) fn of_header(name: &str, header: Header, table: Option<&Table>) -> Result<Inspection> {
    let Header { text, layout, target, is_input, read_as, .. } = header;
    let roles = is_input.iter().map(|&input| if input { Role::Input } else { Role::LeftOut });
    let mut roles: Vec<Role> = roles.collect();
    roles[target] = Role::Target;
    let formats = layout.written.iter().zip(&layout.readers).map(|(written, reader)| match (reader, table) {
        (CellReader::Number(format), Some(_)) => *format,
        _ => written.format(),
    });
    let formats = formats.collect();
    let values: Vec<Option<&Values>> = layout.columns.iter().map(|name| table?.values(name)).collect();
    let mut all = Surveys::new(layout.columns.clone(), roles, formats);
    for record in text.rows() {
        let record = record?;
        let cell = |(cell, values): (_, &Option<&Values>)| match values {
            Some(values) if is_missing(cell) && values.is_missing(all.rows) => "",
            _ => cell,
        };
        let cells: Vec<&str> = record.iter().zip(&values).map(cell).collect();
        all.see(record.position().map_or(0, Position::byte), &cells);
    }
    if all.rows == 0 {
        return Err(no_rows(text));
    }
    let (delimiter, line) = (Some(text.separator.into()), |start| text.line(start));
    Ok(all.inspection(name.into(), delimiter, read_as, Some(&layout), &line))
}
