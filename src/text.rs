//! Parser of settings such as layers, optimizers and metrics: `name`, or `name(value, key=value)`, where a value may
//! have the same form. This module also escapes text for display, and formats tables.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt::{Debug, Write};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::error::{Error, Result};

/// Name with its arguments, such as `dropout(0.1)`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Term<'a> {
    pub(crate) name: &'a str,
    /// Pairs of key and value, in the order of the text. A plain value has an empty key.
    pub(crate) arguments: Vec<(&'a str, &'a str)>,
}

impl<'a> Term<'a> {
    /// Parses one term; `kind` names the expected kind of text in messages.
    pub(crate) fn parse(kind: &'static str, text: &'a str) -> Result<Self> {
        let text = text.trim();
        let wrong = || {
            Error::value(format!("{kind} `{text}`"), "text", format!("`{text}`"), "`name` or `name(value, key=value)`")
        };
        let Some(open) = text.find('(') else {
            return if text.contains(')') { Err(wrong()) } else { Ok(Self { name: text, arguments: Vec::new() }) };
        };
        let inside = text[open + 1..].strip_suffix(')').ok_or_else(wrong)?;
        let mut arguments = Vec::new();
        for part in split_outside_parentheses(inside, |c| c == ',').ok_or_else(wrong)? {
            arguments.push(match part.split_once('=') {
                Some((key, value)) if !key.contains('(') => (key.trim(), value.trim()),
                _ => ("", part.trim()),
            });
        }
        Ok(Self { name: text[..open].trim(), arguments })
    }

    /// Returns the arguments with their names. A plain value at position i gets the i-th of `names`.
    pub(crate) fn named(&self, kind: &'static str, names: &[&'static str]) -> Result<Vec<(&'static str, &'a str)>> {
        let mut found: Vec<(&'static str, &'a str)> = Vec::new();
        for (position, (key, value)) in self.arguments.iter().enumerate() {
            let name = match names.iter().find(|n| *n == key) {
                Some(name) => *name,
                None if key.is_empty() && position < names.len() => names[position],
                None if key.is_empty() => {
                    return Err(Error::value(
                        format!("{kind} `{}`", self.name),
                        "number of values",
                        self.arguments.len(),
                        &format!("at most {}", names.len()),
                    ));
                }
                None if names.is_empty() => {
                    let place = format!("{kind} `{}`", self.name);
                    return Err(Error::conflict(place, format!("it has no option `{key}`"), "leave the option out"));
                }
                None => return Err(Error::unknown("option", key, names)),
            };
            if found.iter().any(|(n, _)| *n == name) {
                return Err(Error::value(format!("{kind} `{}`", self.name), name, "given twice", "given once"));
            }
            found.push((name, value));
        }
        Ok(found)
    }
}

/// Returns the value of option `name` in the result of [`Term::named`], if it is given.
pub(crate) fn option<'a>(options: &[(&str, &'a str)], name: &str) -> Option<&'a str> {
    options.iter().find(|(n, _)| *n == name).map(|(_, value)| *value)
}

/// Like [`option`], but it is an error if the option is missing. The message shows `example`.
pub(crate) fn required<'a>(options: &[(&str, &'a str)], place: &str, name: &str, example: &str) -> Result<&'a str> {
    option(options, name).ok_or_else(|| Error::value(place, name, "missing", &format!("given, as in `{example}`")))
}

/// Parses a number; the error names `place`, where the number was expected.
pub(crate) fn number<T: std::str::FromStr>(place: &str, name: &str, text: &str, wanted: &str) -> Result<T> {
    text.parse().map_err(|_| Error::value(place, name, format!("`{text}`"), wanted))
}

/// Writes a term: `name`, or `name(key=value, …)` if there are arguments.
pub(crate) fn term(name: &str, arguments: &[String]) -> String {
    if arguments.is_empty() { name.into() } else { format!("{name}({})", arguments.join(", ")) }
}

/// Writes a value in its shortest form: `0.5`, `1`, `1e-8`, `true`.
pub(crate) fn shortest(value: impl Debug) -> String {
    let text = format!("{value:?}");
    text.strip_suffix(".0").unwrap_or(&text).into()
}

/// Splits `text` at separators outside parentheses, and drops empty parts. `None` if parentheses do not match.
pub(crate) fn split_outside_parentheses(text: &str, separator: impl Fn(char) -> bool) -> Option<Vec<&str>> {
    let (mut depth, mut start, mut parts) = (0usize, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1)?,
            c if depth == 0 && separator(c) => {
                parts.push(&text[start..at]);
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.retain(|p| !p.trim().is_empty());
    (depth == 0).then_some(parts)
}

/// Escapes text so that it is safe to show on one line. Characters that move a cursor, change a color or title, reorder
/// text or break a line become escapes such as `\u{1b}` or `\n`. All text from files is escaped before it reaches a
/// terminal, a picture or an error; files keep the original. Escaping twice gives the same text as escaping once.
///
/// ```
/// assert_eq!(wgrad::data::shown("price\u{1b}[2J\n"), r"price\u{1b}[2J\n");
/// ```
pub fn shown(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hazard) {
        return text.into();
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_hazard(c) { safe.extend(c.escape_default()) } else { safe.push(c) }
    }
    safe.into()
}

/// Like [`shown`] for each line of a text with several lines.
pub fn shown_lines(text: &str) -> Cow<'_, str> {
    if !text.contains(|c| c != '\n' && is_hazard(c)) {
        return text.into();
    }
    text.split('\n').map(shown).collect::<Vec<_>>().join("\n").into()
}

/// Escapes the characters in JSON text that [`shown`] would escape, but as JSON escapes. The parsed value stays the
/// same.
pub fn shown_json(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hazard) {
        return text.into();
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_hazard(c) {
            // The code of every such character has at most four hexadecimal digits.
            write!(safe, "\\u{:04x}", u32::from(c)).ok();
        } else {
            safe.push(c);
        }
    }
    safe.into()
}

/// Matches control characters (C0, DEL, C1), and Unicode characters that break a line or change the text direction.
fn is_hazard(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Quotes a word as it must be typed in a shell. Words with characters that [`shown`] escapes, and words that are not
/// UTF-8, are written as `$'…'`, which bash, zsh and ksh understand.
pub fn quoted(word: impl AsRef<OsStr>) -> String {
    let bytes = word.as_ref().as_encoded_bytes();
    let Some(word) = word.as_ref().to_str().filter(|word| shown(word) == *word) else {
        let byte = |byte: &u8| match byte {
            b'\'' | b'\\' => format!("\\{}", char::from(*byte)),
            b' '..=b'~' => char::from(*byte).to_string(),
            // Three digits, so that a following digit is not part of the escape.
            _ => format!("\\{byte:03o}"),
        };
        return format!("$'{}'", bytes.iter().map(byte).collect::<String>());
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.into() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// Formats `1234567` as `1_234_567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let first = (digits.len() + 2) % 3 + 1;
    let (head, tail) = digits.split_at(first.min(digits.len()));
    tail.as_bytes().chunks(3).fold(head.to_string(), |text, three| {
        three.iter().fold(text + "_", |text, digit| text + &char::from(*digit).to_string())
    })
}

/// Returns the number of columns that a text takes on a terminal.
///
/// ```
/// assert_eq!(wgrad::data::columns("東京 1"), 6);
/// ```
pub fn columns(text: &str) -> usize {
    text.width()
}

/// Pads a text with blanks to `width` columns: on the left if `is_right` is true, otherwise on the right. A wider text
/// is returned unchanged.
///
/// ```
/// assert_eq!(wgrad::data::padded("東京", 6, true), "  東京");
/// ```
pub fn padded(text: &str, width: usize, is_right: bool) -> String {
    let blanks = " ".repeat(width.saturating_sub(columns(text)));
    if is_right { blanks + text } else { text.to_string() + &blanks }
}

/// Shortens a text to at most `most` columns; `…` replaces the end.
///
/// ```
/// assert_eq!(wgrad::data::shortened("temperature", 8), "tempera…");
/// ```
pub fn shortened(text: &str, most: usize) -> String {
    if columns(text) <= most {
        return text.into();
    }
    let mut room = most.saturating_sub(1);
    let fits = |c: &char| {
        let width = c.width().unwrap_or(0);
        let fits = width <= room;
        room = room.saturating_sub(width);
        fits
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

/// Formats rows of cells as aligned columns, two spaces apart. The first `left` columns and the last are left-aligned,
/// all others right-aligned. All rows must have the same number of cells. Cells are escaped by [`shown`].
pub fn table(rows: &[Vec<String>], left: usize) -> String {
    table_with_gap(rows, left, 2)
}

/// Smallest width, in columns, to which [`table_within`] shortens a name.
const SHORT_NAME: usize = 12;

/// Like [`table`], but shortens the names in the first column so that lines fit `width` columns. Names of up to 12
/// columns are not shortened.
pub fn table_within(width: usize, mut rows: Vec<Vec<String>>, left: usize) -> String {
    let excess = table(&rows, left).lines().map(columns).max().unwrap_or(0).saturating_sub(width);
    let longest = rows.iter().map(|row| columns(&row[0])).max().unwrap_or(0);
    let room = longest.saturating_sub(excess).max(SHORT_NAME);
    rows.iter_mut().for_each(|row| row[0] = shortened(&row[0], room));
    table(&rows, left)
}

/// Like [`table`], with columns `gap` spaces apart.
pub fn table_with_gap(rows: &[Vec<String>], left: usize, gap: usize) -> String {
    let gap = " ".repeat(gap);
    let rows: Vec<Vec<_>> = rows.iter().map(|row| row.iter().map(|cell| shown(cell)).collect()).collect();
    let count = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| columns(&row[column])).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count).map(width).collect();
    let cell =
        |(column, text): (usize, &Cow<'_, str>)| padded(text, widths[column], column >= left && column + 1 < count);
    let line = |row: &Vec<Cow<'_, str>>| row.iter().enumerate().map(cell).collect::<Vec<_>>().join(&gap);
    rows.iter().map(|row| line(row).trim_end().to_string() + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One character of each kind: an escape sequence, the same in C1, DEL, line breaks, and text direction overrides.
    const HOSTILE: &str = "a\u{1b}[2J\u{9b}2J\u{85}\u{7f}\n\r\t\u{2028}\u{202e}\u{2066}\0z";

    fn is_safe(text: &str) -> bool {
        !text.chars().any(is_hazard)
    }

    #[test]
    fn words_are_quoted_as_shells_read_them() {
        let cases = [("a/b-1.csv", "a/b-1.csv"), ("it's", r"'it'\''s'"), ("", "''"), ("Größe", "'Größe'")];
        let hostile = [("a\u{1b}[2J\n'", r"$'a\033[2J\012\''"), ("ü\u{9b}1\\", r"$'\303\274\302\2331\\'")];
        for (word, wanted) in cases.into_iter().chain(hostile) {
            assert_eq!(quoted(word), wanted);
        }
        #[cfg(unix)]
        {
            use std::os::unix::ffi::OsStrExt;
            assert_eq!(quoted(OsStr::from_bytes(b"caf\xe91")), r"$'caf\3511'");
        }
    }

    #[test]
    fn what_is_shown_has_no_control_characters() {
        let safe = shown(HOSTILE);
        assert_eq!(safe, r"a\u{1b}[2J\u{9b}2J\u{85}\u{7f}\n\r\t\u{2028}\u{202e}\u{2066}\u{0}z");
        assert_eq!(shown(&safe), safe);
        for text in ["", "Größe", "価格", "σ²", "a\\b", "👩‍👩‍👧", "מחיר"] {
            assert!(matches!(shown(text), Cow::Borrowed(same) if same == text), "{text}");
        }
        let all: String = ('\0'..'\u{a0}').collect();
        assert!(is_safe(&shown(&all)));
        let lines = format!("{HOSTILE}\nb");
        assert!(is_safe(&shown_lines(&lines).replace('\n', "")) && shown_lines(&lines).lines().count() == 3);
    }

    #[test]
    fn json_that_is_shown_says_the_same() {
        let json = serde_json::to_string(&[HOSTILE]).expect("text");
        assert!(!is_safe(&json) && is_safe(&shown_json(&json)));
        assert_eq!(serde_json::from_str::<Vec<String>>(&shown_json(&json)).expect("JSON"), [HOSTILE]);
    }

    #[test]
    fn cells_of_tables_are_shown_and_stay_in_line() {
        let rows = [["column", "n"], ["a\nb\u{1b}", "1"]].map(|row| row.map(String::from).to_vec());
        assert_eq!(table(&rows, 1), "column     n\na\\nb\\u{1b}  1\n".replace("column     n", "column      n"));
    }
}
