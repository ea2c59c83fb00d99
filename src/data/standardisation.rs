//! Scaling input columns to mean 0 and standard deviation 1.

use serde::{Deserialize, Serialize};

use super::Dataset;
use super::inputs::Inputs;
use crate::error::{Error, Result};

/// Per input column, what is subtracted and what then divides: (x − mean) / scale.
///
/// Fit it on the training part alone and apply it to every part, so that nothing of validation and test leaks into
/// training. It is what scikit-learn calls `StandardScaler`: the scale is the population's standard deviation.
///
/// ```
/// use wgrad::{Dataset, Standardisation};
/// let data = Dataset::numbers("heights", 1, &[1.0, 3.0], 1, &[0.0, 1.0])?;
/// let standardisation = Standardisation::fit(&data)?;
/// assert_eq!((standardisation.mean(), standardisation.scale()), (&[2.0][..], &[1.0][..]));
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Standardisation {
    mean: Vec<f32>,
    scale: Vec<f32>,
}

/// What stands in a file, before it is checked.
#[derive(Deserialize)]
struct Stored {
    mean: Vec<f32>,
    scale: Vec<f32>,
}

impl TryFrom<Stored> for Standardisation {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Self> {
        Self::new(stored.mean, stored.scale)
    }
}

impl Standardisation {
    /// From a mean and a scale for each column.
    ///
    /// # Errors
    /// No columns, another number of scales than of means, a value that is not finite, or a scale that is not above 0.
    pub fn new(mean: Vec<f32>, scale: Vec<f32>) -> Result<Self> {
        if mean.is_empty() {
            return Err(Error::value("standardisation", "columns", 0, "at least 1"));
        }
        if mean.len() != scale.len() {
            return Err(Error::Shape {
                place: "standardisation".into(),
                found_what: "the number of scales is".into(),
                found: scale.len(),
                wanted_what: "the number of means is".into(),
                wanted: mean.len(),
                remedy: "give every column one of each".into(),
            });
        }
        for (column, (&mean, &scale)) in mean.iter().zip(&scale).enumerate() {
            let place = format!("standardisation, column {column}");
            if !mean.is_finite() {
                return Err(Error::value(place, "the mean", mean, "finite"));
            }
            if !(scale.is_finite() && scale > 0.0) {
                return Err(Error::value(place, "the scale", scale, "finite and above 0"));
            }
        }
        Ok(Self { mean, scale })
    }

    /// Mean and standard deviation (over n, not n − 1) of each input column, computed in f64. A constant column has
    /// the scale 1, and becomes 0.
    ///
    /// # Errors
    /// A data set without rows.
    pub fn fit(dataset: &Dataset) -> Result<Self> {
        let columns = dataset.inputs();
        has_rows(dataset)?;
        let (mean, scale) = (0..columns).map(|column| moments(&dataset.input, column, columns)).unzip();
        Self::new(mean, scale)
    }

    /// One mean and one standard deviation of all values, for every column: what images want, whose pixels are of one
    /// kind, and of which some are hardly ever anything but black.
    ///
    /// # Errors
    /// A data set without rows.
    pub fn fit_all(dataset: &Dataset) -> Result<Self> {
        has_rows(dataset)?;
        let (mean, scale) = moments(&dataset.input, 0, 1);
        Self::new(vec![mean; dataset.inputs()], vec![scale; dataset.inputs()])
    }

    /// Whether all columns are scaled alike.
    pub fn is_uniform(&self) -> bool {
        self.mean.iter().all(|mean| *mean == self.mean[0]) && self.scale.iter().all(|scale| *scale == self.scale[0])
    }

    /// Scales rows in place; `rows` is \[any, columns\], row-major.
    ///
    /// # Errors
    /// A length that is not a multiple of the columns.
    pub fn apply(&self, rows: &mut [f32]) -> Result<()> {
        if !rows.len().is_multiple_of(self.columns()) {
            let problem = format!("{} values are not a multiple of {} columns", rows.len(), self.columns());
            return Err(Error::data("standardisation", problem, "pass whole rows of the columns it was fitted on"));
        }
        for row in rows.chunks_exact_mut(self.columns()) {
            for ((value, mean), scale) in row.iter_mut().zip(&self.mean).zip(&self.scale) {
                *value = (*value - mean) / scale;
            }
        }
        Ok(())
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.mean.len()
    }

    /// What is subtracted from each column.
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// What then divides each column.
    pub fn scale(&self) -> &[f32] {
        &self.scale
    }
}

fn has_rows(dataset: &Dataset) -> Result<()> {
    if dataset.is_empty() {
        let remedy = "fit it on a part whose fraction is above 0";
        return Err(Error::data(dataset.place(), "it has 0 rows to fit a standardisation on", remedy));
    }
    Ok(())
}

/// Mean and scale of every `step`-th value from `first` on. Deviations are taken from the first of them, so that a
/// constant column is found to be exactly constant at any length: above 2²⁹ rows even an f64 cannot hold every Σx, and a
/// deviation of rounding errors would, as a scale, blow up the next value seen.
fn moments(input: &Inputs, first: usize, step: usize) -> (f32, f32) {
    let values = || input.every(first, step);
    let count = values().count() as f64;
    let origin = values().next().unwrap_or(0.0);
    let mean = origin + values().map(|value| value - origin).sum::<f64>() / count;
    let deviation = (values().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt() as f32;
    (mean as f32, if deviation > 0.0 { deviation } else { 1.0 })
}
