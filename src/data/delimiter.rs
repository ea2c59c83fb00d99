//! Delimiter between the columns of a table: requested, known from training, or detected from the first rows.

use csv::{ReaderBuilder, Trim};

use super::blanks;
use super::number_format::is_number;
use super::text::{after_comments, is_missing, quote};
use crate::error::{Error, Result};

/// Delimiters that can be detected. If two are equally frequent in the first line, the one that is first in this list
/// is preferred.
const DELIMITERS: [u8; 4] = *b",\t;|";

/// Number of rows that decide between two delimiters.
const SAMPLE: usize = 100;

/// Delimiter of a table, with a note if it was detected and may be wrong. A blank stands for runs of blanks.
pub(super) struct Delimiter {
    pub(super) byte: u8,
    pub(super) note: Option<String>,
}

impl Delimiter {
    /// Returns the delimiter that the user `asked` for. If there is none, it is the `known` delimiter of a model's
    /// training set, provided that it separates all of the first rows into equally many cells. Otherwise the delimiter
    /// is detected.
    pub(super) fn find(bytes: &[u8], asked: Option<u8>, known: Option<u8>) -> Self {
        let (text, has_comments) = after_comments(bytes);
        let is_regular = |byte: &u8| match byte {
            b' ' => blanks::are_even(bytes),
            byte => Sample::of(text, *byte, has_comments).is_regular,
        };
        if let Some(byte) = asked.or_else(|| known.filter(is_regular)) {
            return Self { byte, note: None };
        }
        if blanks::separate(bytes) {
            return Self { byte: b' ', note: Some("columns are separated by blanks".into()) };
        }
        Self::detected(text, has_comments)
    }

    /// Detects the delimiter. It is the most frequent one in the first line. Another delimiter of the first line is
    /// better in two cases: it alone separates all rows into equally many cells, or more of its cells are numbers, as
    /// with decimal commas.
    pub(super) fn detected(text: &[u8], has_comments: bool) -> Self {
        let counts = counts(text);
        let most = counts.iter().max();
        let usual = DELIMITERS[counts.iter().position(|count| Some(count) == most).unwrap_or(0)];
        let others = DELIMITERS.into_iter().zip(counts).filter(|(byte, count)| *count > 0 && *byte != usual);
        let others = others.map(|(byte, _)| (byte, Sample::of(text, byte, has_comments)));
        let others: Vec<(u8, Sample)> = others.filter(|(_, sample)| sample.is_regular).collect();
        let Some((other, best)) = others.iter().rev().max_by(|(_, one), (_, two)| one.numbers.total_cmp(&two.numbers))
        else {
            return Self { byte: usual, note: None };
        };
        let known = Sample::of(text, usual, has_comments);
        let is_better = !known.is_regular || best.numbers > known.numbers;
        if is_better {
            let note = format!("columns are separated by {}, not by {}", named(*other), named(usual));
            return Self { byte: *other, note: Some(note) };
        }
        // If all cells are numbers, the delimiter is right, so no note is needed.
        let note = (known.numbers < 1.0).then(|| {
            let (used, option) = (named(usual), option(*other));
            format!("columns are separated by {used}; if {} separates them, use {option}", named(*other))
        });
        Self { byte: usual, note }
    }
}

/// Refuses a delimiter that may be part of a cell. `place` is for the message.
pub(crate) fn check(delimiter: u8, place: &str) -> Result<()> {
    if delimiter.is_ascii() && !delimiter.is_ascii_alphanumeric() && !b"\"\r\n".contains(&delimiter) {
        return Ok(());
    }
    let found = format!("`{}`", delimiter.escape_ascii());
    let wanted = "an ASCII character other than a letter, digit, quote or line break";
    Err(Error::value(place, "the delimiter", found, wanted))
}

/// Name of a delimiter, for messages.
pub(super) fn named(delimiter: u8) -> String {
    match delimiter {
        b',' => "a comma".into(),
        b'\t' => "a tab".into(),
        b';' => "a semicolon".into(),
        b' ' => "blanks".into(),
        other => format!("`{}`", other.escape_ascii()),
    }
}

/// Command-line option that sets a delimiter, in backticks for messages.
fn option(delimiter: u8) -> String {
    match delimiter {
        b'\t' => "`--delimiter tab`".into(),
        other => format!("`--delimiter '{}'`", other.escape_ascii()),
    }
}

/// Number of each of [`DELIMITERS`] in the first line, outside quotes.
fn counts(text: &[u8]) -> [usize; DELIMITERS.len()] {
    let (mut counts, mut quoted, mut before) = ([0; DELIMITERS.len()], false, DELIMITERS[0]);
    for &byte in text {
        let delimiter = DELIMITERS.iter().position(|&delimiter| delimiter == byte);
        match (byte, delimiter) {
            // A quote begins at the start of a cell. A doubled quote continues the quoted text.
            (b'"', _) if quoted || before == b'"' || DELIMITERS.contains(&before) => quoted = !quoted,
            (b'\r' | b'\n', _) if !quoted => break,
            (_, Some(delimiter)) if !quoted => counts[delimiter] += 1,
            _ => {}
        }
        before = byte;
    }
    counts
}

/// Statistics of the first rows of a table, if they are separated by a given delimiter.
struct Sample {
    /// True if all rows have the same number of cells, at least two.
    is_regular: bool,
    /// Fraction of numbers, from 0 to 1, among the cells below the first row. Missing cells are not counted.
    numbers: f64,
}

impl Sample {
    fn of(text: &[u8], delimiter: u8, has_comments: bool) -> Self {
        let mut builder = ReaderBuilder::new();
        builder.has_headers(false).delimiter(delimiter).quote(quote(text, delimiter)).trim(Trim::All).flexible(true);
        builder.comment(has_comments.then_some(b'#'));
        let (mut width, mut is_regular) = (None, true);
        let (mut cells, mut numbers) = (0usize, 0usize);
        let rows = builder.from_reader(text).into_records().map_while(std::result::Result::ok);
        for (at, row) in rows.filter(|row| !row.iter().all(str::is_empty)).take(SAMPLE).enumerate() {
            is_regular &= row.len() >= 2 && row.len() == *width.get_or_insert(row.len());
            for cell in row.iter().filter(|cell| at > 0 && !cell.is_empty() && !is_missing(cell)) {
                cells += 1;
                numbers += usize::from(is_number(cell));
            }
        }
        let is_regular = is_regular && width.is_some();
        Self { is_regular, numbers: numbers as f64 / cells.max(1) as f64 }
    }
}
