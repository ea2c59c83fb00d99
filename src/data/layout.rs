//! Layout of a table: whether its first row is a header, and the number format of each column. It is determined from the whole
//! text before any cell is converted, so that training, inspection and prediction read a table in the same way.

use std::collections::HashSet;

use csv::{Position, StringRecord};

use super::number_format::{self, Column, Evidence, Found, is_number};
use super::text::{Text, is_missing};
use super::{CsvOptions, check};
use crate::error::{Error, Result};

/// Number of rows that decide whether the first one is a header.
const SAMPLE: usize = 1000;

/// Whole numbers in this range may be years, which are column names as often as values.
const YEARS: std::ops::RangeInclusive<f64> = 1900.0..=2100.0;

/// Layout of a table.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) first_row: FirstRow,
    /// Names of the columns.
    pub(super) columns: Vec<String>,
    pub(super) written: Vec<Column>,
}

/// Role of a table's first row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum FirstRow {
    /// It holds names: its content shows it, or it was requested.
    Names,
    /// It holds values: its content shows it.
    Values,
    /// It holds values, as requested.
    ValuesAsRequested,
    /// It may hold names or values, and is read as names. The cells are for messages.
    Unclear(Vec<String>),
}

impl FirstRow {
    /// Returns true if the row is read as column names.
    pub(super) fn is_header(&self) -> bool {
        matches!(self, Self::Names | Self::Unclear(_))
    }
}

impl Layout {
    /// Returns the text, with [`Text::header`] set, and its layout.
    ///
    /// # Errors
    /// The text is no table, or two columns have the same name.
    pub(super) fn of<'a>(text: Text<'a>, form: &CsvOptions) -> Result<(Text<'a>, Self)> {
        let first_row = match form.header {
            Some(true) => FirstRow::Names,
            Some(false) => FirstRow::ValuesAsRequested,
            None => first_row(text, form),
        };
        let text = Text { header: first_row.is_header(), ..text };
        let columns = names(text, form)?;
        let known = columns.iter().map(|name| form.formats.get(name).copied());
        let mut evidence: Vec<_> = known.map(|format| (Evidence::new(), format)).collect();
        for record in text.reader().records() {
            let record = record.map_err(|error| text.broken(error))?;
            let start = record.position().map_or(0, Position::byte);
            evidence.iter_mut().zip(&record).for_each(|((column, _), cell)| column.see(start, cell));
        }
        let written = number_format::columns(&evidence, text.delimiter);
        Ok((text, Self { first_row, columns, written }))
    }

    /// Returns the number in a cell, in the format of its column.
    pub(super) fn number(&self, column: usize, cell: &str) -> Option<f64> {
        self.written[column].format().read(cell)
    }

    /// Refuses a column whose number format is ambiguous.
    pub(super) fn check(&self, text: Text<'_>, column: usize) -> Result<()> {
        let Column::Unclear { problem, remedy, first } = &self.written[column] else { return Ok(()) };
        Err(Error::data(text.place(first.start, &self.columns[column]), problem, *remedy))
    }

    /// Returns notes on automatic decisions, for users to check: kind, column (`None` for the header), and message.
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
        let header = header.map(|message| ("header", None, message));
        let formats = self.written.iter().enumerate().filter_map(|(column, written)| {
            let Column::Numbers { format, unusual: Some(Found { cell, .. }) } = written else { return None };
            let (name, number) = (&self.columns[column], format.read(cell)?);
            Some(("format", Some(column), format!("column `{name}`: `{cell}` is read as {number}")))
        });
        header.into_iter().chain(formats).collect()
    }
}

/// Names of the columns: those in the first row, or `column1`, `column2`, ….
fn names(text: Text, form: &CsvOptions) -> Result<Vec<String>> {
    let mut reader = text.reader();
    if text.header {
        let header = reader.headers().map_err(|error| text.broken(error))?;
        let names: Vec<String> = header.iter().map(String::from).collect();
        let remedy = "rename one of them, or, if the first row holds values, use `--header no`";
        check::unique(&format!("{}, header", text.path.display()), "column", &names, remedy)?;
        return Ok(names);
    }
    let first = reader.records().next().transpose().map_err(|error| text.broken(error))?;
    let width = first.map_or(0, |record| record.len());
    form.unnamed(width).map_err(|known| {
        let problem = format!("it has {width} columns and no header, but {known} columns are expected");
        let remedy = format!("give all {known} columns in order, including the target and the dropped columns");
        Error::format(text.path, problem, remedy)
    })
}

/// Classifies the first row by the rows below it.
fn first_row(text: Text, form: &CsvOptions) -> FirstRow {
    // Rows of another length and invalid UTF-8 are errors later, when the table is read.
    let records = Text { header: false, ..text }.reader().into_records().map_while(std::result::Result::ok);
    let sample: Vec<StringRecord> = records.take(SAMPLE + 1).collect();
    let Some((first, below)) = sample.split_first() else { return FirstRow::Names };
    let named =
        form.target.iter().chain(&form.drop).chain(&form.weights).any(|name| first.iter().any(|cell| cell == name));
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
        // `$5` above `$7` is not a name.
        (None, _) => true,
        (Some(_), None) => false,
    });
    let fraction = values.iter().any(|number| number.fract() != 0.0);
    if !is_series(&values) && (inside || fraction) {
        return FirstRow::Values;
    }
    FirstRow::Unclear(numbers.into_iter().map(|(cell, ..)| cell.into()).collect())
}

fn has_value(cell: &str) -> bool {
    !cell.is_empty() && !is_missing(cell)
}

fn plain(cell: &str) -> Option<f64> {
    cell.parse().ok()
}

/// Returns true if these numbers may be column names: years, or numbers in equal steps, such as wavelengths.
fn is_series(values: &[f64]) -> bool {
    let years = values.iter().all(|value| value.fract() == 0.0 && YEARS.contains(value));
    let steps: Vec<f64> = values.windows(2).map(|two| two[1] - two[0]).collect();
    let even = steps.iter().all(|step| (step - steps[0]).abs() <= 1e-6 * steps[0].abs());
    let in_steps = match steps.as_slice() {
        [] => false,
        // Any two numbers are in equal steps.
        [step] => step.abs() == 1.0,
        [step, ..] => *step != 0.0 && even,
    };
    !values.is_empty() && (years || in_steps)
}
