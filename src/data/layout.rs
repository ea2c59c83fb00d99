//! Layout of a table: the header and the number format of each column. It is determined from the whole text before any
//! cell is converted. Training, inspection and prediction therefore read a table in the same way.

use std::collections::HashSet;

use csv::{Position, StringRecord};

use super::CsvOptions;
use super::csv_options::unnamed;
use super::number_format::{self, Column, Evidence, Found, is_number};
use super::text::{SAMPLE, Text, is_missing};
use super::text_format::CellReader;
use crate::error::{Error, Result};

/// Maximum number of problems in one error. Reading stops after this many rows with problems.
const MOST_PROBLEMS: usize = 100;

/// Number of rows below the first one from which their range of numbers is evidence. In a table of three rows of
/// values, the first one is outside the range of the others in two of three cases.
const FEWEST_FOR_RANGE: usize = 4;

/// Range of whole numbers that may be years. Years are as often column names as values.
const YEARS: std::ops::RangeInclusive<f64> = 1900.0..=2100.0;

/// Layout of a table: header, columns, number formats and number of rows.
#[derive(Debug)]
pub(super) struct Layout {
    /// Role of the first row.
    pub(super) first_row: FirstRow,
    /// Names of the columns, all different.
    pub(super) columns: Vec<String>,
    /// Contents and number format of each column.
    pub(super) written: Vec<Column>,
    /// Rule by which the cells of each column are read.
    pub(super) readers: Vec<CellReader>,
    /// For each column, true if a number has a leading zero, such as `007`.
    pub(super) codes: Vec<bool>,
    /// For each column, the unit of the numbers that are read as text, such as `m2` of `224 m2`.
    pub(super) units: Vec<Option<String>>,
    pub(super) rows: usize,
    /// Old and new names of the columns that were renamed, since an earlier column had the same name.
    renamed: Vec<(String, String)>,
    /// Note on a quoted cell that may be several rows.
    quotes: Option<String>,
}

/// Role of a table's first row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum FirstRow {
    /// Column names: requested, or evident from the cells.
    Names,
    /// Values: evident from the cells.
    Values,
    /// Values: requested.
    ValuesAsRequested,
    /// Names or values: the cells do not show which. The row is read as names, and its cells are stored for messages.
    Unclear(Vec<String>),
}

impl FirstRow {
    /// Returns true if the row is read as column names.
    pub(super) fn is_header(&self) -> bool {
        matches!(self, Self::Names | Self::Unclear(_))
    }
}

impl Layout {
    /// Returns the layout of a text, and the text with [`Text::header`] set. `form` has the requested options.
    ///
    /// # Errors
    /// A quote is not closed, a row differs in length from the header, a cell is not valid UTF-8, or the number of
    /// columns is not the expected one.
    pub(super) fn of<'a>(text: Text<'a>, options: &CsvOptions) -> Result<(Text<'a>, Self)> {
        let quotes = super::quotes::check(text)?;
        let first_row = match options.header {
            Some(true) => FirstRow::Names,
            Some(false) => FirstRow::ValuesAsRequested,
            None => first_row(text, options),
        };
        let text = Text { header: first_row.is_header(), ..text };
        let (columns, renamed) = unique(names(text, options)?);
        let known = columns.iter().map(|name| options.formats.get(name).copied());
        let mut evidence: Vec<_> = known.map(|format| (Evidence::new(), format)).collect();
        let (mut problems, mut rows) = (vec![], 0);
        for record in text.rows() {
            match record {
                Ok(record) => {
                    let start = record.position().map_or(0, Position::byte);
                    evidence.iter_mut().zip(&record).for_each(|((column, _), cell)| column.see(start, cell));
                    rows += 1;
                }
                Err(problem) => problems.push(problem),
            }
            if problems.len() == MOST_PROBLEMS {
                break;
            }
        }
        Error::combine(problems)?;
        let codes = evidence.iter().map(|(column, _)| column.codes).collect();
        let units = evidence.iter().map(|(column, _)| column.unit()).collect();
        let (written, readers) = number_format::columns(&evidence, text.delimiter).unzip();
        Ok((text, Self { first_row, columns, written, readers, codes, units, rows, renamed, quotes }))
    }

    /// Returns the number in a cell of a column, in the format of the column; `None` if the cell is not a number.
    pub(super) fn number(&self, column: usize, cell: &str) -> Option<f64> {
        self.written[column].format().read(cell)
    }

    /// Refuses a column whose number format is ambiguous.
    pub(super) fn check(&self, text: Text<'_>, column: usize) -> Result<()> {
        let Column::Unclear { problem, remedy, first } = &self.written[column] else { return Ok(()) };
        Err(Error::data(text.place(first.start, &self.columns[column]), problem, *remedy))
    }

    /// Returns notes on automatic decisions, for users to check. A note has a kind, a column index and a message. The
    /// index is `None` for notes on the whole table.
    pub(super) fn notes(&self) -> Vec<(&'static str, Option<usize>, String)> {
        let header = match &self.first_row {
            FirstRow::Names | FirstRow::ValuesAsRequested => None,
            FirstRow::Values => Some(
                "the first row looks like values, so the columns are named `column1`, `column2`, …; if it holds their names, \
                 use `--header yes`"
                    .into(),
            ),
            FirstRow::Unclear(cells) => {
                let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
                let cells = super::inspect::listed(&cells);
                let problem = format!("the first row may hold names or values, {cells}; it is read as names");
                Some(format!("{problem}; if it holds values, use `--header no`"))
            }
        };
        let renamed = self
            .renamed
            .iter()
            .map(|(name, new)| ("renamed", None, format!("two columns are called `{name}`; the second is `{new}`")));
        let header = header.map(|message| ("header", None, message));
        let formats = self.written.iter().enumerate().filter_map(|(column, written)| {
            let Column::Numbers { format, unusual: Some(Found { cell, .. }) } = written else { return None };
            let (name, number) = (&self.columns[column], format.read(cell)?);
            Some(("format", Some(column), format!("column `{name}`: `{cell}` is read as {number}")))
        });
        let quotes = self.quotes.iter().map(|note| ("quotes", None, note.clone()));
        header.into_iter().chain(quotes).chain(renamed).chain(formats).collect()
    }
}

/// Returns the names of the columns: the cells of the first row, or `column1`, `column2`, … without a header. An empty
/// cell of the header gets such a name, too.
fn names(text: Text, options: &CsvOptions) -> Result<Vec<String>> {
    let width = text.shape.width;
    if text.header {
        let mut reader = text.reader();
        let header = reader.headers().map_err(|error| text.broken(error))?;
        let row_names = text.shape.has_row_names.then_some("");
        let names = row_names.into_iter().chain(header).enumerate().take(width);
        let name = |(at, name): (usize, &str)| if name.is_empty() { unnamed(at) } else { name.into() };
        return Ok(names.map(name).collect());
    }
    options.unnamed(width).map_err(|known| {
        let problem = format!("it has {width} columns and no header, but {known} columns are expected");
        let remedy = format!("give all {known} columns in order, including the target and the dropped columns");
        Error::format(text.path, problem, remedy)
    })
}

/// Renames columns that have the name of an earlier column: `score`, `score.1`, `score.2`, as pandas does. Returns all
/// names, and the old and new names of renamed columns.
fn unique(mut names: Vec<String>) -> (Vec<String>, Vec<(String, String)>) {
    let mut known: HashSet<String> = names.iter().cloned().collect();
    let (mut seen, mut renamed) = (HashSet::new(), vec![]);
    for name in &mut names {
        if !seen.insert(name.clone()) {
            let mut numbers = 1..;
            let new =
                numbers.find_map(|number| Some(format!("{name}.{number}")).filter(|new| known.insert(new.clone())));
            let new = new.unwrap_or_default();
            renamed.push((std::mem::replace(name, new.clone()), new));
        }
    }
    (names, renamed)
}

/// Determines the role of the first row from the rows below.
fn first_row(text: Text, options: &CsvOptions) -> FirstRow {
    // Rows of another length and invalid UTF-8 are reported later, when the table is read.
    let records = Text { header: false, ..text }.rows().map_while(Result::ok);
    let sample: Vec<StringRecord> = records.take(SAMPLE + 1).collect();
    let Some((first, below)) = sample.split_first() else { return FirstRow::Names };
    let named = options.target.iter().chain(&options.drop).chain(&options.weights).chain(options.kinds.keys());
    let named = named.into_iter().any(|name| first.iter().any(|cell| cell == name)) || text.shape.has_row_names;
    if named || below.is_empty() {
        return FirstRow::Names;
    }
    let (mut numbers, mut is_values) = (vec![], false);
    for (column, cell) in first.iter().enumerate() {
        let all = || below.iter().filter_map(|row| row.get(column));
        let cells = || all().filter(|cell| has_value(cell));
        if cells().next().is_none() {
            continue;
        }
        let are_numbers = cells().all(is_number);
        if are_numbers && has_value(cell) && !is_number(cell) {
            return FirstRow::Names;
        }
        if are_numbers && has_value(cell) {
            let range = cells().filter_map(plain).fold(None, |range: Option<(f64, f64)>, number| {
                Some(range.map_or((number, number), |(low, high)| (low.min(number), high.max(number))))
            });
            numbers.push((cell, plain(cell), range));
        } else {
            // The first column may hold row numbers or row names, and often has no name.
            is_values |= (are_numbers && column > 0) || (!cell.is_empty() && all().any(|other| other == cell));
        }
    }
    let repeats = numbers.iter().map(|(cell, ..)| cell).collect::<HashSet<_>>().len() < numbers.len();
    if is_values || repeats {
        return FirstRow::Values;
    }
    if numbers.is_empty() {
        return FirstRow::Names;
    }
    let values: Vec<f64> = numbers.iter().filter_map(|(_, number, _)| *number).collect();
    let inside = numbers.iter().all(|(_, number, range)| match (number, range) {
        (Some(number), Some((low, high))) => (low..=high).contains(&number),
        // A cell such as `$5` above `$7` is not a name.
        (None, _) => true,
        (Some(_), None) => false,
    });
    let fraction = values.iter().any(|number| number.fract() != 0.0);
    if !is_series(&values) && (inside || fraction || below.len() < FEWEST_FOR_RANGE) {
        return FirstRow::Values;
    }
    FirstRow::Unclear(numbers.into_iter().map(|(cell, ..)| cell.into()).collect())
}

/// Returns true if a cell is neither empty nor a word for a missing value.
fn has_value(cell: &str) -> bool {
    !cell.is_empty() && !is_missing(cell)
}

/// Returns the number in a cell in the plain format.
fn plain(cell: &str) -> Option<f64> {
    cell.parse().ok()
}

/// Returns true if the cells of a first row may be column names: years, or numbers in equal steps, such as wavelengths.
fn is_series(values: &[f64]) -> bool {
    let years = values.iter().all(|value| value.fract() == 0.0 && YEARS.contains(value));
    let steps: Vec<f64> = values.windows(2).map(|two| two[1] - two[0]).collect();
    let even = steps.iter().all(|step| (step - steps[0]).abs() <= 1e-6 * steps[0].abs());
    let in_steps = match steps.as_slice() {
        [] => false,
        // Two numbers always have equal steps, so their step must be 1.
        [step] => step.abs() == 1.0,
        [step, ..] => *step != 0.0 && even,
    };
    !values.is_empty() && (years || in_steps)
}
