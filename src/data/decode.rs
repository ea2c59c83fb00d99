//! Conversion of the bytes of a file to the text of a table. UTF-16 and Latin-1 are decoded, and zip archives are
//! unpacked. Runs of blanks between columns are replaced by tabs. Files that are not text are refused, and the error
//! names their format.

use std::borrow::Cow;
use std::path::Path;

use super::delimiter::Delimiter;
use super::number_format::is_number;
use super::text::{Text, after_comments};
use super::{CsvOptions, blanks, bytes, zip};
use crate::error::{Error, Result};

/// Text of a table as UTF-8, with its delimiter.
pub(super) struct Decoded<'a> {
    /// Path of the file, for messages.
    path: &'a Path,
    /// Text of the table in UTF-8, with one delimiter between cells.
    pub(super) bytes: Cow<'a, [u8]>,
    /// Delimiter between columns. A blank means that runs of blanks were replaced by tabs.
    delimiter: u8,
    /// Notes on encoding and delimiter, for users to check.
    pub(super) notes: Vec<String>,
}

impl<'a> Decoded<'a> {
    /// Reads and decodes a file.
    pub(super) fn read(path: &'a Path, options: &CsvOptions) -> Result<Self> {
        let (bytes, notes) = decode(path, bytes::read(path)?)?;
        Ok(Self::of(path, bytes.into(), notes, options))
    }

    /// Decodes a table in memory, whose text is UTF-8 already. Messages have `name` in place of the path.
    pub(super) fn of_text(name: &'a str, text: &'a str, options: &CsvOptions) -> Self {
        Self::of(Path::new(name), text.as_bytes().into(), vec![], options)
    }

    fn of(path: &'a Path, bytes: Cow<'a, [u8]>, mut notes: Vec<String>, options: &CsvOptions) -> Self {
        let Delimiter { byte, note } = Delimiter::find(&bytes, options.delimiter, options.known_delimiter);
        notes.extend(note);
        let bytes = if byte == b' ' { blanks::as_tabs(&bytes).into() } else { bytes };
        Self { path, bytes, delimiter: byte, notes }
    }

    /// Detects quotes, comments and the shape of the rows.
    pub(super) fn text(&self) -> Result<Text<'_>> {
        Text::new(self.path, &self.bytes, self.delimiter)
    }
}

/// File formats that are not text. Each entry has the first bytes of the file, the name of the format, and a remedy.
const OTHERS: [(&[u8], &str, &str); 12] = [
    (b"\xd0\xcf\x11\xe0", "an Excel workbook (.xls)", SAVE_AS_CSV),
    (b"PAR1", "a Parquet file", CONVERT),
    (b"ARROW1", "an Arrow file", CONVERT),
    (b"\x93NUMPY", "a NumPy array", CONVERT),
    (b"SQLite format 3", "an SQLite database", "export the table as CSV"),
    (b"\x89HDF", "an HDF5 file", CONVERT),
    (b"%PDF", "a PDF document", "get the table as CSV"),
    (b"\x89PNG", "a picture", "give a table"),
    (b"BZh", "a bzip2 archive", "unpack it"),
    (b"\xfd7zXZ", "an xz archive", "unpack it"),
    (b"7z\xbc\xaf", "a 7-Zip archive", "unpack it"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive", "unpack it"),
];

const SAVE_AS_CSV: &str = "save the sheet as CSV (UTF-8), and give that file";
const CONVERT: &str = "convert it to CSV, for example with pandas' `to_csv`";

/// Characters of the bytes 0x80 to 0x9f in Windows-1252. Five of these bytes are unassigned, and have the character of
/// Latin-1.
const WINDOWS: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘', '’',
    '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// Unpacks the contents of the file at `path`, and converts them to UTF-8. Returns the text, and notes for users to
/// check.
fn decode(path: &Path, bytes: Vec<u8>) -> Result<(Vec<u8>, Vec<String>)> {
    let mut notes = vec![];
    let bytes = if zip::is_zip(&bytes) { zip::only_file(path, &bytes)? } else { bytes };
    if let Some((_, name, remedy)) = OTHERS.iter().find(|(first, ..)| bytes.starts_with(first)) {
        return Err(Error::format(path, format!("it is {name}, not a table as text"), *remedy));
    }
    let mut bytes = utf8(path, bytes, &mut notes)?;
    uncomment_header(&mut bytes);
    let start = bytes.trim_ascii_start();
    if start.get(..9).is_some_and(|word| word.eq_ignore_ascii_case(b"@relation")) {
        return Err(Error::format(
            path,
            "it is an ARFF file (Weka)",
            "save it as CSV: in Weka, Save as, CSV data files",
        ));
    }
    if is_json(start) {
        return Err(Error::format(path, "it is JSON, not a table", CONVERT));
    }
    if start.get(..5).is_some_and(|word| word.eq_ignore_ascii_case(b"<html")) || start.starts_with(b"<!DOCTYPE") {
        return Err(Error::format(path, "it is a web page, not a table", "download the table itself"));
    }
    Ok((bytes, notes))
}

/// Returns true if a text begins with a JSON object, or with a JSON array of objects or arrays.
fn is_json(start: &[u8]) -> bool {
    let Some((open, rest)) = start.split_first() else { return false };
    let next = rest.trim_ascii_start().first();
    match open {
        b'{' => next == Some(&b'"'),
        b'[' => matches!(next, Some(b'{' | b'[')),
        _ => false,
    }
}

/// Replaces the `#` before a header by a blank, which is trimmed later. The last comment above the rows is the header
/// if two things hold: it has as many cells as the first row, and the first row has a number.
fn uncomment_header(bytes: &mut [u8]) {
    let (below, has_comments) = after_comments(bytes);
    if !has_comments {
        return;
    }
    let delimiter = Delimiter::detected(below, false).byte;
    let line = below.split(|byte| b"\r\n".contains(byte)).next().unwrap_or_default();
    let cells = |line: &[u8]| line.split(|byte| *byte == delimiter).count();
    let above = bytes[..bytes.len() - below.len()].trim_ascii_end();
    let start = above.iter().rposition(|byte| b"\r\n".contains(byte)).map_or(0, |end| end + 1);
    let numbers = line.split(|byte| *byte == delimiter).filter_map(|cell| std::str::from_utf8(cell).ok());
    let has_number = numbers.into_iter().any(|cell| is_number(cell.trim()));
    let is_header = cells(line) > 1 && cells(line) == cells(&above[start..]) && has_number;
    if let Some(mark) = above[start..].iter().position(|byte| *byte == b'#').filter(|_| is_header) {
        bytes[start + mark] = b' ';
    }
}

/// Converts UTF-16 with a byte order mark, or Latin-1, to UTF-8. Text in UTF-8 is returned unchanged.
fn utf8(path: &Path, bytes: Vec<u8>, notes: &mut Vec<String>) -> Result<Vec<u8>> {
    let order: Option<fn([u8; 2]) -> u16> = match bytes.get(..2) {
        Some([0xff, 0xfe]) => Some(u16::from_le_bytes),
        Some([0xfe, 0xff]) => Some(u16::from_be_bytes),
        _ => None,
    };
    if let Some(order) = order {
        let units = bytes[2..].chunks_exact(2).map(|two| order([two[0], two[1]]));
        let text: std::result::Result<String, _> = char::decode_utf16(units).collect();
        let broken = |_| Error::format(path, "its UTF-16 text is damaged", "save the table as UTF-8");
        return text.map(String::into_bytes).map_err(broken);
    }
    let Err(error) = std::str::from_utf8(&bytes) else { return Ok(bytes) };
    let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
    if bytes.iter().any(|byte| *byte < b' ' && !b"\t\n\r\x0b\x0c\x1a".contains(byte)) {
        let problem = format!("line {line} is not valid UTF-8, and there are control characters: it is no text");
        return Err(Error::format(path, problem, "give a table as text, saved as UTF-8"));
    }
    notes.push(format!("line {line} is not valid UTF-8, so the table is read as Latin-1 (Windows-1252)"));
    let text = bytes.iter().map(|byte| match byte {
        0x80..=0x9f => WINDOWS[usize::from(byte - 0x80)],
        _ => char::from(*byte),
    });
    Ok(text.collect::<String>().into_bytes())
}
