//! Preparation of the rows of a table: conversion of cells to the inputs of a network.

mod encoding;
mod fit;
mod rows;
mod summary;

pub use encoding::{Encoding, TimePart};
pub(super) use fit::FEWEST_ROWS;
pub use rows::Wanted;
pub use summary::{PreparedColumn, preparation_table};

use serde::{Deserialize, Serialize};

use super::{NumberFormat, Table};
use crate::error::{Error, Result};
use std::collections::{BTreeMap, HashSet};

/// Maximum number of column names that [`Preparation::describe`] returns.
const MOST_NAMES: usize = 10;

/// Conversion of the cells of a row to the inputs of a network. It is fitted on the training set alone, and stored in
/// the model.
///
/// Each column of the table has an [`Encoding`]. Columns are found by name, in any order. Inputs are f64. A
/// [`Standardization`](crate::Standardization) then scales them to f32.
///
/// # Examples
/// ```
/// use wgrad::data::{CsvOptions, Preparation, Table};
/// # let folder = std::env::temp_dir().join(format!("wgrad-preparation-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).expect("it can be created");
/// # let path = folder.join("cars.csv");
/// let rows = ["2.5,red,9", "3.5,blue,8", ",red,9", "4.5,blue,8", "1.5,red,7.5", "9,blue,6"];
/// std::fs::write(&path, "size,color,price\n".to_string() + &rows.join("\n")).expect("it can be written");
/// let table = Table::read(&path, &CsvOptions::default())?;
/// let preparation = Preparation::fit(&table, &table.rows())?;
/// assert_eq!(preparation.inputs(), ["size", "size is missing", "color=blue", "color=red"]);
/// assert_eq!(preparation.row(&["5", "red"])?, [5.0, 0.0, 0.0, 1.0]);
/// assert_eq!(preparation.row(&["", "green"])?, [3.5, 1.0, 0.0, 0.0]); // 3.5 is the median.
/// # std::fs::remove_dir_all(&folder).expect("it can be deleted");
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Preparation {
    columns: Vec<Prepared>,
}

/// Name of a column, with its encoding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Prepared {
    pub(super) name: String,
    #[serde(rename = "as")]
    pub(super) encoding: Encoding,
}

impl Preparation {
    /// Creates the preparation of columns with plain numbers only. A missing number in column n becomes `fill[n]`, or 0
    /// if `fill` is shorter.
    ///
    /// # Examples
    /// ```
    /// use wgrad::data::Preparation;
    /// let preparation = Preparation::of_numbers(&["width", "height"], &[2.0]);
    /// assert_eq!(preparation.row(&["NA", "3"])?, [2.0, 3.0]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn of_numbers(columns: &[impl AsRef<str>], fill: &[f64]) -> Self {
        let fill = fill.iter().copied().chain(std::iter::repeat(0.0));
        let column = |(name, fill): (&_, f64)| {
            let encoding = Encoding::Number { format: NumberFormat::PLAIN, fill, has_missing: false, edges: vec![] };
            Prepared { name: AsRef::<str>::as_ref(name).into(), encoding }
        };
        Self { columns: columns.iter().zip(fill).map(column).collect() }
    }

    /// Sets number formats by column name. Columns without numbers are unchanged.
    pub(crate) fn with_formats(mut self, formats: &BTreeMap<String, NumberFormat>) -> Self {
        for column in &mut self.columns {
            if let (Encoding::Number { format, .. }, Some(known)) = (&mut column.encoding, formats.get(&column.name)) {
                *format = *known;
            }
        }
        self
    }

    /// Names of the network's inputs, such as `age`, `age is missing`, `color=red` and `date: weekday sin`. All names
    /// differ.
    pub fn inputs(&self) -> Vec<String> {
        let mut seen = HashSet::new();
        let names = self.columns.iter().flat_map(|column| column.encoding.names(&column.name));
        let unique = |name: String| {
            let mut found = name.clone();
            let mut number = 0;
            while !seen.insert(found.clone()) {
                number += 1;
                found = format!("{name}.{number}");
            }
            found
        };
        names.map(unique).collect()
    }

    /// Number of the network's inputs.
    pub fn width(&self) -> usize {
        self.columns.iter().map(|column| column.encoding.width()).sum()
    }

    /// Names of the columns that become inputs, with the number of inputs of each.
    pub fn widths(&self) -> impl Iterator<Item = (&str, usize)> {
        self.used().map(|column| (column.name.as_str(), column.encoding.width()))
    }

    /// Names of the columns that become inputs. [`Preparation::row`] needs the cells in this order.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.used().map(|column| column.name.as_str())
    }

    /// Returns the names of all columns; the name of an unused column is followed by `left out`. If there are more than
    /// ten, the last entry is the number of further columns.
    pub fn describe(&self) -> Vec<String> {
        let name = |column: &Prepared| match column.encoding.width() {
            0 => format!("{} left out", column.name),
            _ => column.name.clone(),
        };
        let more = self.columns.len().saturating_sub(MOST_NAMES);
        let more = (more > 0).then(|| format!("and {more} more"));
        self.columns.iter().take(MOST_NAMES).map(name).chain(more).collect()
    }

    /// Number of all columns, including unused ones.
    pub fn count(&self) -> usize {
        self.columns.len()
    }

    /// Names and number formats of the columns with numbers.
    pub fn formats(&self) -> impl Iterator<Item = (&str, NumberFormat)> {
        self.columns.iter().filter_map(|column| match column.encoding {
            Encoding::Number { format, .. } => Some((column.name.as_str(), format)),
            _ => None,
        })
    }

    /// Columns that become inputs.
    pub(super) fn used(&self) -> impl Iterator<Item = &Prepared> {
        self.columns.iter().filter(|column| column.encoding.width() > 0)
    }

    /// Refuses values that fitting cannot produce, as a damaged or forged model file may have.
    pub(crate) fn check(&self) -> Result<()> {
        let mut names = HashSet::new();
        for column in &self.columns {
            let place = format!("model, column `{}`", column.name);
            if !names.insert(column.name.as_str()) {
                return Err(Error::conflict(place, "two columns have this name", "give each a unique name"));
            }
            column.encoding.check(&place)?;
        }
        Ok(())
    }

    /// Returns the inputs of one row. `cells` has the text of each column of [`Preparation::columns`], in this order. A
    /// cell that cannot be read counts as missing.
    ///
    /// # Errors
    /// The number of cells differs from the number of columns.
    pub fn row(&self, cells: &[&str]) -> Result<Vec<f64>> {
        let wanted = self.used().count();
        if cells.len() != wanted {
            return Err(Error::Shape {
                place: "row".into(),
                found_what: "the number of cells is".into(),
                found: cells.len(),
                wanted_what: "the number of columns is".into(),
                wanted,
                remedy: "give one cell for each column of `Preparation::columns`".into(),
            });
        }
        let mut inputs = Vec::with_capacity(self.width());
        self.used().zip(cells).for_each(|(column, cell)| column.encoding.write_cell(cell.trim(), &mut inputs));
        Ok(inputs)
    }
}

impl Preparation {
    /// Returns the inputs of one row whose columns are all numbers, given in the order of [`Preparation::columns`].
    /// `None` if there are more or fewer columns, or a column has other values.
    ///
    /// # Examples
    /// ```
    /// use wgrad::data::Preparation;
    /// let preparation = Preparation::of_numbers(&["width", "height"], &[]);
    /// assert_eq!(preparation.numbers(&[1.5, 3.0]), Some(vec![1.5, 3.0]));
    /// assert_eq!(preparation.numbers(&[1.5]), None);
    /// ```
    pub fn numbers(&self, row: &[f64]) -> Option<Vec<f64>> {
        let are_numbers = self.used().all(|column| matches!(column.encoding, Encoding::Number { .. }));
        (are_numbers && self.used().count() == row.len()).then(|| {
            let mut inputs = Vec::with_capacity(self.width());
            self.used().zip(row).for_each(|(column, number)| column.encoding.write_number(*number, &mut inputs));
            inputs
        })
    }
}

impl Table {
    /// Returns the error for columns that a model needs but the table does not have. Each missing column has a name,
    /// and the nearest name in the table, if any. `place` is the file.
    pub(super) fn lacks(place: &str, missing: &[(&str, Option<String>)]) -> Error {
        let named = |(name, near): &(&str, Option<String>)| match near {
            Some(near) => format!("`{name}`, did you mean `{near}`?"),
            None => format!("`{name}`"),
        };
        let columns =
            if missing.len() == 1 { "a column that the model needs is" } else { "columns that the model needs are" };
        let names: Vec<String> = missing.iter().take(5).map(named).collect();
        let more = missing.len() - names.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let problem = format!("{columns} missing: {}{more}", names.join(", "));
        Error::data(place, problem, "add the column, or rename the one that holds it")
    }
}
