//! What a network's outputs mean, by the loss that it was trained for.

use crate::data::Standardization;
use crate::error::{Error, Result};
use crate::kernels::activation;
use crate::loss::Loss;
use crate::model::Metadata;
use crate::network::Activation;

/// Checks outputs [rows, columns], the first of which are those of row `first`, before anything is made of them: the class of a
/// NaN would look like any other.
///
/// # Errors
/// [`Error::Output`]: the first that is not finite.
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

/// Turns outputs [rows, columns] into probabilities, or numbers in the targets' units, in place.
///
/// # Errors
/// [`Error::Output`]; all are as they were then.
pub(crate) fn probabilities(
    loss: Loss,
    columns: usize,
    scaling: Option<&Standardization>,
    outputs: &mut [f32],
) -> Result<()> {
    check_finite("predictions", 0, columns, outputs.iter().copied())?;
    activate(loss, columns, outputs);
    if let Some(scaling) = scaling {
        let undone = |at: usize, output: f32| scaling.undone_value(at % columns, output) as f32;
        let numbers = outputs.iter().enumerate().map(|(at, output)| undone(at, *output));
        check_finite("predictions", 0, columns, numbers)?;
        outputs.iter_mut().enumerate().for_each(|(at, output)| *output = undone(at, *output));
    }
    Ok(())
}

/// Turns finite outputs [rows, columns] into probabilities, in place; those of a regression stay as they are.
fn activate(loss: Loss, columns: usize, outputs: &mut [f32]) {
    match loss {
        Loss::MeanSquaredError => {}
        Loss::BinaryCrossEntropy => apply(Activation::Sigmoid, outputs),
        Loss::Perceptron => apply(Activation::Step, outputs),
        Loss::SoftmaxCrossEntropy => outputs.chunks_mut(columns).for_each(softmax),
    }
}

/// How outputs tell the class of a row. The loss decides: one output of a softmax is not one of a binary loss.
#[derive(Clone, Copy, PartialEq)]
enum Rule {
    /// The largest output, the first of equal ones.
    Largest,
    /// The second of two classes, if the one output is above 0.
    AboveZero,
}

impl Rule {
    /// `None` where a row does not belong to one class.
    fn of(loss: Loss, columns: usize) -> Option<Self> {
        match loss {
            Loss::SoftmaxCrossEntropy => Some(Self::Largest),
            Loss::BinaryCrossEntropy | Loss::Perceptron => (columns == 1).then_some(Self::AboveZero),
            Loss::MeanSquaredError => None,
        }
    }

    fn class(self, row: &[f32]) -> u32 {
        match self {
            Self::Largest => (1..row.len()).fold(0, |best, c| if row[c] > row[best] { c } else { best }) as u32,
            Self::AboveZero => u32::from(row[0] > 0.0),
        }
    }
}

/// The class of each row of finite outputs [rows, columns].
pub(crate) fn classes(loss: Loss, columns: usize, outputs: &[f32]) -> Result<Vec<u32>> {
    let Some(rule) = Rule::of(loss, columns) else {
        let problem = format!("{loss} with {columns} outputs does not tell one class a row");
        return Err(Error::conflict("predict_classes", problem, "use `predict`, or train with softmax_cross_entropy"));
    };
    Ok(outputs.chunks(columns).map(|row| rule.class(row)).collect())
}

impl Metadata {
    /// How many classes the outputs tell apart; `None` where a row does not belong to one class: after a regression,
    /// and for a binary loss with several outputs.
    pub fn class_count(&self) -> Option<usize> {
        let columns = self.network.outputs();
        Rule::of(self.loss, columns).map(|rule| if rule == Rule::AboveZero { 2 } else { columns })
    }

    /// Turns [`Model::outputs`](super::Model::outputs) into what [`Model::predict`](super::Model::predict) returns, in
    /// place.
    ///
    /// # Errors
    /// [`Error::Output`]; all are as they were then.
    pub fn probabilities(&self, outputs: &mut [f32]) -> Result<()> {
        probabilities(self.loss, self.network.outputs(), self.target_scaling.as_ref(), outputs)
    }

    /// The numbers that [`Model::outputs`](super::Model::outputs) of a regression stand for, in the targets' units. Unlike
    /// [`Model::predict`](super::Model::predict) it keeps what an f32 cannot hold, as of targets such as 3·10⁹ ± 100.
    pub fn numbers(&self, outputs: &[f32]) -> Vec<f64> {
        undone(self.target_scaling.as_ref(), outputs)
    }

    /// The class that a row of [`Model::outputs`](super::Model::outputs) tells, and the probability of each class;
    /// `None` as for [`Metadata::class_count`].
    ///
    /// # Errors
    /// [`Error::Output`].
    pub fn told(&self, row: &[f32]) -> Result<Option<(u32, Vec<f32>)>> {
        let Some(rule) = Rule::of(self.loss, row.len()) else { return Ok(None) };
        check_finite("class", 0, row.len(), row.iter().copied())?;
        let mut found = row.to_vec();
        activate(self.loss, row.len(), &mut found);
        // One output is the probability of the second of two classes.
        let probabilities = if rule == Rule::AboveZero { vec![1.0 - found[0], found[0]] } else { found };
        Ok(Some((rule.class(row), probabilities)))
    }
}

/// Outputs of a regression in the units of the targets, with all their digits.
pub(crate) fn undone(scaling: Option<&Standardization>, outputs: &[f32]) -> Vec<f64> {
    match scaling {
        Some(scaling) => scaling.undone(outputs),
        None => outputs.iter().map(|output| f64::from(*output)).collect(),
    }
}

fn apply(function: Activation, outputs: &mut [f32]) {
    let function = activation::Function::from(function);
    outputs.iter_mut().for_each(|y| *y = activation::apply(function.code, function.slope, *y));
}

fn softmax(row: &mut [f32]) {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    row.iter_mut().for_each(|z| *z = (*z - largest).exp());
    let total: f32 = row.iter().sum();
    row.iter_mut().for_each(|e| *e /= total);
}
