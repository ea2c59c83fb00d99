//! What the target column would be read as.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::survey::{MOST_DIFFERENT, finite};
use super::{Column, Kind};
use crate::data::NumberFormat;
use crate::data::table::{MOST_CLASSES, whole};
use crate::data::text::is_missing;

/// What is to be predicted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TargetColumn {
    /// The column.
    pub column: String,
    /// What training takes it for, missing cells aside.
    pub read_as: ReadAs,
    /// The classes, in the order of a model's outputs; none where the target is a number. Of more than 10,000 those
    /// that come first in the table.
    pub classes: Vec<Class>,
}

/// What training takes a target for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadAs {
    /// One of a few names.
    Class,
    /// A number.
    Number,
}

/// A class and its rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Class {
    /// Its name.
    pub name: String,
    /// How many rows are of it.
    pub rows: usize,
    /// What fraction of the rows with a target that is.
    pub share: f64,
}

/// How often each value of the target has come.
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

    /// What the column is as a target, by the rule of `Dataset::from_csv` unless it is known.
    pub(super) fn target(&self, column: &Column, known: Option<ReadAs>) -> TargetColumn {
        let format = column.format.unwrap_or(NumberFormat::PLAIN);
        // A number that is too large for training is one nonetheless, and training stops at it.
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
        // By value where all are numbers, else by text.
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
