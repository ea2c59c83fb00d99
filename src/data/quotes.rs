//! Check of quotes: a quote that is not closed would turn many rows into one cell.

use super::text::Text;
use crate::error::{Error, Result};

/// Remedy for a quote in the wrong place.
const REMEDY: &str = "close or remove it; a quote inside a quoted cell is written twice";

/// Checks the quotes of a text. Returns a note if the lines of a quoted cell look like rows of the table.
///
/// # Errors
/// A quote opens a cell, and is never closed, or is closed on a later line in the middle of a cell.
pub(super) fn check(text: Text<'_>) -> Result<Option<String>> {
    if !text.bytes.contains(&text.quote) {
        return Ok(None);
    }
    let wrong = |open: usize, problem: String| {
        Error::data(format!("{}, line {}", text.path.display(), line_at(text, open)), problem, REMEDY)
    };
    let mut note = None;
    for (open, close) in Quoted::new(text) {
        let Some(close) = close else { return Err(wrong(open, "a quote opens here and is never closed".into())) };
        let inside = &text.bytes[open..close];
        if !inside.contains(&b'\n') {
            continue;
        }
        let last = line_at(text, close);
        if !ends_cell(text, close) {
            let problem = format!("a quote opens here, and is closed in line {last}, in the middle of a cell");
            return Err(wrong(open, problem));
        }
        if note.is_none() && are_rows(text, inside) {
            let first = line_at(text, open);
            let cell = format!("lines {first} to {last} are read as one row, since a quote opens in line {first}");
            note = Some(format!("{cell}; if these are rows, close or remove the quote"));
        }
    }
    Ok(note)
}

/// Returns the line of the byte at index `at`, from 1.
fn line_at(text: Text<'_>, at: usize) -> usize {
    1 + text.bytes[..at].iter().filter(|byte| **byte == b'\n').count()
}

/// Returns true if only blanks lie between the quote at index `close` and the end of the cell.
fn ends_cell(text: Text<'_>, close: usize) -> bool {
    let mut rest = text.bytes[close + 1..].iter();
    let is_end = |byte: &u8| *byte == text.delimiter || b"\r\n".contains(byte);
    rest.find(|byte| is_end(byte) || !byte.is_ascii_whitespace()).is_none_or(is_end)
}

/// Returns true if all whole lines of a quoted cell have as many delimiters as a row of the table.
fn are_rows(text: Text<'_>, inside: &[u8]) -> bool {
    let lines: Vec<&[u8]> = inside.split(|byte| *byte == b'\n').collect();
    let [_, whole @ .., _] = lines.as_slice() else { return false };
    let count = |line: &[u8]| line.iter().filter(|byte| **byte == text.delimiter).count();
    text.shape.width > 1 && !whole.is_empty() && whole.iter().all(|line| count(line) + 1 == text.shape.width)
}

/// Iterator over the quoted cells of a text. It returns the index of the opening quote, and of the closing one if there
/// is one.
struct Quoted<'a> {
    text: Text<'a>,
    /// Index of the first byte after the byte order mark.
    start: usize,
    at: usize,
}

impl<'a> Quoted<'a> {
    fn new(text: Text<'a>) -> Self {
        let start = if text.bytes.starts_with("\u{feff}".as_bytes()) { 3 } else { 0 };
        Self { text, start, at: start }
    }

    /// Returns the index of the quote that closes the one at index `open`. Two quotes stand for one inside the cell.
    fn close(&self, open: usize) -> Option<usize> {
        let bytes = self.text.bytes;
        let mut at = open + 1;
        loop {
            at += bytes.get(at..)?.iter().position(|byte| *byte == self.text.quote)?;
            if bytes.get(at + 1) != Some(&self.text.quote) {
                return Some(at);
            }
            at += 2;
        }
    }
}

impl Iterator for Quoted<'_> {
    type Item = (usize, Option<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        let Text { bytes, delimiter, quote, comments, .. } = self.text;
        while let Some(byte) = bytes.get(self.at) {
            let before = if self.at == self.start { b'\n' } else { bytes[self.at - 1] };
            let starts_row = b"\r\n".contains(&before);
            if starts_row && comments && *byte == b'#' {
                self.at += bytes[self.at..].iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len() - self.at);
            } else if *byte == quote && (starts_row || before == delimiter) {
                let (open, close) = (self.at, self.close(self.at));
                self.at = close.map_or(bytes.len(), |close| close + 1);
                return Some((open, close));
            } else {
                self.at += 1;
            }
        }
        None
    }
}
