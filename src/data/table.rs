//! Reading tables: comma-separated text with a header row.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use csv::{ErrorKind, Position, ReaderBuilder, StringRecord, Trim};

use super::{Dataset, Targets, check};
use crate::error::{Error, Result};

/// Whole numbers of at most this many different values may be classes.
const MOST_CLASSES: usize = 20;

impl Dataset {
    /// Reads a table: UTF-8, comma-separated, a header row of column names, numbers in every input column. The data
    /// set is named after the file. Blanks around cells do not count.
    ///
    /// `target` names the target column, by default the last; all others are inputs. The target is a **class** if any
    /// of its cells is not a number, or if all are whole numbers with at most 20 different values, fewer than half
    /// the rows; else it is a **number**. Classes are sorted: by value if they are whole numbers, else by text.
    ///
    /// # Errors
    /// A file that cannot be read, is not UTF-8, or has no row; two columns of one name, an unknown target, no input
    /// column; a row of another length than the header; a cell that is empty, not finite, or (in an input) not a
    /// number. Messages give the line, counted from 1, and the column.
    pub fn from_csv(path: impl AsRef<Path>, target: Option<&str>) -> Result<Self> {
        let path = path.as_ref();
        let text = fs::read(path).map_err(|source| Error::file(path, "reading", source))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        read(&name, Text { path, bytes: &text }, target)
    }

    /// Reads a table from text, as [`Dataset::from_csv`] does from a file.
    ///
    /// ```
    /// use wgrad::Dataset;
    /// let houses = Dataset::from_csv_text("houses", "area,price\n50,1.5\n80,2.1\n", None)?;
    /// assert_eq!((houses.columns(), &*houses.input()), (&["area".to_string()][..], &[50.0, 80.0][..]));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Dataset::from_csv`], with the name in place of the path.
    pub fn from_csv_text(name: &str, text: &str, target: Option<&str>) -> Result<Self> {
        read(name, Text { path: Path::new(name), bytes: text.as_bytes() }, target)
    }
}

fn read(name: &str, text: Text, target: Option<&str>) -> Result<Dataset> {
    let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(text.bytes);
    let header = Header::new(text, reader.headers().map_err(|error| text.broken(error))?, target)?;
    let (mut input, mut targets) = (vec![], vec![]);
    for record in reader.records() {
        let record = record.map_err(|error| text.broken(error))?;
        let start = record.position().map_or(0, Position::byte);
        for (column, cell) in record.iter().enumerate() {
            if column == header.target {
                targets.push(Cell { start, text: cell.into() });
            } else {
                input.push(header.number(start, column, cell)?);
            }
        }
    }
    if targets.is_empty() {
        return Err(Error::format(text.path, "it has a header but 0 rows after it", "add rows below the header"));
    }
    let targets = header.targets(&targets)?;
    Dataset::assemble(name.into(), header.inputs(), input, targets)
}

/// What is read, and where from.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) path: &'a Path,
    pub(super) bytes: &'a [u8],
}

impl Text<'_> {
    /// The line, from 1, of the row that the reader began to look for at byte `start`. Counted here, because the
    /// reader's own line is that of `start`: too small by one at CR LF and by each blank line before the row.
    pub(super) fn line(self, start: u64) -> usize {
        let (before, rest) = self.bytes.split_at(self.bytes.len().min(start as usize));
        let blank = rest.iter().take_while(|byte| b"\r\n".contains(byte));
        1 + before.iter().chain(blank).filter(|byte| **byte == b'\n').count()
    }

    /// What the reader could not read.
    pub(super) fn broken(self, error: csv::Error) -> Error {
        let line = self.line(error.position().map_or(0, Position::byte));
        let place = format!("{}, line {line}", self.path.display());
        match error.into_kind() {
            ErrorKind::UnequalLengths { expected_len, len, .. } => {
                let problem = format!("the row has {len} cells, but the header has {expected_len}");
                Error::data(place, problem, "give every row one cell a column; quote a cell that holds a comma")
            }
            ErrorKind::Utf8 { err, .. } => {
                let problem = format!("cell {} is not valid UTF-8", err.field() + 1);
                Error::data(place, problem, "save the table as UTF-8")
            }
            other => Error::data(place, format!("it cannot be read: {other:?}"), "write it as plain CSV"),
        }
    }
}

/// A cell of the target column; what the column means is known only after the last row.
struct Cell {
    /// Where the reader began to look for its row.
    start: u64,
    text: String,
}

struct Header<'a> {
    text: Text<'a>,
    columns: Vec<String>,
    target: usize,
}

impl<'a> Header<'a> {
    fn new(text: Text<'a>, record: &StringRecord, target: Option<&str>) -> Result<Self> {
        let columns: Vec<String> = record.iter().map(String::from).collect();
        if columns.is_empty() {
            return Err(Error::format(text.path, "it is empty", "write a header row and at least 1 row below it"));
        }
        check::unique(&format!("{}, header", text.path.display()), "column", &columns)?;
        let target = target.map_or(Ok(columns.len() - 1), |name| position(&columns, name))?;
        if columns.len() == 1 {
            let remedy = "separate columns by commas, with at least 1 input beside the target";
            return Err(Error::format(text.path, format!("its only column is `{}`, the target", columns[0]), remedy));
        }
        Ok(Self { text, columns, target })
    }

    fn inputs(&self) -> Vec<String> {
        let mut inputs = self.columns.clone();
        inputs.remove(self.target);
        inputs
    }

    fn place(&self, start: u64, column: usize) -> String {
        let line = self.text.line(start);
        format!("{}, line {line}, column `{}`", self.text.path.display(), self.columns[column])
    }

    fn number(&self, start: u64, column: usize, cell: &str) -> Result<f32> {
        let problem = match cell.parse::<f32>() {
            Ok(number) if number.is_finite() => return Ok(number),
            Ok(_) => format!("`{cell}` is not a finite 32-bit number"),
            Err(_) if cell.is_empty() => "the cell is empty".into(),
            Err(_) => format!("`{cell}` is not a number"),
        };
        Err(Error::data(self.place(start, column), problem, "write a number, or remove the row or the column"))
    }

    fn targets(&self, cells: &[Cell]) -> Result<Targets> {
        if let Some(cell) = cells.iter().find(|cell| cell.text.is_empty()) {
            let remedy = "write the target, or remove the row";
            return Err(Error::data(self.place(cell.start, self.target), "the cell is empty", remedy));
        }
        let numbers: Option<Vec<f64>> = cells.iter().map(|cell| cell.text.parse().ok()).collect();
        let Some(numbers) = numbers else {
            let names: BTreeSet<&str> = cells.iter().map(|cell| cell.text.as_str()).collect();
            let names = names.into_iter().map(String::from).collect();
            return Ok(classes(cells.iter().map(|cell| cell.text.clone()), names));
        };
        let values = cells.iter().map(|cell| self.number(cell.start, self.target, &cell.text));
        let values = values.collect::<Result<_>>()?;
        Ok(match whole_number_classes(&numbers) {
            Some(names) => classes(numbers.iter().map(|&number| whole(number)), names),
            None => Targets::Numbers { values, columns: vec![self.columns[self.target].clone()] },
        })
    }
}

fn position(columns: &[String], name: &str) -> Result<usize> {
    let known: Vec<&str> = columns.iter().map(String::as_str).collect();
    known.iter().position(|&column| column == name).ok_or_else(|| Error::unknown("column", name, &known))
}

/// The names of the classes, by value, if these numbers stand for classes.
fn whole_number_classes(numbers: &[f64]) -> Option<Vec<String>> {
    let mut different = numbers.to_vec();
    different.sort_by(f64::total_cmp);
    different.dedup();
    let few = different.len() <= MOST_CLASSES && 2 * different.len() < numbers.len();
    (few && different.iter().all(|number| number.fract() == 0.0)).then(|| different.into_iter().map(whole).collect())
}

/// A whole number as a class name: `3.0` and `3` are one class, and so are `-0` and `0`.
pub(super) fn whole(number: f64) -> String {
    format!("{}", number + 0.0)
}

fn classes(labels: impl Iterator<Item = String>, names: Vec<String>) -> Targets {
    let index: HashMap<&str, u32> = names.iter().map(String::as_str).zip(0..).collect();
    let indices = labels.map(|label| index[label.as_str()]).collect();
    Targets::Classes { indices, names }
}
