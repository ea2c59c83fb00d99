//! Metrics of several labels per row.

use crate::error::{Error, Result};
use crate::metrics::counts::ClassCounts;
use crate::metrics::declare::Compute;
use crate::metrics::ranking::Ranking;
use crate::metrics::scorer::no_scores;
use crate::metrics::sum::Sum;
use crate::metrics::{Metric, Row, undefined};

/// Actual labels (0 or 1) and scores. Both have the shape [rows, columns], row-major, with one column per label and at
/// least one row. A label is predicted if its score is above 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LabelScores<'a> {
    pub(crate) actual: &'a [u32],
    pub(crate) scores: &'a [f64],
    pub(crate) columns: usize,
    pub(crate) weights: Option<&'a [f64]>,
}

impl LabelScores<'_> {
    fn weight(&self, row: usize) -> f64 {
        self.weights.map_or(1.0, |weights| weights[row])
    }

    fn rows(&self) -> std::ops::Range<usize> {
        0..self.actual.len() / self.columns
    }

    /// Returns the actual and the predicted label, each 0 or 1, at a row and column.
    fn label(&self, row: usize, column: usize) -> (u32, u32) {
        let at = row * self.columns + column;
        (self.actual[at], u32::from(self.scores[at] > 0.0))
    }

    /// Returns the weighted mean of `of_row` over all rows. `of_row` gets the actual and the predicted label of each
    /// column.
    pub(crate) fn mean(&self, of_row: impl Fn(&[(u32, u32)]) -> f64) -> f64 {
        let (sum, weight) = self.sum(of_row);
        sum / weight
    }

    /// Returns the weighted sum of `of_row` over all rows, and the total weight of the rows.
    fn sum(&self, of_row: impl Fn(&[(u32, u32)]) -> f64) -> (f64, f64) {
        let (mut sum, mut total, mut labels) = (Sum::default(), Sum::default(), Vec::with_capacity(self.columns));
        for row in self.rows() {
            labels.clear();
            labels.extend((0..self.columns).map(|column| self.label(row, column)));
            sum.add(self.weight(row) * of_row(&labels));
            total.add(self.weight(row));
        }
        (sum.value(), total.value())
    }

    /// Returns the true positives, actual positives and predicted positives of each label, as total weights of rows.
    pub(crate) fn counts(&self) -> Vec<ClassCounts> {
        let of_label = |column: usize| {
            let weight = |counts: fn(u32, u32) -> bool| {
                let rows = self.rows().filter(|row| {
                    let (actual, predicted) = self.label(*row, column);
                    counts(actual, predicted)
                });
                rows.map(|row| self.weight(row)).collect::<Sum>().value()
            };
            ClassCounts {
                right: weight(|actual, predicted| actual == 1 && predicted == 1),
                support: weight(|actual, _| actual == 1),
                predicted: weight(|_, predicted| predicted == 1),
            }
        };
        (0..self.columns).map(of_label).collect()
    }

    /// Computes a metric, if it can be computed from labels.
    pub(crate) fn compute(&self, metric: Metric) -> Result<f64> {
        match metric.compute_kind() {
            Compute::Labels(of_labels) => Ok(of_labels(self)),
            Compute::Rows(term) => {
                let of_label =
                    |&(actual, predicted): &(u32, u32)| term(&Row { actual, predicted, scores: &[] }, metric.values);
                let (sum, weight) = self.sum(|labels| labels.iter().map(of_label).sum());
                Ok(sum / (weight * self.columns as f64))
            }
            Compute::Averaged(of_label) => {
                let average = metric.average().of(&self.counts(), |label| of_label(label, metric.values));
                average.ok_or_else(|| {
                    Error::value(
                        format!("metric `{metric}`"),
                        "average",
                        "binary",
                        "macro, micro or weighted for labels",
                    )
                })
            }
            Compute::Ranking(of_label) => {
                let areas = (0..self.columns).map(|column| {
                    let rows = self.rows().map(|row| {
                        let score = self.scores[row * self.columns + column];
                        (score, self.label(row, column).0 == 1, self.weight(row))
                    });
                    let undefined = || undefined(metric.name(), &format!("no row, or every row, has label {column}"));
                    of_label(&Ranking::new(rows)).ok_or_else(undefined)
                });
                let areas = areas.collect::<Result<Vec<f64>>>()?;
                Ok(areas.into_iter().collect::<Sum>().value() / self.columns as f64)
            }
            Compute::Bins(_) | Compute::Counts(_) | Compute::Columns(_) => no_scores(&metric),
        }
    }
}
