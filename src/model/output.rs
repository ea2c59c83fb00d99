//! What a network's outputs mean, by the loss that it was trained for.

use crate::error::{Error, Result};
use crate::kernels::activation;
use crate::loss::Loss;
use crate::network::Activation;

/// Turns outputs [rows, columns] into probabilities, in place; numbers of a regression stay as they are.
pub(crate) fn probabilities(loss: Loss, columns: usize, outputs: &mut [f32]) {
    match loss {
        Loss::MeanSquaredError => {}
        Loss::BinaryCrossEntropy => apply(Activation::Sigmoid, outputs),
        Loss::Perceptron => apply(Activation::Step, outputs),
        Loss::SoftmaxCrossEntropy => outputs.chunks_mut(columns).for_each(softmax),
    }
}

/// The class of each row of outputs [rows, columns]: the largest output, or for one output whether it is above 0.
pub(crate) fn classes(loss: Loss, columns: usize, outputs: &[f32]) -> Result<Vec<u32>> {
    if !loss.is_classification() || loss != Loss::SoftmaxCrossEntropy && columns > 1 {
        let problem = format!("{loss} with {columns} outputs does not tell one class a row");
        return Err(Error::conflict("predict_classes", problem, "use `predict`, or train with softmax_cross_entropy"));
    }
    let row = |row: &[f32]| match row {
        [output] => u32::from(*output > 0.0),
        row => (1..row.len()).fold(0, |best, c| if row[c] > row[best] { c } else { best }) as u32,
    };
    Ok(outputs.chunks(columns).map(row).collect())
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
