//! All that a training needs to go on as if it had never stopped.
//!
//! A [`Checkpoint`] holds parameters, the optimizer's state, where the next step is, and how far a
//! [`Trainer::fit`](crate::Trainer::fit) has come. Everything else that a step depends on, such as the order of the rows
//! or what is dropped, follows from the seed and the step. [`Checkpoints`] says when a training writes one, and where.

mod check;
mod file;
mod folder;
mod settings;

pub use folder::Checkpoints;

pub(super) use check::ensure;
pub(super) use folder::{Beginning, CheckpointWriter};
pub(super) use settings::{Fingerprint, Validation};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::{Tensor, write_parameters};
use crate::optim::Optimizer;
use crate::trainer::Trainer;
use crate::trainer::fit_state::{FitState, FitStateHeader};
use crate::trainer::load::Loaded;
use settings::{MadeOn, Settings};

/// Prefix of the parameters of the best epoch.
const BEST: &str = "best.";

/// A training at the end of some step, as plain data.
///
/// ```
/// use wgrad::{Device, Loss, Network, Trainer, data};
/// let build = || Trainer::builder(Network::input(2).dense(4).tanh().dense(2)).loss(Loss::SoftmaxCrossEntropy).build(&Device::cpu());
/// let moons = data::two_moons(200, 0.1, 0)?;
/// let (mut whole, mut stopped, mut resumed) = (build()?, build()?, build()?);
/// for trainer in [&mut whole, &mut stopped, &mut resumed] {
///     trainer.load(&moons)?;
/// }
/// stopped.advance()?;
/// assert!(resumed.restore(&stopped.checkpoint()?)?.is_exact());
/// resumed.advance()?;
/// whole.advance()?;
/// whole.advance()?;
/// assert_eq!(whole.parameters()?, resumed.parameters()?);
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    header: Header,
    /// Parameters, state, and parameters of the best epoch, each under its name in the plan.
    tensors: Vec<Tensor>,
}

/// All but the tensors: the metadata of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    /// Version of the file format.
    format: u32,
    settings: Settings,
    made_on: MadeOn,
    /// Steps since training began.
    step: u64,
    /// Epochs begun since training began.
    epoch: u32,
    /// Rows of the last of them that were used, where a data set is loaded.
    used: Option<usize>,
    #[serde(alias = "course")]
    fit: Option<FitStateHeader>,
}

/// What came of [`Trainer::restore`].
#[derive(Clone, Debug, PartialEq)]
pub struct Restored {
    /// Steps since training began.
    pub step: u64,
    /// Whole epochs that a [`Trainer::fit`] had done.
    pub epochs: usize,
    /// Products that are cut from now on as they were when the checkpoint was made, and would else be cut otherwise: on the
    /// device that it was made on, a tuning that has changed since changes no bit.
    pub recut: usize,
    /// What is wrong with newer checkpoints of the folder, which were passed over; most often nothing.
    pub passed_over: Vec<String>,
    /// What differs from where the checkpoint was made, so that the same bits cannot be promised; most often nothing.
    pub differences: Vec<String>,
}

impl Restored {
    /// Whether training goes on with the bits of one that was never stopped.
    pub fn is_exact(&self) -> bool {
        self.differences.is_empty()
    }
}

impl Checkpoint {
    /// Steps since training began.
    pub fn step(&self) -> u64 {
        self.header.step
    }

    /// How far the training had come that it was made in.
    fn fit_state(&self) -> FitState {
        let best = self
            .tensors
            .iter()
            .filter_map(|tensor| Some(Tensor { name: tensor.name.strip_prefix(BEST)?.into(), ..tensor.clone() }));
        self.header.fit.clone().map_or_else(FitState::default, |header| header.with(best.collect()))
    }
}

impl Trainer {
    /// All that is needed to go on from here. Losses that [`Trainer::advance`] has not told yet are not part of it.
    ///
    /// # Errors
    /// A device that does not answer; a number that is not finite.
    pub fn checkpoint(&mut self) -> Result<Checkpoint> {
        self.checkpoint_of(None, None)
    }

    /// The same within a [`Trainer::fit`], with what it is validated on.
    fn checkpoint_of(&mut self, fit: Option<&FitState>, validation: Option<Validation>) -> Result<Checkpoint> {
        self.settle(0)?;
        self.rise()?;
        let state = self.state()?;
        let mut tensors = self.finite(state)?;
        let best = fit.and_then(|fit| fit.best.as_ref()).map(|best| best.parameters.as_slice());
        let renamed = |tensor: &Tensor| Tensor { name: format!("{BEST}{}", tensor.name), ..tensor.clone() };
        tensors.extend(best.unwrap_or_default().iter().map(renamed));
        let header = Header {
            format: file::FORMAT_VERSION,
            settings: Settings::of(self, validation),
            made_on: MadeOn::of(self)?,
            step: self.step,
            epoch: self.epoch,
            used: self.loaded.as_ref().map(Loaded::used),
            fit: fit.map(FitStateHeader::of),
        };
        Ok(Checkpoint { header, tensors })
    }

    /// Goes on from a checkpoint of a training with the same settings, on the same data set if one was loaded; load it
    /// before.
    ///
    /// # Errors
    /// Settings or data that differ, with both; a number that is not finite; other tiles that were [pinned](crate::trainer::Builder::tuning); a device that does not answer.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<Restored> {
        self.restore_with(checkpoint, checkpoint.header.settings.validation)
    }

    fn restore_with(&mut self, checkpoint: &Checkpoint, validation: Option<Validation>) -> Result<Restored> {
        let Checkpoint { header, tensors } = checkpoint;
        if let Some(difference) = header.settings.difference(&Settings::of(self, validation))? {
            return Err(difference.error("checkpoint"));
        }
        self.forget()?;
        self.rise()?;
        let stored = stored(self.spec.optimizer);
        let needed = |tensor: &&Tensor| !tensor.name.starts_with(BEST);
        let tensors: Vec<Tensor> = tensors.iter().filter(needed).cloned().collect();
        let wanted = stored.len() * crate::model::parameter_shapes(&self.spec.network).len();
        if tensors.len() != wanted {
            let problem = format!("it has {} tensors, but the training has {wanted}", tensors.len());
            return Err(Error::conflict("checkpoint", problem, "use the checkpoint of the same training"));
        }
        for tensor in &tensors {
            if let Some(at) = tensor.values.iter().position(|value| !value.is_finite()) {
                let place = format!("checkpoint, {}", tensor.name);
                return Err(Error::value(place, &format!("element {at}"), tensor.values[at], "finite"));
            }
        }
        let recut = header.made_on.tiles_for(self).map_or(Ok(0), |tiles| self.take_tiles(&tiles))?;
        write_parameters(self.executor.as_mut(), &tensors)?;
        (self.step, self.epoch) = (header.step, header.epoch);
        if let Some(used) = header.used {
            self.go_on_from(used)?;
        }
        Ok(Restored {
            step: header.step,
            epochs: header.fit.as_ref().map_or(0, FitStateHeader::epochs),
            recut,
            passed_over: Vec::new(),
            differences: header.made_on.differences(&MadeOn::of(self)?),
        })
    }
}

/// Prefixes of what is stored for each parameter: itself, and each state.
pub(super) fn stored(optimizer: Optimizer) -> Vec<String> {
    let states = optimizer.states().iter().map(|state| format!("{}.{state}.", optimizer.name()));
    [String::new()].into_iter().chain(states).collect()
}

#[cfg(test)]
mod tests {
    use crate::device::Device;
    use crate::loss::Loss;
    use crate::network::Network;
    use crate::optim::Adam;
    use crate::trainer::Trainer;

    /// A file with a right checksum may still hold anything.
    #[test]
    fn a_checkpoint_that_is_not_finite_is_not_restored() {
        let builder = Trainer::builder(Network::input(1).dense(2)).loss(Loss::MeanSquaredError);
        let mut trainer = builder.optimizer(Adam::new(0.1)).build(&Device::cpu()).expect("a trainer");
        let good = trainer.checkpoint().expect("finite");
        for number in [f32::INFINITY, f32::NAN] {
            for tensor in 0..good.tensors.len() {
                let mut bad = good.clone();
                bad.tensors[tensor].values[1] = number;
                let error = trainer.restore(&bad).expect_err("it is not finite").to_string();
                assert!(error.contains(&format!("{}: element 1 is {number}", good.tensors[tensor].name)), "{error}");
                assert_eq!(trainer.checkpoint().expect("finite"), good);
            }
        }
        trainer.restore(&good).expect("finite");
    }
}
