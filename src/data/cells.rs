//! Tables for a model that exists: which columns are read, and how, is known beforehand.

use std::path::{Path, PathBuf};

use csv::{Position, StringRecord};

use super::layout::Layout;
use super::table::whole;
use super::text::{Text, WRITE_A_NUMBER, number};
use super::{CsvOptions, bytes};
use crate::error::{Error, Result};

/// A table as text, whose columns are taken by name: those that a model was trained on, in the model's order.
/// Other columns are ignored.
pub struct Table {
    path: PathBuf,
    bytes: Vec<u8>,
    delimiter: u8,
    layout: Layout,
    rows: Vec<StringRecord>,
}

impl Table {
    /// Reads a file, in the form that [`Dataset::from_csv`](super::Dataset::from_csv) reads. Of `form`, delimiter, header
    /// and formats count; which columns are read is told later.
    ///
    /// # Errors
    /// A file that cannot be read or unpacked, is not UTF-8, or has no row; two columns of one name; a row of another
    /// length than the header.
    pub fn read(path: impl AsRef<Path>, form: &CsvOptions) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let bytes = bytes::read(&path)?;
        let text = Text::new(&path, &bytes, form.delimiter)?;
        let delimiter = text.delimiter;
        let (text, layout) = Layout::of(text, form)?;
        let rows: Vec<StringRecord> =
            text.reader().records().collect::<std::result::Result<_, _>>().map_err(|error| text.broken(error))?;
        if rows.is_empty() {
            return Err(Error::format(&path, "it has 0 rows", "write a header row and at least 1 row below it"));
        }
        Ok(Self { path, bytes, delimiter, layout, rows })
    }

    /// What was found out of how these columns are written, and whoever reads them should know.
    pub fn notes(&self, columns: &[String]) -> Vec<String> {
        let used = |column: &Option<usize>| column.is_none_or(|column| columns.contains(&self.layout.columns[column]));
        let notes = self.layout.notes().into_iter().filter(|(_, column, _)| used(column));
        notes.map(|(_, _, note)| note).collect()
    }

    /// Names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.layout.columns
    }

    /// Number of rows, the header not counted.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row; a table that was read has one.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The numbers of these columns: \[rows, columns\], row-major.
    ///
    /// # Errors
    /// A column that is missing, with the nearest that is there; a cell that is not a finite number.
    pub fn numbers(&self, columns: &[String]) -> Result<Vec<f64>> {
        let places = columns.iter().map(|name| self.position(name, columns)).collect::<Result<Vec<_>>>()?;
        places.iter().try_for_each(|column| self.layout.check(self.text(), *column))?;
        self.rows.iter().flat_map(|row| places.iter().map(move |&column| self.number(row, column))).collect()
    }

    /// The classes of a column, as indices into `names`; a whole number may be written as `3` or `3.0`.
    ///
    /// # Errors
    /// A column that is missing, a cell that names no known class.
    pub fn classes(&self, column: &str, names: &[String]) -> Result<Vec<u32>> {
        let column = self.position(column, &[])?;
        self.rows.iter().map(|row| self.class(row, column, names)).collect()
    }

    /// Where a column is. The nearest name is sought among columns that are not `taken` by others.
    fn position(&self, name: &str, taken: &[String]) -> Result<usize> {
        self.layout.columns.iter().position(|column| column == name).ok_or_else(|| {
            let free = self.layout.columns.iter().filter(|column| !taken.contains(column));
            let unknown = Error::unknown("column", name, &free.map(String::as_str).collect::<Vec<_>>());
            let problem = format!("it lacks a column that is needed: {unknown}");
            Error::format(&self.path, problem, "add the column, or rename the one that was meant")
        })
    }

    fn number(&self, row: &StringRecord, column: usize) -> Result<f64> {
        number(&row[column], self.layout.written[column].format()).map_err(|(problem, remedy)| {
            let remedy = remedy.unwrap_or_else(|| WRITE_A_NUMBER.into());
            Error::data(self.place(row, column), problem, remedy)
        })
    }

    fn class(&self, row: &StringRecord, column: usize, names: &[String]) -> Result<u32> {
        let cell = &row[column];
        let find = |text: &str| names.iter().position(|name| name == text);
        let number = || self.layout.number(column, cell).and_then(|number| find(&whole(number)));
        find(cell).or_else(number).map(|class| class as u32).ok_or_else(|| {
            let known: Vec<&str> = names.iter().map(String::as_str).collect();
            let unknown = Error::unknown("class", cell, &known);
            Error::data(self.place(row, column), unknown.to_string(), "use the classes that the model was trained on")
        })
    }

    fn place(&self, row: &StringRecord, column: usize) -> String {
        self.text().place(row.position().map_or(0, Position::byte), &self.layout.columns[column])
    }

    fn text(&self) -> Text<'_> {
        let header = self.layout.first_row.is_header();
        Text { path: &self.path, bytes: &self.bytes, delimiter: self.delimiter, header }
    }
}
