//! Tables for an existing model, whose columns and formats are known.

use std::fmt;
use std::path::{Path, PathBuf};

use csv::{Position, StringRecord};

use super::layout::Layout;
use super::table::whole;
use super::text::{Text, WRITE_A_NUMBER, number};
use super::{CsvOptions, bytes};
use crate::error::{Error, Result};

/// Table for an existing model. Its columns are read by name, in the order that the model needs; other columns are ignored.
///
/// # Examples
/// ```
/// use wgrad::data::{CsvOptions, Table};
/// # let folder = std::env::temp_dir().join(format!("wgrad-table-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).expect("it can be created");
/// # let path = folder.join("houses.csv");
/// # std::fs::write(&path, "id,area,price\nA,50,1.5\nB,80,2.1\n").expect("it can be written");
/// let table = Table::read(&path, &CsvOptions::default())?;
/// assert_eq!((table.len(), table.numbers(&["area".into()])?), (2, vec![50.0, 80.0]));
/// # std::fs::remove_dir_all(&folder).expect("it can be deleted");
/// # Ok::<(), wgrad::Error>(())
/// ```
pub struct Table {
    path: PathBuf,
    bytes: Vec<u8>,
    delimiter: u8,
    layout: Layout,
    rows: Vec<StringRecord>,
}

/// Shows path and size, not the contents.
impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = f.debug_struct("Table");
        table.field("path", &self.path).field("columns", &self.layout.columns).field("rows", &self.rows.len());
        table.finish_non_exhaustive()
    }
}

impl Table {
    /// Reads a file in the format of [`Dataset::from_csv`](super::Dataset::from_csv). `form` sets delimiter, header, number
    /// formats and column names. The other methods choose columns.
    ///
    /// # Errors
    /// The file cannot be read or unpacked, is not UTF-8, or has no rows; two columns have the same name; a row differs in length
    /// from the header.
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

    /// Returns notes on the detected header and number formats of these columns, for users to check.
    pub fn notes(&self, columns: &[String]) -> Vec<String> {
        let used = |column: &Option<usize>| column.is_none_or(|column| columns.contains(&self.layout.columns[column]));
        let notes = self.layout.notes().into_iter().filter(|(_, column, _)| used(column));
        notes.map(|(_, _, note)| note).collect()
    }

    /// Names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.layout.columns
    }

    /// Number of rows, without the header.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns true if there are no rows; [`Table::read`] refuses such tables.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the numbers of these columns: \[rows, columns\], row-major.
    ///
    /// # Errors
    /// A column is missing, or a cell is not a number that is finite as f32.
    pub fn numbers(&self, columns: &[String]) -> Result<Vec<f64>> {
        let places = columns.iter().map(|name| self.position(name, columns)).collect::<Result<Vec<_>>>()?;
        places.iter().try_for_each(|column| self.layout.check(self.text(), *column))?;
        self.rows.iter().flat_map(|row| places.iter().map(move |&column| self.number(row, column))).collect()
    }

    /// Returns the classes of a column, as indices into `names`: \[rows\]. Whole numbers may be written as `3` or `3.0`.
    ///
    /// # Errors
    /// The column is missing, or a cell is none of the classes.
    pub fn classes(&self, column: &str, names: &[String]) -> Result<Vec<u32>> {
        let column = self.position(column, &[])?;
        self.rows.iter().map(|row| self.class(row, column, names)).collect()
    }

    /// Returns the index of a column. The error suggests the nearest name among columns that are not `taken`.
    fn position(&self, name: &str, taken: &[String]) -> Result<usize> {
        self.layout.columns.iter().position(|column| column == name).ok_or_else(|| {
            let free = self.layout.columns.iter().filter(|column| !taken.contains(column));
            let unknown = Error::unknown("column", name, &free.map(String::as_str).collect::<Vec<_>>());
            let problem = format!("a column that the model needs is missing: {unknown}");
            Error::format(&self.path, problem, "add the column, or rename the one that holds it")
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
