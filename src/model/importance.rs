//! Permutation importance of the columns of a data set.

use std::ops::Range;

use serde::Serialize;

use crate::data::Dataset;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::metrics::Metric;
use crate::model::Model;
use crate::rng::{Philox, Stream};

/// Importance of the columns of a data set for a model, with the score that falls.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Importances {
    /// Text of the metric, or `loss`.
    pub metric: String,
    /// Value of the metric on the unchanged data set.
    pub value: f64,
    /// Importance of each column, in the order of the columns.
    pub columns: Vec<Importance>,
}

/// Permutation importance of a column.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Importance {
    /// Name of the table's column.
    pub column: String,
    /// Number of the network's inputs that are made of it.
    pub inputs: usize,
    /// Mean of the falls.
    pub mean: f64,
    /// Standard deviation of the falls, with the number of repeats as divisor.
    pub deviation: f64,
    /// For each repeat, how much worse the metric is with the column permuted.
    pub falls: Vec<f64>,
}

impl Importance {
    fn new(column: &str, inputs: usize, falls: Vec<f64>) -> Self {
        let mean = falls.iter().sum::<f64>() / falls.len() as f64;
        let square = |fall: &f64| (fall - mean).powi(2);
        let deviation = (falls.iter().map(square).sum::<f64>() / falls.len() as f64).sqrt();
        Self { column: column.into(), inputs, mean, deviation, falls }
    }
}

impl Model {
    /// Computes the permutation importance of each column of a data set, as scikit-learn's `permutation_importance`:
    /// how much worse a metric is if the values of the column are permuted among the rows (Breiman 2001). All inputs
    /// that are made of one column of a table are permuted together.
    ///
    /// Without a metric, it is the accuracy, or R²; the loss if there is neither. Each column is permuted `repeats`
    /// times. The permutations depend on the seed alone.
    ///
    /// Of columns that depend on each other, each may have a small importance, since the model can use the others.
    ///
    /// # Errors
    /// Zero repeats; otherwise as [`Model::evaluate_with`].
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Dataset, Device, Loss, Network, Trainer};
    /// # let trainer = Trainer::builder(Network::input(2).dense(1)).loss(Loss::mean_squared_error()).build(&Device::cpu())?;
    /// # let mut model = trainer.into_model()?;
    /// model.parameters[0].values = vec![2.0, 0.0]; // The bias is 0.
    /// let data = Dataset::numbers("twice", 2, &[-1.0, 5.0, 1.0, 7.0], 1, &[-2.0, 2.0])?;
    /// let found = model.permutation_importance(&Device::cpu(), &data, None, 5, 0)?;
    /// // R² is 1. If the two rows are exchanged, it is 1 - 32 / 8 = -3.
    /// assert!(found.columns[0].falls.iter().all(|fall| [0.0, 4.0].contains(fall)));
    /// assert_eq!(found.columns[1].mean, 0.0);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn permutation_importance(
        &self,
        device: &Device,
        data: &Dataset,
        metric: Option<Metric>,
        repeats: usize,
        seed: u64,
    ) -> Result<Importances> {
        if repeats == 0 {
            return Err(Error::value("permutation importance", "repeats", 0, "at least 1"));
        }
        let score = |data: &Dataset| self.score_of(device, data, metric);
        let (name, value, larger_is_better) = score(data)?;
        let sign = if larger_is_better { 1.0 } else { -1.0 };
        let preparation = self.metadata.table_preparation();
        let (mut columns, mut first) = (Vec::new(), 0);
        for (number, (column, inputs)) in preparation.widths().enumerate() {
            let own: Range<usize> = first..first + inputs;
            first += inputs;
            let fall = |repeat: usize| {
                let mut order: Vec<usize> = (0..data.len()).collect();
                let index = (number * repeats + repeat) as u32;
                Philox::new(seed, Stream::Permute, index).shuffle(&mut order);
                Ok(sign * (value - score(&data.permuted(own.clone(), &order))?.1))
            };
            let falls = (0..repeats).map(fall).collect::<Result<Vec<f64>>>()?;
            columns.push(Importance::new(column, inputs, falls));
        }
        Ok(Importances { metric: name, value, columns })
    }

    /// Returns the name and the value of a metric, and true if larger values are better. Without a metric, it is the
    /// score, or else the loss.
    fn score_of(&self, device: &Device, data: &Dataset, metric: Option<Metric>) -> Result<(String, f64, bool)> {
        let found = self.evaluate_with(device, data, metric.as_slice())?;
        Ok(match (metric, found.score()) {
            (Some(metric), _) => {
                let name = metric.to_string();
                (name.clone(), found.metric(&name)?, metric.larger_is_better())
            }
            (None, Some((name, value))) => (name.into(), value, true),
            (None, None) => ("loss".into(), found.loss, false),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::Loss;
    use crate::network::Network;
    use crate::trainer::Trainer;

    fn linear(weights: &[f32], loss: Loss) -> Model {
        let trainer = Trainer::builder(Network::input(weights.len()).dense(1)).loss(loss).build(&Device::cpu());
        let mut model = trainer.and_then(Trainer::into_model).expect("a model");
        model.parameters[0].values = weights.to_vec();
        model
    }

    /// With y = 2a + b for independent columns, R² falls by 2·w²·var(x) / var(y) on average. scikit-learn 1.9 finds
    /// 1.58 ± 0.02, 0.39 ± 0.01 and 0 for 2,000 other rows (`permutation_importance`, 5 repeats).
    #[test]
    fn importances_of_a_linear_model_are_known() {
        let mut random = Philox::new(1, Stream::Data, 0);
        let rows: Vec<f32> = (0..6000).map(|_| random.normal() as f32).collect();
        let targets: Vec<f32> = rows.chunks(3).map(|row| 2.0 * row[0] + row[1]).collect();
        let data = Dataset::numbers("line", 3, &rows, 1, &targets).expect("data");
        let model = linear(&[2.0, 1.0, 0.0], Loss::mean_squared_error());
        let found = model.permutation_importance(&Device::cpu(), &data, None, 5, 0).expect("importances");
        let column = |number: usize| rows.iter().skip(number).step_by(3).copied().collect::<Vec<f32>>();
        let variance = |values: &[f32]| {
            let values: Vec<f64> = values.iter().map(|value| f64::from(*value)).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64
        };
        assert_eq!((found.metric.as_str(), found.columns.len()), ("r2", 3));
        for (number, weight) in [2.0_f64, 1.0, 0.0].into_iter().enumerate() {
            let expected = 2.0 * weight.powi(2) * variance(&column(number)) / variance(&targets);
            let Importance { mean, deviation, .. } = found.columns[number];
            // The covariance of a column and its permutation has a standard deviation of var(x) / √2000. So a fall has
            // one of expected / √2000, and the mean of five falls a √5th of it. Five of these are allowed.
            let one = expected / 2000_f64.sqrt();
            assert!((mean - expected).abs() <= 5.0 * one / 5_f64.sqrt() + 1e-6, "{mean}, not {expected}");
            assert!(deviation <= 3.0 * one + 1e-6, "{deviation}, not about {one}");
        }
    }

    #[test]
    fn errors_rise_where_scores_fall_and_repeats_are_by_seed() {
        let data = Dataset::numbers("line", 1, &[0.0, 1.0, 2.0, 3.0], 1, &[0.0, 1.0, 2.0, 3.0]).expect("data");
        let model = linear(&[1.0], Loss::mean_squared_error());
        let found = |metric: &str, repeats, seed| {
            let metric = Some(metric.parse().expect("a metric"));
            model.permutation_importance(&Device::cpu(), &data, metric, repeats, seed).expect("importances")
        };
        let mae = found("mae", 40, 7);
        assert_eq!((mae.metric.as_str(), mae.value), ("mae", 0.0));
        // Of four rows, Σ |x - y| is even and at most 8.
        let falls = &mae.columns[0].falls;
        assert!(falls.iter().all(|fall| [0.0, 0.5, 1.0, 1.5, 2.0].contains(fall)), "{falls:?}");
        // All permutations are drawn: the mean over them is 1.25.
        assert!((mae.columns[0].mean - 1.25).abs() < 0.4, "{falls:?}");
        assert_eq!(found("mae", 3, 7).columns[0].falls, falls[..3]);
        assert_ne!(found("mae", 40, 8).columns[0].falls, *falls);
        assert!(model.permutation_importance(&Device::cpu(), &data, None, 0, 0).is_err());
    }
}
