//! All columns of a table, while its rows go by.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::survey::Survey;
use super::target::Tally;
use super::{Column, Inspection, ReadAs, Role, warnings};

/// What is known of all columns.
pub(super) struct Surveys {
    names: Vec<String>,
    roles: Vec<Role>,
    surveys: Vec<Survey>,
    target: usize,
    tally: Tally,
    pub(super) rows: usize,
    /// Hashes of the rows: 16 bytes or less for each, however long it is.
    seen: HashSet<u64>,
}

impl Surveys {
    pub(super) fn new(names: Vec<String>, roles: Vec<Role>) -> Self {
        let surveys = names.iter().map(|_| Survey::default()).collect();
        let target = roles.iter().rposition(|role| *role == Role::Target).unwrap_or(0);
        Self { names, roles, surveys, target, tally: Tally::default(), rows: 0, seen: HashSet::new() }
    }

    /// A row that begins at `start`, by which its line is found.
    pub(super) fn see(&mut self, start: u64, cells: &[&str]) {
        let target = cells[self.target];
        let mut hasher = DefaultHasher::new();
        for ((cell, survey), role) in cells.iter().zip(&mut self.surveys).zip(&self.roles) {
            survey.see(start, cell, target);
            if *role != Role::LeftOut {
                cell.hash(&mut hasher);
            }
        }
        self.tally.see(target);
        self.seen.insert(hasher.finish());
        self.rows += 1;
    }

    pub(super) fn inspection(
        self,
        name: String,
        delimiter: Option<char>,
        read_as: Option<ReadAs>,
        line: &dyn Fn(u64) -> usize,
    ) -> Inspection {
        let columns = self.surveys.iter().zip(&self.names).zip(&self.roles);
        let columns: Vec<Column> = columns.map(|((survey, name), role)| survey.column(name.clone(), *role)).collect();
        let target = self.tally.target(&columns[self.target], read_as);
        let duplicate_rows = self.rows - self.seen.len();
        let rows = self.rows;
        let mut found = Inspection { name, rows, delimiter, columns, target, duplicate_rows, warnings: vec![] };
        found.warnings = warnings::of(&found, &self.surveys, line);
        found
    }
}
