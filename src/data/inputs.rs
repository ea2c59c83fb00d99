//! What a data set holds as input: numbers, or bytes, as images have them. Bytes stay bytes on the device, too, until
//! the rows of a step are brought together.

use std::borrow::Cow;
use std::ops::Range;

use super::{Dataset, gather};

/// Values of all rows, row-major.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Inputs {
    /// Finite.
    Numbers(Vec<f32>),
    /// 0 to 255.
    Bytes(Vec<u8>),
}

impl Inputs {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Bytes(values) => values.len(),
        }
    }

    /// Copies chosen rows of `width` values together.
    pub(super) fn select(&self, width: usize, rows: &[usize]) -> Self {
        match self {
            Self::Numbers(values) => Self::Numbers(gather(values, width, rows)),
            Self::Bytes(values) => Self::Bytes(gather(values, width, rows)),
        }
    }

    fn range(&self, range: Range<usize>) -> Cow<'_, [f32]> {
        match self {
            Self::Numbers(values) => Cow::Borrowed(&values[range]),
            Self::Bytes(values) => values[range].iter().map(|byte| f32::from(*byte)).collect(),
        }
    }

    /// Every `step`-th value from `first` on.
    pub(super) fn every(&self, first: usize, step: usize) -> impl Iterator<Item = f64> {
        (first..self.len()).step_by(step).map(|at| match self {
            Self::Numbers(values) => f64::from(values[at]),
            Self::Bytes(values) => f64::from(values[at]),
        })
    }
}

impl Dataset {
    /// The input, \[rows, inputs\], row-major. Bytes are turned into numbers for it, four times their size.
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

    /// The input as it is held, \[rows, inputs\], row-major, where it is bytes.
    pub fn bytes(&self) -> Option<&[u8]> {
        match &self.input {
            Inputs::Numbers(_) => None,
            Inputs::Bytes(values) => Some(values),
        }
    }
}
