//! Text of a table: delimiter, quotes, header, line numbers, and errors about cells.

use std::path::Path;

use csv::{ErrorKind, Position, Reader, ReaderBuilder, StringRecord, Trim};

use super::delimiter;
use super::number_format::{NumberFormat, is_number};
use crate::error::{Error, Result};
use crate::text::quoted;

/// Words that stand for a missing value, in lower case.
const MISSING: [&str; 17] = [
    "na", "n/a", "n.a.", "nan", "-nan", "null", "none", "nil", "?", "-", "--", ".", "#n/a", "#n/a n/a", "#na", "<na>",
    "#null!",
];

/// Words for missing values that may also be class names, such as `none` for a treatment, or `-` beside `+`.
const MAY_BE_CLASSES: [&str; 5] = ["none", "nil", "-", "--", "."];

/// Number of rows that determine the header and the shape of the rows.
pub(super) const SAMPLE: usize = 1000;

/// Remedy for a cell that is not a number, in a column that cannot be dropped.
pub(super) const WRITE_A_NUMBER: &str = "write a number, or remove the row";

/// Remedy for a target that is missing or not a finite number.
pub(super) const WRITE_THE_TARGET: &str = "write the target, or remove the row";

/// Text of a table, with the path of its file.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) path: &'a Path,
    pub(super) bytes: &'a [u8],
    /// Delimiter between the cells in `bytes`.
    pub(super) delimiter: u8,
    /// Delimiter of the file: a blank if runs of blanks were replaced by tabs, otherwise the same character.
    pub(super) separator: u8,
    /// True if the first row is the header. It is then not read as a row.
    pub(super) header: bool,
    /// True if lines that begin with `#` are comments.
    pub(super) comments: bool,
    /// Quote character of cells: `"` or `'`.
    pub(super) quote: u8,
    pub(super) shape: Shape,
}

/// Number of cells per row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shape {
    /// Number of cells per row. Further cells of a row are cut off if they are empty.
    pub(super) width: usize,
    /// True if the header has no name for the first column. R writes such tables.
    pub(super) has_row_names: bool,
}

impl<'a> Text<'a> {
    /// Detects quotes, comments and the shape of the rows. The delimiter `separator` is a blank if runs of blanks were
    /// replaced by tabs.
    pub(super) fn new(path: &'a Path, bytes: &'a [u8], separator: u8) -> Result<Self> {
        let (first, comments) = after_comments(bytes);
        let delimiter = if separator == b' ' { b'\t' } else { separator };
        delimiter::check(delimiter, &path.display().to_string())?;
        let quote = quote(first, delimiter);
        let shape = Shape { width: 0, has_row_names: false };
        let text = Self { path, bytes, delimiter, separator, header: true, comments, quote, shape };
        Ok(Self { shape: text.shape(), ..text })
    }

    /// Returns a reader that is positioned after the header, if there is one. An error in the header is returned by
    /// `headers` of the reader.
    pub(super) fn reader(self) -> Reader<&'a [u8]> {
        let mut builder = ReaderBuilder::new();
        builder.has_headers(self.header).delimiter(self.delimiter).quote(self.quote).trim(Trim::All).flexible(true);
        builder.comment(self.comments.then_some(b'#'));
        let mut reader = builder.from_reader(self.bytes);
        if self.header {
            // This reads the header alone. If it were read with the first row, an error in that row would report the
            // position of the header.
            reader.headers().ok();
        }
        reader
    }

    /// Returns the rows. Each row has [`Shape::width`] cells. Rows with only empty cells are skipped.
    pub(super) fn rows(self) -> impl Iterator<Item = Result<StringRecord>> {
        let shape = self.shape;
        self.reader().into_records().filter_map(move |record| match record {
            Err(error) => Some(Err(self.broken(error))),
            Ok(mut record) => {
                if record.len() > shape.width && record.iter().skip(shape.width).all(str::is_empty) {
                    record.truncate(shape.width);
                }
                if record.iter().all(str::is_empty) {
                    return None;
                }
                Some(if record.len() == shape.width { Ok(record) } else { Err(self.unequal(&record)) })
            }
        })
    }

    /// Returns the error for a row with too few or too many cells.
    fn unequal(self, record: &StringRecord) -> Error {
        let (found, wanted) = (record.len(), self.shape.width);
        let line = self.line(record.position().map_or(0, Position::byte));
        let first = if self.header { "header" } else { "first row" };
        let problem = format!("the row has {found} cells, but the {first} has {wanted}");
        let named = delimiter::named(self.separator);
        let remedy = format!(
            "give every row one cell per column, quote cells that contain {named}, or name another separator with \
             `--delimiter`"
        );
        Error::data(format!("{}, line {line}", self.path.display()), problem, remedy)
    }

    /// Determines the number of cells per row from the first rows. Empty cells at the end of all rows are not counted.
    /// If the header has one cell less than every row, it has no name for the first column.
    fn shape(self) -> Shape {
        let rows = Self { header: false, ..self }.reader().into_records().map_while(std::result::Result::ok);
        let filled =
            |row: &StringRecord| (0..row.len()).rev().find(|at| !row[*at].is_empty()).map_or(0, |last| last + 1);
        let rows = rows.map(|row| (row.len(), filled(&row))).filter(|(_, filled)| *filled > 0);
        let mut rows = rows.take(SAMPLE + 1);
        let Some((header, named)) = rows.next() else { return Shape { width: 0, has_row_names: false } };
        let (mut widest, mut all_longer, mut count) = (named, true, 0);
        for (cells, filled) in rows {
            widest = widest.max(filled);
            all_longer &= cells == header + 1;
            count += 1;
        }
        let has_row_names = count > 0 && all_longer && widest > header;
        Shape { width: if has_row_names { header + 1 } else { widest.min(header) }, has_row_names }
    }

    /// Returns the line number, from 1, of a row. `start` is the byte offset at which the reader began to look for it.
    /// The line number of the reader itself is too small: by one after CR LF, and by one for each blank line before the
    /// row.
    pub(super) fn line(self, start: u64) -> usize {
        let (before, rest) = self.bytes.split_at(self.bytes.len().min(start as usize));
        let mut row = rest;
        loop {
            let line = row.iter().position(|byte| *byte == b'\n').map_or(row, |end| &row[..=end]);
            let is_comment = self.comments && line.starts_with(b"#");
            // Lines with only empty cells are not rows.
            let is_empty = line.iter().all(|byte| *byte == self.delimiter || byte.is_ascii_whitespace());
            if line.is_empty() || line.len() == row.len() || !(is_comment || is_empty) {
                break;
            }
            row = &row[line.len()..];
        }
        let skipped = &rest[..rest.len() - row.len()];
        1 + before.iter().chain(skipped).filter(|byte| **byte == b'\n').count()
    }

    /// Position of a cell for messages: file, line and column. `start` is the byte offset of the row of the cell.
    pub(super) fn place(self, start: u64, column: &str) -> String {
        format!("{}, line {}, column `{column}`", self.path.display(), self.line(start))
    }

    /// Converts an error of the CSV reader to an error with file and line.
    pub(super) fn broken(self, error: csv::Error) -> Error {
        let line = self.line(error.position().map_or(0, Position::byte));
        let place = format!("{}, line {line}", self.path.display());
        match error.into_kind() {
            ErrorKind::Utf8 { err, .. } => {
                let problem = format!("cell {} is not valid UTF-8", err.field() + 1);
                Error::data(place, problem, "save the table as UTF-8")
            }
            other => Error::data(place, format!("it cannot be read: {other:?}"), "write it as plain CSV"),
        }
    }
}

/// Returns the text from the first line that is neither blank nor a comment. The boolean is true if there are comments
/// before that line.
pub(super) fn after_comments(bytes: &[u8]) -> (&[u8], bool) {
    let mut text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes).trim_ascii_start();
    let mut has_comments = false;
    while text.starts_with(b"#") {
        let end = text.iter().position(|byte| b"\r\n".contains(byte)).unwrap_or(text.len());
        text = text[end..].trim_ascii_start();
        has_comments = true;
    }
    (text, has_comments)
}

/// Returns the quote character of cells. It is `'` if every cell of the first line is in single quotes, otherwise `"`.
pub(super) fn quote(text: &[u8], delimiter: u8) -> u8 {
    let line = text.split(|byte| b"\r\n".contains(byte)).next().unwrap_or_default();
    let mut cells = line.split(|byte| *byte == delimiter).map(<[u8]>::trim_ascii);
    let single = cells.all(|cell| cell.len() >= 2 && cell.starts_with(b"'") && cell.ends_with(b"'"));
    if single { b'\'' } else { b'"' }
}

/// Remedy for numbers in different formats.
pub(super) const ONE_WAY: &str = "write all numbers of the column in one format, such as 1234.5";

/// Returns the number in a cell. The error is a problem and a specific remedy. If the remedy is `None`, the caller adds
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

/// Returns true if a cell is a word for a missing value.
pub(super) fn is_missing(cell: &str) -> bool {
    // The first test is fast, and excludes numbers, which most cells are.
    !cell.starts_with(|c: char| c.is_ascii_digit()) && MISSING.iter().any(|word| word.eq_ignore_ascii_case(cell))
}

/// Returns true if a target cell is a word for a missing value that cannot be a class name.
pub(super) fn is_missing_target(cell: &str) -> bool {
    is_missing(cell) && !MAY_BE_CLASSES.iter().any(|word| word.eq_ignore_ascii_case(cell))
}

/// Returns a number with a point in place of its decimal comma, such as `1.5` for `1,5`. `None` for `1,500`, whose
/// comma may be a thousands separator, and for cells without a decimal comma.
pub(super) fn with_point(cell: &str) -> Option<String> {
    let comma = NumberFormat { decimal: ',', ..NumberFormat::PLAIN };
    let thousands = NumberFormat { thousands: Some(','), ..NumberFormat::PLAIN };
    (cell.contains(',') && thousands.read(cell).is_none() && comma.read(cell).is_some())
        .then(|| cell.replacen(',', ".", 1))
}

/// Command-line option that drops these columns, in backticks for messages.
pub(super) fn drop_option(columns: &[&str]) -> String {
    format!("`{}`", drop_words(columns))
}

/// Returns the command-line option that drops these columns of a table, quoted for a shell.
///
/// # Examples
/// ```
/// assert_eq!(wgrad::data::drop_words(&["id", "full name"]), "--drop 'id,full name'");
/// ```
pub fn drop_words(columns: &[impl AsRef<str>]) -> String {
    let names = columns.iter().map(|name| csv_cell(name.as_ref())).collect::<Vec<_>>().join(",");
    // With a blank, a name that begins with `-` would be parsed as an option.
    let before = if names.starts_with('-') { '=' } else { ' ' };
    format!("--drop{before}{}", quoted(names))
}

/// Quotes a name as a CSV cell if it contains special characters.
fn csv_cell(name: &str) -> String {
    let plain = !name.is_empty() && !name.contains([',', '"', '\r', '\n']);
    if plain { name.into() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}
