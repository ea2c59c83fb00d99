//! A model's confusion on a data set.

use std::borrow::Cow;

use super::Confusion;
use crate::data::{Dataset, Targets};
use crate::device::Device;
use crate::error::{Error, Result, room};
use crate::loss::TargetKind;
use crate::model::{InputRows, Metadata, Model, classes, forward_parts, target_of};

impl Model {
    /// Which classes are taken for which on a data set: for softmax, and for a binary loss with one output, on two
    /// classes or on numbers that are 0 or 1.
    ///
    /// # Errors
    /// A model that does not tell one class a row; columns or targets that do not fit it; a target between 0 and 1;
    /// outputs that are not finite.
    pub fn confusion(&self, data: &Dataset) -> Result<Confusion> {
        self.confusion_on(&Device::cpu(), data)
    }

    /// [`Model::confusion`], computed on a device.
    ///
    /// # Errors
    /// As [`Model::confusion`].
    pub fn confusion_on(&self, device: &Device, data: &Dataset) -> Result<Confusion> {
        self.check()?;
        let (network, loss, columns) = (&self.metadata.network, self.metadata.loss, self.metadata.network.outputs());
        let Some(told) = self.metadata.class_count() else {
            let problem = format!("{loss} with {columns} output{} does not tell one class a row", plural(columns));
            return Err(Error::conflict("confusion", problem, "use `evaluate`, or train with softmax_cross_entropy"));
        };
        let actual = actual(loss.target_kind(), data, target_of(network, loss, None, data)?)?;
        let input = InputRows::of(network, self.metadata.preprocessing.as_ref(), data)?;
        let mut predicted = room("predictions", data.len())?;
        // Neither all inputs nor all outputs at once: of images, and of many classes, they would take gigabytes.
        let get = |rows| input.get(rows).map(Cow::Owned);
        let place = format!("confusion on data set `{}`", data.name());
        let mut executor = self.forward_executor(device, data.len())?;
        forward_parts(executor.as_mut(), &place, data.len(), get, |outputs| {
            predicted.extend(classes(loss, columns, outputs)?);
            Ok(())
        })?;
        Confusion::new(names(&self.metadata, data, told), &actual, &predicted)
    }
}

/// The class of each row, from targets as kernels read them.
fn actual(kind: TargetKind, data: &Dataset, words: Vec<u32>) -> Result<Vec<u32>> {
    if kind == TargetKind::Class {
        return Ok(words);
    }
    let class = |(row, word): (usize, &u32)| match f32::from_bits(*word) {
        0.0 => Ok(0),
        1.0 => Ok(1),
        number => {
            let place = format!("data set `{}`, row {row} (from 0)", data.name());
            Err(Error::value(place, "target", number, "0 or 1, where classes are counted"))
        }
    };
    words.iter().enumerate().map(class).collect()
}

/// The data set's names of its classes, or those that the model knows, or numbers.
fn names(metadata: &Metadata, data: &Dataset, told: usize) -> Vec<String> {
    let own = match data.targets() {
        Targets::Classes { names, .. } => Some(names),
        Targets::Numbers { .. } => metadata.classes.as_ref(),
    };
    own.cloned().unwrap_or_else(|| (0..told).map(|class| class.to_string()).collect())
}

fn plural(number: usize) -> &'static str {
    if number == 1 { "" } else { "s" }
}
