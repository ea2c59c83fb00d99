//! Evaluation: loss and metrics of a model on a data set.

use std::collections::BTreeMap;

use crate::data::{Dataset, Standardization};
use crate::device::Device;
use crate::elementwise::{Meaning, Range, Row, Targets as RowTargets};
use crate::error::{Error, Result, try_with_capacity};
use crate::exec::Executor;
use crate::loss::{Loss, TargetKind, Task};
use crate::metrics::{LabelScores, Metric, Needs, Scorer, of_numbers};
use crate::model::batches::{Batch, Receiver, Totals, run};
use crate::model::scores::ClassScores;
use crate::model::{
    Evaluation, InputRows, Model, Rule, check_finite, class_of, numbers, points, rows_at_once, target_of,
    write_parameters,
};
use crate::plan::Plan;

/// Largest number of classes for which [`Wanted::All`] includes the ranking metrics, `roc_auc` and `pr_auc`. These need
/// the scores of all rows in memory, sorted.
const MOST_RANKED_CLASSES: usize = 32;

/// Metrics that are computed even if they are not requested: for numbers, for labels, and for classes if the device
/// does not count correct predictions (see [`Subject::is_counted`]). If it does, the counts give the accuracy.
const ALWAYS: [&str; 6] = ["r2", "mae", "rmse", "accuracy", "exact_match", "f1"];

impl Model {
    /// Checks that a data set fits the model. [`Model::evaluate`] makes the same checks.
    ///
    /// # Errors
    /// Columns or targets do not fit the network and the loss function; there are no rows, or all their weights are 0.
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

    /// Evaluates the model on a data set, on the CPU. Computes the loss, and all [metrics](crate::metrics) that suit
    /// the loss function and are defined for the data, with default parameters. If rows have
    /// [weights](Dataset::weighted), loss and metrics are weighted. `roc_auc` and `pr_auc` are left out for more than
    /// 32 classes. Metrics of classes need one class per row, as with softmax cross-entropy, or with a binary loss with
    /// one output and targets 0 and 1.
    ///
    /// # Errors
    /// Columns or targets do not fit the network and the loss function; a loss or an output is not finite.
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

    /// Computes the loss and the given metrics, with any parameters, on a device. The result always includes the
    /// accuracy for classes, R², MAE and RMSE for numbers, and the accuracy, exact match and F1 for labels.
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
        let plan = Plan::for_evaluation(network, loss, rows_at_once(network, device, data.len()))?;
        let mut executor = device.executor(plan)?;
        write_parameters(executor.as_mut(), &self.parameters)?;
        evaluate(executor.as_mut(), loss, scaling, self.metadata.threshold_rule(), &input, &target, wanted)
    }
}

/// Metrics that an evaluation computes in addition to [`ALWAYS`].
#[derive(Clone, Copy)]
pub(crate) enum Wanted<'a> {
    /// All metrics that suit the loss function and are defined for the data.
    All,
    /// These metrics. It is an error if one of them cannot be computed.
    These(&'a [Metric]),
}

impl Wanted<'_> {
    /// Returns the metrics to compute from predictions of `kind`, for `class_count` classes. `uncounted` is true if the
    /// device does not count correct predictions.
    ///
    /// # Errors
    /// One of the metrics needs predictions of another kind.
    fn metrics(self, kind: Option<Needs>, class_count: usize, uncounted: bool) -> Result<Vec<Metric>> {
        let suits = |metric: &Metric| kind.is_some_and(|kind| metric.suits(kind));
        let is_small = |metric: &Metric| class_count <= MOST_RANKED_CLASSES || !metric.is_of_ranking();
        let has_always = uncounted || matches!(kind, Some(Needs::Numbers | Needs::Labels));
        let is_always = |metric: &Metric| has_always && ALWAYS.contains(&metric.name());
        let metrics = match self {
            Self::All => return Ok(Metric::all().filter(suits).filter(is_small).collect()),
            Self::These(metrics) => metrics,
        };
        if let Some(metric) = metrics.iter().find(|metric| !suits(metric)) {
            let given = kind.map_or("no single class per row".into(), |kind| kind.to_string());
            let problem = format!("it needs {}, but loss function and targets give {given}", metric.needs());
            return Err(Error::conflict(format!("metric `{metric}`"), problem, "use another metric"));
        }
        let always = Metric::all().filter(suits).filter(is_always).filter(|metric| !metrics.contains(metric));
        Ok(metrics.iter().copied().chain(always).collect())
    }

    /// Returns the values by the names of the metrics, including parameters. Leaves out undefined metrics that were not
    /// requested.
    ///
    /// # Errors
    /// One of [`Self::These`] is undefined.
    fn named(self, metrics: &[Metric], values: Vec<Result<f64>>) -> Result<BTreeMap<String, f64>> {
        let is_needed = |metric: &Metric| matches!(self, Self::These(these) if these.contains(metric));
        let named = metrics.iter().zip(values).filter(|(metric, value)| value.is_ok() || is_needed(metric));
        named.map(|(metric, value)| Ok((metric.to_string(), value?))).collect()
    }
}

/// Evaluates a data set. `input` and `target` are in the format that kernels read. If targets are scaled, loss and
/// metrics are computed in f64 in the units of the targets: squares in these units can overflow f32, and targets can
/// have more digits than f32. `rule` is that of a threshold, if there is one.
pub(crate) fn evaluate(
    executor: &mut dyn Executor,
    loss: Loss,
    scaling: Option<&Standardization>,
    rule: Option<Rule>,
    input: &InputRows<'_>,
    target: &[u32],
    wanted: Wanted<'_>,
) -> Result<Evaluation> {
    let (data, columns) = (input.data, executor.plan().shape(executor.plan().named("evaluate.output")?).columns);
    let subject = Subject { data, loss, scaling, rule, target, columns };
    let (kind, class_scores) = subject.kind();
    let metrics =
        wanted.metrics(kind, class_scores.map_or(0, |scores| scores.class_count(columns)), !subject.is_counted())?;
    let mut scorer = subject.scorer(kind, class_scores, &metrics)?;
    let mut add = |batch: &Batch<'_>, outputs: &[f32]| scorer.add(data, batch, outputs);
    let receiver: Option<&mut Receiver<'_>> = if metrics.is_empty() { None } else { Some(&mut add) };
    let totals = run(executor, input, target, class_scores.is_some() && subject.is_counted(), receiver)?;
    let (loss, values) = subject.finish(&totals, scorer, &metrics);
    let mut values = wanted.named(&metrics, values)?;
    values.extend(totals.correct.map(|correct| ("accuracy".into(), correct as f64 / data.len() as f64)));
    Ok(Evaluation::new(data.len(), loss, values))
}

/// Data set and network that are evaluated.
struct Subject<'a> {
    data: &'a Dataset,
    loss: Loss,
    scaling: Option<&'a Standardization>,
    /// Rule of a threshold, if there is one.
    rule: Option<Rule>,
    /// Targets in the format that kernels read.
    target: &'a [u32],
    /// Number of outputs.
    columns: usize,
}

impl Subject<'_> {
    /// Returns `true` if the device counts correct predictions. It does not if rows have weights, if each target is a
    /// row of probabilities, or with a threshold.
    fn is_counted(&self) -> bool {
        self.data.weights().is_none() && self.rule.is_none() && self.loss.function().range != Range::Distribution
    }

    /// Returns what a metric needs to know of the predictions. The first value is their kind: classes, labels or
    /// numbers. The second value says which outputs are scores of classes; it is `None` if a row has no class. Both are
    /// `None` if a target of classes or labels is neither 0 nor 1, since no metric is defined then.
    fn kind(&self) -> (Option<Needs>, Option<ClassScores>) {
        let is_class = self.loss.target_kind() == TargetKind::Class;
        let exact = is_class || self.target.iter().all(|word| [0.0, 1.0].contains(&f32::from_bits(*word)));
        let scores = ClassScores::of(self.loss, self.columns).filter(|_| exact);
        let kind = match self.loss.task(self.columns) {
            Task::Regression => (self.loss.function().output != Meaning::Direction).then_some(Needs::Numbers),
            Task::MultiLabel => exact.then_some(Needs::Labels),
            Task::Binary | Task::MultiClass => scores.map(ClassScores::kind),
        };
        (kind, scores)
    }

    fn scorer(&self, kind: Option<Needs>, scores: Option<ClassScores>, metrics: &[Metric]) -> Result<OutputScorer> {
        Ok(match scores {
            Some(scores) => {
                let scorer = ClassScorer::new(self, scores, metrics)?;
                OutputScorer::Classes(Box::new(scorer))
            }
            None => OutputScorer::Kept { are_labels: kind == Some(Needs::Labels), outputs: Vec::new() },
        })
    }

    /// Returns the mean loss in the unit of the targets, and the values of the metrics.
    fn finish(&self, totals: &Totals, scorer: OutputScorer, metrics: &[Metric]) -> (f64, Vec<Result<f64>>) {
        let mean = totals.loss / totals.weight;
        let weights: Option<Vec<f64>> =
            self.data.weights().map(|weights| weights.iter().map(|weight| f64::from(*weight)).collect());
        let weights = weights.as_deref();
        match scorer {
            OutputScorer::Classes(scorer) => (mean, scorer.scorer.finish()),
            OutputScorer::Kept { are_labels: true, outputs } => {
                let actual: Vec<u32> = self.target.iter().map(|word| u32::from(f32::from_bits(*word) == 1.0)).collect();
                let scores: Vec<f64> = outputs.iter().map(|output| f64::from(*output)).collect();
                let labels = LabelScores { actual: &actual, scores: &scores, columns: self.columns, weights };
                (mean, metrics.iter().map(|metric| labels.compute(*metric)).collect())
            }
            OutputScorer::Kept { are_labels: false, outputs } => {
                let outputs = numbers(self.loss, self.scaling, self.columns, &outputs);
                let targets = self.data.target_values().unwrap_or_default();
                let raw = self.scaling.and_then(|scaling| raw_loss(self.loss, scaling, &outputs, targets, weights));
                let columns = self.loss.target_columns(self.columns);
                let points = points(self.loss, outputs);
                (raw.unwrap_or(mean), of_numbers(metrics, targets, &points, columns, weights))
            }
        }
    }
}

/// Computation of metrics from outputs that arrive batch by batch.
enum OutputScorer {
    /// Metrics for one class per row.
    Classes(Box<ClassScorer>),
    /// Outputs of all rows, for metrics of labels and of numbers.
    Kept { are_labels: bool, outputs: Vec<f32> },
}

impl OutputScorer {
    fn add(&mut self, data: &Dataset, batch: &Batch<'_>, outputs: &[f32]) -> Result<()> {
        match self {
            Self::Classes(scorer) => scorer.add(data, batch, outputs),
            Self::Kept { outputs: all, .. } => {
                all.extend_from_slice(outputs);
                Ok(())
            }
        }
    }
}

/// Returns the mean loss in the units of the targets. In each column, errors are divided by the scale, and their loss
/// is multiplied by a power of the scale. `None` if outputs do not have the unit of their target.
fn raw_loss(
    loss: Loss,
    scaling: &Standardization,
    outputs: &[f64],
    targets: &[f64],
    weights: Option<&[f64]>,
) -> Option<f64> {
    if loss.function().output == Meaning::Quantiles {
        return raw_quantile_loss(loss, scaling.columns(), outputs, targets, weights);
    }
    let (power, element) = (loss.unit_power()?, loss.function().element()?);
    let parameters = loss.parameters().map(f64::from);
    let (columns, rows) = (scaling.columns(), targets.len() / scaling.columns());
    let weight = |row: usize| weights.map_or(1.0, |weights| weights[row]);
    let total: f64 = (0..rows).map(weight).sum();
    // Parameters such as the delta of Huber's loss are distances on the scaled targets. Without parameters, the loss is
    // computed in the units of the targets directly.
    let is_scaled = power == 0 || !loss.function().parameters.is_empty();
    let of_column = |(column, scale): (usize, &f64)| {
        let scale = if is_scaled { *scale } else { 1.0 };
        let scaled = |at: usize| element.double[0]((outputs[at] - targets[at]) / scale, 0.0, parameters);
        let sum: f64 = (0..rows).map(|row| weight(row) * scaled(row * columns + column)).sum();
        sum / total * scale.powi(power)
    };
    Some(scaling.scale().iter().enumerate().map(of_column).sum::<f64>() / columns as f64)
}

/// Returns the mean quantile loss in the units of the targets. No parameter of this loss is a distance, so outputs and
/// targets are used as they are.
fn raw_quantile_loss(
    loss: Loss,
    columns: usize,
    outputs: &[f64],
    targets: &[f64],
    weights: Option<&[f64]>,
) -> Option<f64> {
    let (function, each) = (loss.function().row()?, loss.outputs_per_target());
    let mut derivatives = vec![0.0; columns * each];
    let (mut sum, mut total) = (0.0, 0.0);
    for (row, (outputs, targets)) in outputs.chunks(columns * each).zip(targets.chunks(columns)).enumerate() {
        let (meaning, parameters) = (loss.function().output, loss.parameters().map(f64::from));
        let weight = weights.map_or(1.0, |weights| weights[row]);
        let row = Row { meaning, parameters, outputs, targets: RowTargets::Numbers(targets) };
        sum += weight * (function.double)(&row, &mut derivatives);
        total += weight;
    }
    Some(sum / total)
}

/// Running computation of the metrics of a classification, from outputs of a network.
struct ClassScorer {
    loss: Loss,
    rule: Option<Rule>,
    scores: ClassScores,
    scorer: Scorer,
    columns: usize,
    row: Vec<f64>,
}

impl ClassScorer {
    fn new(subject: &Subject<'_>, scores: ClassScores, metrics: &[Metric]) -> Result<Self> {
        let Subject { data, loss, rule, columns, .. } = *subject;
        let class_count = scores.class_count(columns);
        let scorer = Scorer::new(metrics, class_count, data.len())?;
        Ok(Self { loss, rule, scores, scorer, columns, row: try_with_capacity("scores", class_count)? })
    }

    /// Adds the outputs of a batch.
    ///
    /// # Errors
    /// [`Error::Output`].
    fn add(&mut self, data: &Dataset, batch: &Batch<'_>, outputs: &[f32]) -> Result<()> {
        let place = format!("evaluation on data set `{}`", data.name());
        check_finite(&place, batch.first, self.columns, outputs.iter().copied())?;
        let targets = batch.target.chunks(batch.target.len() / batch.rows);
        for (row, (words, outputs)) in (batch.first..).zip(targets.zip(outputs.chunks(self.columns))) {
            // All targets are classes, or 0 and 1: see `Subject::kind`.
            let class = class_of(self.loss, words).unwrap_or_default();
            self.scores.replace(&mut self.row, outputs);
            let weight = data.weights().map_or(1.0, |weights| weights[row].into());
            let predicted = self.rule.map(|rule| rule.class(outputs));
            self.scorer.add(class, predicted, &self.row, weight);
        }
        Ok(())
    }
}
