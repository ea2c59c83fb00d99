//! Evaluation and prediction during training.

use crate::data::Dataset;
use crate::error::Result;
use crate::metrics::Metric;
use crate::model::{Evaluation, InputRows, Wanted, classes, evaluate, forward, prepared, probabilities, target_of};
use crate::trainer::Trainer;

impl Trainer {
    /// Returns loss and metrics on a data set, without dropout, like [`Model::evaluate`](crate::Model::evaluate). This
    /// does not affect the training.
    ///
    /// # Errors
    /// Columns or targets that do not fit the network and the loss; a loss that is not finite.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// let accuracy = trainer.evaluate(&data::xor())?.accuracy()?;
    /// assert!((0.0..=1.0).contains(&accuracy));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn evaluate(&mut self, data: &Dataset) -> Result<Evaluation> {
        self.evaluate_wanted(data, Wanted::All)
    }

    /// Returns the loss and these metrics on a data set, like [`Model::evaluate_with`](crate::Model::evaluate_with).
    ///
    /// # Errors
    /// As [`Trainer::evaluate`]; a metric that does not suit the loss function, or is undefined for the data.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// let evaluation = trainer.evaluate_with(&data::xor(), &["f_beta(beta=2)".parse()?])?;
    /// assert!((0.0..=1.0).contains(&evaluation.metric("f_beta(beta=2)")?));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn evaluate_with(&mut self, data: &Dataset, metrics: &[Metric]) -> Result<Evaluation> {
        self.evaluate_wanted(data, Wanted::These(metrics))
    }

    fn evaluate_wanted(&mut self, data: &Dataset, wanted: Wanted<'_>) -> Result<Evaluation> {
        self.settle(0)?;
        let network = &self.spec.network;
        let input = InputRows::of(network, self.preprocessing.as_ref(), data)?;
        let scaling = self.target_scaling.as_ref();
        let target = target_of(network, self.spec.loss, scaling, data)?;
        evaluate(self.executor.as_mut(), self.spec.loss, scaling, None, &input, &target, wanted)
    }

    /// Returns the predictions for rows of raw inputs: probabilities, or numbers for a regression. See
    /// [`Model::predict`](crate::Model::predict).
    ///
    /// # Errors
    /// A number of values that is not a positive multiple of the network's inputs; values that are not finite.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// let probabilities = trainer.predict(&[0.0, 0.0, 0.0, 1.0])?;
    /// assert_eq!(probabilities.len(), 2, "2 rows");
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn predict(&mut self, input: &[f32]) -> Result<Vec<f32>> {
        let mut outputs = self.outputs(input)?;
        let columns = self.spec.network.outputs();
        probabilities(self.spec.loss, columns, self.target_scaling.as_ref(), &mut outputs)?;
        Ok(outputs)
    }

    /// Returns the class of each row of raw inputs, as an index from 0.
    ///
    /// # Errors
    /// As [`Trainer::predict`]; a loss function that does not predict one class per row.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// let classes: Vec<u32> = trainer.predict_classes(&[0.0, 0.0, 0.0, 1.0])?;
    /// assert_eq!(classes.len(), 2);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn predict_classes(&mut self, input: &[f32]) -> Result<Vec<u32>> {
        let outputs = self.outputs(input)?;
        classes(self.spec.loss, self.spec.network.outputs(), None, &outputs)
    }

    fn outputs(&mut self, input: &[f32]) -> Result<Vec<f32>> {
        self.settle(0)?;
        let input = prepared(&self.spec.network, self.preprocessing.as_ref(), input)?;
        forward(self.executor.as_mut(), &input)
    }
}
