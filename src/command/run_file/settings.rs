//! Keys and values of a TOML file, with their lines.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use wgrad::{Error, Result};

/// Largest size of a run file. A larger file was named by mistake.
const MOST_BYTES: u64 = 1 << 20;

/// Line of a run file: a key and its value.
pub struct Setting {
    pub key: String,
    /// Line number, from 1.
    pub line: usize,
    pub value: Value,
}

/// Value of an option.
pub enum Value {
    /// `true` or `false`.
    Switch(bool),
    /// Numbers or texts, as on a command line: one, or those of an array.
    Words(Vec<String>),
}

/// Reads all settings of a file, in the order of the file.
pub fn read(path: &Path) -> Result<Vec<Setting>> {
    let text = text(path)?;
    let table = DeTable::parse(&text).map_err(|error| broken(path, &text, &error))?;
    let mut entries: Vec<_> = table.get_ref().iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries.into_iter().map(|(key, value)| setting(path, &text, key.get_ref(), key.span().start, value)).collect()
}

fn text(path: &Path) -> Result<String> {
    let failed = |error| Error::file(path, "reading", error);
    let mut text = String::new();
    File::open(path).map_err(failed)?.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > MOST_BYTES {
        let problem = format!("it is longer than {MOST_BYTES} bytes, the most for a run file");
        return Err(Error::format(path, problem, "name a file that `wgrad init` wrote, or data by another name"));
    }
    Ok(text)
}

fn setting(path: &Path, text: &str, key: &str, at: usize, value: &Spanned<DeValue<'_>>) -> Result<Setting> {
    let (line, _) = place(text, at);
    let value = match value.get_ref() {
        DeValue::Boolean(on) => Some(Value::Switch(*on)),
        DeValue::Array(items) => items.iter().map(|item| word(item.get_ref())).collect::<Option<_>>().map(Value::Words),
        other => word(other).map(|word| Value::Words(vec![word])),
    };
    value.map(|value| Setting { key: key.into(), line, value }).ok_or_else(|| {
        let problem =
            format!("line {line}: `{key}` is neither number, text, true, false, nor an array of numbers or texts");
        Error::format(path, problem, "write `option = value`, one per line, without [tables]")
    })
}

/// Converts a value to a word of a command line; `None` if it is neither a number nor a text.
fn word(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        // A number that is too large for any option stays as written, so that the option's error message shows it.
        DeValue::Integer(number) => Some(
            i128::from_str_radix(number.as_str(), number.radix())
                .map_or_else(|_| number.to_string(), |number| number.to_string()),
        ),
        DeValue::Float(number) => Some(number.as_str().into()),
        _ => None,
    }
}

fn broken(path: &Path, text: &str, error: &toml::de::Error) -> Error {
    let (line, column) = place(text, error.span().map_or(0, |span| span.start));
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    let problem = format!("line {line}, column {column}: {message}");
    Error::format(path, problem, "correct it, or start from what `wgrad init` writes")
}

/// Returns the line and column of the byte at `at`, both from 1.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(at)];
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}
