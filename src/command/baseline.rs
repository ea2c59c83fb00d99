//! Baseline for the scores of a model: the scores of the best constant prediction.

use serde::Serialize;
use wgrad::data::shown;
use wgrad::{Dataset, Evaluation, Targets};

use super::report::{Output, significant};

/// Scores of a constant prediction on the evaluated rows, like those of scikit-learn's `DummyClassifier` and
/// `DummyRegressor`.
#[derive(Serialize)]
pub struct Baseline {
    /// Constant prediction: the most frequent class, or the mean of the target.
    pub answer: String,
    /// Accuracy, for classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Mean absolute error, for numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mae: Option<f64>,
    /// Root mean squared error, for numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rmse: Option<f64>,
    /// `true` if the model has a higher accuracy or R².
    pub beaten: bool,
}

/// Smallest ROC-AUC of a model that tells the classes apart. A constant prediction has 0.5.
const MIN_USEFUL_AUC: f64 = 0.6;

impl Baseline {
    /// Computes the baseline of an evaluation on a data set; `None` if the evaluation has no score, or rows have
    /// several targets.
    pub fn of(data: &Dataset, evaluation: &Evaluation) -> Option<Self> {
        let weight = |row: usize| data.weights().map_or(1.0, |weights| f64::from(weights[row]));
        let total: f64 = (0..data.len()).map(weight).sum();
        match (data.targets(), evaluation.accuracy, evaluation.r2) {
            (Targets::Classes { indices, names }, Some(accuracy), _) => {
                let mut sums = vec![0.0; names.len()];
                indices.iter().enumerate().for_each(|(row, class)| sums[*class as usize] += weight(row));
                // If several classes are equally frequent, the first one is used.
                let (class, most) = sums.iter().enumerate().rev().max_by(|one, other| one.1.total_cmp(other.1))?;
                Some(Self::of_class(names[class].clone(), most / total, accuracy))
            }
            (Targets::Numbers { values, columns }, Some(accuracy), _) if columns.len() == 1 => {
                let ones = values.iter().enumerate().map(|(row, value)| weight(row) * value).sum::<f64>() / total;
                let (class, share) = if ones > 0.5 { ("1", ones) } else { ("0", 1.0 - ones) };
                Some(Self::of_class(class.into(), share, accuracy))
            }
            (Targets::Numbers { values, columns }, None, Some(r2)) if columns.len() == 1 => {
                let mean_of = |term: &dyn Fn(f64) -> f64| {
                    values.iter().enumerate().map(|(row, value)| weight(row) * term(*value)).sum::<f64>() / total
                };
                let mean = mean_of(&|value| value);
                let mae = mean_of(&|value| (value - mean).abs());
                let rmse = mean_of(&|value| (value - mean).powi(2)).sqrt();
                let (answer, beaten) = (significant(mean), r2 > 0.0);
                Some(Self { answer, accuracy: None, mae: Some(mae), rmse: Some(rmse), beaten })
            }
            _ => None,
        }
    }

    fn of_class(answer: String, share: f64, accuracy: f64) -> Self {
        Self { answer, accuracy: Some(share), mae: None, rmse: None, beaten: accuracy > share }
    }

    /// Returns the scores as one line of text.
    pub fn line(&self) -> String {
        let answer = shown(&self.answer);
        match (self.accuracy, self.mae, self.rmse) {
            (Some(accuracy), ..) => format!("always answering `{answer}`: accuracy {:.1} %", 100.0 * accuracy),
            (_, Some(mae), Some(rmse)) => {
                format!(
                    "always answering the mean, {answer}: R² 0, MAE {}, RMSE {}",
                    significant(mae),
                    significant(rmse)
                )
            }
            _ => String::new(),
        }
    }

    /// Prints a warning if the model is not better, unless the output is quiet. With imbalanced classes, a model can be
    /// no better in accuracy and still tell the classes apart. The warning then mentions its ROC-AUC.
    pub fn warn(&self, evaluation: &Evaluation, output: &Output) {
        if self.beaten || output.is_quiet() {
            return;
        }
        let useful_auc = evaluation.metrics.get("roc_auc").filter(|auc| **auc >= MIN_USEFUL_AUC);
        let remedy = useful_auc.map(|auc| {
            let options = "`--class-weight balanced --metric roc_auc`";
            format!("; but it tells the classes apart (ROC-AUC {auc:.3}): train with {options}")
        });
        output.warning(format!("the model is no better than {}{}", self.line(), remedy.unwrap_or_default()));
    }
}
