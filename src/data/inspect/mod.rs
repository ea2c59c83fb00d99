//! What is in a table, told before it is trained on: column by column, with what will get in the way.
//!
//! A [`Survey`](survey::Survey) watches the cells of one column go by and keeps a bounded memory of them; what it has
//! seen becomes a [`Column`]. Tables are surveyed that training would refuse: with missing cells, text, numbers that are not finite.

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

use super::number_format::{Column as Written, NumberFormat};
use super::table::{Header, no_rows, read};
use super::text::Text;
use super::{CsvOptions, Dataset, Targets, bytes};
use crate::error::Result;

/// What a table or a data set holds.
///
/// ```
/// use wgrad::data::{Inspection, Kind};
/// let found = Inspection::of_csv_text("houses", "id,area,price\nA,50,1.5\nB,,2.1\n", None)?;
/// assert_eq!((found.rows, found.columns[0].kind, found.columns[1].missing), (2, Kind::Text, 1));
/// assert!(found.warnings.iter().any(|warning| warning.message.contains("--drop id")));
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inspection {
    /// Name of the data set.
    pub name: String,
    /// Number of rows, the header not counted.
    pub rows: usize,
    /// What separates the columns; `None` of a data set that is no table.
    pub delimiter: Option<char>,
    /// Whether the first row of a table has names; of a data set that is no table, its columns have them.
    pub header: bool,
    /// The columns, in the order of the table.
    pub columns: Vec<Column>,
    /// What is to be predicted.
    pub target: TargetColumn,
    /// Rows that equal an earlier one, columns that are left out not counted.
    pub duplicate_rows: usize,
    /// Warnings of an inspection.
    pub warnings: Vec<Warning>,
}

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it serves for.
    pub role: Role,
    /// What its cells are.
    pub kind: Kind,
    /// How its numbers are written, if not plainly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<NumberFormat>,
    /// Cells that are empty or, where all others are numbers, one of `NA`, `N/A`, `NaN`, `null` and `?`, in any case.
    pub missing: usize,
    /// Different values, missing ones not counted; at most 10,000 are counted.
    pub different: usize,
    /// Whether there are more different values than were counted.
    pub different_or_more: bool,
    /// Of columns of numbers.
    #[serde(flatten)]
    pub moments: Option<Moments>,
}

/// Figures of a column of numbers; missing cells do not count.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Moments {
    /// Smallest number.
    pub min: f64,
    /// Mean.
    pub mean: f64,
    /// Largest number.
    pub max: f64,
    /// Standard deviation, over n, not n − 1.
    pub deviation: f64,
}

/// What a column serves for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A network sees it.
    Input,
    /// It is predicted.
    Target,
    /// Nobody looks at it.
    LeftOut,
}

/// What the cells of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Finite numbers, some of them not whole.
    Number,
    /// Whole numbers.
    WholeNumber,
    /// Some cells are no finite numbers.
    Text,
    /// All cells are missing.
    Empty,
}

impl Inspection {
    /// Inspects a table; it is read in the form of [`Dataset::from_csv`].
    ///
    /// # Errors
    /// Those of [`Dataset::from_csv`], but for cells that are empty, not finite or not a number.
    pub fn of_csv(path: impl AsRef<Path>, form: impl Into<CsvOptions>) -> Result<Self> {
        let (path, form) = (path.as_ref(), form.into());
        let bytes = bytes::read(path)?;
        of_header(&bytes::name(path), Header::new(Text::new(path, &bytes, form.delimiter)?, &form)?)
    }

    /// Inspects a table that is text, as [`Inspection::of_csv`] does a file.
    ///
    /// # Errors
    /// As [`Inspection::of_csv`], with the name in place of the path.
    pub fn of_csv_text(name: &str, text: &str, form: impl Into<CsvOptions>) -> Result<Self> {
        let form = form.into();
        of_header(name, Header::new(Text::new(Path::new(name), text.as_bytes(), form.delimiter)?, &form)?)
    }

    /// Inspects a table and reads it, to be trained on: as [`Inspection::of_csv`] and [`Dataset::from_csv`] with the same
    /// arguments, from one reading of the file.
    ///
    /// # Errors
    /// Those of [`Dataset::from_csv`].
    pub fn with_data(path: impl AsRef<Path>, form: impl Into<CsvOptions>) -> Result<(Self, Dataset)> {
        let (path, form) = (path.as_ref(), form.into());
        let bytes = bytes::read(path)?;
        let name = bytes::name(path);
        let header = Header::new(Text::new(path, &bytes, form.delimiter)?, &form)?;
        let data = read(&name, &header)?;
        Ok((of_header(&name, header)?, data))
    }

    /// Inspects a data set. Of several target columns, the last is told as the target.
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

fn of_header(name: &str, header: Header) -> Result<Inspection> {
    let Header { text, layout, target, is_input } = header;
    let roles = is_input.iter().map(|&input| if input { Role::Input } else { Role::LeftOut });
    let mut roles: Vec<Role> = roles.collect();
    roles[target] = Role::Target;
    let formats = layout.written.iter().map(Written::format).collect();
    let mut all = Surveys::new(layout.columns.clone(), roles, formats);
    for record in text.reader().records() {
        let record = record.map_err(|error| text.broken(error))?;
        all.see(record.position().map_or(0, Position::byte), &record.iter().collect::<Vec<_>>());
    }
    if all.rows == 0 {
        return Err(no_rows(text));
    }
    let (delimiter, line) = (Some(text.delimiter.into()), |start| text.line(start));
    Ok(all.inspection(name.into(), delimiter, None, Some(&layout), &line))
}
