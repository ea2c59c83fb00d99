//! Inputs of a data set: numbers, or bytes for images. Bytes stay bytes on the device until the rows of a step are
//! gathered. Numbers that are not exact as f32 stay f64 until they are scaled.

use std::borrow::Cow;
use std::ops::Range;

use super::{Dataset, Standardization, gather};
use crate::error::{Result, collected, copied};

/// Inputs of all rows: \[rows, columns\], row-major.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Inputs {
    /// Numbers that are exact as f32.
    Numbers(Vec<f32>),
    /// Numbers that are finite as f32. At least one of them is not exact as f32.
    Doubles(Vec<f64>),
    /// Pixels: whole numbers from 0 to 255.
    Bytes(Vec<u8>),
}

impl Inputs {
    /// Stores numbers as f32 if all of them are exact as f32, otherwise as f64.
    pub(super) fn exact(values: Vec<f64>) -> Self {
        let fits = |value: &f64| f64::from(*value as f32) == *value;
        if values.iter().all(fits) {
            Self::Numbers(values.iter().map(|value| *value as f32).collect())
        } else {
            Self::Doubles(values)
        }
    }

    /// Number of values in all rows.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Doubles(values) => values.len(),
            Self::Bytes(values) => values.len(),
        }
    }

    /// Copies the rows with these indices. Each row has `width` values.
    pub(super) fn select(&self, width: usize, rows: &[usize]) -> Self {
        match self {
            Self::Numbers(values) => Self::Numbers(gather(values, width, rows)),
            Self::Doubles(values) => Self::Doubles(gather(values, width, rows)),
            Self::Bytes(values) => Self::Bytes(gather(values, width, rows)),
        }
    }

    /// Takes the values of some columns from other rows: row n gets those of row `order[n]`.
    fn permuted(&self, width: usize, columns: Range<usize>, order: &[usize]) -> Self {
        match self {
            Self::Numbers(values) => Self::Numbers(permuted(values, width, columns, order)),
            Self::Doubles(values) => Self::Doubles(permuted(values, width, columns, order)),
            Self::Bytes(values) => Self::Bytes(permuted(values, width, columns, order)),
        }
    }

    /// Returns a range of the values as f32.
    fn range(&self, range: Range<usize>) -> Cow<'_, [f32]> {
        match self {
            Self::Numbers(values) => Cow::Borrowed(&values[range]),
            Self::Doubles(values) => values[range].iter().map(|value| *value as f32).collect(),
            Self::Bytes(values) => values[range].iter().map(|byte| f32::from(*byte)).collect(),
        }
    }

    /// Returns every `step`-th value, starting at index `first`.
    pub(super) fn every(&self, first: usize, step: usize) -> impl Iterator<Item = f64> {
        (first..self.len()).step_by(step).map(|at| self.value(at))
    }

    /// Returns the value at index `at`.
    fn value(&self, at: usize) -> f64 {
        match self {
            Self::Numbers(values) => f64::from(values[at]),
            Self::Doubles(values) => values[at],
            Self::Bytes(values) => f64::from(values[at]),
        }
    }

    /// Returns the bytes of the values as they are stored, for checksums.
    pub(super) fn raw_bytes(&self) -> &[u8] {
        match self {
            Self::Numbers(values) => bytemuck::cast_slice(values),
            Self::Doubles(values) => bytemuck::cast_slice(values),
            Self::Bytes(values) => values,
        }
    }
}

fn permuted<T: Copy>(values: &[T], width: usize, columns: Range<usize>, order: &[usize]) -> Vec<T> {
    let mut result = values.to_vec();
    for (row, from) in result.chunks_exact_mut(width).zip(order) {
        row[columns.clone()].copy_from_slice(&values[from * width..][columns.clone()]);
    }
    result
}

impl Dataset {
    /// Returns the data set with the inputs of some columns from other rows: row n gets those of row `order[n]`.
    pub(crate) fn permuted(&self, columns: Range<usize>, order: &[usize]) -> Self {
        Self {
            name: self.name.clone(),
            columns: self.columns.clone(),
            input: self.input.permuted(self.inputs(), columns, order),
            targets: self.targets.clone(),
            class_column: self.class_column.clone(),
            weights: self.weights.clone(),
        }
    }

    /// Inputs of all rows as f32, with the shape \[rows, inputs\], row-major.
    ///
    /// Pixels are converted, which takes four times their memory. Numbers that are not exact as f32 are rounded;
    /// [`Dataset::standardized`] scales before rounding.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(*wgrad::data::xor().input(), [0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
    /// ```
    pub fn input(&self) -> Cow<'_, [f32]> {
        self.input.range(0..self.input.len())
    }

    /// Inputs of a range of rows, counted from 0, as f32. The shape is \[rows, inputs\], row-major.
    ///
    /// # Panics
    /// If a row is not below [`len`](Self::len).
    ///
    /// # Examples
    /// ```
    /// assert_eq!(*wgrad::data::xor().input_rows(1..3), [0.0, 1.0, 1.0, 0.0]);
    /// ```
    pub fn input_rows(&self, rows: Range<usize>) -> Cow<'_, [f32]> {
        self.input.range(rows.start * self.inputs()..rows.end * self.inputs())
    }

    /// Inputs of one row, counted from 0, as f32. The shape is \[inputs\].
    ///
    /// # Panics
    /// If `row` is not below [`len`](Self::len).
    ///
    /// # Examples
    /// ```
    /// assert_eq!(*wgrad::data::xor().input_row(2), [1.0, 0.0]);
    /// ```
    pub fn input_row(&self, row: usize) -> Cow<'_, [f32]> {
        self.input_rows(row..row + 1)
    }

    /// Input at a row and column, counted from 0, without rounding.
    ///
    /// # Panics
    /// If `row` is not below [`len`](Self::len), or `column` is not below [`inputs`](Self::inputs).
    ///
    /// # Examples
    /// ```
    /// use wgrad::Dataset;
    /// let seconds = Dataset::from_rows([[1_700_000_000.0], [1_700_000_001.0]], [0, 1])?;
    /// assert_eq!(seconds.value(1, 0), 1_700_000_001.0);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn value(&self, row: usize, column: usize) -> f64 {
        assert!(column < self.inputs(), "column {column} of {}", self.inputs());
        self.input.value(row * self.inputs() + column)
    }

    /// Returns the inputs of a range of rows, with the shape \[rows, inputs\], row-major. They are scaled in f64, and
    /// then rounded to f32. Without `scaling`, they are only rounded.
    ///
    /// # Errors
    /// The number of columns of `scaling` differs from the number of inputs.
    pub(crate) fn scaled_rows(&self, rows: Range<usize>, scaling: Option<&Standardization>) -> Result<Vec<f32>> {
        let range = rows.start * self.inputs()..rows.end * self.inputs();
        let count = range.len();
        match (&self.input, scaling) {
            (Inputs::Numbers(values), Some(scaling)) => scaling.scaled(&values[range]),
            (Inputs::Doubles(values), Some(scaling)) => scaling.scaled(&values[range]),
            (Inputs::Bytes(values), Some(scaling)) => scaling.scaled(&values[range]),
            (Inputs::Numbers(values), None) => copied("inputs", &values[range]),
            (Inputs::Doubles(values), None) => collected("inputs", count, values[range].iter().map(|x| *x as f32)),
            (Inputs::Bytes(values), None) => collected("inputs", count, values[range].iter().map(|x| f32::from(*x))),
        }
    }

    /// Pixels of a data set of images, with the shape \[rows, inputs\], row-major; `None` if the inputs are not bytes.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Dataset;
    /// let images = Dataset::images("images", 2, vec![0, 255, 128, 0], vec![0, 1], ["dark", "light"])?;
    /// assert_eq!(images.bytes(), Some(&[0, 255, 128, 0][..]));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn bytes(&self) -> Option<&[u8]> {
        match &self.input {
            Inputs::Numbers(_) | Inputs::Doubles(_) => None,
            Inputs::Bytes(values) => Some(values),
        }
    }
}
