//! Scaling input columns to mean 0 and standard deviation 1.

use serde::{Deserialize, Serialize};

use super::{Dataset, Targets};
use crate::error::{Error, Result, room};

/// Per input column, what is subtracted and what then divides: (x − mean) / scale.
///
/// Fit it on the training part alone and apply it to every part, so that nothing of validation and test leaks into
/// training. It is what scikit-learn calls `StandardScaler`: the scale is the population's standard deviation. All of it
/// is f64, and values become f32 only once they are scaled: of seconds since 1970, an f32 can tell only every 128th apart.
///
/// ```
/// use wgrad::{Dataset, Standardization};
/// let data = Dataset::numbers("heights", 1, &[1.0, 3.0], 1, &[0.0, 1.0])?;
/// let standardization = Standardization::fit(&data)?;
/// assert_eq!((standardization.mean(), standardization.scale()), (&[2.0][..], &[1.0][..]));
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Standardization {
    mean: Vec<f64>,
    scale: Vec<f64>,
}

/// What stands in a file, before it is checked.
#[derive(Deserialize)]
struct Stored {
    mean: Vec<f64>,
    scale: Vec<f64>,
}

impl TryFrom<Stored> for Standardization {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Self> {
        Self::new(stored.mean, stored.scale)
    }
}

impl Standardization {
    /// From a mean and a scale for each column.
    ///
    /// # Errors
    /// No columns, another number of scales than of means, a value that is not finite, or a scale that is not above 0.
    pub fn new(mean: Vec<f64>, scale: Vec<f64>) -> Result<Self> {
        if mean.is_empty() {
            return Err(Error::value("standardization", "columns", 0, "at least 1"));
        }
        if mean.len() != scale.len() {
            return Err(Error::Shape {
                place: "standardization".into(),
                found_what: "the number of scales is".into(),
                found: scale.len(),
                wanted_what: "the number of means is".into(),
                wanted: mean.len(),
                remedy: "give every column one of each".into(),
            });
        }
        for (column, (&mean, &scale)) in mean.iter().zip(&scale).enumerate() {
            let place = format!("standardization, column {column}");
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
        let (mean, scale) = (0..columns).map(|column| moments(|| dataset.input.every(column, columns))).unzip();
        Self::new(mean, scale)
    }

    /// The same of the target columns, as [`Dataset::standardised_targets`] scales them.
    ///
    /// # Errors
    /// A data set without rows; targets that are classes.
    pub fn fit_targets(dataset: &Dataset) -> Result<Self> {
        has_rows(dataset)?;
        let Targets::Numbers { values, columns } = dataset.targets() else {
            return Err(Error::conflict(dataset.place(), "its targets are classes", "fit targets that are numbers"));
        };
        let column = |first: usize| move || values.iter().skip(first).step_by(columns.len()).copied();
        let (mean, scale) = (0..columns.len()).map(|first| moments(column(first))).unzip();
        Self::new(mean, scale)
    }

    /// One mean and one standard deviation of all values, for every column: what images want, whose pixels are of one
    /// kind, and of which some are hardly ever anything but black.
    ///
    /// # Errors
    /// A data set without rows.
    pub fn fit_all(dataset: &Dataset) -> Result<Self> {
        has_rows(dataset)?;
        let (mean, scale) = moments(|| dataset.input.every(0, 1));
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
        let scaled = self.scaled(rows)?;
        rows.copy_from_slice(&scaled);
        Ok(())
    }

    /// Scaled rows, rounded to f32 once they are scaled; `rows` is \[any, columns\], row-major.
    ///
    /// # Errors
    /// As [`Standardization::apply`].
    pub fn scaled<T: Copy + Into<f64>>(&self, rows: &[T]) -> Result<Vec<f32>> {
        if !rows.len().is_multiple_of(self.columns()) {
            let problem = format!("{} values are not a multiple of {} columns", rows.len(), self.columns());
            return Err(Error::data("standardization", problem, "pass whole rows of the columns it was fitted on"));
        }
        let mut scaled = room("scaled rows", rows.len())?;
        rows.chunks_exact(self.columns()).for_each(|row| scaled.extend(self.scaled_row(row)));
        Ok(scaled)
    }

    /// The values of one row, scaled.
    pub(crate) fn scaled_row<T: Copy + Into<f64>>(&self, row: &[T]) -> impl Iterator<Item = f32> {
        let columns = row.iter().zip(self.mean.iter().zip(&self.scale));
        columns.map(|(value, (mean, scale))| ((Into::<f64>::into(*value) - mean) / scale) as f32)
    }

    /// The numbers that scaling has made these rows of: value · scale + mean, in f64. `rows` are whole rows.
    pub(crate) fn undone(&self, rows: &[f32]) -> Vec<f64> {
        rows.iter().enumerate().map(|(at, value)| self.undone_value(at % self.columns(), *value)).collect()
    }

    /// The same of one value of a column.
    pub(crate) fn undone_value(&self, column: usize, value: f32) -> f64 {
        f64::from(value) * self.scale[column] + self.mean[column]
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.mean.len()
    }

    /// What is subtracted from each column.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// What then divides each column.
    pub fn scale(&self) -> &[f64] {
        &self.scale
    }
}

fn has_rows(dataset: &Dataset) -> Result<()> {
    if dataset.is_empty() {
        let remedy = "fit it on a part whose fraction is above 0";
        return Err(Error::data(dataset.place(), "it has 0 rows to fit a standardization on", remedy));
    }
    Ok(())
}

/// Mean and scale of values that can be gone through several times. Deviations are taken from the first of them, so that a
/// constant column is found to be exactly constant at any length: above 2²⁹ rows even an f64 cannot hold every Σx, and a
/// deviation of rounding errors would, as a scale, blow up the next value seen. The second pass corrects the first by the
/// mean of its own deviations, which rounding has left: a first value far from all others costs no digits.
fn moments<I: Iterator<Item = f64>>(values: impl Fn() -> I) -> (f64, f64) {
    let count = values().count() as f64;
    let origin = values().next().unwrap_or(0.0);
    let mean = origin + values().map(|value| value - origin).sum::<f64>() / count;
    let add = |(sum, squares): (f64, f64), from_mean: f64| (sum + from_mean, squares + from_mean * from_mean);
    let (sum, squares) = values().map(|value| value - mean).fold((0.0, 0.0), add);
    let left = sum / count;
    let deviation = (squares / count - left * left).max(0.0).sqrt();
    (mean + left, if deviation > 0.0 { deviation } else { 1.0 })
}
