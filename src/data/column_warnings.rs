//! Warnings about the columns of a table: cells that cannot be read, numbers that are read as text, and rare levels.

use super::cells::{Table, TableColumn};
use super::number_format::{Column as Written, Found};
use super::preparation::FEWEST_ROWS;
use super::table::{Header, MOST_CLASSES};
use super::text::Text;
use super::text_format::CellReader;
use super::values::Values;
use super::{ColumnKind, CsvOptions, FEWEST_TO_SPLIT, KindChoice, Warning};
use crate::error::{Error, Result};

/// Returns the warnings about the columns of a table.
///
/// # Errors
/// A kind was requested for a column, but no cell is of this kind.
pub(super) fn of(table: &Table, header: &Header<'_>, options: &CsvOptions) -> Result<Vec<Warning>> {
    let text = header.text;
    let target = table.target.iter().filter_map(|target| {
        let kind = if target.unread.cells > 0 { "target" } else { "note" };
        Some((kind, &target.name, target.note(text, table.rows)?))
    });
    let mut warnings: Vec<(&'static str, &String, String)> = target.collect();
    warnings.extend(yes_or_no(table, header).map(|(name, note)| ("note", name, note)));
    let mut problems = vec![];
    for column in &table.columns {
        let choice = options.kinds.get(&column.name).copied();
        if choice.is_some() && column.unread.cells > 0 && column.kind == ColumnKind::Empty {
            problems.push(column.unreadable(text, table.rows, "leave `--column` out, or choose another kind"));
        }
        let unread = column.unread_note(text, table.rows).map(|note| ("unread", note));
        let found = [unread, column.few_rows(choice), column.numbers_as_text(header, choice)];
        warnings.extend(found.into_iter().flatten().map(|(kind, message)| (kind, &column.name, message)));
    }
    Error::combine(problems)?;
    let warning = |(kind, name, message): (_, &String, _)| Warning { kind, columns: vec![name.clone()], message };
    Ok(warnings.into_iter().map(warning).collect())
}

/// Returns a note if a target of yes and no is read as the numbers 1 and 0. The note comes with the name of the target.
fn yes_or_no<'a>(table: &'a Table, header: &Header<'_>) -> Option<(&'a String, String)> {
    let target = table.target.as_ref().filter(|target| matches!(target.values, Values::Numbers(_)))?;
    let Written::Text { first, .. } = &header.layout.written[header.target] else { return None };
    let reader = &header.layout.readers[header.target];
    let number = reader.number(&first.cell).filter(|_| *reader == CellReader::Boolean)?;
    let (name, cell) = (&target.name, &first.cell);
    Some((name, format!("column `{name}`: `{cell}` is read as {number}, since the target is a number")))
}

impl TableColumn {
    /// Returns a note on cells that the column's reader cannot read; `None` if there are none. `rows` is the number of
    /// all rows.
    pub(super) fn unread_note(&self, text: Text<'_>, rows: usize) -> Option<String> {
        let note = || format!("column `{}`: {}, and count as missing", self.name, self.unread_cells(text, rows));
        (self.unread.cells > 0).then(note)
    }

    /// Returns the error for a column whose cells cannot be read.
    pub(super) fn unreadable(&self, text: Text<'_>, rows: usize, remedy: &str) -> Error {
        let place = format!("{}, column `{}`", text.path.display(), self.name);
        Error::data(place, self.unread_cells(text, rows), remedy)
    }

    fn unread_cells(&self, text: Text<'_>, rows: usize) -> String {
        let first = self.unread.first.as_ref();
        let first = first.map(|Found { start, cell }| format!(", the first `{cell}` in line {}", text.line(*start)));
        format!("{} of {rows} cells are not {}{}", self.unread.cells, self.reader.named(), first.unwrap_or_default())
    }

    /// Returns a warning about a category whose levels are all too rare to become inputs.
    fn few_rows(&self, choice: Option<KindChoice>) -> Option<(&'static str, String)> {
        let Values::Levels { indices, levels } = &self.values else { return None };
        let mut counts = vec![0; levels.len()];
        indices.iter().for_each(|index| counts.get_mut(*index as usize).into_iter().for_each(|count| *count += 1));
        let is_rare = counts.iter().all(|count| *count < FEWEST_ROWS);
        (is_rare && (choice.is_some() || indices.len() >= FEWEST_TO_SPLIT)).then(|| {
            let (name, different) = (&self.name, levels.len());
            let message = format!(
                "column `{name}`: none of its {different} levels has {FEWEST_ROWS} rows, so that the column has no \
                 information; leave it out with `--drop`"
            );
            ("rare_levels", message)
        })
    }

    /// Returns a warning about numbers that are read as text, since they have a unit, or since other cells have text.
    fn numbers_as_text(&self, header: &Header<'_>, choice: Option<KindChoice>) -> Option<(&'static str, String)> {
        let column = header.layout.columns.iter().position(|name| *name == self.name)?;
        let Written::Text { numbers, texts, first, .. } = &header.layout.written[column] else { return None };
        let is_text = self.reader == CellReader::Level && self.kind != ColumnKind::Dropped && choice.is_none();
        let (name, cell, line) = (&self.name, &first.cell, header.text.line(first.start));
        if !is_text {
            return None;
        }
        if let Some(unit) = &header.layout.units[column] {
            let message = format!(
                "column `{name}`: `{cell}` in line {line} is read as text, and so are all cells with the unit `{unit}`; \
                 write the numbers without it"
            );
            return Some(("unit", message));
        }
        let are_few = matches!(&self.values, Values::Levels { levels, .. } if levels.len() <= MOST_CLASSES);
        (numbers > texts && !are_few).then(|| {
            let message = format!(
                "column `{name}`: {numbers} cells are numbers, but {texts} are not, the first `{cell}` in line {line}, so \
                 that all are read as text; with `--column {name}=number`, these are missing"
            );
            ("numbers_as_text", message)
        })
    }
}
