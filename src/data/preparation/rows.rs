//! Conversion of the rows of a table to inputs by a preparation.

use std::path::Path;

use super::encoding::Level;
use super::{Encoding, Preparation};
use crate::data::cells::{TableColumn, collect, row_weights};
use crate::data::decode::Decoded;
use crate::data::inputs::Inputs;
use crate::data::layout::Layout;
use crate::data::number_format::Column as Written;
use crate::data::table::position as table_position;
use crate::data::target::Target;
use crate::data::text::Text;
use crate::data::text_format::CellReader;
use crate::data::values::{Collector, Unread, Values};
use crate::data::{ColumnKind, CsvOptions, Dataset, Table, bytes};
use crate::error::{Error, Result, try_with_capacity};

/// Values of a column for all rows of a table: numbers, or indices into a list of levels.
enum Source<'a> {
    Numbers(&'a [f64]),
    Levels(&'a [u32], Vec<Level>),
}

impl Preparation {
    /// Returns the inputs of the rows with these indices. The shape is \[rows, width\], row-major.
    ///
    /// # Errors
    /// The table does not have a column that the preparation uses.
    ///
    /// # Panics
    /// If a row is not below [`len`](Table::len) of the table.
    pub fn values(&self, table: &Table, rows: &[usize]) -> Result<Vec<f64>> {
        let mut sources: Vec<(&Encoding, Source)> = vec![];
        let mut lacking = vec![];
        for column in self.used() {
            let found = table.columns.iter().find(|found| found.name == column.name);
            match found.map(|found| &found.values) {
                Some(Values::Numbers(values)) => sources.push((&column.encoding, Source::Numbers(values))),
                Some(Values::Levels { indices, levels }) => {
                    let levels = levels.iter().map(|level| column.encoding.level_of(level)).collect();
                    sources.push((&column.encoding, Source::Levels(indices, levels)));
                }
                Some(Values::None) | None => lacking.push((column.name.as_str(), None)),
            }
        }
        if !lacking.is_empty() {
            return Err(Table::lacks(&table.place, &lacking));
        }
        let mut inputs = try_with_capacity("inputs", rows.len().saturating_mul(self.width()))?;
        for &row in rows {
            for (encoding, source) in &sources {
                match source {
                    Source::Numbers(values) => encoding.write_number(values[row], &mut inputs),
                    Source::Levels(indices, levels) => {
                        let level = levels.get(indices[row] as usize).copied().unwrap_or(Level::Missing);
                        encoding.write_level(level, &mut inputs);
                    }
                }
            }
        }
        Ok(inputs)
    }

    /// Returns a data set of the rows with these indices. Each row must have a target: use indices from
    /// [`Table::rows`].
    ///
    /// # Errors
    /// The table does not have a column that the preparation uses, or was read without a target; there are no rows; all
    /// rows have the weight 0.
    ///
    /// # Panics
    /// If a row is not below [`len`](Table::len) of the table.
    pub fn dataset(&self, table: &Table, rows: &[usize]) -> Result<Dataset> {
        let Some(targets) = table.targets(rows) else {
            return Err(Error::data(&table.place, "the table was read without a target", "read it with one"));
        };
        let inputs = Inputs::exact(self.values(table, rows)?);
        let data = Dataset::checked(table.name.clone(), self.inputs(), inputs, targets)?;
        let data = Dataset { class_column: table.target.as_ref().map(|target| target.name.clone()), ..data };
        match &table.weights {
            Some(weights) => data.weighted(rows.iter().map(|row| weights[*row]).collect()),
            None => Ok(data),
        }
    }
}

impl Preparation {
    /// Returns a note with two counts for each column: missing cells, and cells whose level has no input of its own.
    /// `None` if all counts are 0.
    pub fn gaps(&self, table: &Table) -> Option<String> {
        let (mut missing, mut other) = (vec![], vec![]);
        for (column, found) in self.used().filter_map(|column| Some((column, table.column(&column.name)?))) {
            let name = &column.name;
            match &found.values {
                Values::Numbers(values) => {
                    missing.push((name, values.iter().filter(|value| value.is_nan()).count(), String::new()));
                }
                Values::Levels { indices, levels } => {
                    let kinds: &Vec<Level> = &levels.iter().map(|level| column.encoding.level_of(level)).collect();
                    let are = |kind: Level| indices.iter().filter(move |index| kinds_at(kinds, **index) == kind);
                    missing.push((name, are(Level::Missing).count(), String::new()));
                    let first = are(Level::Other).next().map(|index| format!(" (`{}`)", levels[*index as usize]));
                    other.push((name, are(Level::Other).count(), first.unwrap_or_default()));
                }
                Values::None => {}
            }
        }
        let listed = |what: &str, found: &[(&String, usize, String)]| {
            let found: Vec<String> = found
                .iter()
                .filter(|(_, count, _)| *count > 0)
                .map(|(name, count, first)| format!("`{name}` {count}{first}"))
                .collect();
            (!found.is_empty()).then(|| format!("{what}: {}", found.join(", ")))
        };
        let parts = [listed("missing cells", &missing), listed("levels without an input of their own", &other)];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// Level at an index; an index without a level is a missing cell.
fn kinds_at(kinds: &[Level], index: u32) -> Level {
    kinds.get(index as usize).copied().unwrap_or(Level::Missing)
}

/// Columns that [`Table::read_for`] reads besides the inputs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted<'a> {
    /// Name of the target column, with the names of the classes. The names are `None` if the target is a number.
    pub target: Option<(&'a str, Option<&'a [String]>)>,
    /// Name of the column with the weights of rows. The boolean is true if a table without this column is an error.
    pub weights: Option<(&'a str, bool)>,
    /// Names of the columns that are kept as text; [`Table::text`] returns them.
    pub kept: &'a [String],
}

impl Table {
    /// Reads a file for a trained model. The columns of the preparation are found by name, in any order. Categories,
    /// booleans and dates are read as in the training set. The number format of a column is detected; if it is
    /// ambiguous, [`CsvOptions::formats`] decides. A cell that cannot be read is missing.
    ///
    /// # Errors
    /// See [`Table::read`]. Other errors are: a column is missing; more than half of the cells of a column cannot be
    /// read; a target is not one of the classes, or not a number.
    pub fn read_for(
        path: impl AsRef<Path>,
        options: &CsvOptions,
        preparation: &Preparation,
        wanted: &Wanted<'_>,
    ) -> Result<Self> {
        let path = path.as_ref();
        let decoded = Decoded::read(path, options)?;
        let (text, layout) = Layout::of(decoded.text()?, options)?;
        let file = path.display().to_string();
        if layout.rows == 0 {
            return Err(Error::format(path, "it has 0 rows", "write a header row and at least 1 row below it"));
        }
        let position = |name: &str| layout.columns.iter().position(|column| column == name);
        check_columns(&layout, preparation, &file)?;
        let mut problems = vec![];
        let columns = readers(text, &layout, preparation, &mut problems);
        let mut at: Vec<usize> = columns.iter().map(|(_, at, _)| *at).collect();
        let mut collectors: Vec<Collector> = columns.iter().map(|(.., reader)| collector(reader)).collect();
        for name in wanted.kept {
            at.push(table_position(&layout, name)?);
            collectors.push(Collector::levels());
        }
        if let Some((name, classes)) = wanted.target {
            let column = position(name).ok_or_else(|| {
                let problem = format!("it lacks column `{name}`, the target that the model was trained on");
                Error::data(&file, problem, "add the column, or name the one that has it with `--target`")
            })?;
            if classes.is_none() {
                problems.extend(layout.check(text, column).err());
            }
            at.push(column);
            let numbers = || collector(&CellReader::Number(layout.written[column].format()));
            collectors.push(classes.map_or_else(numbers, |_| Collector::levels()));
        }
        let weights = match wanted.weights {
            Some((name, is_needed)) if is_needed || position(name).is_some() => {
                let column = table_position(&layout, name)?;
                at.push(column);
                collectors.push(collector(&CellReader::Number(layout.written[column].format())));
                Some(name)
            }
            _ => None,
        };
        Error::combine(problems)?;
        collect(text, &at, &mut collectors)?;
        let weights = weights.and_then(|name| Some(row_weights(text, name, collectors.pop()?))).transpose()?;
        let known = |(name, classes)| Some(Target::known(text, name, collectors.pop()?, classes));
        let target = wanted.target.and_then(known);
        let target = target.transpose()?;
        let kept = wanted.kept.iter().map(|name| (name.clone(), 0, CellReader::Level));
        let columns = columns.into_iter().chain(kept).zip(collectors);
        let columns: Vec<TableColumn> =
            columns.map(|((name, _, reader), values)| column(name, reader, values)).collect();
        let mut notes = decoded.notes.clone();
        let used = |column: &Option<usize>| column.is_none_or(|column| at.contains(&column));
        notes.extend(layout.notes().into_iter().filter(|(_, column, _)| used(column)).map(|(.., note)| note));
        let mut problems = vec![];
        for column in &columns {
            if 2 * column.unread.cells > layout.rows {
                problems.push(column.unreadable(text, layout.rows, "write them as in the training set"));
            } else {
                notes.extend(column.unread_note(text, layout.rows));
            }
        }
        Error::combine(problems)?;
        if let Some((name, _)) = wanted.weights.filter(|_| weights.is_none()) {
            let note = "which had the weights in training";
            notes.push(format!("all rows count alike, since there is no column `{name}`, {note}"));
        }
        notes.extend(target.iter().filter_map(|target| target.note(text, layout.rows)));
        Ok(Self { name: bytes::name(path), place: file, rows: layout.rows, columns, target, weights, notes })
    }

    /// Cells of a column that was kept as text, one per row; `None` if there is no such column.
    pub fn text(&self, column: &str) -> Option<Vec<&str>> {
        // An input of the same name comes earlier in the list.
        let column = self.columns.iter().rev().find(|known| known.name == column)?;
        let Values::Levels { indices, levels } = &column.values else { return None };
        let cell = |index: &u32| levels.get(*index as usize).map_or("", String::as_str);
        Some(indices.iter().map(cell).collect())
    }
}

/// Returns an error that names all columns of the preparation that the table lacks, if there are any.
fn check_columns(layout: &Layout, preparation: &Preparation, file: &str) -> Result<()> {
    let is_there = |name: &&str| layout.columns.iter().any(|column| column == name);
    let is_used = |column: &&str| preparation.columns().any(|name| name == *column);
    let free: Vec<&str> = layout.columns.iter().map(String::as_str).filter(|column| !is_used(column)).collect();
    let near = |name: &str| match Error::unknown("column", name, &free) {
        Error::Unknown { nearest, .. } => nearest,
        _ => None,
    };
    let lacking = preparation.columns().filter(|name| !is_there(name)).map(|name| (name, near(name)));
    let lacking: Vec<_> = lacking.collect();
    if lacking.is_empty() { Ok(()) } else { Err(Table::lacks(file, &lacking)) }
}

/// Returns name, index and reader of each column that the preparation uses. The numbers of this table determine the
/// number format of a column. If they are ambiguous, an error is added to `problems`.
fn readers(
    text: Text<'_>,
    layout: &Layout,
    preparation: &Preparation,
    problems: &mut Vec<Error>,
) -> Vec<(String, usize, CellReader)> {
    let mut readers = vec![];
    for column in preparation.used() {
        let at = layout.columns.iter().position(|name| *name == column.name);
        let Some((at, reader)) = at.zip(column.encoding.reader()) else { continue };
        let reader = match (&reader, &layout.written[at]) {
            (CellReader::Number(_), Written::Unclear { .. }) => {
                problems.extend(layout.check(text, at).err());
                reader
            }
            (CellReader::Number(_), written) => CellReader::Number(written.format()),
            _ => reader,
        };
        readers.push((column.name.clone(), at, reader));
    }
    readers
}

fn collector(reader: &CellReader) -> Collector {
    match reader {
        CellReader::Level | CellReader::UnclearDate(_) => Collector::levels(),
        reader => Collector::numbers(reader.clone()),
    }
}

/// Creates a column of numbers, or of text in which no cell is missing.
fn column(name: String, reader: CellReader, collector: Collector) -> TableColumn {
    match collector {
        Collector::Numbers { values, missing, unread, .. } => {
            let (kind, values) = (reader.kind(), Values::Numbers(values));
            TableColumn { name, kind, reader, values, missing, unread }
        }
        text => {
            let (kind, values) = (ColumnKind::Category, text.into_text());
            TableColumn { name, kind, reader, values, missing: 0, unread: Unread::default() }
        }
    }
}
