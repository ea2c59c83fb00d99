//! Fitting a preparation on the rows of the training set.

use super::encoding::TimePart;
use super::{Encoding, Preparation, Prepared};
use crate::data::cells::{MOST_LEVELS, TableColumn};
use crate::data::standardization::quantile;
use crate::data::text_format::CellReader;
use crate::data::values::Values;
use crate::data::{ColumnKind, NumberFormat, Table, TimeFormat};
use crate::error::{Error, Result};

/// Minimum number of rows of a level that gets an input.
pub(in crate::data) const FEWEST_ROWS: usize = 3;

impl Preparation {
    /// Computes the encoding of each column from the rows with these indices, usually the training set.
    ///
    /// # Errors
    /// `rows` is empty.
    ///
    /// # Panics
    /// If a row is not below [`len`](Table::len) of the table.
    pub fn fit(table: &Table, rows: &[usize]) -> Result<Self> {
        if rows.is_empty() {
            let remedy = "fit it on a table with at least 1 row";
            return Err(Error::data(&table.place, "there are 0 rows to fit a preparation on", remedy));
        }
        let column = |column: &TableColumn| Prepared { name: column.name.clone(), encoding: encoding(column, rows) };
        Ok(Self { columns: table.columns.iter().map(column).collect() })
    }
}

impl Preparation {
    /// Adds up to `bins` bins to each column of numbers; see [`Encoding::Number`]. The edges are quantiles of the rows
    /// with these indices, usually the training set. Equal quantiles count once. A column with fewer than two bins gets
    /// none.
    ///
    /// # Panics
    /// If a row is not below [`len`](Table::len) of the table.
    pub fn with_bins(mut self, table: &Table, rows: &[usize], bins: usize) -> Self {
        for column in &mut self.columns {
            let found = table.columns.iter().find(|found| found.name == column.name);
            if let (Encoding::Number { edges, .. }, Some(Values::Numbers(values))) =
                (&mut column.encoding, found.map(|found| &found.values))
            {
                *edges = quantiles(rows.iter().map(|row| values[*row]), bins);
            }
        }
        self
    }
}

/// Returns the different quantiles 0, 1/bins, …, 1 of the values that are not NaN, ascending. Empty if they do not
/// bound two bins.
fn quantiles(values: impl Iterator<Item = f64>, bins: usize) -> Vec<f64> {
    let mut present: Vec<f64> = values.filter(|value| !value.is_nan()).collect();
    if bins < 2 || present.is_empty() {
        return vec![];
    }
    let mut edges: Vec<f64> = (0..=bins).map(|bin| quantile(&mut present, bin as f64 / bins as f64)).collect();
    edges.dedup();
    if edges.len() < 3 { vec![] } else { edges }
}

fn encoding(column: &TableColumn, rows: &[usize]) -> Encoding {
    match &column.values {
        Values::None => Encoding::LeftOut { because: column.kind },
        Values::Levels { indices, levels } => category(indices, levels, rows),
        Values::Numbers(values) => {
            let mut present: Vec<f64> = rows.iter().map(|row| values[*row]).filter(|value| !value.is_nan()).collect();
            let has_missing = present.len() < rows.len();
            let fill = if present.is_empty() { 0.0 } else { quantile(&mut present, 0.5) };
            match &column.reader {
                CellReader::Boolean => Encoding::Boolean { fill: fill.round(), has_missing },
                CellReader::Time(format) => date(*format, &present, fill, has_missing),
                CellReader::Number(format) => Encoding::Number { format: *format, fill, has_missing, edges: vec![] },
                CellReader::Level | CellReader::UnclearDate(_) => {
                    Encoding::Number { format: NumberFormat::PLAIN, fill, has_missing, edges: vec![] }
                }
            }
        }
    }
}

/// Encodes dates by the parts that differ between `times`. If no part differs and no date is missing, the column is
/// left out.
fn date(format: TimeFormat, times: &[f64], fill: f64, has_missing: bool) -> Encoding {
    let origin = times.iter().copied().min_by(f64::total_cmp).unwrap_or(0.0);
    let varies = |part: &TimePart| {
        let mut values = times.iter().map(|time| part.of(*time, origin));
        let first = values.next();
        values.any(|value| Some(value) != first)
    };
    let parts: Vec<TimePart> = TimePart::ALL.into_iter().filter(varies).collect();
    if parts.is_empty() && !has_missing {
        return Encoding::LeftOut { because: ColumnKind::Constant };
    }
    Encoding::Date { format, origin, parts, fill, has_missing }
}

/// Encodes a category by the most frequent levels, sorted by name.
fn category(indices: &[u32], levels: &[String], rows: &[usize]) -> Encoding {
    let mut counts = vec![0; levels.len()];
    let mut missing = 0;
    for row in rows {
        match counts.get_mut(indices[*row] as usize) {
            Some(count) => *count += 1,
            None => missing += 1,
        }
    }
    let mut kept: Vec<usize> = (0..levels.len()).filter(|level| counts[*level] >= FEWEST_ROWS).collect();
    kept.sort_by_key(|level| (std::cmp::Reverse(counts[*level]), &levels[*level]));
    kept.truncate(MOST_LEVELS);
    let rows_of_kept: usize = kept.iter().map(|level| counts[*level]).sum();
    let has_other = rows_of_kept + missing < rows.len();
    let mut kept: Vec<String> = kept.into_iter().map(|level| levels[level].clone()).collect();
    kept.sort();
    Encoding::Category { levels: kept, has_other, has_missing: missing > 0 }
}
