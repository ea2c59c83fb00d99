//! Target of a table: classes or numbers.

use std::collections::HashMap;

use super::number_format::Found;
use super::table::{Header, different, no_classes, whole, whole_number_classes};
use super::text::{Text, WRITE_A_NUMBER};
use super::text_format::CellReader;
use super::values::{Collector, NO_LEVEL, Unread, Values};
use super::{ReadAs, Targets};
use crate::error::{Error, Result};

/// Target column of a [`Table`](super::Table).
#[derive(Clone, PartialEq)]
pub(super) struct Target {
    pub(super) name: String,
    /// Target of each row: a number, or the index of a class.
    pub(super) values: Values,
    /// Number of rows without a target, including those in `unread`.
    pub(super) missing: usize,
    /// Cells with text in place of a number.
    pub(super) unread: Unread,
}

impl Target {
    /// Returns the collector for all cells of the target column: a collector of numbers if `reader` reads numbers, else
    /// one of classes. If `task` requests numbers, columns of yes and no and of dates are collected as numbers, too.
    pub(super) fn collector(reader: &CellReader, task: Option<ReadAs>) -> Collector {
        match (reader, task) {
            (CellReader::Number(_), _) => Collector::numbers(reader.clone()),
            (_, Some(ReadAs::Number)) if *reader != CellReader::Level => Collector::numbers(reader.clone()),
            _ => Collector::levels(),
        }
    }

    /// Interprets the cells of the target column. `task` is the requested interpretation; without it, the rule of
    /// [`Dataset::from_csv`](crate::Dataset::from_csv) decides.
    ///
    /// # Errors
    /// No row has a target; there are too many different texts for classes; text is found, but numbers were requested.
    pub(super) fn of(header: &Header<'_>, collector: Collector, task: Option<ReadAs>) -> Result<Self> {
        let name = header.layout.columns[header.target].clone();
        let place = || format!("{}, column `{name}`", header.text.path.display());
        let empty = || Error::data(place(), "no row has a target", "choose another column with `--target`");
        match collector {
            Collector::Numbers { values, missing, unread, .. } => {
                if missing == values.len() {
                    return Err(empty());
                }
                if let Unread { first: Some(Found { start, cell }), cells } = &unread
                    && cells * 2 > values.len()
                {
                    let place = header.text.place(*start, &name);
                    return Err(Error::data(place, format!("`{cell}` is not a number"), WRITE_A_NUMBER));
                }
                let present: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
                let classes = match task {
                    Some(ReadAs::Number) => None,
                    Some(ReadAs::Class) => Some(different(&present)),
                    None => whole_number_classes(&present),
                };
                let values = match classes {
                    Some(levels) => Values::Levels { indices: class_indices(&values, &levels), levels },
                    None => Values::Numbers(values),
                };
                Ok(Self { name, values, missing, unread })
            }
            levels => {
                let found = levels.into_levels(true);
                if found.levels.is_empty() {
                    return Err(empty());
                }
                if task == Some(ReadAs::Number) {
                    let problem = format!("`{}` is not a number", found.levels[0]);
                    return Err(Error::data(header.text.place(found.firsts[0], &name), problem, WRITE_A_NUMBER));
                }
                let rows = found.indices.len() - found.missing;
                let written = &header.layout.written[header.target];
                if task.is_none()
                    && let Some(refused) = no_classes(written, found.levels.len(), rows)
                {
                    let place = header.text.place(refused.first.start, &name);
                    return Err(Error::data(place, refused.problem, refused.remedy));
                }
                let (indices, levels) = sorted(found.indices, found.levels);
                let (values, missing, unread) = (Values::Levels { indices, levels }, found.missing, Unread::default());
                Ok(Self { name, values, missing, unread })
            }
        }
    }

    /// Reads the targets of a table for a trained model. They are class names if `classes` are given, otherwise
    /// numbers.
    ///
    /// # Errors
    /// A cell is not one of `classes`, or not a number; no row has a target.
    pub(super) fn known(text: Text<'_>, name: &str, collector: Collector, classes: Option<&[String]>) -> Result<Self> {
        let (values, missing) = match (collector, classes) {
            (Collector::Numbers { values, missing, unread, .. }, _) => {
                if let Some(Found { start, cell }) = &unread.first {
                    let problem = format!("`{cell}` is not a number");
                    return Err(Error::data(text.place(*start, name), problem, WRITE_A_NUMBER));
                }
                (Values::Numbers(values), missing)
            }
            (levels, classes) => {
                let found = levels.into_levels(true);
                let classes = classes.unwrap_or_default();
                let new = found.levels.iter().zip(&found.firsts);
                let new = new.map(|(level, first)| class(level, classes, || text.place(*first, name)));
                let new: Vec<u32> = new.collect::<Result<_>>()?;
                let index = |index: &u32| new.get(*index as usize).copied().unwrap_or(NO_LEVEL);
                let indices = found.indices.iter().map(index).collect();
                (Values::Levels { indices, levels: classes.to_vec() }, found.missing)
            }
        };
        let target = Self { name: name.into(), values, missing, unread: Unread::default() };
        if target.missing == target.len() {
            let place = format!("{}, column `{name}`", text.path.display());
            return Err(Error::data(place, "no row has a target", "give a table with targets"));
        }
        Ok(target)
    }

    fn len(&self) -> usize {
        match &self.values {
            Values::Numbers(values) => values.len(),
            Values::Levels { indices, .. } => indices.len(),
            Values::None => 0,
        }
    }

    /// Interpretation of the target: classes or numbers.
    pub(super) fn read_as(&self) -> ReadAs {
        if matches!(self.values, Values::Levels { .. }) { ReadAs::Class } else { ReadAs::Number }
    }

    /// Returns true if the row has a target.
    pub(super) fn has(&self, row: usize) -> bool {
        !self.values.is_missing(row)
    }

    /// Targets of the rows with these indices.
    pub(super) fn of_rows(&self, rows: &[usize]) -> Targets {
        match &self.values {
            Values::Levels { indices, levels } => {
                Targets::Classes { indices: rows.iter().map(|row| indices[*row]).collect(), names: levels.clone() }
            }
            Values::Numbers(values) => Targets::Numbers {
                values: rows.iter().map(|row| values[*row]).collect(),
                columns: vec![self.name.clone()],
            },
            Values::None => Targets::Numbers { values: vec![], columns: vec![self.name.clone()] },
        }
    }

    /// Returns a note on rows without a target, if there are any. `rows` is the number of all rows.
    pub(super) fn note(&self, text: Text<'_>, rows: usize) -> Option<String> {
        let (missing, name) = (self.missing, &self.name);
        let has = if missing == 1 { "has" } else { "have" };
        let unread = self.unread.first.as_ref().map(|Found { start, cell }| {
            let (cells, line) = (self.unread.cells, text.line(*start));
            format!("; in {cells} of them it is not a number, the first `{cell}` in line {line}")
        });
        let unread = unread.unwrap_or_default();
        (missing > 0)
            .then(|| format!("{missing} of {rows} rows {has} no `{name}`, the target, and cannot be used{unread}"))
    }
}

/// Returns the index of the class in a cell. A whole number may be written as `3` or `3.0`. `place` is the position for
/// an error.
fn class(cell: &str, classes: &[String], place: impl FnOnce() -> String) -> Result<u32> {
    let find = |text: &str| classes.iter().position(|name| name == text);
    let number = || cell.parse().ok().filter(|number: &f64| number.is_finite()).and_then(|number| find(&whole(number)));
    find(cell).or_else(number).map(|class| class as u32).ok_or_else(|| {
        let known: Vec<&str> = classes.iter().map(String::as_str).collect();
        let unknown = Error::unknown("class", cell, &known);
        Error::data(place(), unknown.to_string(), "use the classes that the model was trained on")
    })
}

/// Index of each number in the list of class names; a missing number gets [`NO_LEVEL`].
fn class_indices(values: &[f64], names: &[String]) -> Vec<u32> {
    let index: HashMap<&str, u32> = names.iter().map(String::as_str).zip(0..).collect();
    values.iter().map(|value| index.get(whole(*value).as_str()).copied().unwrap_or(NO_LEVEL)).collect()
}

/// Sorts levels alphabetically, and returns the new index of each row and the sorted levels.
fn sorted(indices: Vec<u32>, levels: Vec<String>) -> (Vec<u32>, Vec<String>) {
    let mut order: Vec<usize> = (0..levels.len()).collect();
    order.sort_by(|one, other| levels[*one].cmp(&levels[*other]));
    let mut new = vec![0; levels.len()];
    order.iter().enumerate().for_each(|(place, level)| new[*level] = place as u32);
    let indices = indices.into_iter().map(|index| new.get(index as usize).copied().unwrap_or(NO_LEVEL)).collect();
    (indices, order.into_iter().map(|level| levels[level].clone()).collect())
}
