//! The small grammar that networks and initialisations are written in:
//! `name`, `name(value, key=value)`, nested where a value is itself such a term.

use crate::error::{Error, Result};

/// One term: a name and its arguments.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Term<'a> {
    pub(crate) name: &'a str,
    /// Key (empty for a plain value) and value, in order.
    pub(crate) arguments: Vec<(&'a str, &'a str)>,
}

impl<'a> Term<'a> {
    /// Parses one term; `kind` says in messages what the text was meant to be.
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

    /// The arguments under their names: a plain value takes the next of `names` in order.
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

/// The value of an option among those that [`Term::named`] found.
pub(crate) fn option<'a>(options: &[(&str, &'a str)], name: &str) -> Option<&'a str> {
    options.iter().find(|(n, _)| *n == name).map(|(_, value)| *value)
}

/// The value of an option that must be there.
pub(crate) fn required<'a>(options: &[(&str, &'a str)], place: &str, name: &str, example: &str) -> Result<&'a str> {
    option(options, name).ok_or_else(|| Error::value(place, name, "missing", &format!("given, as in `{example}`")))
}

/// A number, or an error that says where it was expected.
pub(crate) fn number<T: std::str::FromStr>(place: &str, name: &str, text: &str, wanted: &str) -> Result<T> {
    text.parse().map_err(|_| Error::value(place, name, format!("`{text}`"), wanted))
}

/// Splits `text` where `separator` holds outside parentheses; empty parts are left out. `None` where
/// parentheses do not match.
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

/// `1234567` as `1_234_567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let first = (digits.len() + 2) % 3 + 1;
    let (head, tail) = digits.split_at(first.min(digits.len()));
    tail.as_bytes().chunks(3).fold(head.to_string(), |text, three| {
        three.iter().fold(text + "_", |text, digit| text + &char::from(*digit).to_string())
    })
}

/// Rows of cells in aligned columns, two blanks apart: the first `left` columns and the last begin together, all others
/// end together. Every row has as many cells as the first.
pub fn table(rows: &[Vec<String>], left: usize) -> String {
    table_with_gap(rows, left, 2)
}

/// [`table`], with columns `gap` blanks apart.
pub fn table_with_gap(rows: &[Vec<String>], left: usize, gap: usize) -> String {
    let gap = " ".repeat(gap);
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let cell = |(column, text): (usize, &String)| {
        let width = widths[column];
        if column < left || column + 1 == columns { format!("{text:<width$}") } else { format!("{text:>width$}") }
    };
    let line = |row: &Vec<String>| row.iter().enumerate().map(cell).collect::<Vec<_>>().join(&gap);
    rows.iter().map(|row| line(row).trim_end().to_string() + "\n").collect()
}
