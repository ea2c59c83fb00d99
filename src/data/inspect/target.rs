//! Interpretation of the target column: classes or numbers.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::survey::{MOST_DIFFERENT, finite};
use super::{Column, Kind};
use crate::data::NumberFormat;
use crate::data::table::{MOST_CLASSES, whole};
use crate::data::text::is_missing;

/// Target column of an inspection.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TargetColumn {
    /// Name of the column.
    pub column: String,
    /// Interpretation in training, if the missing cells are ignored.
    pub read_as: ReadAs,
    /// Classes, in the order of a model's outputs; empty if the target is a number. Of more than 10,000 classes, those that come
    /// first in the table.
    pub classes: Vec<Class>,
}

/// Interpretation of a target in training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReadAs {
    /// A class.
    Class,
    /// A number.
    Number,
}

/// Name and size of a class.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Class {
    /// Name of the class.
    pub name: String,
    /// Number of its rows.
    pub rows: usize,
    /// Fraction of this class among the rows whose target is not missing, from 0 to 1.
    pub share: f64,
}

/// Number of rows of each target value.
#[derive(Default)]
pub(super) struct Tally(HashMap<String, usize>);

impl Tally {
    pub(super) fn see(&mut self, cell: &str) {
        if let Some(rows) = self.0.get_mut(cell) {
            *rows += 1;
        } else if self.0.len() < MOST_DIFFERENT {
            self.0.insert(cell.into(), 1);
        }
    }

    /// Interprets the column as a target, by the rule of `Dataset::from_csv` unless the interpretation is known.
    pub(super) fn target(&self, column: &Column, known: Option<ReadAs>) -> TargetColumn {
        let format = column.format.unwrap_or(NumberFormat::PLAIN);
        // A number that is not finite as f32 is still a number; training stops at it.
        let is_text = |cell: &String| !cell.is_empty() && !is_missing(cell) && format.read(cell).is_none();
        let rows: usize = self.0.iter().filter(|(cell, _)| finite(cell, format).is_some()).map(|(_, rows)| rows).sum();
        let few = column.different <= MOST_CLASSES && 2 * column.different < rows;
        let read_as = known.unwrap_or(match column.kind {
            Kind::Text if self.0.keys().any(is_text) => ReadAs::Class,
            Kind::WholeNumber if few => ReadAs::Class,
            _ => ReadAs::Number,
        });
        let classes = if read_as == ReadAs::Class { self.classes(column.kind, format) } else { vec![] };
        TargetColumn { column: column.name.clone(), read_as, classes }
    }

    fn classes(&self, kind: Kind, format: NumberFormat) -> Vec<Class> {
        // Sorted by value if all are numbers, otherwise by text.
        let mut rows: BTreeMap<(i128, String), usize> = BTreeMap::new();
        for (cell, count) in self.0.iter().filter(|(cell, _)| !cell.is_empty()) {
            match finite(cell, format) {
                Some(number) if kind != Kind::Text => {
                    *rows.entry((number as i128, whole(number))).or_default() += count;
                }
                None if kind != Kind::Text => {}
                _ => *rows.entry((0, cell.clone())).or_default() += count,
            }
        }
        let all: usize = rows.values().sum();
        let class = |((_, name), rows): ((i128, String), usize)| Class { name, rows, share: rows as f64 / all as f64 };
        rows.into_iter().map(class).collect()
    }
}
