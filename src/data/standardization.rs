//! Scaling of inputs and targets, to mean 0 and standard deviation 1, or by median and quartiles.

use serde::{Deserialize, Serialize};

use super::{Dataset, Targets};
use crate::error::{Error, Result, try_with_capacity};

/// Standardization: the mean (or median) and the scale of each column. A value x is scaled to (x − mean) / scale.
///
/// Fit it on the training set alone, and apply it to all sets. Otherwise, information of the validation and test set
/// leaks into training. [`Standardization::fit`] is scikit-learn's `StandardScaler`: the scale is the population
/// standard deviation.
///
/// Values are computed in f64, and only the scaled values are rounded to f32. Seconds since 1970, for example, are so
/// large that neighboring f32 values are 128 apart.
///
/// # Examples
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
    /// Limit of the absolute value of scaled values, which large values approach smoothly; `None` if there is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit: Option<f64>,
}

/// Contents of a model file, before they are checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    mean: Vec<f64>,
    scale: Vec<f64>,
    #[serde(default)]
    limit: Option<f64>,
}

impl TryFrom<Stored> for Standardization {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Self> {
        let scaling = Self::new(stored.mean, stored.scale)?;
        match stored.limit {
            Some(limit) if !(limit.is_finite() && limit > 0.0) => {
                Err(Error::value("standardization", "the limit", limit, "finite and above 0"))
            }
            limit => Ok(Self { limit, ..scaling }),
        }
    }
}

/// Limit of the absolute value of inputs after [`Standardization::robust`].
const LIMIT: f64 = 3.0;

impl Standardization {
    /// Creates a standardization from a mean and a scale for each column.
    ///
    /// # Errors
    /// There are no columns, the numbers of means and scales differ, a value is not finite, or a scale is not above 0.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Standardization;
    /// let standardization = Standardization::new(vec![10.0, 20.0], vec![1.0, 2.0])?;
    /// assert_eq!(standardization.scaled(&[11.0, 26.0])?, [1.0, 3.0]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
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
        Ok(Self { mean, scale, limit: None })
    }

    /// Computes mean and standard deviation (over n, not n − 1) of each input column, in f64. A constant column gets
    /// the scale 1, so its values become 0.
    ///
    /// # Errors
    /// The data set has no rows.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Dataset, Standardization};
    /// let data = Dataset::from_rows([[1.0, 7.0], [3.0, 7.0]], [0, 1])?;
    /// let standardization = Standardization::fit(&data)?;
    /// assert_eq!((standardization.mean(), standardization.scale()), (&[2.0, 7.0][..], &[1.0, 1.0][..]));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn fit(dataset: &Dataset) -> Result<Self> {
        let columns = dataset.inputs();
        has_rows(dataset)?;
        let (mean, scale) = (0..columns).map(|column| moments(|| dataset.input.every(column, columns))).unzip();
        Self::new(mean, scale)
    }

    /// Computes median and interquartile range of each input column, and limits scaled values smoothly to ±3. A value x
    /// becomes z = (x − median) / (q₃ − q₁), and then z / √(1 + (z/3)²). Outliers thus have little effect on the scale
    /// and on the network. If the quartiles are equal, the scale is half the range. The values of a constant column
    /// become 0.
    ///
    /// This is the scaling of RealMLP (Holzmüller et al., 2024, "Better by default").
    ///
    /// # Errors
    /// The data set has no rows.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Dataset, Standardization};
    /// let data = Dataset::from_rows([[1.0], [2.0], [3.0], [4.0], [1e9]], [0, 1, 0, 1, 0])?;
    /// let robust = Standardization::robust(&data)?;
    /// assert_eq!((robust.mean(), robust.scale()), (&[3.0][..], &[2.0][..]));
    /// assert_eq!(robust.scaled(&[3.0, 1e9])?, [0.0, 3.0]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn robust(dataset: &Dataset) -> Result<Self> {
        let columns = dataset.inputs();
        has_rows(dataset)?;
        let (mean, scale) =
            (0..columns).map(|column| quartiles(dataset.input.every(column, columns).collect())).unzip();
        Ok(Self { limit: Some(LIMIT), ..Self::new(mean, scale)? })
    }

    /// Computes mean and standard deviation of each target column, for [`Dataset::standardized_targets`].
    ///
    /// # Errors
    /// The data set has no rows, or its targets are classes.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Dataset, Standardization};
    /// let data = Dataset::from_rows([[1.0], [2.0]], [100.0, 300.0])?;
    /// let standardization = Standardization::fit_targets(&data)?;
    /// assert_eq!((standardization.mean(), standardization.scale()), (&[200.0][..], &[100.0][..]));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn fit_targets(dataset: &Dataset) -> Result<Self> {
        has_rows(dataset)?;
        let Targets::Numbers { values, columns } = dataset.targets() else {
            return Err(Error::conflict(dataset.place(), "its targets are classes", "fit targets that are numbers"));
        };
        let column = |first: usize| move || values.iter().skip(first).step_by(columns.len()).copied();
        let (mean, scale) = (0..columns.len()).map(|first| moments(column(first))).unzip();
        Self::new(mean, scale)
    }

    /// Computes one mean and one standard deviation over all input columns. Use it for images, in which some pixels are
    /// nearly constant.
    ///
    /// # Errors
    /// The data set has no rows.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Dataset, Standardization};
    /// let data = Dataset::from_rows([[1.0, 3.0], [3.0, 1.0]], [0, 1])?;
    /// let standardization = Standardization::fit_all(&data)?;
    /// assert_eq!((standardization.mean(), standardization.scale()), (&[2.0; 2][..], &[1.0; 2][..]));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn fit_all(dataset: &Dataset) -> Result<Self> {
        has_rows(dataset)?;
        let (mean, scale) = moments(|| dataset.input.every(0, 1));
        Self::new(vec![mean; dataset.inputs()], vec![scale; dataset.inputs()])
    }

    /// Returns true if all columns have the same mean and the same scale.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Standardization, data};
    /// assert!(Standardization::fit_all(&data::digits())?.is_uniform());
    /// assert!(!Standardization::fit(&data::digits())?.is_uniform());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn is_uniform(&self) -> bool {
        self.mean.iter().all(|mean| *mean == self.mean[0]) && self.scale.iter().all(|scale| *scale == self.scale[0])
    }

    /// Scales rows in place. `rows` has the shape \[any, columns\], row-major.
    ///
    /// # Errors
    /// The length of `rows` is not a multiple of the number of columns.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Standardization;
    /// let mut rows = [12.0, 8.0];
    /// Standardization::new(vec![10.0], vec![2.0])?.apply(&mut rows)?;
    /// assert_eq!(rows, [1.0, -1.0]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn apply(&self, rows: &mut [f32]) -> Result<()> {
        let scaled = self.scaled(rows)?;
        rows.copy_from_slice(&scaled);
        Ok(())
    }

    /// Returns scaled values. `rows` has the shape \[any, columns\], row-major, and so has the result. Values are
    /// scaled in f64, and then rounded to f32.
    ///
    /// # Errors
    /// See [`Standardization::apply`].
    ///
    /// # Examples
    /// ```
    /// use wgrad::Standardization;
    /// let seconds = Standardization::new(vec![1_700_000_000.0], vec![1.0])?;
    /// assert_eq!(seconds.scaled(&[1_700_000_001.0_f64])?, [1.0]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn scaled<T: Copy + Into<f64>>(&self, rows: &[T]) -> Result<Vec<f32>> {
        if !rows.len().is_multiple_of(self.columns()) {
            let problem = format!("{} values are not a multiple of {} columns", rows.len(), self.columns());
            return Err(Error::data("standardization", problem, "pass whole rows of the columns it was fitted on"));
        }
        let mut scaled = try_with_capacity("scaled rows", rows.len())?;
        rows.chunks_exact(self.columns()).for_each(|row| scaled.extend(self.scaled_row(row)));
        Ok(scaled)
    }

    /// Scales the values of one row.
    pub(crate) fn scaled_row<T: Copy + Into<f64>>(&self, row: &[T]) -> impl Iterator<Item = f32> {
        let columns = row.iter().zip(self.mean.iter().zip(&self.scale));
        columns.map(|(value, (mean, scale))| self.limited((Into::<f64>::into(*value) - mean) / scale) as f32)
    }

    /// Limits a scaled value. The square root is correctly rounded, so all machines compute the same bits.
    fn limited(&self, scaled: f64) -> f64 {
        let Some(limit) = self.limit else { return scaled };
        let ratio = scaled / limit;
        let length = (1.0 + ratio * ratio).sqrt();
        // The square of a huge ratio overflows to infinity.
        if length.is_finite() { scaled / length } else { limit.copysign(scaled) }
    }

    /// Limit of the absolute value of scaled values, which large values approach smoothly; `None` if there is no limit.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Standardization, data};
    /// assert_eq!(Standardization::fit(&data::iris())?.limit(), None);
    /// assert_eq!(Standardization::robust(&data::iris())?.limit(), Some(3.0));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn limit(&self) -> Option<f64> {
        self.limit
    }

    /// Converts a scaled value of a column back to the original unit. It ignores the limit, since scalings of targets
    /// have none.
    pub(crate) fn undone_value(&self, column: usize, value: f32) -> f64 {
        f64::from(value) * self.scale[column] + self.mean[column]
    }

    /// Number of columns.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Standardization, data};
    /// assert_eq!(Standardization::fit(&data::iris())?.columns(), 4);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn columns(&self) -> usize {
        self.mean.len()
    }

    /// Number that is subtracted from each column: the mean, or the median after [`Standardization::robust`].
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Dataset, Standardization};
    /// let data = Dataset::from_rows([[1.0], [5.0]], [0, 1])?;
    /// assert_eq!(Standardization::fit(&data)?.mean(), [3.0]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Divisor of each column after the subtraction of the mean; above 0.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Dataset, Standardization};
    /// let data = Dataset::from_rows([[1.0], [5.0]], [0, 1])?;
    /// assert_eq!(Standardization::fit(&data)?.scale(), [2.0]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn scale(&self) -> &[f64] {
        &self.scale
    }
}

fn has_rows(dataset: &Dataset) -> Result<()> {
    if dataset.is_empty() {
        let remedy = "fit it on a data set with at least 1 row";
        return Err(Error::data(dataset.place(), "it has 0 rows to fit a standardization on", remedy));
    }
    Ok(())
}

/// Returns median and scale of values. The scale is the interquartile range; if that is 0, half the range; if that is 0
/// too, 1. Quartiles are interpolated linearly, as NumPy does.
fn quartiles(mut values: Vec<f64>) -> (f64, f64) {
    let [low, median, high] = [0.25, 0.5, 0.75].map(|share| quantile(&mut values, share));
    let range = || {
        let ends = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(*x), high.max(*x)));
        (ends.1 - ends.0) / 2.0
    };
    let is_scale = |scale: &f64| *scale > 0.0 && scale.is_finite();
    (median, Some(high - low).filter(is_scale).or_else(|| Some(range()).filter(is_scale)).unwrap_or(1.0))
}

/// Returns the quantile `share`, from 0 to 1. `values` must not be empty. Selection takes linear time, unlike sorting.
pub(super) fn quantile(values: &mut [f64], share: f64) -> f64 {
    let place = share * (values.len() - 1) as f64;
    let (_, low, above) = values.select_nth_unstable_by(place.floor() as usize, f64::total_cmp);
    let next = if place.fract() > 0.0 { above.iter().copied().min_by(f64::total_cmp) } else { None };
    *low + (next.unwrap_or(*low) - *low) * place.fract()
}

/// Returns mean and scale of values. The scale is the standard deviation, or 1 for a constant column.
///
/// The mean is computed from deviations from the first value. They are exactly 0 for a constant column; rounding errors
/// of Σx would otherwise become its scale above 2²⁹ rows. A second pass corrects the mean by the mean of the deviations
/// from it, so that a first value far from all others costs no digits.
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
