//! Loss and metrics on data that is not trained on.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::data::{Dataset, Standardization, Targets};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::exec::{Executor, Run};
use crate::fuse::fuse;
use crate::loss::{Loss, TargetKind};
use crate::lower::lower_evaluation;
use crate::model::regression::Regression;
use crate::model::{InputRows, Model, rows_at_once, target_of, undone, write_parameters};
use crate::plan::{Plan, Section, Step, ViewId};

/// How well a network does on a data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Number of rows.
    pub rows: usize,
    /// Mean loss.
    pub loss: f64,
    /// Share of correct predictions, for classification: rows for softmax, single outputs for binary losses. There is
    /// none where a target is a number between 0 and 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Coefficient of determination, for regression: 1 − Σ(y − t)² / Σ(t − mean t)², mean over outputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r2: Option<f64>,
    /// Mean absolute error, for regression: mean |y − t| over rows and outputs, in the target's unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mae: Option<f64>,
    /// Root mean squared error, for regression: √(mean (y − t)²) over rows, mean over outputs, in the target's unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rmse: Option<f64>,
}

impl Evaluation {
    /// A metric by name: `loss`, `accuracy`, `r2`, `mae` or `rmse`.
    ///
    /// # Errors
    /// A name that is unknown, or that has no meaning for the loss.
    pub fn metric(&self, name: &str) -> Result<f64> {
        let all = [
            ("loss", Some(self.loss)),
            ("accuracy", self.accuracy),
            ("r2", self.r2),
            ("mae", self.mae),
            ("rmse", self.rmse),
        ];
        let known: Vec<(&str, f64)> = all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let found = known.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        found.ok_or_else(|| Error::unknown("metric", name, &known.iter().map(|(name, _)| *name).collect::<Vec<_>>()))
    }

    /// The share of correct predictions, of a classification.
    ///
    /// # Errors
    /// As [`Evaluation::metric`].
    pub fn accuracy(&self) -> Result<f64> {
        self.metric("accuracy")
    }

    /// The coefficient of determination, of a regression.
    ///
    /// # Errors
    /// As [`Evaluation::metric`].
    pub fn r2(&self) -> Result<f64> {
        self.metric("r2")
    }

    /// The metric that people ask for first: accuracy, or R² for regression.
    pub fn score(&self) -> Option<(&'static str, f64)> {
        self.accuracy.map(|value| ("accuracy", value)).or(self.r2.map(|value| ("r2", value)))
    }
}

impl Model {
    /// Checks that a data set fits, as [`Model::evaluate`] does before it computes anything.
    ///
    /// # Errors
    /// Columns or targets that do not fit the network and the loss.
    pub fn check_data(&self, data: &Dataset) -> Result<()> {
        self.check()?;
        InputRows::of(&self.metadata.network, self.metadata.preprocessing.as_ref(), data)?;
        target_of(&self.metadata.network, self.metadata.loss, self.metadata.target_scaling.as_ref(), data).map(drop)
    }

    /// Loss and accuracy (or R², MAE and RMSE) on a data set.
    ///
    /// # Errors
    /// Columns or targets that do not fit the network and the loss; a loss that is not finite.
    pub fn evaluate(&self, data: &Dataset) -> Result<Evaluation> {
        self.evaluate_on(&Device::cpu(), data)
    }

    /// [`Model::evaluate`], computed on a device.
    ///
    /// # Errors
    /// As [`Model::evaluate`].
    pub fn evaluate_on(&self, device: &Device, data: &Dataset) -> Result<Evaluation> {
        self.check()?;
        let (network, loss) = (&self.metadata.network, self.metadata.loss);
        let input = InputRows::of(network, self.metadata.preprocessing.as_ref(), data)?;
        let scaling = self.metadata.target_scaling.as_ref();
        let target = target_of(network, loss, scaling, data)?;
        let plan = fuse(&lower_evaluation(network, loss, rows_at_once(network, device, data.len()))?)?;
        let mut executor = device.executor(plan)?;
        write_parameters(executor.as_mut(), &self.parameters)?;
        evaluate(executor.as_mut(), loss, scaling, &input, &target)
    }
}

/// Runs `evaluate` and `score` over a data set's rows, given as the kernels read them. Where targets are scaled, loss and
/// metrics are those of the numbers that the outputs stand for, computed in f64: squares of a table's units can overflow
/// f32, and its digits be more than f32 has.
pub(crate) fn evaluate(
    executor: &mut dyn Executor,
    loss_function: Loss,
    scaling: Option<&Standardization>,
    input: &InputRows<'_>,
    target: &[u32],
) -> Result<Evaluation> {
    let data = input.data;
    let views = Views::of(executor.plan())?;
    let chunk = executor.plan().shape(views.input).rows;
    let target_columns = target.len() / data.len();
    let exact = loss_function.target_kind() == TargetKind::Class
        || target.iter().all(|word| [0.0, 1.0].contains(&f32::from_bits(*word)));
    let parts = target.chunks(chunk * target_columns).enumerate();
    let parts: Vec<Part<'_>> = parts
        .map(|(number, target)| Part { first: number * chunk, rows: target.len() / target_columns, target })
        .collect();
    let (mut found, mut under_way) = (Found::default(), VecDeque::new());
    for (number, part) in parts.iter().enumerate() {
        submit(executor, &views, input, part)?;
        let result = executor.read(views.correct.unwrap_or(views.output), 0)?;
        under_way.push_back((part, executor.read(views.loss, 0)?, result));
        let most = if number + 1 < parts.len() { executor.in_flight() } else { 0 };
        while under_way.len() > most {
            let Some((part, loss, result)) = under_way.pop_front() else { break };
            let mean = loss.wait_f32()?[0];
            if !mean.is_finite() {
                return Err(not_finite(executor, &views, input, part, mean)?);
            }
            found.loss += f64::from(mean) * part.rows as f64;
            match views.correct {
                Some(_) => found.correct += u64::from(result.wait()?[0]),
                None => found.outputs.extend_from_slice(&result.wait_f32()?[..part.rows * target_columns]),
            }
        }
    }
    let regression = match data.targets() {
        Targets::Numbers { values, .. } if views.correct.is_none() => {
            Some(Regression::of(&undone(scaling, &found.outputs), values, target_columns))
        }
        _ => None,
    };
    Ok(Evaluation {
        rows: data.len(),
        loss: match &regression {
            Some(regression) if scaling.is_some() => regression.mse,
            _ => found.loss / data.len() as f64,
        },
        accuracy: views.correct.filter(|_| exact).map(|_| found.correct as f64 / target.len() as f64),
        r2: regression.as_ref().map(|found| found.r2),
        mae: regression.as_ref().map(|found| found.mae),
        rmse: regression.as_ref().map(|found| found.rmse),
    })
}

/// What an evaluation writes and reads.
struct Views {
    input: ViewId,
    target: ViewId,
    output: ViewId,
    loss: ViewId,
    correct: Option<ViewId>,
}

impl Views {
    fn of(plan: &Plan) -> Result<Self> {
        Ok(Self {
            input: plan.named("evaluate.input")?,
            target: plan.named("evaluate.target")?,
            output: plan.named("evaluate.output")?,
            loss: plan.named("evaluate.loss")?,
            correct: plan.find("evaluate.correct"),
        })
    }
}

/// Rows that are evaluated at once.
struct Part<'a> {
    first: usize,
    rows: usize,
    target: &'a [u32],
}

/// What is known of the parts so far.
#[derive(Default)]
struct Found {
    loss: f64,
    correct: u64,
    outputs: Vec<f32>,
}

fn submit(executor: &mut dyn Executor, views: &Views, input: &InputRows<'_>, part: &Part<'_>) -> Result<()> {
    let rows = input.get(part.first..part.first + part.rows)?;
    executor.write(views.input, 0, bytemuck::cast_slice(&rows))?;
    executor.write(views.target, 0, part.target)?;
    let step = Step { rows: part.rows as u32, loss_scale: (1.0 / part.rows as f64) as f32, ..Step::default() };
    executor.submit(&[step], &[Section::Evaluate, Section::Score].map(|section| Run { section, batch_index: 0 }))
}

/// What is wrong with a part whose mean loss is not finite: its first such loss, if one is.
fn not_finite(
    executor: &mut dyn Executor,
    views: &Views,
    input: &InputRows<'_>,
    part: &Part<'_>,
    mean: f32,
) -> Result<Error> {
    // Later parts may have gone the same way since.
    submit(executor, views, input, part)?;
    let (first, rows) = (part.first, part.rows);
    let losses = executor.plan().named("evaluate.row_loss")?;
    let losses = executor.read(losses, 0)?.wait_f32()?;
    let place = format!("evaluation on data set `{}`", input.data.name());
    let of = input.data.len();
    let (place, problem) = match losses.iter().take(rows).position(|loss| !loss.is_finite()) {
        Some(row) => (format!("{place}, row {} of {of} (from 0)", first + row), format!("the loss is {}", losses[row])),
        None => (
            format!("{place}, rows {first} to {} of {of} (from 0)", first + rows - 1),
            format!("the mean loss is {mean}"),
        ),
    };
    let remedy = "look for values far from those trained on, or train again with a lower learning rate or with \
                  targets in larger units";
    Ok(Error::data(place, format!("{problem}, not a finite number"), remedy))
}
