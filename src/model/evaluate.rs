//! Evaluation: loss and metrics of a model on a data set.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::data::{Dataset, Standardization, Targets};
use crate::device::Device;
use crate::error::{Error, Result, room};
use crate::exec::{Executor, Run};
use crate::fuse::fuse;
use crate::loss::{Loss, TargetKind, Task};
use crate::lower::lower_evaluation;
use crate::metrics::{Metric, Needs, Scorer, of_numbers};
use crate::model::multi_label::MultiLabel;
use crate::model::scores::ClassScores;
use crate::model::{InputRows, Model, check_finite, numbers, rows_at_once, target_of, write_parameters};
use crate::plan::{Plan, Section, Step, ViewId};

/// Largest number of classes for which every evaluation includes the metrics of the ranking, `roc_auc` and `pr_auc`: they keep and
/// sort the scores of all rows.
const MOST_RANKED_CLASSES: usize = 32;

/// Metrics that have their own fields.
const FIELDS: [&str; 4] = ["accuracy", "r2", "mae", "rmse"];

/// Loss and metrics of a network on a data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Evaluation {
    /// Number of rows.
    pub rows: usize,
    /// Mean loss over all rows.
    pub loss: f64,
    /// Accuracy, for classification: the fraction of correct predictions. With one class per row, a row is one prediction; of
    /// several labels, each is one. `None` for a regression, or if a target lies between 0 and 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Fraction of rows with all labels predicted correctly, if rows have several labels, as scikit-learn's `accuracy_score`.
    /// `None` if a target lies between 0 and 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exact_match: Option<f64>,
    /// Micro-averaged F1, if rows have several labels, as scikit-learn's `f1_score`. Unlike the accuracy, it does not rise where
    /// most labels are false. `None` if a target lies between 0 and 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub f1: Option<f64>,
    /// R² (coefficient of determination), for regression: 1 − Σ(y − t)² / Σ(t − mean t)², mean over outputs. For a constant
    /// target it is 1 if all predictions are exact, else 0, as in scikit-learn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r2: Option<f64>,
    /// Mean absolute error, for regression: mean |y − t| over rows and outputs, in the unit of the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mae: Option<f64>,
    /// Root mean squared error, for regression: √(mean (y − t)²) over the rows, computed for each output, then the mean over
    /// outputs, in the unit of the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rmse: Option<f64>,
    /// Other [metrics](crate::metrics), by their text. In JSON they are fields beside the others.
    #[serde(flatten)]
    pub metrics: BTreeMap<String, f64>,
}

impl Evaluation {
    /// Returns a metric by its text: `loss`, that of a [`Metric`], such as `mae` or `log_loss`, or for several labels per row
    /// `exact_match` and `f1`.
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
        let fields = FIELDS.into_iter().zip([self.accuracy, self.r2, self.mae, self.rmse]);
        let of_labels = [("exact_match", self.exact_match), ("f1", self.f1)];
        let fields = fields.chain(of_labels).filter_map(|(name, value)| Some((name, value?)));
        let others = self.metrics.iter().map(|(name, value)| (name.as_str(), *value));
        let known: Vec<_> = std::iter::once(("loss", self.loss)).chain(fields).chain(others).collect();
        let value = |name: &str| known.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
        if let Some(value) = value(name) {
            return Ok(value);
        }
        // Parameters may be written in another way.
        let metric: Metric = name.parse().map_err(|_| Error::unknown("metric", name, &names))?;
        value(&metric.to_string()).ok_or_else(|| {
            let problem = format!("it is not in this evaluation, which has: {}", names.join(", "));
            let remedy = "request it with `evaluate_with`, if it suits the loss function and the data";
            Error::conflict(format!("metric `{metric}`"), problem, remedy)
        })
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

impl Model {
    /// Checks that a data set fits the model, as [`Model::evaluate`] does first.
    ///
    /// # Errors
    /// Columns or targets do not fit the network and the loss function.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Dataset, Device, Loss, Network, Trainer};
    /// # let trainer = Trainer::builder(Network::input(2).dense(1)).loss(Loss::mean_squared_error()).build(&Device::cpu())?;
    /// # let model = trainer.into_model()?;
    /// let data = Dataset::numbers("three columns", 3, &[0.0; 3], 1, &[0.0])?;
    /// assert!(model.check_data(&data).is_err());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn check_data(&self, data: &Dataset) -> Result<()> {
        self.check()?;
        InputRows::of(&self.metadata.network, self.metadata.preprocessing.as_ref(), data)?;
        target_of(&self.metadata.network, self.metadata.loss, self.metadata.target_scaling.as_ref(), data).map(drop)
    }

    /// Evaluates the model on a data set, on the CPU: the loss, and all [metrics](crate::metrics) that suit the loss function and are
    /// defined for the data, with the default of each parameter. `roc_auc` and `pr_auc` are left out for more than 32 classes.
    /// Metrics of classes need one class per row: softmax cross-entropy, or a binary loss with one output and targets 0 and 1.
    ///
    /// # Errors
    /// Columns or targets do not fit the network and the loss function; a loss is not finite.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Dataset, Device, Loss, Network, Trainer};
    /// # let trainer = Trainer::builder(Network::input(2).dense(1)).loss(Loss::mean_squared_error()).build(&Device::cpu())?;
    /// # let mut model = trainer.into_model()?;
    /// model.parameters[0].values = vec![2.0, 1.0]; // The bias is 0.
    /// let data = Dataset::numbers("sums", 2, &[3.0, 4.0, 1.0, 1.0], 1, &[10.0, 5.0])?;
    /// let evaluation = model.evaluate(&data)?;
    /// assert_eq!((evaluation.rows, evaluation.loss, evaluation.mae), (2, 2.0, Some(1.0)));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn evaluate(&self, data: &Dataset) -> Result<Evaluation> {
        self.evaluate_on(&Device::cpu(), data)
    }

    /// Evaluates on a device the loss and these metrics, with any parameters. For classes that includes the accuracy, for numbers
    /// R², MAE and RMSE.
    ///
    /// # Errors
    /// As [`Model::evaluate_on`]; a metric that does not suit the loss function, or is undefined for the data.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Dataset, Device, Loss, Network, Trainer};
    /// # let trainer = Trainer::builder(Network::input(2).dense(1)).loss(Loss::mean_squared_error()).build(&Device::cpu())?;
    /// # let mut model = trainer.into_model()?;
    /// model.parameters[0].values = vec![2.0, 1.0]; // The bias is 0.
    /// let data = Dataset::numbers("sums", 2, &[3.0, 4.0, 1.0, 1.0], 1, &[10.0, 5.0])?;
    /// let evaluation = model.evaluate_with(&Device::cpu(), &data, &["pinball(quantile=0.75)".parse()?])?;
    /// assert_eq!(evaluation.metric("pinball(quantile=0.75)")?, (0.0 + 0.75 * 2.0) / 2.0);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn evaluate_with(&self, device: &Device, data: &Dataset, metrics: &[Metric]) -> Result<Evaluation> {
        self.evaluate_wanted(device, data, Wanted::These(metrics))
    }

    /// Computes [`Model::evaluate`] on a device.
    ///
    /// # Errors
    /// As [`Model::evaluate`]; a device that fails.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Dataset, Device, Loss, Network, Trainer};
    /// # let trainer = Trainer::builder(Network::input(2).dense(1)).loss(Loss::mean_squared_error()).build(&Device::cpu())?;
    /// # let mut model = trainer.into_model()?;
    /// model.parameters[0].values = vec![2.0, 1.0]; // The bias is 0.
    /// let data = Dataset::numbers("sums", 2, &[3.0, 4.0, 1.0, 1.0], 1, &[10.0, 5.0])?;
    /// assert_eq!(model.evaluate_on(&Device::reference(), &data)?.loss, 2.0);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn evaluate_on(&self, device: &Device, data: &Dataset) -> Result<Evaluation> {
        self.evaluate_wanted(device, data, Wanted::All)
    }

    fn evaluate_wanted(&self, device: &Device, data: &Dataset, wanted: Wanted<'_>) -> Result<Evaluation> {
        self.check()?;
        let (network, loss) = (&self.metadata.network, self.metadata.loss);
        let input = InputRows::of(network, self.metadata.preprocessing.as_ref(), data)?;
        let scaling = self.metadata.target_scaling.as_ref();
        let target = target_of(network, loss, scaling, data)?;
        let plan = fuse(&lower_evaluation(network, loss, rows_at_once(network, device, data.len()))?)?;
        let mut executor = device.executor(plan)?;
        write_parameters(executor.as_mut(), &self.parameters)?;
        evaluate(executor.as_mut(), loss, scaling, &input, &target, wanted)
    }
}

/// Metrics that an evaluation computes, besides those that have fields.
#[derive(Clone, Copy)]
pub(crate) enum Wanted<'a> {
    /// All that suit the loss function and are defined for the data.
    All,
    /// These; it is an error if one cannot be computed.
    These(&'a [Metric]),
}

impl Wanted<'_> {
    /// Returns the metrics to compute from predictions of a kind, for a number of classes.
    ///
    /// # Errors
    /// A metric of these needs other predictions.
    fn metrics(self, kind: Option<Needs>, class_count: usize) -> Result<Vec<Metric>> {
        let suits = |metric: &Metric| kind.is_some_and(|kind| metric.needs().is_met_by(kind));
        let is_field = |metric: &Metric| FIELDS.contains(&metric.to_string().as_str());
        match self {
            Self::All => {
                let is_small = |metric: &Metric| class_count <= MOST_RANKED_CLASSES || !metric.is_of_ranking();
                Ok(Metric::all().filter(|metric| suits(metric) && is_small(metric) && !is_field(metric)).collect())
            }
            Self::These(metrics) => match metrics.iter().find(|metric| !suits(metric)) {
                None => Ok(metrics.iter().filter(|metric| !is_field(metric)).copied().collect()),
                Some(metric) => {
                    let problem = format!(
                        "it needs {}, but loss function and targets give {}",
                        metric.needs(),
                        kind.map_or("no single class per row".into(), |kind| kind.to_string())
                    );
                    Err(Error::conflict(format!("metric `{metric}`"), problem, "use another metric"))
                }
            },
        }
    }

    /// Returns the values by the texts of the metrics.
    ///
    /// # Errors
    /// One of these is undefined.
    fn named(self, metrics: &[Metric], values: Vec<Result<f64>>) -> Result<BTreeMap<String, f64>> {
        let named = metrics.iter().zip(values).map(|(metric, value)| value.map(|value| (metric.to_string(), value)));
        match self {
            Self::All => Ok(named.filter_map(Result::ok).collect()),
            Self::These(_) => named.collect(),
        }
    }
}

/// Evaluates a data set: runs the plan's sections `evaluate` and `score` over its rows. `input` and `target` are in the format
/// that kernels read. If targets are scaled, loss and metrics are computed in f64 in the units of the targets: squares in these
/// units can overflow f32, and targets can have more digits than f32.
pub(crate) fn evaluate(
    executor: &mut dyn Executor,
    loss_function: Loss,
    scaling: Option<&Standardization>,
    input: &InputRows<'_>,
    target: &[u32],
    wanted: Wanted<'_>,
) -> Result<Evaluation> {
    let data = input.data;
    let views = Views::of(executor.plan())?;
    let batch_size = executor.plan().shape(views.input).rows;
    let target_columns = target.len() / data.len();
    let exact = loss_function.target_kind() == TargetKind::Class
        || target.iter().all(|word| [0.0, 1.0].contains(&f32::from_bits(*word)));
    let task = loss_function.task(target_columns);
    // Labels are counted here, since a device counts them only one by one.
    let counted = views.correct.filter(|_| task != Task::MultiLabel);
    let columns = executor.plan().shape(views.output).columns;
    let scores = ClassScores::of(loss_function, columns).filter(|_| exact);
    let kind = if task == Task::Regression { Some(Needs::Numbers) } else { scores.map(ClassScores::kind) };
    let class_count = scores.map_or(0, |scores| scores.class_count(columns));
    let metrics = wanted.metrics(kind, class_count)?;
    let scorer = scores.filter(|_| !metrics.is_empty());
    let mut scorer = scorer.map(|scores| ClassScorer::new(scores, &metrics, columns, data.len())).transpose()?;
    let batches = target.chunks(batch_size * target_columns).enumerate();
    let batches: Vec<Batch<'_>> = batches
        .map(|(number, target)| Batch { first: number * batch_size, rows: target.len() / target_columns, target })
        .collect();
    let (mut totals, mut in_flight) = (Totals::default(), VecDeque::new());
    for (number, batch) in batches.iter().enumerate() {
        submit(executor, &views, input, batch)?;
        let correct = counted.map(|view| executor.read(view, 0)).transpose()?;
        let needs_outputs = correct.is_none() || scorer.is_some();
        let outputs = needs_outputs.then(|| executor.read(views.output, 0)).transpose()?;
        in_flight.push_back((batch, executor.read(views.loss, 0)?, correct, outputs));
        let most = if number + 1 < batches.len() { executor.in_flight() } else { 0 };
        while in_flight.len() > most {
            let Some((batch, loss, correct, outputs)) = in_flight.pop_front() else { break };
            let mean = loss.wait_f32()?[0];
            if !mean.is_finite() {
                return Err(not_finite(executor, &views, input, batch, mean)?);
            }
            totals.loss += f64::from(mean) * batch.rows as f64;
            totals.correct += correct.map_or(Ok(0), |correct| correct.wait().map(|words| u64::from(words[0])))?;
            let Some(outputs) = outputs.map(|outputs| outputs.wait_f32()).transpose()? else { continue };
            let outputs = &outputs[..batch.rows * columns];
            match &mut scorer {
                Some(scorer) => scorer.add(data.name(), batch, outputs)?,
                None => totals.outputs.extend_from_slice(outputs),
            }
        }
    }
    let targets = match data.targets() {
        Targets::Numbers { values, .. } if task == Task::Regression => Some(values),
        _ => None,
    };
    let numbers = numbers(loss_function, scaling, target_columns, &totals.outputs);
    let regression = |metric: &Metric| match targets {
        Some(targets) => of_numbers(*metric, targets, &numbers, columns, None),
        None => Err(Error::conflict("evaluation", "there are no numbers", "use metrics of classes")),
    };
    let number = |name: &str| name.parse().and_then(|metric| regression(&metric)).ok();
    let values = match scorer {
        Some(scorer) => scorer.scorer.finish(),
        None => metrics.iter().map(regression).collect(),
    };
    let labels = (task == Task::MultiLabel && exact).then(|| MultiLabel::of(&totals.outputs, target, target_columns));
    let raw = targets.zip(scaling).and_then(|(targets, scaling)| raw_loss(loss_function, scaling, &numbers, targets));
    Ok(Evaluation {
        rows: data.len(),
        loss: raw.unwrap_or(totals.loss / data.len() as f64),
        accuracy: match &labels {
            Some(labels) => Some(labels.accuracy),
            None => counted.filter(|_| exact).map(|_| totals.correct as f64 / target.len() as f64),
        },
        exact_match: labels.as_ref().map(|found| found.exact_match),
        f1: labels.as_ref().map(|found| found.f1),
        r2: number("r2"),
        mae: number("mae"),
        rmse: number("rmse"),
        metrics: wanted.named(&metrics, values)?,
    })
}

/// Returns the mean loss in the units of the targets. In each column, that is the loss of outputs and targets that are divided by
/// the scale, times a power of the scale. `None` if the loss has no such unit.
fn raw_loss(loss: Loss, scaling: &Standardization, outputs: &[f64], targets: &[f64]) -> Option<f64> {
    let (power, element) = (loss.unit_power()?, loss.function().element()?);
    let parameters = loss.parameters().map(f64::from);
    let (columns, rows) = (scaling.columns(), targets.len() / scaling.columns());
    // Without parameters, no distance has to be divided.
    let is_scaled = power == 0 || !loss.function().parameters.is_empty();
    let of_column = |(column, scale): (usize, &f64)| {
        let scale = if is_scaled { *scale } else { 1.0 };
        let scaled = |at: usize| element.double[0]((outputs[at] - targets[at]) / scale, 0.0, parameters);
        let sum: f64 = (0..rows).map(|row| scaled(row * columns + column)).sum();
        sum / rows as f64 * scale.powi(power)
    };
    Some(scaling.scale().iter().enumerate().map(of_column).sum::<f64>() / columns as f64)
}

/// Metrics of a classification under computation, from outputs of a network.
struct ClassScorer {
    scores: ClassScores,
    scorer: Scorer,
    columns: usize,
    row: Vec<f64>,
}

impl ClassScorer {
    fn new(scores: ClassScores, metrics: &[Metric], columns: usize, rows: usize) -> Result<Self> {
        let class_count = scores.class_count(columns);
        let scorer = Scorer::new(metrics, class_count, rows)?;
        Ok(Self { scores, scorer, columns, row: room("scores", class_count)? })
    }

    /// Adds the outputs of a batch.
    ///
    /// # Errors
    /// [`Error::Output`].
    fn add(&mut self, data: &str, batch: &Batch<'_>, outputs: &[f32]) -> Result<()> {
        let place = format!("evaluation on data set `{data}`");
        check_finite(&place, batch.first, self.columns, outputs.iter().copied())?;
        for (word, outputs) in batch.target.iter().zip(outputs.chunks(self.columns)) {
            let class = if self.scores == ClassScores::Softmax { *word } else { f32::from_bits(*word) as u32 };
            self.scores.replace(&mut self.row, outputs);
            self.scorer.add(class, &self.row, 1.0);
        }
        Ok(())
    }
}

/// Views that an evaluation writes and reads.
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

/// Rows that are evaluated at once, with their targets.
struct Batch<'a> {
    first: usize,
    rows: usize,
    target: &'a [u32],
}

/// Sums and outputs of the batches so far.
#[derive(Default)]
struct Totals {
    loss: f64,
    correct: u64,
    outputs: Vec<f32>,
}

fn submit(executor: &mut dyn Executor, views: &Views, input: &InputRows<'_>, batch: &Batch<'_>) -> Result<()> {
    let rows = input.get(batch.first..batch.first + batch.rows)?;
    executor.write(views.input, 0, bytemuck::cast_slice(&rows))?;
    executor.write(views.target, 0, batch.target)?;
    let step = Step { rows: batch.rows as u32, loss_scale: (1.0 / batch.rows as f64) as f32, ..Step::default() };
    executor.submit(&[step], &[Section::Evaluate, Section::Score].map(|section| Run { section, batch_index: 0 }))
}

/// Returns the error for a batch whose mean loss is not finite: its first loss that is not finite, or else the mean.
fn not_finite(
    executor: &mut dyn Executor,
    views: &Views,
    input: &InputRows<'_>,
    batch: &Batch<'_>,
    mean: f32,
) -> Result<Error> {
    // A later batch may have overwritten the losses.
    submit(executor, views, input, batch)?;
    let (first, rows) = (batch.first, batch.rows);
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
    let remedy = "check for values far outside the training data, or train again with a lower learning rate or with \
                  targets in larger units";
    Ok(Error::data(place, format!("{problem}, not a finite number"), remedy))
}
