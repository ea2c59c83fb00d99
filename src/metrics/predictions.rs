//! Predictions and actual values of rows: the input of metrics.

use crate::error::{Error, Result, try_with_capacity};
use crate::metrics::labels::LabelScores;
use crate::metrics::scorer::{Scorer, of_numbers};
use crate::metrics::{Metric, Needs};

/// Tolerance of the sum of a row's probabilities, which should be 1. It allows for probabilities rounded to three
/// decimals.
const SUM_TOLERANCE: f64 = 1e-3;

/// Predictions of rows, with their actual classes or targets. The data are borrowed, and are checked when a metric is
/// computed.
///
/// # Examples
/// ```
/// use wgrad::metrics::{Predictions, log_loss};
/// // Probabilities of three classes, row by row.
/// let predictions = Predictions::probabilities(&[0, 2], &[0.5, 0.3, 0.2, 0.25, 0.25, 0.5]);
/// assert_eq!(log_loss(&predictions)?, 2f64.ln());
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Predictions<'a> {
    data: Data<'a>,
    weights: Option<&'a [f64]>,
}

#[derive(Clone, Copy, Debug)]
enum Data<'a> {
    Classes { actual: &'a [u32], predicted: &'a [u32], count: Option<usize> },
    Scores { actual: &'a [u32], scores: &'a [f64], are_probabilities: bool },
    Numbers { targets: &'a [f64], outputs: &'a [f64], columns: usize },
    Labels { actual: &'a [u32], scores: &'a [f64], columns: usize },
}

impl<'a> Predictions<'a> {
    /// Creates predictions from the actual and the predicted class of each row. Both slices have the shape `[rows]`,
    /// and classes are indices from 0.
    ///
    /// # Examples
    /// ```
    /// use wgrad::metrics::{Predictions, accuracy};
    /// assert_eq!(accuracy(&Predictions::classes(&[0, 1], &[0, 0]))?, 0.5);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn classes(actual: &'a [u32], predicted: &'a [u32]) -> Self {
        Self { data: Data::Classes { actual, predicted, count: None }, weights: None }
    }

    /// Creates predictions from the actual class of each row, and from probabilities with the shape `[rows, classes]`,
    /// row-major. A single probability per row is that of class 1, of two classes. The predicted class
    /// is the one with the highest probability; among equal probabilities, the one with the smallest index.
    ///
    /// # Examples
    /// ```
    /// use wgrad::metrics::{Predictions, brier_score};
    /// let two_columns = Predictions::probabilities(&[0, 1], &[0.75, 0.25, 0.5, 0.5]);
    /// let one_column = Predictions::probabilities(&[0, 1], &[0.25, 0.5]);
    /// assert_eq!(brier_score(&two_columns)?, brier_score(&one_column)?);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn probabilities(actual: &'a [u32], probabilities: &'a [f64]) -> Self {
        Self { data: Data::Scores { actual, scores: probabilities, are_probabilities: true }, weights: None }
    }

    /// Creates predictions from the actual class of each row, and from scores with the shape `[rows, classes]`,
    /// row-major. Scores may be any finite numbers, such as logits. With one score per row, there are two classes, and
    /// a score above 0 predicts class 1. Otherwise the predicted class is the one with the highest score; among equal
    /// scores, the one with the smallest index.
    ///
    /// # Examples
    /// ```
    /// use wgrad::metrics::{Predictions, roc_auc};
    /// assert_eq!(roc_auc(&Predictions::scores(&[0, 1, 1], &[-2.0, -3.0, 7.0]))?, 0.5);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn scores(actual: &'a [u32], scores: &'a [f64]) -> Self {
        Self { data: Data::Scores { actual, scores, are_probabilities: false }, weights: None }
    }

    /// Creates predictions from the target and the output of each row. For several target columns, call
    /// [`Predictions::columns`].
    ///
    /// # Examples
    /// ```
    /// use wgrad::metrics::{Predictions, mae};
    /// assert_eq!(mae(&Predictions::numbers(&[1.0, 2.0], &[1.0, 4.0]))?, 1.0);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn numbers(targets: &'a [f64], outputs: &'a [f64]) -> Self {
        Self { data: Data::Numbers { targets, outputs, columns: 1 }, weights: None }
    }

    /// Creates predictions for several labels per row: the actual labels, 0 or 1, and a score for each label. Both have
    /// the shape `[rows, columns]`, row-major, with one column per label. A label is predicted if its score is above 0,
    /// as for logits. If you have probabilities, subtract 0.5 from them.
    ///
    /// # Examples
    /// ```
    /// use wgrad::metrics::{Average, Predictions, exact_match, recall};
    /// let predictions = Predictions::labels(&[1, 0, 1, 1], &[2.0, -1.0, 3.0, -0.5], 2);
    /// assert_eq!(exact_match(&predictions)?, 0.5);
    /// assert_eq!(recall(&predictions, Average::Micro)?, 2.0 / 3.0);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn labels(actual: &'a [u32], scores: &'a [f64], columns: usize) -> Self {
        Self { data: Data::Labels { actual, scores, columns }, weights: None }
    }

    /// Sets the number of target columns for [`Predictions::numbers`]; the default is 1. Targets and outputs then have
    /// the shape `[rows, columns]`, row-major. Metrics are averaged over the columns. Other kinds of predictions are
    /// unchanged.
    ///
    /// # Examples
    /// ```
    /// use wgrad::metrics::{Predictions, r2};
    /// let predictions = Predictions::numbers(&[1.0, 5.0, 3.0, 5.0], &[1.0, 5.0, 3.0, 6.0]).columns(2);
    /// assert_eq!(r2(&predictions)?, (1.0 + 0.0) / 2.0);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn columns(mut self, count: usize) -> Self {
        if let Data::Numbers { columns, .. } = &mut self.data {
            *columns = count;
        }
        self
    }

    /// Sets the number of classes for [`Predictions::classes`]. Averages then include all classes, as with
    /// scikit-learn's `labels`. By default, averages include only the classes that occur as actual or predicted class.
    /// Other kinds of predictions are unchanged.
    ///
    /// # Examples
    /// ```
    /// use wgrad::metrics::{Average, Predictions, recall};
    /// let predictions = Predictions::classes(&[0, 2], &[0, 2]);
    /// assert_eq!(recall(&predictions, Average::Macro)?, 1.0);
    /// assert_eq!(recall(&predictions.class_count(4), Average::Macro)?, 0.5);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn class_count(mut self, classes: usize) -> Self {
        if let Data::Classes { count, .. } = &mut self.data {
            *count = Some(classes);
        }
        self
    }

    /// Sets the weight of each row, at least 0; by default, all weights are 1. A row with the weight 2 counts as two
    /// equal rows. The sum of all weights must be above 0.
    ///
    /// # Examples
    /// ```
    /// use wgrad::metrics::{Predictions, accuracy};
    /// assert_eq!(accuracy(&Predictions::classes(&[0, 1], &[0, 0]).weights(&[3.0, 1.0]))?, 0.75);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn weights(mut self, weights: &'a [f64]) -> Self {
        self.weights = Some(weights);
        self
    }

    pub(crate) fn kind(&self) -> Needs {
        match self.data {
            Data::Classes { .. } => Needs::Classes,
            Data::Scores { are_probabilities: false, .. } => Needs::Scores,
            Data::Scores { are_probabilities: true, .. } => Needs::Probabilities,
            Data::Numbers { .. } => Needs::Numbers,
            Data::Labels { .. } => Needs::Labels,
        }
    }

    /// Checks the predictions, and computes a metric that suits their kind.
    pub(crate) fn compute(&self, metric: Metric) -> Result<f64> {
        let rows = self.check()?;
        let weight = |row: usize| self.weights.map_or(1.0, |weights| weights[row]);
        let mut scorer = match self.data {
            Data::Numbers { targets, outputs, columns } => {
                return of_numbers(&[metric], targets, outputs, columns, self.weights).swap_remove(0);
            }
            Data::Labels { actual, scores, columns } => {
                return LabelScores { actual, scores, columns, weights: self.weights }.compute(metric);
            }
            Data::Classes { count: Some(count), .. } => Scorer::new(&[metric], count, rows)?,
            Data::Classes { actual, predicted, count: None } => {
                let mut labels = try_with_capacity("classes", 2 * rows)?;
                labels.extend(actual.iter().chain(predicted));
                labels.sort_unstable();
                labels.dedup();
                Scorer::with_labels(&[metric], labels)?
            }
            Data::Scores { scores, .. } => Scorer::new(&[metric], (scores.len() / rows).max(2), rows)?,
        };
        match self.data {
            Data::Numbers { .. } | Data::Labels { .. } => {}
            Data::Classes { actual, predicted, .. } => {
                (0..rows).for_each(|row| scorer.add_class(actual[row], predicted[row], weight(row)));
            }
            Data::Scores { actual, scores, are_probabilities } => {
                for (row, scores) in scores.chunks(scores.len() / rows).enumerate() {
                    match *scores {
                        [one] => scorer.add(
                            actual[row],
                            None,
                            &[if are_probabilities { 1.0 - one } else { -one }, one],
                            weight(row),
                        ),
                        _ => scorer.add(actual[row], None, scores, weight(row)),
                    }
                }
            }
        }
        scorer.finish().swap_remove(0)
    }

    /// Checks shapes and values, and returns the number of rows.
    fn check(&self) -> Result<usize> {
        let (rows, columns) = match self.data {
            Data::Classes { actual, .. } | Data::Scores { actual, .. } => (actual.len(), 1),
            Data::Numbers { columns: 0, .. } | Data::Labels { columns: 0, .. } => {
                return Err(Error::value("predictions", "columns", 0, "at least 1"));
            }
            Data::Numbers { targets, columns, .. } => (targets.len() / columns, columns),
            Data::Labels { actual, columns, .. } => (actual.len() / columns, columns),
        };
        if rows == 0 {
            return Err(Error::data("predictions", "they have no rows", "give at least one"));
        }
        match self.data {
            Data::Classes { actual, predicted, count } => {
                same("predicted classes", predicted.len(), "actual classes", rows)?;
                for (what, classes) in [("actual", actual), ("predicted", predicted)] {
                    count.map_or(Ok(()), |count| check_classes(what, classes, count))?;
                }
            }
            Data::Scores { actual, scores, are_probabilities } => {
                let columns = scores.len().div_ceil(rows).max(1);
                same("scores", scores.len(), "actual classes times that of columns", rows * columns)?;
                check_classes("actual", actual, columns.max(2))?;
                check_finite("score", scores, columns)?;
                if are_probabilities {
                    check_probabilities(scores, columns)?;
                }
            }
            Data::Labels { actual, scores, .. } => {
                same("scores", scores.len(), "actual labels", actual.len())?;
                same("actual labels", actual.len(), "rows times that of columns", rows * columns)?;
                check_labels(actual, columns)?;
                check_finite("score", scores, columns)?;
            }
            Data::Numbers { targets, outputs, .. } => {
                same("outputs", outputs.len(), "targets", targets.len())?;
                same("targets", targets.len(), "rows times that of columns", rows * columns)?;
                check_finite("target", targets, columns)?;
                check_finite("output", outputs, columns)?;
            }
        }
        self.check_weights(rows)
    }

    /// Checks the weights, and returns `rows`, the number of rows.
    fn check_weights(&self, rows: usize) -> Result<usize> {
        let Some(weights) = self.weights else { return Ok(rows) };
        same("weights", weights.len(), "rows", rows)?;
        if let Some(row) = weights.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0)) {
            return Err(Error::value(row_name(row), "weight", weights[row], "finite and at least 0"));
        }
        match weights.iter().sum::<f64>() {
            sum if sum > 0.0 && sum.is_finite() => Ok(rows),
            sum => Err(Error::value("predictions", "the sum of all weights", sum, "finite and above 0")),
        }
    }
}

/// Refuses two counts that differ. `what` and `of` name the found and the wanted count in the message.
fn same(what: &str, found: usize, of: &str, wanted: usize) -> Result<()> {
    if found == wanted {
        return Ok(());
    }
    Err(Error::Shape {
        place: "predictions".into(),
        found_what: format!("the number of {what} is"),
        found,
        wanted_what: format!("the number of {of} is"),
        wanted,
        remedy: "give the same number of values for each row".into(),
    })
}

fn row_name(row: usize) -> String {
    format!("predictions, row {row} (from 0)")
}

fn check_classes(what: &str, classes: &[u32], count: usize) -> Result<()> {
    match classes.iter().position(|class| *class as usize >= count) {
        None => Ok(()),
        Some(row) => {
            let wanted = format!("below the number of classes, {count}");
            Err(Error::value(row_name(row), &format!("{what} class"), classes[row], &wanted))
        }
    }
}

fn check_labels(labels: &[u32], columns: usize) -> Result<()> {
    match labels.iter().position(|label| *label > 1) {
        None => Ok(()),
        Some(at) => Err(Error::value(row_name(at / columns), &format!("label {}", at % columns), labels[at], "0 or 1")),
    }
}

fn check_finite(what: &str, values: &[f64], columns: usize) -> Result<()> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => {
            Err(Error::value(row_name(at / columns), &format!("{what} {}", at % columns), values[at], "finite"))
        }
    }
}

fn check_probabilities(values: &[f64], columns: usize) -> Result<()> {
    if let Some(at) = values.iter().position(|value| !(0.0..=1.0).contains(value)) {
        let name = format!("probability {}", at % columns);
        return Err(Error::value(
            row_name(at / columns),
            &name,
            values[at],
            "from 0 to 1; logits are `Predictions::scores`",
        ));
    }
    let sums = values.chunks(columns).map(|row| row.iter().sum::<f64>());
    match sums.enumerate().find(|(_, sum)| columns > 1 && (sum - 1.0).abs() > SUM_TOLERANCE) {
        None => Ok(()),
        Some((row, sum)) => Err(Error::value(row_name(row), "the sum of probabilities", sum, "1")),
    }
}
