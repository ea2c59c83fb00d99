//! Data sets: rows of numbers, each with a target. They are checked once, when they are created.
//!
//! A [`Dataset`] owns its rows, and needs no device and no file. It can be created from:
//!
//! - rows in memory: [`Dataset::from_rows`];
//! - slices: [`Dataset::classes`], [`Dataset::numbers`], [`Dataset::images`], [`Dataset::table`];
//! - tables as text: [`Dataset::from_csv`], with [`CsvOptions`];
//! - MNIST's files: [`mnist`];
//! - embedded data sets: [`digits`], [`iris`];
//! - generators: [`two_moons`], [`circles`], [`spirals`], [`blobs`], [`sine`], [`and`], [`or`], [`xor`].
//!
//! [`Dataset::split`] splits a data set into training, validation and test set. A [`Standardization`] is fitted on the
//! training set, and scales all three sets. A `Dataset` has only finite numbers and valid classes, so later stages do
//! not check again.
//!
//! A [`Table`] may also have text, dates and missing cells. A [`Preparation`] is fitted on the training rows of a
//! table, and converts rows to a `Dataset`. Models store it. An [`Inspection`] reports the contents of a table, even if
//! the table cannot become a `Dataset`.

mod blanks;
mod bytes;
mod cells;
mod check;
mod column_kind;
mod column_warnings;
mod csv_options;
mod decode;
pub(crate) mod delimiter;
mod embedded;
mod generated;
mod idx;
mod inputs;
mod inspect;
mod layout;
mod number_format;
mod preparation;
mod quotes;
mod raw;
mod rows;
mod split;
mod split_keys;
mod standardization;
mod table;
mod target;
mod text;
mod text_format;
mod time_format;
mod values;
mod weights;
mod zip;

pub use crate::text::{columns, padded, quoted, shortened, shown, shown_json, shown_lines};
pub use cells::Table;
pub use column_kind::ColumnKind;
pub(crate) use csv_options::unnamed_columns;
pub use csv_options::{CsvOptions, KindChoice};
pub use embedded::{digits, iris};
pub use generated::{and, blobs, circles, or, sine, spirals, two_moons, xor};
pub use idx::{mnist, read_idx_images, read_idx_labels};
pub use inspect::{
    Class, Column, Inspection, Kind, Moments, ReadAs, Role, TargetColumn, Warning, counted, listed, warning_lines,
};
pub use number_format::NumberFormat;
pub use preparation::{Encoding, Preparation, PreparedColumn, TimePart, Wanted, preparation_table};
pub use raw::{RawTable, table_text};
pub use rows::RowTargets;
pub use split::{FEWEST_TO_SPLIT, Split};
pub use split_keys::SplitKeys;
pub use standardization::Standardization;
pub use text::drop_words;
pub use time_format::TimeFormat;
pub use weights::ClassWeights;
pub(crate) use weights::check_weights;

use crate::error::{Error, Result};
use inputs::Inputs;

/// Data set: rows of inputs, each with a target.
///
/// # Examples
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
    /// Name of the table's column with the classes; `None` if the classes are not from a table.
    class_column: Option<String>,
    /// Weight of each row; `None` if all rows count alike.
    weights: Option<Vec<f32>>,
}

/// Targets of a [`Dataset`]: classes or numbers.
///
/// [`Dataset::class_indices`] and [`Dataset::target_values`] return the targets without a `match`.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// Class of each row, for losses such as softmax cross-entropy.
    Classes {
        /// Class of each row as an index into `names`, with the shape \[rows\].
        indices: Vec<u32>,
        /// Names of the classes, all different. After a split, each set has all names, even those of classes without
        /// rows.
        names: Vec<String>,
    },
    /// Numbers, one or more per row, for losses such as mean squared error and binary cross-entropy.
    Numbers {
        /// Target values with the shape \[rows, columns\], row-major. All are finite as f32. They are stored as f64,
        /// since an f32 cannot distinguish targets such as 3·10⁹ ± 100 until they are scaled.
        values: Vec<f64>,
        /// Names of the target columns.
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
    /// Name of the data set, for messages.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(wgrad::data::iris().name(), "iris");
    /// ```
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of rows.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(wgrad::data::iris().len(), 150);
    /// ```
    pub fn len(&self) -> usize {
        self.input.len() / self.columns.len()
    }

    /// Returns true if there are no rows.
    ///
    /// A set of a [`Split`] is empty if its fraction is 0, and so is a [selection](Self::select) of no rows. Every
    /// constructor refuses an empty data set.
    ///
    /// # Examples
    /// ```
    /// let xor = wgrad::data::xor();
    /// assert!(!xor.is_empty() && xor.select(&[]).is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of input columns. The network needs as many inputs.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(wgrad::data::iris().inputs(), 4);
    /// ```
    pub fn inputs(&self) -> usize {
        self.columns.len()
    }

    /// Number of classes, or of target columns. The network needs as many outputs; for two classes and a binary loss,
    /// one is enough.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(wgrad::data::iris().outputs(), 3);
    /// ```
    pub fn outputs(&self) -> usize {
        match &self.targets {
            Targets::Classes { names, .. } => names.len(),
            Targets::Numbers { columns, .. } => columns.len(),
        }
    }

    /// Names of the input columns.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(wgrad::data::xor().columns(), ["a", "b"]);
    /// ```
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Names of the target columns. The list is empty for classes that were not read from a table.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(wgrad::data::iris().target_columns(), ["species"]);
    /// ```
    pub fn target_columns(&self) -> &[String] {
        match &self.targets {
            Targets::Classes { .. } => self.class_column.as_slice(),
            Targets::Numbers { columns, .. } => columns,
        }
    }

    /// CRC-32 of inputs, targets and weights. Checkpoints store it to identify the data.
    ///
    /// # Examples
    /// ```
    /// use wgrad::data;
    /// assert_eq!(data::iris().checksum(), data::iris().checksum());
    /// assert_ne!(data::iris().checksum(), data::digits().checksum());
    /// ```
    pub fn checksum(&self) -> u32 {
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(self.input.raw_bytes());
        match &self.targets {
            Targets::Classes { indices, .. } => checksum.update(bytemuck::cast_slice(indices)),
            // Converted to f32 if exact, so that data sets made from f32 keep their checksum.
            Targets::Numbers { values, .. } => checksum.update(Inputs::exact(values.clone()).raw_bytes()),
        }
        checksum.update(bytemuck::cast_slice(self.weights.as_deref().unwrap_or_default()));
        checksum.finalize()
    }

    /// Targets of all rows: classes or numbers.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Targets;
    /// assert!(matches!(wgrad::data::iris().targets(), Targets::Classes { .. }));
    /// ```
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// Names of the classes; `None` if the targets are numbers.
    ///
    /// # Examples
    /// ```
    /// let names = ["setosa", "versicolor", "virginica"].map(String::from);
    /// assert_eq!(wgrad::data::iris().class_names(), Some(&names[..]));
    /// ```
    pub fn class_names(&self) -> Option<&[String]> {
        match &self.targets {
            Targets::Classes { names, .. } => Some(names),
            Targets::Numbers { .. } => None,
        }
    }

    /// Returns a data set of the rows with these indices, from 0, in the given order. A row may appear more than once.
    ///
    /// # Panics
    /// If a row is not below [`len`](Self::len).
    ///
    /// # Examples
    /// ```
    /// let xor = wgrad::data::xor().select(&[3, 1]);
    /// assert_eq!(xor.target_values(), Some(&[0.0, 1.0][..]));
    /// ```
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            name: self.name.clone(),
            columns: self.columns.clone(),
            input: self.input.select(self.inputs(), rows),
            targets: self.targets.select(rows),
            class_column: self.class_column.clone(),
            weights: self.weights.as_ref().map(|weights| gather(weights, 1, rows)),
        }
    }

    /// Converts two classes to one column of numbers: 0 for the first class, 1 for the second. Binary cross-entropy and
    /// the perceptron criterion need such targets.
    ///
    /// The column has the name of the table's target column. If the classes are not from a table, it has the name of
    /// the second class.
    ///
    /// # Errors
    /// The targets are numbers, or the number of classes is not 2.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Dataset;
    /// let data = Dataset::from_rows([[1.0], [2.0], [3.0]], ["no", "yes", "no"])?.class_as_number()?;
    /// assert_eq!(data.target_values(), Some(&[0.0, 1.0, 0.0][..]));
    /// assert_eq!(data.target_columns(), ["yes"]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn class_as_number(self) -> Result<Self> {
        let place = self.place();
        let Targets::Classes { indices, names } = self.targets else {
            return Err(Error::conflict(place, "its targets are numbers, not classes", "use it as it is"));
        };
        let [_, second] = names.as_slice() else {
            let problem = format!("it has {} classes, but one number can stand for only 2", names.len());
            return Err(Error::conflict(place, problem, "keep the classes, and train with softmax_cross_entropy"));
        };
        let values = indices.iter().map(|&class| class.into()).collect();
        let columns = vec![self.class_column.clone().unwrap_or_else(|| second.clone())];
        Ok(Self { targets: Targets::Numbers { values, columns }, ..self })
    }

    /// Scales the inputs by a [`Standardization`], usually one fitted on the training set. Scaled values are f32.
    ///
    /// # Errors
    /// The number of columns differs from that of `standardization`, or a scaled value is not finite as f32.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Dataset, Standardization};
    /// let data = Dataset::from_rows([[1.0], [3.0]], [0.0, 1.0])?;
    /// let scaled = data.clone().standardized(&Standardization::fit(&data)?)?;
    /// assert_eq!(*scaled.input(), [-1.0, 1.0]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn standardized(self, standardization: &Standardization) -> Result<Self> {
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

    /// Scales targets that are numbers, usually by [`Standardization::fit_targets`]. Classes do not change.
    ///
    /// To get predictions in the units of the targets, let the trainer scale them: `Builder::scale_targets`.
    ///
    /// # Errors
    /// The number of target values is not a multiple of the columns of `standardization`, or a scaled value is not
    /// finite as f32.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Dataset, Standardization};
    /// let data = Dataset::from_rows([[1.0], [2.0]], [100.0, 300.0])?;
    /// let scaled = data.clone().standardized_targets(&Standardization::fit_targets(&data)?)?;
    /// assert_eq!(scaled.target_values(), Some(&[-1.0, 1.0][..]));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn standardized_targets(self, standardization: &Standardization) -> Result<Self> {
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

/// Copies the rows with these indices. Each row has `width` values.
fn gather<T: Copy>(values: &[T], width: usize, rows: &[usize]) -> Vec<T> {
    rows.iter().flat_map(|&row| &values[row * width..][..width]).copied().collect()
}
