//! Evaluation and predictions while training.

use crate::data::Dataset;
use crate::error::Result;
use crate::model::{Evaluation, InputRows, classes, evaluate, forward, prepared, probabilities, target_of};
use crate::trainer::Trainer;

impl Trainer {
    /// Loss and accuracy (or R², MAE and RMSE) on a data set, without dropout.
    ///
    /// # Errors
    /// Columns or targets that do not fit the network and the loss; a loss that is not finite.
    pub fn evaluate(&mut self, data: &Dataset) -> Result<Evaluation> {
        self.settle(0)?;
        let network = &self.spec.network;
        let input = InputRows::of(network, self.preprocessing.as_ref(), data)?;
        let scaling = self.target_scaling.as_ref();
        let target = target_of(network, self.spec.loss, scaling, data)?;
        evaluate(self.executor.as_mut(), self.spec.loss, scaling, &input, &target)
    }

    /// Probabilities (or numbers, after a regression) for rows of raw inputs; see [`Model::predict`](crate::Model::predict).
    ///
    /// # Errors
    /// A number of values that is no multiple of the network's inputs; values that are not finite.
    pub fn predict(&mut self, input: &[f32]) -> Result<Vec<f32>> {
        let mut outputs = self.outputs(input)?;
        let columns = self.spec.network.outputs();
        probabilities(self.spec.loss, columns, self.target_scaling.as_ref(), &mut outputs)?;
        Ok(outputs)
    }

    /// The class of each row of raw inputs.
    ///
    /// # Errors
    /// As [`Trainer::predict`]; a loss that does not tell classes apart.
    pub fn predict_classes(&mut self, input: &[f32]) -> Result<Vec<u32>> {
        let outputs = self.outputs(input)?;
        classes(self.spec.loss, self.spec.network.outputs(), &outputs)
    }

    fn outputs(&mut self, input: &[f32]) -> Result<Vec<f32>> {
        self.settle(0)?;
        let input = prepared(&self.spec.network, self.preprocessing.as_ref(), input)?;
        forward(self.executor.as_mut(), &input)
    }
}
