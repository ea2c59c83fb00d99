//! One target column of a regression with its predictions.

use crate::metrics::sum::Sum;

/// Targets and outputs of one target column, with the weights of the rows.
pub(crate) struct Column {
    /// Target, output and weight of each row whose weight is not 0.
    rows: Vec<[f64; 3]>,
    weight: f64,
}

impl Column {
    /// Creates a column from the target, output and weight of each row. At least one weight must be above 0.
    pub(crate) fn new(rows: impl Iterator<Item = [f64; 3]>) -> Self {
        let rows: Vec<_> = rows.filter(|[.., weight]| *weight > 0.0).collect();
        let weight = rows.iter().map(|[.., weight]| *weight).collect::<Sum>().value();
        Self { rows, weight }
    }

    /// Returns the weighted mean of `f(target, output)` over the rows.
    pub(crate) fn mean(&self, f: impl Fn(f64, f64) -> f64) -> f64 {
        self.rows.iter().map(|[target, output, weight]| weight * f(*target, *output)).collect::<Sum>().value()
            / self.weight
    }

    /// Returns the weighted variance of `f(target, output)` over the rows. It is exactly 0 if `f` is the same for all
    /// rows.
    pub(crate) fn variance(&self, f: impl Fn(f64, f64) -> f64) -> f64 {
        let first = self.rows.first().map_or(0.0, |[target, output, _]| f(*target, *output));
        if self.rows.iter().all(|[target, output, _]| f(*target, *output) == first) {
            return 0.0;
        }
        let mean = self.mean(&f);
        self.mean(|target, output| (f(target, output) - mean).powi(2))
    }

    /// Returns 1 − `unexplained` / variance of the targets, such as R² for the mean squared error. For constant
    /// targets, it is 1 if `unexplained` is 0, otherwise 0.
    pub(crate) fn explained(&self, unexplained: f64) -> f64 {
        let variance = self.variance(|target, _| target);
        if variance > 0.0 { 1.0 - unexplained / variance } else { f64::from(unexplained == 0.0) }
    }

    /// Returns the weighted median of `f(target, output)`. If the weight is split exactly in half between two values,
    /// the median is their mean (scikit-learn's `_weighted_percentile` with `average=True`).
    pub(crate) fn median(&self, f: impl Fn(f64, f64) -> f64) -> f64 {
        let mut values: Vec<_> =
            self.rows.iter().map(|[target, output, weight]| (f(*target, *output), *weight)).collect();
        values.sort_by(|one, two| one.0.total_cmp(&two.0));
        // A running sum without compensation, as in scikit-learn, so that the comparisons below give the same results.
        let below: Vec<f64> = values
            .iter()
            .scan(0.0, |sum, (_, weight)| {
                *sum += weight;
                Some(*sum)
            })
            .collect();
        let half = below.last().map_or(0.0, |all| 0.5 * all);
        let at = below.partition_point(|sum| *sum < half);
        let next = if below[at] - half > f64::EPSILON { at } else { (at + 1).min(values.len() - 1) };
        (values[at].0 + values[next].0) / 2.0
    }
}
