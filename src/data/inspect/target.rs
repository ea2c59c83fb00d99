//! Interpretation of the target column as classes or numbers.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::survey::{MOST_DIFFERENT, finite};
use super::{Column, Kind};
use crate::data::NumberFormat;
use crate::data::table::{MOST_CLASSES, whole};
use crate::data::text::is_missing;

/// Target column of an inspected table.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TargetColumn {
    /// Name of the column.
    pub column: String,
    /// Interpretation of the target in training. Missing cells are ignored.
    pub read_as: ReadAs,
    /// Classes, in the order of the model's outputs; empty if the target is a number. If there are more than 10,000,
    /// only those that come first in the table are listed.
    pub classes: Vec<Class>,
}

/// Interpretation of the target in training: classes or numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReadAs {
    /// Class, for classification.
    Class,
    /// Number, for regression.
    Number,
}

/// Class of a target, with its number of rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Class {
    /// Name of the class.
    pub name: String,
    /// Number of rows of the class.
    pub rows: usize,
    /// Fraction of the rows with a target that are of this class, from 0 to 1.
    pub share: f64,
}

/// Number of rows of each different target cell.
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

    /// Interprets the target column. `known` is the requested interpretation; without it, the rule of
    /// `Dataset::from_csv` decides.
    pub(super) fn target(&self, column: &Column, known: Option<ReadAs>) -> TargetColumn {
        let format = column.format.unwrap_or(NumberFormat::PLAIN);
        // A number that is not finite as f32 is a number, too. Training refuses it.
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
        // Classes are sorted by value if all are numbers, otherwise alphabetically.
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
