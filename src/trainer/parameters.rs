//! Parameters, gradients, and the model.

use crate::error::Result;
use crate::exec::Run;
use crate::lower::AVERAGE;
use crate::model::{
    Metadata, Model, Tensor, check_parameters, prefixed_shapes, read_tensors, version, write_parameters,
};
use crate::plan::Section;
use crate::trainer::Trainer;

impl Trainer {
    /// Returns the parameters, in the order of the layers.
    ///
    /// # Errors
    /// A device that does not answer; a number that became infinite or NaN, in a step or in an updated tensor.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// let parameters = trainer.parameters()?;
    /// assert_eq!((parameters[0].name.as_str(), &parameters[0].shape[..]), ("layer0.weight", &[1, 2][..]));
    /// assert_eq!(parameters[1].values, [0.0], "biases are 0 at first");
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn parameters(&mut self) -> Result<Vec<Tensor>> {
        self.settle(0)?;
        let parameters = read_tensors(self.executor.as_mut(), &self.spec.network, "")?;
        self.finite(parameters)
    }

    /// Replaces all parameters, and sets their [average](crate::trainer::Builder::average), and z of a
    /// [schedule-free](crate::Optimizer::is_schedule_free) optimizer, to the same values. The rest of the optimizer's
    /// state is unchanged.
    ///
    /// # Errors
    /// Parameters with other names or shapes than the network's, or that are not finite.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// let mut parameters = trainer.parameters()?;
    /// parameters[1].values = vec![0.5];
    /// trainer.set_parameters(&parameters)?;
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn set_parameters(&mut self, parameters: &[Tensor]) -> Result<()> {
        check_parameters(&self.spec.network, parameters)?;
        self.settle(0)?;
        self.write_parameters(parameters)
    }

    /// Writes parameters, their average, if there is one, and the state that begins as their copy.
    pub(super) fn write_parameters(&mut self, parameters: &[Tensor]) -> Result<()> {
        write_parameters(self.executor.as_mut(), parameters)?;
        let average = self.spec.is_averaged().then(|| AVERAGE.to_string());
        let optimizer = self.spec.optimizer;
        let state = optimizer.rule().update.averaged.map(|state| format!("{}.{state}.", optimizer.name()));
        for prefix in average.into_iter().chain(state) {
            let known: Vec<_> =
                prefixed_shapes(&self.spec.network, &prefix).into_iter().map(|(name, _)| name).collect();
            let copy = |tensor: &Tensor| Tensor { name: format!("{prefix}{}", tensor.name), ..tensor.clone() };
            let copies = parameters.iter().map(copy).filter(|tensor| known.contains(&tensor.name));
            write_parameters(self.executor.as_mut(), &copies.collect::<Vec<_>>())?;
        }
        Ok(())
    }

    /// Returns the parameters with which the trainer predicts and evaluates, in the order of the layers: their
    /// [average](crate::trainer::Builder::average), or without one the parameters themselves.
    ///
    /// # Errors
    /// As [`Trainer::parameters`].
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// assert_eq!(trainer.averaged_parameters()?, trainer.parameters()?, "there is no average");
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn averaged_parameters(&mut self) -> Result<Vec<Tensor>> {
        let mut parameters = self.parameters()?;
        if self.spec.is_averaged() {
            let averages = read_tensors(self.executor.as_mut(), &self.spec.network, AVERAGE)?;
            for average in self.finite(averages)? {
                let is_own = |tensor: &&mut Tensor| average.name.strip_prefix(AVERAGE) == Some(tensor.name.as_str());
                parameters
                    .iter_mut()
                    .find(is_own)
                    .into_iter()
                    .for_each(|tensor| tensor.values.clone_from(&average.values));
            }
        }
        Ok(parameters)
    }

    /// Returns the gradients of the last step, before clipping and weight decay, in the order of the layers.
    ///
    /// After a step of a single row, the gradient of a layer's bias is its δ: the derivative of the loss with respect
    /// to the layer's sums z, which [`Model::layer_outputs`] returns.
    ///
    /// # Errors
    /// A device that does not answer.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer};
    /// # let builder = Trainer::builder(Network::input(1).dense(1)).loss(Loss::mean_squared_error());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// trainer.step(&[0.0], &[3.0])?;
    /// assert_eq!(trainer.gradients()?[1].values, [-6.0], "z is the bias, 0, so δ is 2 · (0 − 3)");
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn gradients(&mut self) -> Result<Vec<Tensor>> {
        self.settle(0)?;
        read_tensors(self.executor.as_mut(), &self.spec.network, "grad.")
    }

    /// Returns the change of each parameter that a second update with the gradients of the last step would make.
    /// Parameters and optimizer state keep their bits. At least one step must have been taken.
    pub(super) fn trial_update(&mut self) -> Result<Vec<Tensor>> {
        let before = self.parameters()?;
        let state = self.state()?;
        let record = self.spec.record(&self.schedule, self.seed, self.step.saturating_sub(1), 0, 1);
        self.executor.submit(&[record], &[Run { section: Section::Update, batch_index: 0 }])?;
        let mut update = read_tensors(self.executor.as_mut(), &self.spec.network, "")?;
        write_parameters(self.executor.as_mut(), &state)?;
        // The flag is cleared, since an overflow of this update has set it.
        self.executor.write(self.view("flag")?, 0, &[u32::MAX])?;
        for (after, before) in update.iter_mut().zip(&before) {
            after.values.iter_mut().zip(&before.values).for_each(|(after, before)| *after -= before);
        }
        Ok(update)
    }

    /// Consumes the trainer, and returns its model.
    ///
    /// # Errors
    /// As [`Trainer::parameters`].
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// trainer.fit(&data::xor(), wgrad::Fit::epochs(1))?;
    /// let model = trainer.into_model()?;
    /// assert_eq!(model.predict(&[0.0, 1.0])?.len(), 1);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn into_model(mut self) -> Result<Model> {
        self.model()
    }

    /// Returns a copy of the current model.
    ///
    /// # Errors
    /// As [`Trainer::parameters`].
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// let before = trainer.model()?;
    /// trainer.fit(&data::xor(), wgrad::Fit::epochs(1))?;
    /// assert_ne!(trainer.model()?, before);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn model(&mut self) -> Result<Model> {
        let network = self.spec.network.clone();
        let unnamed = || (0..network.inputs()).map(|c| format!("column{c}")).collect();
        let metadata = Metadata {
            format: version(None, self.preprocessing.as_ref()),
            loss: self.spec.loss,
            preparation: None,
            preprocessing: self.preprocessing.clone(),
            columns: self.columns.clone().unwrap_or_else(unnamed),
            classes: self.classes.clone(),
            targets: self.targets.clone(),
            target_scaling: self.target_scaling.clone(),
            table: None,
            origin: None,
            threshold: None,
            record: None,
            network,
        };
        Ok(Model { metadata, parameters: self.averaged_parameters()? })
    }
}
