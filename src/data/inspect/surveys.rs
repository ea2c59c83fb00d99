//! Statistics of all columns of a table, computed in one pass over the rows.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::survey::{Survey, finite};
use super::target::Tally;
use super::{Column, Inspection, ReadAs, Role, warnings};
use crate::data::NumberFormat;
use crate::data::layout::Layout;

/// Statistics of all columns, updated with each row that is added.
pub(super) struct Surveys {
    names: Vec<String>,
    roles: Vec<Role>,
    formats: Vec<NumberFormat>,
    surveys: Vec<Survey>,
    /// Index of the target column.
    target: usize,
    /// Number of rows of each target value.
    tally: Tally,
    pub(super) rows: usize,
    /// Hashes of the different rows. They take at most 16 bytes per row, even for wide tables.
    seen: HashSet<u64>,
}

impl Surveys {
    pub(super) fn new(names: Vec<String>, roles: Vec<Role>, formats: Vec<NumberFormat>) -> Self {
        let surveys = names.iter().map(|_| Survey::default()).collect();
        let target = roles.iter().rposition(|role| *role == Role::Target).unwrap_or(0);
        Self { names, roles, formats, surveys, target, tally: Tally::default(), rows: 0, seen: HashSet::new() }
    }

    /// Adds a row. `start` is its position: a byte offset in the text of a table, or a row index in a data set.
    pub(super) fn see(&mut self, start: u64, cells: &[&str]) {
        let target = cells[self.target];
        let mut hasher = DefaultHasher::new();
        let seen = (target, finite(target, self.formats[self.target]));
        let columns = self.surveys.iter_mut().zip(&self.roles).zip(&self.formats);
        for (cell, ((survey, role), format)) in cells.iter().zip(columns) {
            survey.see(start, cell, *format, seen);
            if *role != Role::LeftOut {
                cell.hash(&mut hasher);
            }
        }
        self.tally.see(target);
        self.seen.insert(hasher.finish());
        self.rows += 1;
    }

    /// Returns the finished inspection. `line` converts the position of a row to a line number for messages.
    pub(super) fn inspection(
        self,
        name: String,
        delimiter: Option<char>,
        read_as: Option<ReadAs>,
        layout: Option<&Layout>,
        line: &dyn Fn(u64) -> usize,
    ) -> Inspection {
        let columns = self.surveys.iter().zip(&self.names).zip(self.roles.iter().zip(&self.formats));
        let columns = columns.map(|((survey, name), (role, format))| survey.column(name.clone(), *role, *format));
        let columns: Vec<Column> = columns.collect();
        let target = self.tally.target(&columns[self.target], read_as);
        let duplicate_rows = self.rows - self.seen.len();
        let rows = self.rows;
        let header = layout.is_none_or(|layout| layout.first_row.is_header());
        let mut found = Inspection { name, rows, delimiter, header, columns, target, duplicate_rows, warnings: vec![] };
        found.warnings = warnings::of(&found, &self.surveys, layout, line);
        found
    }
}
