//! Result of an evaluation: loss and metrics by name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::metrics::Metric;

/// Loss and metrics of a network on a data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Evaluation {
    /// Number of rows.
    pub rows: usize,
    /// Mean loss over all rows, weighted if rows have weights.
    pub loss: f64,
    /// Accuracy, for classification: the fraction of correct predictions. If rows have several labels, each label
    /// counts as one prediction. `None` for a regression, or if a target lies between 0 and 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Fraction of rows with all labels predicted correctly, if rows have several labels, as scikit-learn's
    /// `accuracy_score`. `None` if a target lies between 0 and 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exact_match: Option<f64>,
    /// Micro-averaged F1, if rows have several labels, as scikit-learn's `f1_score`. Unlike the accuracy, it is not
    /// high merely because most labels are false. `None` if a target lies between 0 and 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub f1: Option<f64>,
    /// R² (coefficient of determination), for regression: 1 − Σ(y − t)² / Σ(t − mean t)², mean over outputs. For a
    /// constant target it is 1 if all predictions are exact, else 0, as in scikit-learn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r2: Option<f64>,
    /// Mean absolute error, for regression: mean |y − t| over rows and outputs, in the unit of the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mae: Option<f64>,
    /// Root mean squared error, for regression: √(mean (y − t)²) over the rows, computed for each output, then the mean
    /// over outputs, in the unit of the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rmse: Option<f64>,
    /// Other [metrics](crate::metrics), by name with parameters, such as `f_beta(beta=2)`. In JSON, each is a field of
    /// the evaluation.
    #[serde(flatten)]
    pub metrics: BTreeMap<String, f64>,
}

impl Evaluation {
    /// Creates an evaluation from the values of metrics, by name with parameters.
    pub(super) fn new(rows: usize, loss: f64, mut values: BTreeMap<String, f64>) -> Self {
        let mut field = |name: &str| values.remove(name);
        let (accuracy, exact_match, f1) = (field("accuracy"), field("exact_match"), field("f1"));
        let (r2, mae, rmse) = (field("r2"), field("mae"), field("rmse"));
        Self { rows, loss, accuracy, exact_match, f1, r2, mae, rmse, metrics: values }
    }

    /// Returns the value of a metric: `loss`, or a [`Metric`] by name, with parameters if it has any, such as `mae` or
    /// `f_beta(beta=2)`.
    ///
    /// # Errors
    /// The name is unknown, or the evaluation does not have the metric.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Dataset, Device, Loss, Network, Trainer};
    /// # let trainer = Trainer::builder(Network::input(2).dense(1)).loss(Loss::mean_squared_error()).build(&Device::cpu())?;
    /// # let mut model = trainer.into_model()?;
    /// model.parameters[0].values = vec![2.0, 1.0]; // The bias is 0.
    /// let data = Dataset::numbers("sums", 2, &[3.0, 4.0, 1.0, 1.0], 1, &[10.0, 5.0])?;
    /// let evaluation = model.evaluate(&data)?;
    /// assert_eq!(evaluation.metric("mae")?, 1.0);
    /// assert!(evaluation.metric("accuracy").is_err());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn metric(&self, name: &str) -> Result<f64> {
        let known: Vec<_> = self.all().collect();
        let value = |name: &str| known.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
        if let Some(value) = value(name) {
            return Ok(value);
        }
        // The parameters may be in another order or notation.
        let metric: Metric = name.parse().map_err(|_| Error::unknown("metric", name, &names))?;
        value(&metric.to_string()).ok_or_else(|| {
            let problem = format!("it is not in this evaluation, which has: {}", names.join(", "));
            let remedy = "request it with `evaluate_with`, if it suits the loss function and the data";
            Error::conflict(format!("metric `{metric}`"), problem, remedy)
        })
    }

    /// Returns the loss and all metrics, each with its name.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, f64)> {
        let fields = [
            ("loss", Some(self.loss)),
            ("accuracy", self.accuracy),
            ("exact_match", self.exact_match),
            ("f1", self.f1),
            ("r2", self.r2),
            ("mae", self.mae),
            ("rmse", self.rmse),
        ];
        let fields = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
        fields.chain(self.metrics.iter().map(|(name, value)| (name.as_str(), *value)))
    }

    /// Returns the accuracy of a classification: the fraction of correct predictions.
    ///
    /// # Errors
    /// As [`Evaluation::metric`].
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Dataset, Device, Loss, Network, Trainer};
    /// # let trainer = Trainer::builder(Network::input(2).dense(2)).loss(Loss::softmax_cross_entropy()).build(&Device::cpu())?;
    /// # let mut model = trainer.into_model()?;
    /// model.parameters[0].values = vec![1.0, 0.0, 0.0, 1.0]; // The bias is 0.
    /// let data = Dataset::classes("pets", 2, &[0.9, 0.1, 0.2, 0.8], &[0, 1], ["cat", "dog"])?;
    /// assert_eq!(model.evaluate(&data)?.accuracy()?, 1.0);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn accuracy(&self) -> Result<f64> {
        self.metric("accuracy")
    }

    /// Returns R², the coefficient of determination of a regression.
    ///
    /// # Errors
    /// As [`Evaluation::metric`].
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Dataset, Device, Loss, Network, Trainer};
    /// # let trainer = Trainer::builder(Network::input(2).dense(1)).loss(Loss::mean_squared_error()).build(&Device::cpu())?;
    /// # let mut model = trainer.into_model()?;
    /// model.parameters[0].values = vec![2.0, 1.0]; // The bias is 0.
    /// let data = Dataset::numbers("sums", 2, &[3.0, 4.0, 1.0, 1.0], 1, &[10.0, 5.0])?;
    /// let evaluation = model.evaluate(&data)?;
    /// // Of a sum of squares of 12.5 around the mean 7.5, 4 remains.
    /// assert!((evaluation.r2()? - (1.0 - 4.0 / 12.5)).abs() < 1e-12);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn r2(&self) -> Result<f64> {
        self.metric("r2")
    }

    /// Returns the main metric with its name: accuracy, or R² for a regression. `None` if there is neither.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Dataset, Device, Loss, Network, Trainer};
    /// # let trainer = Trainer::builder(Network::input(2).dense(1)).loss(Loss::mean_squared_error()).build(&Device::cpu())?;
    /// # let mut model = trainer.into_model()?;
    /// model.parameters[0].values = vec![2.0, 1.0]; // The bias is 0.
    /// let data = Dataset::numbers("sums", 2, &[3.0, 4.0, 1.0, 1.0], 1, &[10.0, 5.0])?;
    /// let evaluation = model.evaluate(&data)?;
    /// assert_eq!(evaluation.score().map(|(name, _)| name), Some("r2"));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn score(&self) -> Option<(&'static str, f64)> {
        self.accuracy.map(|value| ("accuracy", value)).or(self.r2.map(|value| ("r2", value)))
    }
}
