//! Text of a table: delimiters, line numbers, and errors of cells.

use std::path::Path;

use csv::{ErrorKind, Position, Reader, ReaderBuilder, Trim};

use super::number_format::{NumberFormat, is_number};
use crate::error::{Error, Result};
use crate::text::quoted;

/// Delimiters that are detected; of two that are equally frequent in a header, the first is used.
const DELIMITERS: [u8; 4] = *b",\t;|";

/// Words that stand for a missing number, in lower case.
const MISSING: [&str; 5] = ["na", "n/a", "nan", "null", "?"];

/// Remedy for a cell that is not a number, in a column that cannot be dropped.
pub(super) const WRITE_A_NUMBER: &str = "write a number, or remove the row";

/// Remedy for a target cell that is missing or not a finite number.
pub(super) const WRITE_THE_TARGET: &str = "write the target, or remove the row";

/// A table as text, with its path.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) path: &'a Path,
    pub(super) bytes: &'a [u8],
    pub(super) delimiter: u8,
    /// True if the first row is a header, which is not read as a row.
    pub(super) header: bool,
}

impl<'a> Text<'a> {
    /// Determines the delimiter: the requested one, or that of the header.
    pub(super) fn new(path: &'a Path, bytes: &'a [u8], asked: Option<u8>) -> Result<Self> {
        let delimiter = asked.unwrap_or_else(|| header_delimiter(bytes));
        if !delimiter.is_ascii() || delimiter.is_ascii_alphanumeric() || b"\"\r\n".contains(&delimiter) {
            let found = format!("`{}`", delimiter.escape_ascii());
            let wanted = "an ASCII character other than a letter, digit, quote or line break";
            return Err(Error::value(path.display().to_string(), "the delimiter", found, wanted));
        }
        Ok(Self { path, bytes, delimiter, header: true })
    }

    /// Returns a reader positioned after the header, if there is one. An error in the header is returned by the reader's
    /// `headers`.
    pub(super) fn reader(self) -> Reader<&'a [u8]> {
        let mut builder = ReaderBuilder::new();
        builder.has_headers(self.header).delimiter(self.delimiter).trim(Trim::All);
        let mut reader = builder.from_reader(self.bytes);
        if self.header {
            // If the header were read together with the first row, errors of that row would report the header's position.
            reader.headers().ok();
        }
        reader
    }

    /// Returns the line, from 1, of the row that the reader began to look for at byte `start`. The reader's own line is that of
    /// `start`: too small by one at CR LF, and by each blank line before the row.
    pub(super) fn line(self, start: u64) -> usize {
        let (before, rest) = self.bytes.split_at(self.bytes.len().min(start as usize));
        let blank = rest.iter().take_while(|byte| b"\r\n".contains(byte));
        1 + before.iter().chain(blank).filter(|byte| **byte == b'\n').count()
    }

    /// Position of a cell, for messages: file, line and column.
    pub(super) fn place(self, start: u64, column: &str) -> String {
        format!("{}, line {}, column `{column}`", self.path.display(), self.line(start))
    }

    /// Converts an error of the reader.
    pub(super) fn broken(self, error: csv::Error) -> Error {
        let line = self.line(error.position().map_or(0, Position::byte));
        let place = format!("{}, line {line}", self.path.display());
        match error.into_kind() {
            ErrorKind::UnequalLengths { expected_len, len, .. } => {
                let first = if self.header { "header" } else { "first row" };
                let problem = format!("the row has {len} cells, but the {first} has {expected_len}");
                let remedy =
                    format!("give every row one cell per column, and quote cells that contain {}", self.named());
                Error::data(place, problem, remedy)
            }
            ErrorKind::Utf8 { err, .. } => {
                let problem = format!("cell {} is not valid UTF-8", err.field() + 1);
                Error::data(place, problem, "save the table as UTF-8")
            }
            other => Error::data(place, format!("it cannot be read: {other:?}"), "write it as plain CSV"),
        }
    }

    /// Name of the delimiter, for messages.
    pub(super) fn named(self) -> String {
        match self.delimiter {
            b',' => "a comma".into(),
            b'\t' => "a tab".into(),
            b';' => "a semicolon".into(),
            other => format!("`{}`", other.escape_ascii()),
        }
    }
}

/// Returns the most frequent delimiter of the first nonblank line.
fn header_delimiter(bytes: &[u8]) -> u8 {
    let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let (mut counts, mut quoted, mut before) = ([0usize; DELIMITERS.len()], false, DELIMITERS[0]);
    for &byte in text.iter().skip_while(|byte| b"\r\n".contains(byte)) {
        let delimiter = DELIMITERS.iter().position(|&delimiter| delimiter == byte);
        match (byte, delimiter) {
            // A quote opens at the start of a cell, and again if it is doubled.
            (b'"', _) if quoted || before == b'"' || DELIMITERS.contains(&before) => quoted = !quoted,
            (b'\r' | b'\n', _) if !quoted => break,
            (_, Some(delimiter)) if !quoted => counts[delimiter] += 1,
            _ => {}
        }
        before = byte;
    }
    let most = counts.iter().max();
    DELIMITERS[counts.iter().position(|count| Some(count) == most).unwrap_or(0)]
}

/// Remedy for numbers that are not all written in one format.
pub(super) const ONE_WAY: &str = "write all numbers of the column in one format, such as 1234.5";

/// Returns the number in a cell. The error is the problem, and the remedy if there is a specific one; otherwise the caller adds
/// a general one.
pub(super) fn number(cell: &str, format: NumberFormat) -> std::result::Result<f64, (String, Option<String>)> {
    match format.read(cell) {
        Some(number) if (number as f32).is_finite() => Ok(number),
        Some(_) => Err((format!("`{cell}` is not a finite 32-bit number"), None)),
        None if cell.is_empty() => Err(("the cell is empty".into(), None)),
        None if format != NumberFormat::PLAIN && is_number(cell) => {
            Err((format!("`{cell}` is not written like the column's other numbers"), Some(ONE_WAY.into())))
        }
        None => {
            let remedy = with_point(cell).map(|pointed| format!("use a point as the decimal sign: {pointed}"));
            Err((format!("`{cell}` is not a number"), remedy))
        }
    }
}

/// Returns true if a cell is a word for a missing number.
pub(super) fn is_missing(cell: &str) -> bool {
    MISSING.iter().any(|word| word.eq_ignore_ascii_case(cell))
}

/// Returns `1.5` for `1,5`; `None` for `1,500`, whose comma may separate thousands, and for cells without a decimal comma.
pub(super) fn with_point(cell: &str) -> Option<String> {
    let comma = NumberFormat { decimal: ',', ..NumberFormat::PLAIN };
    let thousands = NumberFormat { thousands: Some(','), ..NumberFormat::PLAIN };
    (cell.contains(',') && thousands.read(cell).is_none() && comma.read(cell).is_some())
        .then(|| cell.replacen(',', ".", 1))
}

/// Option that drops these columns, quoted for messages.
pub(super) fn drop_option(columns: &[&str]) -> String {
    format!("`{}`", drop_words(columns))
}

/// Returns the command-line option that drops columns of a table, quoted for a shell.
///
/// # Examples
/// ```
/// assert_eq!(wgrad::data::drop_words(&["id", "full name"]), "--drop 'id,full name'");
/// ```
pub fn drop_words(columns: &[impl AsRef<str>]) -> String {
    let names = columns.iter().map(|name| csv_cell(name.as_ref())).collect::<Vec<_>>().join(",");
    // Otherwise a name that begins with `-` would be parsed as an option.
    let before = if names.starts_with('-') { '=' } else { ' ' };
    format!("--drop{before}{}", quoted(names))
}

/// Quotes a name as a CSV cell if needed.
fn csv_cell(name: &str) -> String {
    let plain = !name.is_empty() && !name.contains([',', '"', '\r', '\n']);
    if plain { name.into() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}
