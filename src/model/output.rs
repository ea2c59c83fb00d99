//! Predictions from a network's outputs: classes, probabilities, or numbers, depending on the loss function.

use crate::data::Standardization;
use crate::elementwise::Meaning;
use crate::error::{Error, Result};
use crate::loss::{Loss, Task};
use crate::model::Metadata;
use crate::model::threshold::margin;
use crate::network::Activation;

/// Checks that outputs of shape [rows, columns] are finite. `first` is the index of the first row in error messages.
/// Predictions are checked before they are used, since a NaN would still yield a class.
///
/// # Errors
/// [`Error::Output`] for the first output that is not finite.
pub(crate) fn check_finite(
    place: &str,
    first: usize,
    columns: usize,
    outputs: impl IntoIterator<Item = f32>,
) -> Result<()> {
    let Some((at, value)) = outputs.into_iter().enumerate().find(|(_, output)| !output.is_finite()) else {
        return Ok(());
    };
    Err(Error::Output { place: place.into(), row: first + at / columns, output: at % columns, value })
}

/// Converts outputs of shape [rows, columns] in place into predictions: probabilities, or numbers in the units of the
/// targets.
///
/// # Errors
/// [`Error::Output`] if an output, or a number in the units of the targets, is not finite. The outputs are unchanged
/// then.
pub(crate) fn probabilities(
    loss: Loss,
    columns: usize,
    scaling: Option<&Standardization>,
    outputs: &mut [f32],
) -> Result<()> {
    check_finite("predictions", 0, columns, outputs.iter().copied())?;
    if loss.task(columns) != Task::Regression {
        activate(loss, columns, outputs);
        return Ok(());
    }
    let number = |(at, output): (usize, &f32)| number(loss, scaling, at % columns, *output) as f32;
    check_finite("predictions", 0, columns, outputs.iter().enumerate().map(number))?;
    outputs.iter_mut().enumerate().for_each(|(at, output)| *output = number((at, output)));
    Ok(())
}

/// Converts finite outputs of shape [rows, columns] in place into probabilities. Scores without probabilities become 1
/// for a predicted class and 0 for others. Outputs of a regression do not change.
fn activate(loss: Loss, columns: usize, outputs: &mut [f32]) {
    match loss.function().output {
        Meaning::Number { .. } | Meaning::LogRate | Meaning::Normal | Meaning::Quantiles | Meaning::Direction => {}
        Meaning::Logit => apply(Activation::sigmoid(), outputs),
        Meaning::Score => apply(Activation::step(), outputs),
        Meaning::ClassScore => outputs.chunks_mut(columns).for_each(one_hot),
        Meaning::ClassLogits => outputs.chunks_mut(columns).for_each(softmax),
    }
}

/// Rule that derives the class of a row from its outputs. It depends on the loss function: a softmax with one output
/// differs from a binary loss with one output.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Rule {
    /// Class of the largest output, or of the first of several equal ones.
    Largest,
    /// Class 1 if its logit is above this number, else class 0.
    Above(f64),
}

impl Rule {
    /// Returns the rule; `None` for a loss that does not predict one class per row.
    fn of(loss: Loss, columns: usize, threshold: Option<f64>) -> Option<Self> {
        let above = threshold.map(|threshold| Self::Above((threshold / (1.0 - threshold)).ln()));
        match loss.task(columns) {
            Task::MultiClass => Some(above.unwrap_or(Self::Largest)),
            Task::Binary => Some(above.unwrap_or(Self::Above(0.0))),
            Task::MultiLabel | Task::Regression => None,
        }
    }

    pub(crate) fn class(self, row: &[f32]) -> u32 {
        match self {
            Self::Largest => (1..row.len()).fold(0, |best, c| if row[c] > row[best] { c } else { best }) as u32,
            Self::Above(logit) => u32::from(margin(row) > logit),
        }
    }
}

/// Returns the class of each row of finite outputs of shape [rows, columns].
pub(crate) fn classes(loss: Loss, columns: usize, threshold: Option<f64>, outputs: &[f32]) -> Result<Vec<u32>> {
    let Some(rule) = Rule::of(loss, columns, threshold) else {
        let problem = format!("{loss} with {columns} outputs does not predict one class per row");
        return Err(Error::conflict("predict_classes", problem, "use `predict`, or train with softmax_cross_entropy"));
    };
    Ok(outputs.chunks(columns).map(|row| rule.class(row)).collect())
}

impl Metadata {
    /// Returns the number of classes; `None` if the model does not predict one class per row: for a regression, and for
    /// a binary loss with several outputs.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer};
    /// # let trainer = Trainer::builder(Network::input(2).dense(2)).loss(Loss::softmax_cross_entropy()).build(&Device::cpu())?;
    /// # let model = trainer.into_model()?;
    /// assert_eq!(model.metadata.class_count(), Some(2));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn class_count(&self) -> Option<usize> {
        let columns = self.network.outputs();
        match self.loss.task(columns) {
            Task::MultiClass => Some(columns),
            Task::Binary => Some(2),
            Task::MultiLabel | Task::Regression => None,
        }
    }

    /// Returns the class of each row of finite outputs, which have the shape [rows, columns].
    pub(super) fn classes_of(&self, outputs: &[f32]) -> Result<Vec<u32>> {
        classes(self.loss, self.network.outputs(), self.threshold, outputs)
    }

    /// Returns the rule of a threshold, if the model has one.
    pub(super) fn threshold_rule(&self) -> Option<Rule> {
        self.threshold.and_then(|_| Rule::of(self.loss, self.network.outputs(), self.threshold))
    }

    /// Converts [`Model::outputs`](super::Model::outputs) in place into the result of
    /// [`Model::predict`](super::Model::predict).
    ///
    /// # Errors
    /// [`Error::Output`] if an output or a result is not finite. The outputs are unchanged then.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer};
    /// # let trainer = Trainer::builder(Network::input(2).dense(2)).loss(Loss::softmax_cross_entropy()).build(&Device::cpu())?;
    /// # let mut model = trainer.into_model()?;
    /// model.parameters[0].values = vec![1.0, 0.0, 0.0, 1.0]; // The bias is 0.
    /// let mut outputs = model.outputs(&[0.5, 0.5])?;
    /// model.metadata.probabilities(&mut outputs)?;
    /// assert_eq!(outputs, [0.5, 0.5]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn probabilities(&self, outputs: &mut [f32]) -> Result<()> {
        probabilities(self.loss, self.network.outputs(), self.target_scaling.as_ref(), outputs)
    }

    /// Converts [`Model::outputs`](super::Model::outputs) in place into logarithms of the probabilities: the
    /// log-softmax of each row, or the log-sigmoid of each output of a binary loss. The logarithms of
    /// [`Metadata::probabilities`] would be less accurate where a probability is close to 0 or 1.
    ///
    /// # Errors
    /// The loss function gives no probabilities; [`Error::Output`]. The outputs are unchanged then.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer};
    /// # let trainer = Trainer::builder(Network::input(2).dense(2)).loss(Loss::softmax_cross_entropy()).build(&Device::cpu())?;
    /// let model = trainer.into_model()?;
    /// let mut outputs = vec![0.0, -1000.0];
    /// model.metadata.log_probabilities(&mut outputs)?;
    /// assert_eq!(outputs, [0.0, -1000.0], "the probability e⁻¹⁰⁰⁰ would be 0");
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn log_probabilities(&self, outputs: &mut [f32]) -> Result<()> {
        let columns = self.network.outputs();
        check_finite("predictions", 0, columns, outputs.iter().copied())?;
        match self.loss.function().output {
            Meaning::Logit => outputs.iter_mut().for_each(|z| *z = log_sigmoid((*z).into()) as f32),
            Meaning::ClassLogits => outputs.chunks_mut(columns).for_each(log_softmax),
            Meaning::Number { .. }
            | Meaning::LogRate
            | Meaning::Score
            | Meaning::ClassScore
            | Meaning::Normal
            | Meaning::Quantiles
            | Meaning::Direction => {
                let problem = format!("{} gives no probabilities", self.loss);
                let remedy = "train with softmax_cross_entropy or binary_cross_entropy";
                return Err(Error::conflict("log-probabilities", problem, remedy));
            }
        }
        Ok(())
    }

    /// Converts [`Model::outputs`](super::Model::outputs) of a regression to the units of the targets, in f64.
    /// [`Model::predict`](super::Model::predict) rounds to f32, which is too coarse for targets such as 3·10⁹ ± 100.
    /// For [`Loss::gaussian_nll`], the numbers are the mean and the standard deviation of each target. For
    /// [`Loss::poisson`], they are rates.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Device, Loss, Network, Standardization, Trainer};
    /// # let trainer = Trainer::builder(Network::input(1).dense(1)).loss(Loss::mean_squared_error()).build(&Device::cpu())?;
    /// # let mut model = trainer.into_model()?;
    /// model.metadata.target_scaling = Some(Standardization::new(vec![3e9], vec![4.0])?);
    /// assert_eq!(model.metadata.numbers(&[0.5]), [3e9 + 2.0]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn numbers(&self, outputs: &[f32]) -> Vec<f64> {
        numbers(self.loss, self.target_scaling.as_ref(), self.network.outputs(), outputs)
    }

    /// Returns the predicted class for one row of [`Model::outputs`](super::Model::outputs), and the probability of
    /// each class; `None` if the model does not predict one class per row (see [`Metadata::class_count`]).
    ///
    /// # Errors
    /// [`Error::Output`] if an output is not finite.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer};
    /// # let trainer = Trainer::builder(Network::input(2).dense(2)).loss(Loss::softmax_cross_entropy()).build(&Device::cpu())?;
    /// # let mut model = trainer.into_model()?;
    /// model.parameters[0].values = vec![1.0, 0.0, 0.0, 1.0]; // The bias is 0.
    /// let outputs = model.outputs(&[0.5, 0.5])?;
    /// assert_eq!(model.metadata.predicted(&outputs)?, Some((0, vec![0.5, 0.5])));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn predicted(&self, row: &[f32]) -> Result<Option<(u32, Vec<f32>)>> {
        let Some(rule) = Rule::of(self.loss, row.len(), self.threshold) else { return Ok(None) };
        check_finite("class", 0, row.len(), row.iter().copied())?;
        let mut found = row.to_vec();
        activate(self.loss, row.len(), &mut found);
        // A single output is the probability of class 1.
        let probabilities =
            if self.loss.task(row.len()) == Task::Binary { vec![1.0 - found[0], found[0]] } else { found };
        Ok(Some((rule.class(row), probabilities)))
    }
}

/// Returns the predicted numbers of a regression in the units of the targets, in f64.
pub(crate) fn numbers(loss: Loss, scaling: Option<&Standardization>, columns: usize, outputs: &[f32]) -> Vec<f64> {
    outputs.iter().enumerate().map(|(at, output)| number(loss, scaling, at % columns, *output)).collect()
}

/// Constant that [`Loss::gaussian_nll`] adds to each variance.
const ADDED_VARIANCE: f64 = 1e-6;

fn number(loss: Loss, scaling: Option<&Standardization>, column: usize, output: f32) -> f64 {
    let (target, place) = (column / loss.outputs_per_target(), column % loss.outputs_per_target());
    match loss.function().output {
        Meaning::LogRate => f64::from(output).exp(),
        Meaning::Normal if place == 1 => {
            let deviation = (f64::from(output).exp() + ADDED_VARIANCE).sqrt();
            scaling.map_or(deviation, |scaling| deviation * scaling.scale()[target])
        }
        Meaning::Number { .. }
        | Meaning::Logit
        | Meaning::Score
        | Meaning::ClassLogits
        | Meaning::ClassScore
        | Meaning::Normal
        | Meaning::Quantiles
        | Meaning::Direction => scaling.map_or(output.into(), |scaling| scaling.undone_value(target, output)),
    }
}

/// Returns one predicted number per target, from all numbers of a regression: the mean of a normal distribution, the
/// quantile whose level is closest to 0.5, or for other losses the number itself.
pub(crate) fn points(loss: Loss, numbers: Vec<f64>) -> Vec<f64> {
    let each = loss.outputs_per_target();
    if each == 1 { numbers } else { numbers.into_iter().skip(loss.point_output()).step_by(each).collect() }
}

/// Replaces a row by its one-hot encoding: 1 at the largest number (the first of several equal ones), and 0 elsewhere.
fn one_hot(row: &mut [f32]) {
    let class = Rule::Largest.class(row) as usize;
    row.iter_mut().enumerate().for_each(|(c, score)| *score = f32::from(u8::from(c == class)));
}

fn apply(function: Activation, outputs: &mut [f32]) {
    outputs.iter_mut().for_each(|y| *y = function.apply(*y));
}

fn softmax(row: &mut [f32]) {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    row.iter_mut().for_each(|z| *z = (*z - largest).exp());
    let total: f32 = row.iter().sum();
    row.iter_mut().for_each(|e| *e /= total);
}

/// Returns ln σ(z) = min(z, 0) − ln(1 + e⁻|ᶻ|).
fn log_sigmoid(z: f64) -> f64 {
    z.min(0.0) - (-z.abs()).exp().ln_1p()
}

fn log_softmax(row: &mut [f32]) {
    let at = (1..row.len()).fold(0, |best, c| if row[c] > row[best] { c } else { best });
    let largest = f64::from(row[at]);
    // The exponential of the largest number is 1. Leaving it out of the sum and using ln(1 + sum) keeps small terms.
    let others = row.iter().enumerate().filter(|(c, _)| *c != at);
    let log_total = others.map(|(_, z)| (f64::from(*z) - largest).exp()).sum::<f64>().ln_1p();
    row.iter_mut().for_each(|z| *z = (f64::from(*z) - largest - log_total) as f32);
}
