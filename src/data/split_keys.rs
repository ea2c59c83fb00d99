//! Keys by which the rows of a table are split: times, or groups that stay together.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::cells::{chosen, unclear};
use super::decode::Decoded;
use super::layout::Layout;
use super::table::position;
use super::text_format::CellReader;
use super::{ColumnKind, CsvOptions};
use crate::error::{Error, Result};
use crate::rng::{Philox, Stream};

/// Column by which the rows of a table are split.
#[derive(Clone, Debug, PartialEq)]
pub struct SplitKeys {
    /// Text of the column in each row.
    cells: Vec<String>,
    /// Time of each row, in seconds; `None` if the cells are groups.
    times: Option<Vec<f64>>,
}

impl SplitKeys {
    /// Reads a column of a table, with the rows of [`Table::read`](super::Table::read). Dates and times are times; all
    /// other cells are groups.
    ///
    /// # Errors
    /// As [`Table::read`](super::Table::read); there is no such column; a row has no date.
    pub fn read(path: impl AsRef<Path>, options: &CsvOptions, column: &str) -> Result<Self> {
        let decoded = Decoded::read(path.as_ref(), options)?;
        let (text, layout) = Layout::of(decoded.text()?, options)?;
        let index = position(&layout, column)?;
        let choice = options.kinds.get(column).copied();
        let reader = chosen(&layout, index, choice);
        unclear(text, &layout, index, &reader, choice.is_some())?;
        let is_time = reader.kind() == ColumnKind::Date && matches!(reader, CellReader::Time(_));
        let (mut cells, mut times) = (vec![], is_time.then(Vec::new));
        for row in text.rows() {
            let row = row?;
            let cell = row.get(index).unwrap_or_default();
            if let Some(times) = &mut times {
                let start = row.position().map_or(0, csv::Position::byte);
                let Some(time) = reader.number(cell) else {
                    let problem = format!("`{cell}` is no date, so the row has no place in time");
                    return Err(Error::data(text.place(start, column), problem, "write a date, or leave the row out"));
                };
                times.push(time);
            }
            cells.push(cell.into());
        }
        Ok(Self { cells, times })
    }

    /// Returns `true` if rows are split by time, and `false` if by groups.
    pub fn are_times(&self) -> bool {
        self.times.is_some()
    }

    /// Text of the column in a row.
    pub fn cell(&self, row: usize) -> &str {
        &self.cells[row]
    }

    /// Text of the column in the first row in time; `None` without times.
    pub fn earliest(&self, rows: &[usize]) -> Option<&str> {
        let times = self.times.as_ref()?;
        rows.iter().min_by(|one, other| times[**one].total_cmp(&times[**other])).map(|row| self.cell(*row))
    }

    /// Number of different groups among some rows.
    pub fn groups(&self, rows: &[usize]) -> usize {
        rows.iter().map(|row| self.cell(*row)).collect::<HashSet<_>>().len()
    }

    /// Splits rows into training, validation and test set. `sizes` are the numbers of rows of the last two.
    ///
    /// By time, the last rows are the test set, and those before the validation set. Rows of the same time stay
    /// together, in the later set. By group, whole groups are drawn at random by the seed, until a set has at least its
    /// size. Rows of a set are in the order of the table.
    pub fn split(&self, rows: &[usize], sizes: [usize; 2], seed: u64) -> [Vec<usize>; 3] {
        let groups = self.in_order(rows, seed);
        let mut groups = groups.into_iter().rev().peekable();
        let [validation, test] = sizes;
        let mut take = |size: usize| {
            let mut set = vec![];
            while set.len() < size
                && let Some(group) = groups.next()
            {
                set.extend(group);
            }
            set.sort_unstable();
            set
        };
        let (test, validation) = (take(test), take(validation));
        [take(usize::MAX), validation, test]
    }

    /// Returns the rows in groups: those of each time in ascending order, or groups in random order.
    fn in_order(&self, rows: &[usize], seed: u64) -> Vec<Vec<usize>> {
        if let Some(times) = &self.times {
            let mut rows = rows.to_vec();
            rows.sort_by(|one, other| times[*one].total_cmp(&times[*other]));
            return rows.chunk_by(|one, other| times[*one] == times[*other]).map(<[usize]>::to_vec).collect();
        }
        let (mut numbers, mut groups) = (HashMap::new(), Vec::<Vec<usize>>::new());
        for &row in rows {
            let number = *numbers.entry(self.cell(row)).or_insert(groups.len());
            if number == groups.len() {
                groups.push(vec![]);
            }
            groups[number].push(row);
        }
        Philox::new(seed, Stream::Split, 0).shuffle(&mut groups);
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(table: &str, column: &str) -> Result<SplitKeys> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("t.csv");
        std::fs::write(&path, table).expect("written");
        SplitKeys::read(&path, &CsvOptions::default(), column)
    }

    #[test]
    fn the_last_rows_in_time_are_the_test_set() {
        let dates = "day,y\n2024-03-01,1\n2024-01-01,2\n2024-02-01,3\n2024-04-01,4\n2024-04-01,5\n2024-05-01,6\n";
        let keys = read(dates, "day").expect("dates");
        assert!(keys.are_times());
        let rows = [0, 1, 2, 3, 4, 5];
        assert_eq!(keys.split(&rows, [1, 1], 7), [vec![0, 1, 2], vec![3, 4], vec![5]]);
        // Row 4 has the time of row 3.
        assert_eq!(keys.split(&rows, [1, 2], 8), [vec![1, 2], vec![0], vec![3, 4, 5]]);
        assert_eq!(keys.split(&rows, [0, 0], 0), [rows.to_vec(), vec![], vec![]]);
        assert_eq!(keys.split(&[0, 1, 5], [1, 0], 0), [vec![0, 1], vec![5], vec![]]);
        let missing = read("day,y\n2024-03-01,1\n,2\n2024-02-01,3\n", "day");
        assert!(missing.expect_err("no date").to_string().contains("line 3"), "the row without a date");
        assert!(read(dates, "dya").expect_err("unknown").to_string().contains("did you mean `day`"));
    }

    #[test]
    fn groups_stay_together() {
        let row = |row: usize| format!("c{},{row}\n", row * 7 % 10);
        let table = format!("customer,y\n{}", (0..100).map(row).collect::<String>());
        let keys = read(&table, "customer").expect("groups");
        let rows: Vec<usize> = (0..100).collect();
        let sets = keys.split(&rows, [15, 25], 1);
        // Ten groups of ten rows: a set is filled with whole groups.
        assert_eq!(sets.each_ref().map(Vec::len), [50, 20, 30]);
        assert_eq!(sets.each_ref().map(|set| keys.groups(set)), [5, 2, 3]);
        let mut all = sets.concat();
        all.sort_unstable();
        assert_eq!(all, rows);
        assert!(!keys.are_times() && sets != keys.split(&rows, [15, 25], 2), "another seed draws other groups");
        assert_eq!(sets, keys.split(&rows, [15, 25], 1));
    }
}
