//! Confusion matrix of a model on a data set.

use std::borrow::Cow;

use super::Confusion;
use crate::data::{Dataset, Targets};
use crate::device::Device;
use crate::error::{Error, Result, try_with_capacity};
use crate::loss::Loss;
use crate::model::{InputRows, Metadata, Model, class_of, forward_batches, target_of};

impl Model {
    /// Computes the confusion matrix on a data set, on the CPU. The model must predict one class per row, as with
    /// softmax cross-entropy, or with a binary loss with one output. With a binary loss, the targets are two classes,
    /// or numbers that are 0 or 1.
    ///
    /// # Errors
    /// The model does not predict one class per row; columns or targets do not fit it; a target lies between 0 and 1;
    /// an output is not finite.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Dataset, Device, Loss, Network, Trainer};
    /// # let trainer = Trainer::builder(Network::input(2).dense(2)).loss(Loss::softmax_cross_entropy()).build(&Device::cpu())?;
    /// # let mut model = trainer.into_model()?;
    /// model.parameters[0].values = vec![1.0, 0.0, 0.0, 1.0]; // The bias is 0.
    /// let data = Dataset::classes("pets", 2, &[0.9, 0.1, 0.2, 0.8], &[0, 0], ["cat", "dog"])?;
    /// assert_eq!(model.confusion(&data)?.count(0, 1), 1);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn confusion(&self, data: &Dataset) -> Result<Confusion> {
        self.confusion_on(&Device::cpu(), data)
    }

    /// Computes [`Model::confusion`] on a device.
    ///
    /// # Errors
    /// As [`Model::confusion`]; a device that fails.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Dataset, Device, Loss, Network, Trainer};
    /// # let trainer = Trainer::builder(Network::input(2).dense(2)).loss(Loss::softmax_cross_entropy()).build(&Device::cpu())?;
    /// # let mut model = trainer.into_model()?;
    /// model.parameters[0].values = vec![1.0, 0.0, 0.0, 1.0]; // The bias is 0.
    /// let data = Dataset::classes("pets", 2, &[0.9, 0.1, 0.2, 0.8], &[0, 0], ["cat", "dog"])?;
    /// assert_eq!(model.confusion_on(&Device::reference(), &data)?.accuracy(), 0.5);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn confusion_on(&self, device: &Device, data: &Dataset) -> Result<Confusion> {
        self.check()?;
        let (network, loss, columns) = (&self.metadata.network, self.metadata.loss, self.metadata.network.outputs());
        let Some(class_count) = self.metadata.class_count() else {
            let problem = format!("{loss} with {columns} output{} does not predict one class per row", plural(columns));
            return Err(Error::conflict(
                "confusion matrix",
                problem,
                "use `evaluate`, or train with softmax_cross_entropy",
            ));
        };
        let actual = actual(loss, data, &target_of(network, loss, None, data)?)?;
        let input = InputRows::of(network, self.metadata.preprocessing.as_ref(), data)?;
        let mut predicted = try_with_capacity("predictions", data.len())?;
        // Batch by batch: all inputs of an image set, or all outputs of many classes, would take gigabytes.
        let get = |rows| input.get(rows).map(Cow::Owned);
        let place = format!("confusion matrix on data set `{}`", data.name());
        let mut executor = self.forward_executor(device, data.len())?;
        forward_batches(executor.as_mut(), &place, data.len(), get, |outputs| {
            predicted.extend(self.metadata.classes_of(outputs)?);
            Ok(())
        })?;
        Confusion::new(names(&self.metadata, data, class_count), &actual, &predicted)
    }
}

/// Returns the actual class of each row. `words` are the targets in the format that kernels read.
fn actual(loss: Loss, data: &Dataset, words: &[u32]) -> Result<Vec<u32>> {
    let class = |(row, words): (usize, &[u32])| {
        class_of(loss, words).ok_or_else(|| {
            let place = format!("data set `{}`, row {row} (from 0)", data.name());
            let targets: Vec<String> = words.iter().map(|word| f32::from_bits(*word).to_string()).collect();
            Error::value(place, "target", targets.join(", "), "0 or 1 for a confusion matrix")
        })
    };
    words.chunks(words.len() / data.len()).enumerate().map(class).collect()
}

/// Returns the names of the classes: from the data set, else from the model, else numbers.
fn names(metadata: &Metadata, data: &Dataset, class_count: usize) -> Vec<String> {
    let own = match data.targets() {
        Targets::Classes { names, .. } => Some(names),
        Targets::Numbers { .. } => metadata.classes.as_ref(),
    };
    own.cloned().unwrap_or_else(|| (0..class_count).map(|class| class.to_string()).collect())
}

fn plural(number: usize) -> &'static str {
    if number == 1 { "" } else { "s" }
}
