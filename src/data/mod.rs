//! Data sets: rows of numbers with a target each, checked once when they come in.
//!
//! A [`Dataset`] owns its rows and is plain data: no device, no file behind it. It is made from rows in memory
//! ([`Dataset::from_rows`]), from slices ([`Dataset::classes`], [`Dataset::numbers`], [`Dataset::images`]), from a table ([`Dataset::from_csv`], as [`CsvOptions`]
//! says), from MNIST's files ([`mnist`]), embedded ([`digits`], [`iris`]) or generated ([`two_moons`], [`circles`], [`spirals`], [`blobs`], [`sine`], [`and`], [`or`],
//! [`xor`]); it is cut by [`Dataset::split`]; a [`Standardization`] fitted on the training part scales every part.
//! Whatever has become a `Dataset` holds finite numbers and classes in range, so that nothing after it looks again. A
//! [`Table`] is read for a model that exists: by the names of its columns. An
//! [`Inspection`] tells what is in a table, even in one that no `Dataset` can be made of.

mod bytes;
mod cells;
mod check;
mod embedded;
mod form;
mod generated;
mod idx;
mod inputs;
mod inspect;
mod layout;
mod number_format;
mod rows;
mod split;
mod standardization;
mod table;
mod text;

pub use crate::text::{quoted, shown, shown_json, shown_lines};
pub use cells::Table;
pub use embedded::{digits, iris};
pub use form::CsvOptions;
pub(crate) use form::unnamed_columns;
pub use generated::{and, blobs, circles, or, sine, spirals, two_moons, xor};
pub use idx::{mnist, read_idx_images, read_idx_labels};
pub use inspect::{
    Class, Column, Inspection, Kind, Moments, ReadAs, Role, TargetColumn, Warning, listed, warning_lines,
};
pub use number_format::NumberFormat;
pub use rows::RowTargets;
pub use split::{FEWEST_TO_SPLIT, Split};
pub use standardization::Standardization;
pub use text::drop_words;

use crate::error::{Error, Result};
use inputs::Inputs;

/// Rows of input columns, each with its target.
///
/// ```
/// use wgrad::Dataset;
/// // Two columns, three rows; the classes are 0, 1 and 0.
/// let input = [5.1, 3.5, 7.0, 3.2, 4.9, 3.0];
/// let flowers = Dataset::classes("flowers", 2, &input, &[0, 1, 0], ["setosa", "versicolor"])?;
/// assert_eq!((flowers.len(), flowers.inputs(), flowers.outputs()), (3, 2, 2));
/// assert_eq!(*flowers.input_row(1), [7.0, 3.2]);
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    name: String,
    columns: Vec<String>,
    input: Inputs,
    targets: Targets,
    /// Name of the column that the classes were read from.
    class_column: Option<String>,
}

/// What the rows of a [`Dataset`] are to be mapped to.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// One class a row, for softmax cross entropy.
    Classes {
        /// Each row's class: an index into `names`; \[rows\].
        indices: Vec<u32>,
        /// The classes' names, all different. A part of a split keeps them all, even those it has no row of.
        names: Vec<String>,
    },
    /// One or more numbers a row, for mean squared error and the binary losses.
    Numbers {
        /// \[rows, columns\], row-major, finite as f32 too. They are f64 for targets such as 3·10⁹ ± 100, which an f32 cannot
        /// tell apart until they are scaled.
        values: Vec<f64>,
        /// The target columns' names.
        columns: Vec<String>,
    },
}

impl Targets {
    fn select(&self, rows: &[usize]) -> Self {
        match self {
            Self::Classes { indices, names } => {
                Self::Classes { indices: rows.iter().map(|&row| indices[row]).collect(), names: names.clone() }
            }
            Self::Numbers { values, columns } => {
                Self::Numbers { values: gather(values, columns.len(), rows), columns: columns.clone() }
            }
        }
    }
}

impl Dataset {
    /// What the data set is called in messages and reports.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.input.len() / self.columns.len()
    }

    /// Whether there is no row: true only of a part that [`Split`] gave the fraction 0, and of a selection of
    /// no rows. Every constructor refuses an empty data set.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of input columns: the width that a network's input must have.
    pub fn inputs(&self) -> usize {
        self.columns.len()
    }

    /// Number of outputs that a network needs: classes, or target columns.
    pub fn outputs(&self) -> usize {
        match &self.targets {
            Targets::Classes { names, .. } => names.len(),
            Targets::Numbers { columns, .. } => columns.len(),
        }
    }

    /// Names of the input columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Names of the target columns; none where classes were not read from a table.
    pub fn target_columns(&self) -> &[String] {
        match &self.targets {
            Targets::Classes { .. } => self.class_column.as_slice(),
            Targets::Numbers { columns, .. } => columns,
        }
    }

    /// CRC-32 of inputs and targets, by which data sets are told apart.
    pub fn checksum(&self) -> u32 {
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(self.input.raw_bytes());
        match &self.targets {
            Targets::Classes { indices, .. } => checksum.update(bytemuck::cast_slice(indices)),
            // Rounded where that loses nothing, so that data sets that were made from f32 keep their checksum.
            Targets::Numbers { values, .. } => checksum.update(Inputs::exact(values.clone()).raw_bytes()),
        }
        checksum.finalize()
    }

    /// The targets.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// Names of the classes, where the targets are classes.
    pub fn class_names(&self) -> Option<&[String]> {
        match &self.targets {
            Targets::Classes { names, .. } => Some(names),
            Targets::Numbers { .. } => None,
        }
    }

    /// The given rows, counted from 0, in the given order; a row may come twice. No rows give an empty data set.
    ///
    /// # Panics
    /// Where a row is not below [`len`](Self::len).
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            name: self.name.clone(),
            columns: self.columns.clone(),
            input: self.input.select(self.inputs(), rows),
            targets: self.targets.select(rows),
            class_column: self.class_column.clone(),
        }
    }

    /// Turns two classes into one column of numbers, 0 for the first class and 1 for the second, as binary cross
    /// entropy and the perceptron's criterion want them. The column keeps the name that it has in its table; of a data set
    /// that is none it is named after the second class.
    ///
    /// # Errors
    /// Targets that are numbers already, or another number of classes than two.
    pub fn class_as_number(self) -> Result<Self> {
        let place = self.place();
        let Targets::Classes { indices, names } = self.targets else {
            return Err(Error::conflict(place, "its targets are numbers, not classes", "use it as it is"));
        };
        let [_, second] = names.as_slice() else {
            let problem = format!("it has {} classes, but one number tells only 2 apart", names.len());
            return Err(Error::conflict(place, problem, "keep the classes, and train with softmax_cross_entropy"));
        };
        let values = indices.iter().map(|&class| class.into()).collect();
        let columns = vec![self.class_column.clone().unwrap_or_else(|| second.clone())];
        Ok(Self { targets: Targets::Numbers { values, columns }, ..self })
    }

    /// Scales the input by what was fitted, most often on the training part. Numbers become f32 once they are scaled.
    ///
    /// # Errors
    /// Another number of columns than was fitted, or a value that is too far from its column's mean for an f32.
    pub fn standardised(self, standardization: &Standardization) -> Result<Self> {
        let (found, wanted) = (self.inputs(), standardization.columns());
        if found != wanted {
            return Err(Error::Shape {
                place: self.place(),
                found_what: "the number of input columns is".into(),
                found,
                wanted_what: "the standardization was fitted on".into(),
                wanted,
                remedy: "fit it on a part of this data set".into(),
            });
        }
        let input = self.scaled_rows(0..self.len(), Some(standardization))?;
        check::finite(&self.place(), &self.columns, &input)?;
        Ok(Self { input: Inputs::Numbers(input), ..self })
    }

    /// Scales targets that are numbers by what [`Standardization::fit_targets`] found; classes stay as they are.
    ///
    /// # Errors
    /// Another number of target columns than was fitted, or a value that is too far from its column's mean for an f32.
    pub fn standardised_targets(self, standardization: &Standardization) -> Result<Self> {
        let place = self.place();
        let Targets::Numbers { values, columns } = self.targets else { return Ok(self) };
        let scaled = standardization.scaled(&values)?;
        check::finite(&place, &columns, &scaled)?;
        let values = scaled.into_iter().map(f64::from).collect();
        Ok(Self { targets: Targets::Numbers { values, columns }, ..self })
    }

    fn place(&self) -> String {
        check::place(&self.name)
    }
}

/// Copies rows of `width` values together.
fn gather<T: Copy>(values: &[T], width: usize, rows: &[usize]) -> Vec<T> {
    rows.iter().flat_map(|&row| &values[row * width..][..width]).copied().collect()
}
