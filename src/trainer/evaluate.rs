//! Loss and metrics on data that is not trained on, and predictions.

use serde::Serialize;

use crate::data::{Dataset, Targets};
use crate::error::{Error, Result};
use crate::exec::Run;
use crate::model::{classes, forward, prepared, probabilities};
use crate::plan::{Section, Step};
use crate::trainer::Trainer;

/// How well a network does on a data set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// Number of rows.
    pub rows: usize,
    /// Mean loss.
    pub loss: f64,
    /// Share of correct predictions, for classification: rows for softmax, single outputs for binary losses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Coefficient of determination, for regression: 1 − Σ(y − t)² / Σ(t − mean t)², mean over outputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r2: Option<f64>,
}

impl Evaluation {
    /// A metric by name: `loss`, `accuracy` or `r2`.
    ///
    /// # Errors
    /// A name that is unknown, or that has no meaning for the loss.
    pub fn metric(&self, name: &str) -> Result<f64> {
        let known: Vec<&str> =
            [Some("loss"), self.accuracy.map(|_| "accuracy"), self.r2.map(|_| "r2")].into_iter().flatten().collect();
        let value = match name {
            "loss" => Some(self.loss),
            "accuracy" => self.accuracy,
            "r2" => self.r2,
            _ => None,
        };
        value.ok_or_else(|| Error::unknown("metric", name, &known))
    }

    /// The metric that people ask for first: accuracy, or R² for regression.
    pub fn score(&self) -> Option<(&'static str, f64)> {
        self.accuracy.map(|value| ("accuracy", value)).or(self.r2.map(|value| ("r2", value)))
    }
}

impl Trainer {
    /// Loss and accuracy (or R²) on a data set, without dropout.
    ///
    /// # Errors
    /// Columns or targets that do not fit the network and the loss.
    pub fn evaluate(&mut self, data: &Dataset) -> Result<Evaluation> {
        let (input, target) = (self.input_of(data)?, self.target_of(data)?);
        let [input_view, target_view, loss_view] =
            ["evaluate.input", "evaluate.target", "evaluate.loss"].map(|name| self.view(name));
        let correct_view = self.executor.plan().find("evaluate.correct");
        let output_view = self.view("evaluate.output");
        let (chunk, columns) = (self.description.evaluate_rows, data.inputs());
        let target_columns = target.len() / data.len();
        let (mut loss, mut correct, mut outputs) = (0.0, 0u64, Vec::new());
        for (input, target) in input.chunks(chunk * columns).zip(target.chunks(chunk * target_columns)) {
            let rows = input.len() / columns;
            self.executor.write(input_view, 0, bytemuck::cast_slice(input))?;
            self.executor.write(target_view, 0, target)?;
            let step = Step { rows: rows as u32, loss_scale: (1.0 / rows as f64) as f32, ..Step::default() };
            let runs = [Section::Evaluate, Section::Score].map(|section| Run { section, slot: 0 });
            self.executor.submit(&[step], &runs)?;
            loss += f64::from(self.executor.read(loss_view, 0)?.wait_f32()?[0]) * rows as f64;
            match correct_view {
                Some(view) => correct += u64::from(self.executor.read(view, 0)?.wait()?[0]),
                None => {
                    outputs.extend_from_slice(&self.executor.read(output_view, 0)?.wait_f32()?[..rows * target_columns])
                }
            }
        }
        Ok(Evaluation {
            rows: data.len(),
            loss: loss / data.len() as f64,
            accuracy: correct_view.map(|_| correct as f64 / target.len() as f64),
            r2: match data.targets() {
                Targets::Numbers { values, .. } if correct_view.is_none() => Some(r2(&outputs, values, target_columns)),
                _ => None,
            },
        })
    }

    /// Probabilities (or numbers, after a regression) for rows of raw inputs; see [`Model::predict`](crate::Model::predict).
    ///
    /// # Errors
    /// A number of values that is no multiple of the network's inputs; values that are not finite.
    pub fn predict(&mut self, input: &[f32]) -> Result<Vec<f32>> {
        let mut outputs = self.outputs(input)?;
        probabilities(self.description.loss, self.description.network.outputs(), &mut outputs);
        Ok(outputs)
    }

    /// The class of each row of raw inputs.
    ///
    /// # Errors
    /// As [`Trainer::predict`]; a loss that does not tell classes apart.
    pub fn predict_classes(&mut self, input: &[f32]) -> Result<Vec<u32>> {
        let outputs = self.outputs(input)?;
        classes(self.description.loss, self.description.network.outputs(), &outputs)
    }

    fn outputs(&mut self, input: &[f32]) -> Result<Vec<f32>> {
        let input = prepared(&self.description.network, self.preprocessing.as_ref(), input)?;
        forward(self.executor.as_mut(), &input)
    }
}

/// R² of outputs against targets [rows, columns]; a constant target column counts 1 where it is met and 0 where not,
/// as scikit-learn's `r2_score` does.
pub(crate) fn r2(outputs: &[f32], targets: &[f32], columns: usize) -> f64 {
    let rows = targets.len() / columns;
    let column = |c: usize| {
        let at = |values: &[f32], r: usize| f64::from(values[r * columns + c]);
        let mean = (0..rows).map(|r| at(targets, r)).sum::<f64>() / rows as f64;
        let residual: f64 = (0..rows).map(|r| (at(outputs, r) - at(targets, r)).powi(2)).sum();
        let total: f64 = (0..rows).map(|r| (at(targets, r) - mean).powi(2)).sum();
        if total > 0.0 { 1.0 - residual / total } else { f64::from(residual == 0.0) }
    };
    (0..columns).map(column).sum::<f64>() / columns as f64
}
