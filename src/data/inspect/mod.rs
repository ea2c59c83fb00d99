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
pub use target::{Class, ReadAs, Target};
pub use warnings::Warning;

use super::table::Header;
use super::text::Text;
use super::{Csv, Dataset, Targets, bytes};
use crate::error::{Error, Result};

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
    /// The columns, in the order of the table.
    pub columns: Vec<Column>,
    /// What is to be predicted.
    pub target: Target,
    /// Rows that equal an earlier one, columns that are left out not counted.
    pub duplicate_rows: usize,
    /// What will or may get in the way.
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
    pub fn of_csv(path: impl AsRef<Path>, form: impl Into<Csv>) -> Result<Self> {
        let (path, form) = (path.as_ref(), form.into());
        let bytes = bytes::read(path)?;
        of_text(&bytes::name(path), Text::new(path, &bytes, form.delimiter)?, &form)
    }

    /// Inspects a table that is text, as [`Inspection::of_csv`] does a file.
    ///
    /// # Errors
    /// As [`Inspection::of_csv`], with the name in place of the path.
    pub fn of_csv_text(name: &str, text: &str, form: impl Into<Csv>) -> Result<Self> {
        let form = form.into();
        of_text(name, Text::new(Path::new(name), text.as_bytes(), form.delimiter)?, &form)
    }

    /// Inspects a data set. Of several target columns, the last is told as the target.
    pub fn of(data: &Dataset) -> Self {
        let (names, read_as) = match data.targets() {
            Targets::Classes { .. } => (vec!["class".to_string()], ReadAs::Class),
            Targets::Numbers { columns, .. } => (columns.clone(), ReadAs::Number),
        };
        let roles = [vec![Role::Input; data.inputs()], vec![Role::Target; names.len()]].concat();
        let mut all = Surveys::new([data.columns(), &names].concat(), roles);
        for row in 0..data.len() {
            let input = data.input_row(row);
            let input = input.iter().map(f32::to_string);
            let cells: Vec<String> = match data.targets() {
                Targets::Classes { indices, names } => input.chain([names[indices[row] as usize].clone()]).collect(),
                Targets::Numbers { values, columns } => input
                    .chain(values.chunks(columns.len()).nth(row).into_iter().flatten().map(f32::to_string))
                    .collect(),
            };
            all.see(row as u64, &cells.iter().map(String::as_str).collect::<Vec<_>>());
        }
        all.inspection(data.name().into(), None, Some(read_as), &|row| row as usize)
    }
}

fn of_text(name: &str, text: Text, form: &Csv) -> Result<Inspection> {
    let mut reader = text.reader();
    let header = Header::new(text, reader.headers().map_err(|error| text.broken(error))?, form)?;
    let roles = header.is_input.iter().map(|&input| if input { Role::Input } else { Role::LeftOut });
    let mut roles: Vec<Role> = roles.collect();
    roles[header.target] = Role::Target;
    let mut all = Surveys::new(header.columns, roles);
    for record in reader.records() {
        let record = record.map_err(|error| text.broken(error))?;
        all.see(record.position().map_or(0, Position::byte), &record.iter().collect::<Vec<_>>());
    }
    if all.rows == 0 {
        return Err(Error::format(text.path, "it has a header but 0 rows after it", "add rows below the header"));
    }
    Ok(all.inspection(name.into(), Some(text.delimiter.into()), None, &|start| text.line(start)))
}
