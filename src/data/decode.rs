//! Conversion of the bytes of a file to the text of a table. UTF-16 and Latin-1 are decoded, and zip archives are
//! unpacked. Runs of blanks become delimiters. Files that are no text are refused, and the error names their format.

use std::borrow::Cow;
use std::path::Path;

use super::number_format::is_number;
use super::text::{after_comments, header_delimiter};
use super::zip;
use crate::error::{Error, Result};

/// Text of a table as UTF-8.
pub(super) struct Decoded {
    /// Text in UTF-8.
    pub(super) bytes: Vec<u8>,
    /// Delimiter: a blank if blanks separate the columns, otherwise the one that the user requested, if any.
    pub(super) delimiter: Option<u8>,
    /// Notes on the decoding, for users to check.
    pub(super) notes: Vec<String>,
}

/// Formats that are no text. Each entry has the first bytes of the file, the name of the format, and a remedy.
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

/// Decodes the contents of the file at `path`. `delimiter` is the delimiter that the user requested, if any.
pub(super) fn decode(path: &Path, bytes: Vec<u8>, delimiter: Option<u8>) -> Result<Decoded> {
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
    if start.get(..5).is_some_and(|word| word.eq_ignore_ascii_case(b"<html")) || start.starts_with(b"<!DOCTYPE") {
        return Err(Error::format(path, "it is a web page, not a table", "download the table itself"));
    }
    let Some(separated) = blanks(&bytes, delimiter) else { return Ok(Decoded { bytes, delimiter, notes }) };
    notes.extend(delimiter.is_none().then(|| "columns are separated by blanks".into()));
    Ok(Decoded { bytes: separated, delimiter: Some(b' '), notes })
}

/// Replaces the `#` before a header by a blank, which is trimmed later. The last comment above the rows is the header
/// if two things hold: it has as many cells as the first row, and the first row has a number.
fn uncomment_header(bytes: &mut [u8]) {
    let (below, has_comments) = after_comments(bytes);
    if !has_comments {
        return;
    }
    let delimiter = header_delimiter(below);
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

/// Converts UTF-16 with a byte order mark, and Latin-1, to UTF-8.
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

/// Number of lines that decide if blanks separate the columns.
const SAMPLE: usize = 20;

/// Returns the text with a tab in place of each run of blanks; `None` if blanks do not separate the columns.
///
/// Blanks separate the columns if `delimiter` is a blank. Without a `delimiter`, all of the first lines must have the
/// same number of words, at least two; the header may have one word less. These lines must have no comma, semicolon or
/// `|`, and at least twice as many words as tabs would separate.
fn blanks(bytes: &[u8], delimiter: Option<u8>) -> Option<Vec<u8>> {
    let separate = match delimiter {
        Some(delimiter) => delimiter == b' ',
        None => {
            let lines = bytes.split(|byte| b"\r\n".contains(byte)).map(<[u8]>::trim_ascii);
            let lines: Vec<&[u8]> =
                lines.filter(|line| !line.is_empty() && !line.starts_with(b"#")).take(SAMPLE).collect();
            let counts: Vec<usize> = lines.iter().map(|line| words(line).len()).collect();
            let others = lines.iter().map(|line| unquoted(line, |byte| b",;|".contains(&byte))).sum::<usize>();
            let tabs = lines.first().map_or(0, |line| unquoted(line, |byte| byte == b'\t'));
            // In tables that R writes, the header has no name for the first column.
            let same = counts.iter().skip(2).all(|count| *count == counts[1]);
            let header = counts.len() > 2 && (counts[0] == counts[1] || counts[0] + 1 == counts[1]);
            others == 0 && same && header && counts[0] >= 2 * (tabs + 1)
        }
    };
    separate.then(|| {
        let mut text = Vec::with_capacity(bytes.len());
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let body = line.strip_suffix(b"\n").unwrap_or(line);
            text.extend(words(body).join(&b'\t'));
            text.extend(&line[body.len()..]);
        }
        text
    })
}

/// Splits a line into words. Quoted words may contain blanks.
fn words(line: &[u8]) -> Vec<&[u8]> {
    let (mut found, mut begin, mut quoted) = (vec![], None, false);
    for (at, byte) in line.iter().enumerate() {
        let blank = b" \t\r".contains(byte) && !quoted;
        match begin {
            Some(start) if blank => {
                found.push(&line[start..at]);
                begin = None;
            }
            None if !blank => begin = Some(at),
            _ => {}
        }
        quoted ^= *byte == b'"';
    }
    found.extend(begin.map(|start| &line[start..]));
    found
}

/// Number of bytes outside quotes for which `is` returns true.
fn unquoted(line: &[u8], is: impl Fn(u8) -> bool) -> usize {
    let mut quoted = false;
    let mut count = 0;
    for byte in line {
        quoted ^= *byte == b'"';
        count += usize::from(!quoted && is(*byte));
    }
    count
}

/// Decodes the text of a table that is already UTF-8: only runs of blanks may be replaced. Also returns the delimiter, as
/// in [`Decoded`].
pub(super) fn of_text(text: &str, delimiter: Option<u8>) -> (Cow<'_, [u8]>, Option<u8>) {
    match blanks(text.as_bytes(), delimiter) {
        Some(separated) => (separated.into(), Some(b' ')),
        None => (text.as_bytes().into(), delimiter),
    }
}
