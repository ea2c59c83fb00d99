//! The text of a table: where its cells end, which line they are in, and what is wrong with them.

use std::path::Path;

use csv::{ErrorKind, Position, Reader, ReaderBuilder, Trim};

use super::number_format::{NumberFormat, is_number};
use crate::error::{Error, Result};
use crate::text::quoted;

/// What separates columns where nothing else is said; of two that a header has equally many of, the first is taken.
const DELIMITERS: [u8; 4] = *b",\t;|";

/// Words that stand for a missing number, in lower case.
const MISSING: [&str; 5] = ["na", "n/a", "nan", "null", "?"];

/// Remedy for a cell that is no number where a column cannot be left out.
pub(super) const WRITE_A_NUMBER: &str = "write a number, or remove the row";

/// Remedy for a cell of the target that is missing or no finite number.
pub(super) const WRITE_THE_TARGET: &str = "write the target, or remove the row";

/// What is read, and where from.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) path: &'a Path,
    pub(super) bytes: &'a [u8],
    pub(super) delimiter: u8,
    /// Whether the first row is not one of the rows that are read.
    pub(super) header: bool,
}

impl<'a> Text<'a> {
    /// Settles the delimiter: the one asked for, or that of the header.
    pub(super) fn new(path: &'a Path, bytes: &'a [u8], asked: Option<u8>) -> Result<Self> {
        let delimiter = asked.unwrap_or_else(|| header_delimiter(bytes));
        if !delimiter.is_ascii() || delimiter.is_ascii_alphanumeric() || b"\"\r\n".contains(&delimiter) {
            let found = format!("`{}`", delimiter.escape_ascii());
            let wanted = "an ASCII character that is no letter, digit, quote or end of a line";
            return Err(Error::value(path.display().to_string(), "the delimiter", found, wanted));
        }
        Ok(Self { path, bytes, delimiter, header: true })
    }

    /// A reader that stands behind the header, where there is one. What is wrong with that is told by the reader's `headers`.
    pub(super) fn reader(self) -> Reader<&'a [u8]> {
        let mut builder = ReaderBuilder::new();
        builder.has_headers(self.header).delimiter(self.delimiter).trim(Trim::All);
        let mut reader = builder.from_reader(self.bytes);
        if self.header {
            // Read together with the first row, it would be where an error of that row is said to be.
            reader.headers().ok();
        }
        reader
    }

    /// The line, from 1, of the row that the reader began to look for at byte `start`. Counted here, because the
    /// reader's own line is that of `start`: too small by one at CR LF and by each blank line before the row.
    pub(super) fn line(self, start: u64) -> usize {
        let (before, rest) = self.bytes.split_at(self.bytes.len().min(start as usize));
        let blank = rest.iter().take_while(|byte| b"\r\n".contains(byte));
        1 + before.iter().chain(blank).filter(|byte| **byte == b'\n').count()
    }

    /// Where a cell is, as messages say it.
    pub(super) fn place(self, start: u64, column: &str) -> String {
        format!("{}, line {}, column `{column}`", self.path.display(), self.line(start))
    }

    /// What the reader could not read.
    pub(super) fn broken(self, error: csv::Error) -> Error {
        let line = self.line(error.position().map_or(0, Position::byte));
        let place = format!("{}, line {line}", self.path.display());
        match error.into_kind() {
            ErrorKind::UnequalLengths { expected_len, len, .. } => {
                let first = if self.header { "header" } else { "first row" };
                let problem = format!("the row has {len} cells, but the {first} has {expected_len}");
                let remedy = format!("give every row one cell a column; quote a cell that holds {}", self.named());
                Error::data(place, problem, remedy)
            }
            ErrorKind::Utf8 { err, .. } => {
                let problem = format!("cell {} is not valid UTF-8", err.field() + 1);
                Error::data(place, problem, "save the table as UTF-8")
            }
            other => Error::data(place, format!("it cannot be read: {other:?}"), "write it as plain CSV"),
        }
    }

    /// The delimiter, as messages say it.
    pub(super) fn named(self) -> String {
        match self.delimiter {
            b',' => "a comma".into(),
            b'\t' => "a tab".into(),
            b';' => "a semicolon".into(),
            other => format!("`{}`", other.escape_ascii()),
        }
    }
}

/// The delimiter that the first line with text has the most of.
fn header_delimiter(bytes: &[u8]) -> u8 {
    let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let (mut counts, mut quoted, mut before) = ([0usize; DELIMITERS.len()], false, DELIMITERS[0]);
    for &byte in text.iter().skip_while(|byte| b"\r\n".contains(byte)) {
        let delimiter = DELIMITERS.iter().position(|&delimiter| delimiter == byte);
        match (byte, delimiter) {
            // A quote opens at the beginning of a cell, and again where it is doubled.
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
pub(super) const ONE_WAY: &str = "write all numbers of the column in one way, best as 1234.5";

/// The number in a cell, or what is wrong with it and, where there is a better remedy than the reader's own, that.
pub(super) fn number(cell: &str, format: NumberFormat) -> std::result::Result<f64, (String, Option<String>)> {
    match format.read(cell) {
        Some(number) if (number as f32).is_finite() => Ok(number),
        Some(_) => Err((format!("`{cell}` is not a finite 32-bit number"), None)),
        None if cell.is_empty() => Err(("the cell is empty".into(), None)),
        None if format != NumberFormat::PLAIN && is_number(cell) => {
            Err((format!("`{cell}` is not written like the column's other numbers"), Some(ONE_WAY.into())))
        }
        None => {
            let remedy = with_point(cell).map(|pointed| format!("write a point as decimal sign: {pointed}"));
            Err((format!("`{cell}` is not a number"), remedy))
        }
    }
}

/// Whether a cell says that there is no number, where others are numbers.
pub(super) fn is_missing(cell: &str) -> bool {
    MISSING.iter().any(|word| word.eq_ignore_ascii_case(cell))
}

/// `1.5` for `1,5`, but nothing for `1,500`, whose comma may separate thousands.
pub(super) fn with_point(cell: &str) -> Option<String> {
    let comma = NumberFormat { decimal: ',', ..NumberFormat::PLAIN };
    let thousands = NumberFormat { thousands: Some(','), ..NumberFormat::PLAIN };
    (cell.contains(',') && thousands.read(cell).is_none() && comma.read(cell).is_some())
        .then(|| cell.replacen(',', ".", 1))
}

/// The option that leaves these columns out, as messages quote it: names as a record of CSV.
pub(super) fn drop_option(columns: &[&str]) -> String {
    format!("`{}`", drop_words(columns))
}

/// The option that leaves columns out of a table, as it must be typed in a shell.
pub fn drop_words(columns: &[impl AsRef<str>]) -> String {
    let names = columns.iter().map(|name| csv_cell(name.as_ref())).collect::<Vec<_>>().join(",");
    // What begins so would be taken for an option of its own.
    let before = if names.starts_with('-') { '=' } else { ' ' };
    format!("--drop{before}{}", quoted(names))
}

/// A name as a cell of CSV.
fn csv_cell(name: &str) -> String {
    let plain = !name.is_empty() && !name.contains([',', '"', '\r', '\n']);
    if plain { name.into() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}
