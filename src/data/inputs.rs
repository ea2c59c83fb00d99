//! What a data set holds as input: numbers, or bytes, as images have them. Bytes stay bytes on the device, too, until
//! the rows of a step are brought together. Numbers that an f32 would round stay f64 until they are scaled.

use std::borrow::Cow;
use std::ops::Range;

use super::{Dataset, Standardization, gather};
use crate::error::{Result, collected, copied};

/// Values of all rows, row-major.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Inputs {
    /// Finite.
    Numbers(Vec<f32>),
    /// Finite as f32 too, but with more digits.
    Doubles(Vec<f64>),
    /// 0 to 255.
    Bytes(Vec<u8>),
}

impl Inputs {
    /// Numbers in the smallest form that keeps all their digits.
    pub(super) fn exact(values: Vec<f64>) -> Self {
        let fits = |value: &f64| f64::from(*value as f32) == *value;
        if values.iter().all(fits) {
            Self::Numbers(values.iter().map(|value| *value as f32).collect())
        } else {
            Self::Doubles(values)
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Doubles(values) => values.len(),
            Self::Bytes(values) => values.len(),
        }
    }

    /// Copies chosen rows of `width` values together.
    pub(super) fn select(&self, width: usize, rows: &[usize]) -> Self {
        match self {
            Self::Numbers(values) => Self::Numbers(gather(values, width, rows)),
            Self::Doubles(values) => Self::Doubles(gather(values, width, rows)),
            Self::Bytes(values) => Self::Bytes(gather(values, width, rows)),
        }
    }

    fn range(&self, range: Range<usize>) -> Cow<'_, [f32]> {
        match self {
            Self::Numbers(values) => Cow::Borrowed(&values[range]),
            Self::Doubles(values) => values[range].iter().map(|value| *value as f32).collect(),
            Self::Bytes(values) => values[range].iter().map(|byte| f32::from(*byte)).collect(),
        }
    }

    /// Every `step`-th value from `first` on.
    pub(super) fn every(&self, first: usize, step: usize) -> impl Iterator<Item = f64> {
        (first..self.len()).step_by(step).map(|at| self.value(at))
    }

    fn value(&self, at: usize) -> f64 {
        match self {
            Self::Numbers(values) => f64::from(values[at]),
            Self::Doubles(values) => values[at],
            Self::Bytes(values) => f64::from(values[at]),
        }
    }

    /// The values as they are held.
    pub(super) fn raw_bytes(&self) -> &[u8] {
        match self {
            Self::Numbers(values) => bytemuck::cast_slice(values),
            Self::Doubles(values) => bytemuck::cast_slice(values),
            Self::Bytes(values) => values,
        }
    }
}

impl Dataset {
    /// The input, \[rows, inputs\], row-major. Bytes are turned into numbers for it, four times their size; numbers of a
    /// table that have more digits are rounded. Scaling takes the digits in: [`Dataset::standardised`].
    pub fn input(&self) -> Cow<'_, [f32]> {
        self.input.range(0..self.input.len())
    }

    /// The inputs of some rows, counted from 0: \[rows, inputs\], row-major.
    ///
    /// # Panics
    /// Where a row is not below [`len`](Self::len).
    pub fn input_rows(&self, rows: Range<usize>) -> Cow<'_, [f32]> {
        self.input.range(rows.start * self.inputs()..rows.end * self.inputs())
    }

    /// The inputs of one row, counted from 0.
    ///
    /// # Panics
    /// Where `row` is not below [`len`](Self::len).
    pub fn input_row(&self, row: usize) -> Cow<'_, [f32]> {
        self.input_rows(row..row + 1)
    }

    /// An input with all its digits; row and column are counted from 0.
    ///
    /// # Panics
    /// Where `row` is not below [`len`](Self::len), or `column` not below [`inputs`](Self::inputs).
    pub fn value(&self, row: usize, column: usize) -> f64 {
        assert!(column < self.inputs(), "column {column} of {}", self.inputs());
        self.input.value(row * self.inputs() + column)
    }

    /// The inputs of some rows, scaled with all their digits, then rounded to f32; without a scaling they are only rounded.
    ///
    /// # Errors
    /// A scaling of another number of columns.
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

    /// The input as it is held, \[rows, inputs\], row-major, where it is bytes.
    pub fn bytes(&self) -> Option<&[u8]> {
        match &self.input {
            Inputs::Numbers(_) | Inputs::Doubles(_) => None,
            Inputs::Bytes(values) => Some(values),
        }
    }
}
