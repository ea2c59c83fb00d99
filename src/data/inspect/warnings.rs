//! Warnings about data that training refuses, and about likely mistakes.

use serde::Serialize;

use super::survey::Survey;
use super::target_warnings::target;
use super::{Column, Inspection, Kind, ReadAs, Role};
use crate::data::FEWEST_TO_SPLIT;
use crate::data::NumberFormat;
use crate::data::layout::Layout;
use crate::data::number_format::Column as Written;
use crate::data::table::{NoClasses, no_classes};
use crate::data::text::{WRITE_THE_TARGET, drop_option, number};
use crate::text::shortened;

/// Maximum width of a name in a message, in columns of a terminal.
const LONGEST_NAME: usize = 40;

/// Maximum number of names that are listed in one message.
const MOST_LISTED: usize = 5;

/// Warning about data that training refuses, or about a likely mistake.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Warning {
    /// Kind: `header`, `quotes`, `renamed`, `unclear`, `format`, `missing`, `text`, `empty`, `constant`, `id`, `leak`,
    /// `duplicates`, `few_rows`, `rare_class`, `single_rows`, `one_class`, `imbalanced`, `outliers` or `many_values`. A
    /// [`Table`](crate::data::Table) adds `target`, `note`, `unread`, `rare_levels`, `unit` and `numbers_as_text`.
    /// `wgrad train` adds `untrained_class`, and `wgrad inspect` adds `note` and `refused`.
    pub kind: &'static str,
    /// Names of the columns that the warning is about; empty if it is about rows or the whole table.
    pub columns: Vec<String>,
    /// Problem and remedy, as one sentence for users.
    pub message: String,
}

impl Warning {
    /// Creates a warning that is about no column.
    pub fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, columns: Vec::new(), message: message.into() }
    }

    /// Word before the message: `note` for decisions that are usually right, otherwise `warning`.
    pub(super) fn prefix(&self) -> &'static str {
        if ["note", "many_values"].contains(&self.kind) { "note" } else { "warning" }
    }
}

/// Returns all warnings. Those about problems that training refuses come first.
pub(super) fn of(
    found: &Inspection,
    surveys: &[Survey],
    layout: Option<&Layout>,
    line: &dyn Fn(u64) -> usize,
) -> Vec<Warning> {
    let used: Vec<(&Column, &Survey)> =
        found.columns.iter().zip(surveys).filter(|(column, _)| column.role != Role::LeftOut).collect();
    let (mut warnings, notes) = layout.map_or_else(Default::default, |layout| written(found, layout, line));
    // If the number format of a column is ambiguous, nothing else can be determined about the column.
    let unclear = |column: &Column| {
        layout.is_some_and(|layout| {
            layout
                .written
                .iter()
                .zip(&layout.columns)
                .any(|(written, name)| matches!(written, Written::Unclear { .. }) && *name == column.name)
        })
    };
    let clear: Vec<_> = used.into_iter().filter(|(column, _)| !unclear(column)).collect();
    warnings.extend(cells(found, &clear, line));
    warnings.extend(notes);
    warnings.extend(inputs(found, &clear));
    warnings.extend(rows(found));
    warnings.extend(target(found));
    warnings
}

pub(super) fn warning<'a>(
    kind: &'static str,
    columns: impl IntoIterator<Item = &'a Column>,
    message: String,
) -> Warning {
    Warning { kind, columns: columns.into_iter().map(|column| column.name.clone()).collect(), message }
}

/// Returns two lists: warnings about columns that cannot be read, and notes on the header and on number formats.
fn written(found: &Inspection, layout: &Layout, line: &dyn Fn(u64) -> usize) -> (Vec<Warning>, Vec<Warning>) {
    let used = |column: &Column| column.role != Role::LeftOut;
    let columns = found.columns.iter().zip(&layout.written).filter(|(column, _)| used(column));
    let unclear = columns.filter_map(|(column, written)| {
        let refused = match written {
            Written::Unclear { problem, remedy, first } => Some((problem.clone(), *remedy, first)),
            _ if column.role == Role::Target => no_classes(written, column.different, found.rows)
                .map(|NoClasses { problem, remedy, first }| (problem, remedy, first)),
            _ => None,
        };
        let (problem, remedy, first) = refused?;
        let message = format!("column `{}`, line {}: {problem}; {remedy}", column.name, line(first.start));
        Some(warning("unclear", [column], message))
    });
    let notes = layout.notes().into_iter();
    let notes = notes.map(|(kind, column, message)| (kind, column.map(|column| &found.columns[column]), message));
    let notes = notes.filter(|(_, column, _)| column.is_none_or(used));
    (unclear.collect(), notes.map(|(kind, column, message)| warning(kind, column, message)).collect())
}

/// Returns warnings about cells that training would refuse.
fn cells(found: &Inspection, used: &[(&Column, &Survey)], line: &dyn Fn(u64) -> usize) -> Vec<Warning> {
    used.iter()
        .filter_map(|(column, survey)| text(found, column, survey, line).or_else(|| missing(column, survey, line)))
        .collect()
}

fn text(found: &Inspection, column: &Column, survey: &Survey, line: &dyn Fn(u64) -> usize) -> Option<Warning> {
    let (start, cell) = survey.first_text.as_ref()?;
    let is_target = column.role == Role::Target;
    if is_target && found.target.read_as == ReadAs::Class {
        return None;
    }
    let (problem, remedy) = number(cell, column.format.unwrap_or(NumberFormat::PLAIN)).err()?;
    let remedy = remedy.unwrap_or_else(|| match is_target {
        true => WRITE_THE_TARGET.into(),
        false => format!("write numbers, or drop the column with {}", drop_option(&[&column.name])),
    });
    let (name, cells, line) = (&column.name, counted(survey.texts, "text cell"), line(*start));
    let message = format!("column `{name}` has {cells}, the first in line {line}: {problem}; {remedy}");
    Some(warning("text", [column], message))
}

fn missing(column: &Column, survey: &Survey, line: &dyn Fn(u64) -> usize) -> Option<Warning> {
    let (start, name) = (survey.first_missing()?, &column.name);
    let without = match column.role {
        Role::Target => String::new(),
        _ => format!(", or drop the column with {}", drop_option(&[name])),
    };
    if column.kind == Kind::Empty {
        return Some(warning("empty", [column], format!("column `{name}` has no values; fill it in{without}")));
    }
    let (cells, line) = (counted(column.missing, "missing cell"), line(start));
    let message =
        format!("column `{name}` has {cells}, the first in line {line}; fill them in or remove the rows{without}");
    Some(warning("missing", [column], message))
}

/// Returns warnings about inputs without information, and about inputs that equal the target.
fn inputs(found: &Inspection, used: &[(&Column, &Survey)]) -> Vec<Warning> {
    let is_constant = |column: &Column, _: &Survey| column.different == 1 && column.missing == 0 && found.rows > 1;
    let is_id = |column: &Column, survey: &Survey| {
        let all_differ = found.rows >= FEWEST_TO_SPLIT && column.missing == 0 && !survey.repeats;
        all_differ && matches!(column.kind, Kind::WholeNumber | Kind::Text)
    };
    let target_varies = used.iter().any(|(column, _)| column.role == Role::Target && column.different > 1);
    let is_leak = |_: &Column, survey: &Survey| target_varies && !survey.differs_from_target;
    let warn = |kind, what: &str, is_one: &dyn Fn(&Column, &Survey) -> bool| {
        let those = used.iter().filter(|(column, survey)| column.role == Role::Input && is_one(column, survey));
        let those: Vec<&Column> = those.map(|(column, _)| *column).collect();
        let names: Vec<&str> = those.iter().map(|column| column.name.as_str()).collect();
        // The option `--drop` does not apply to built-in data sets.
        let remedy = found.delimiter.map(|_| format!("; drop with {}", drop_option(&names))).unwrap_or_default();
        (!those.is_empty()).then(|| warning(kind, those, format!("{what}: {}{remedy}", listed(&names))))
    };
    let id = "a different value in every row, like an ID or a name, which can only be memorized";
    let warnings = [
        warn("constant", "the same value in every row, which carries no information", &is_constant),
        warn("id", id, &is_id),
        warn("leak", "equal to the target in every row, so the network would only copy it", &is_leak),
    ];
    warnings.into_iter().flatten().collect()
}

fn rows(found: &Inspection) -> Vec<Warning> {
    let mut warnings = vec![];
    if found.duplicate_rows > 0 {
        let message = format!(
            "duplicate rows: {} of {}; copies in both the training and the test set make test scores too optimistic",
            found.duplicate_rows, found.rows
        );
        warnings.push(warning("duplicates", [], message));
    }
    if found.rows < FEWEST_TO_SPLIT {
        let rows = found.rows;
        let message =
            format!("too few rows to split: {rows}; below {FEWEST_TO_SPLIT}, all are used for training and evaluation");
        warnings.push(warning("few_rows", [], message));
    }
    warnings
}

/// Returns a count with its noun: `1 row`, `2 rows`, … The plural is formed with `s`.
///
/// ```
/// assert_eq!(wgrad::data::counted(1, "epoch"), "1 epoch");
/// ```
pub fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Shortens a name for a message.
pub(super) fn short(name: &str) -> String {
    shortened(name, LONGEST_NAME)
}

/// Returns names as `` `a`, `b` ``, … If there are more than five, the text ends with the number of further names. A
/// name that is wider than 40 columns of a terminal is shortened.
///
/// # Examples
/// ```
/// use wgrad::data::listed;
/// assert_eq!(listed(&["a", "b"]), "`a`, `b`");
/// assert_eq!(listed(&["a", "b", "c", "d", "e", "f"]), "`a`, `b`, `c`, `d`, `e` and 1 more");
/// ```
pub fn listed(names: &[&str]) -> String {
    let listed: Vec<String> = names.iter().take(MOST_LISTED).map(|name| format!("`{}`", short(name))).collect();
    let more = names.len() - listed.len();
    if more == 0 { listed.join(", ") } else { format!("{} and {more} more", listed.join(", ")) }
}
