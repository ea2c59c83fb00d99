//! Checkpoints: stored states of a training run. A training run that resumes from its checkpoint gives the same results
//! as one that was never stopped.
//!
//! A [`Checkpoint`] holds the parameters, the optimizer's state, the learning rate, the position in the data, and the
//! state of a [`Trainer::fit`](crate::Trainer::fit). Everything else that a step depends on, such as the order of the
//! rows and dropout, follows from the seed and the step. [`Checkpoints`] are the options for writing checkpoints.

mod check;
mod file;
mod folder;
mod removal;
mod settings;

pub use folder::Checkpoints;

pub(super) use check::ensure;
pub(super) use folder::{CheckpointWriter, RunStart};
pub(super) use settings::{Fingerprint, Validation};

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::lower::AVERAGE;
use crate::model::{BEST, Tensor, prefixed_shapes, write_parameters};
use crate::optim::Optimizer;
use crate::trainer::Trainer;
use crate::trainer::fit_state::{FitState, FitStateHeader};
use crate::trainer::load::Loaded;
use settings::{Environment, Settings};

/// State of a training run at the end of a step, as plain data.
///
/// # Examples
/// ```
/// use wgrad::{Device, Loss, Network, Trainer, data};
/// let builder = Trainer::builder(Network::input(2).dense(4).tanh().dense(2)).loss(Loss::softmax_cross_entropy());
/// let build = || builder.clone().build(&Device::cpu());
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
#[derive(Clone, PartialEq)]
pub struct Checkpoint {
    header: Header,
    /// Parameters, optimizer state, and parameters of the best epoch, each under its name in the plan.
    tensors: Vec<Tensor>,
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoint")
            .field("step", &self.header.step)
            .field("epoch", &self.header.epoch)
            .field("learning_rate", &self.learning_rate())
            .field("tensors", &self.tensors.len())
            .finish_non_exhaustive()
    }
}

/// Everything but the tensors: the metadata of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    /// Version of the file format.
    format: u32,
    settings: Settings,
    /// Current learning rate, if it differs from the rate in the settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    learning_rate: Option<f64>,
    #[serde(rename = "made_on")]
    environment: Environment,
    /// Steps since training began.
    step: u64,
    /// Epochs begun since training began.
    epoch: u32,
    /// Number of rows that were used in the epoch that was begun last; `None` if no data set is loaded.
    used: Option<usize>,
    #[serde(rename = "course")]
    fit: Option<FitStateHeader>,
}

/// Result of resuming from a checkpoint.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Restored {
    /// Steps since training began.
    pub step: u64,
    /// Number of epochs that the [`Trainer::fit`] had completed.
    pub epochs: usize,
    /// Number of matrix multiplications whose tile sizes were changed to those in the checkpoint. On the same device,
    /// results therefore keep their bits even if the tuning has changed since the checkpoint was made.
    pub restored_tiles: usize,
    /// Problems of damaged checkpoints that were skipped. All are newer than the checkpoint that was used. Usually
    /// empty.
    pub skipped_checkpoints: Vec<String>,
    /// Differences of version, device, driver or plan. They may change the bits of the results. Usually empty.
    pub differences: Vec<String>,
    /// Changes of the learning rate and of the schedule that were accepted, such as `learning rate 0.001 → 0.0005`. See
    /// [`Checkpoints::accept_learning_rate`].
    pub accepted: Vec<String>,
}

impl Restored {
    /// Returns true if the resumed training gives the same bits as an uninterrupted one. This is the case if
    /// [`differences`](Self::differences) and [`accepted`](Self::accepted) are both empty.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Adam, Device, Fit, Loss, Network, Trainer, data};
    /// # let build = |rate| Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy())
    /// #     .optimizer(Adam::new(rate)).build(&Device::cpu());
    /// let (mut stopped, mut resumed) = (build(0.01)?, build(0.01)?);
    /// assert!(resumed.restore(&stopped.checkpoint()?)?.is_exact());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn is_exact(&self) -> bool {
        self.differences.is_empty() && self.accepted.is_empty()
    }
}

impl Checkpoint {
    /// Returns the number of steps since training began.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Adam, Device, Fit, Loss, Network, Trainer, data};
    /// # let build = |rate| Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy())
    /// #     .optimizer(Adam::new(rate)).build(&Device::cpu());
    /// let mut trainer = build(0.01)?;
    /// trainer.fit(&data::xor(), Fit::epochs(3))?;
    /// assert_eq!(trainer.checkpoint()?.step(), 3);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn step(&self) -> u64 {
        self.header.step
    }

    /// Returns the learning rate of the next step, without the schedule's factor.
    fn learning_rate(&self) -> f64 {
        self.header.learning_rate.unwrap_or(self.header.settings.optimizer().learning_rate())
    }

    /// Returns the state of the [`Trainer::fit`].
    fn fit_state(&self) -> FitState {
        let best = self
            .tensors
            .iter()
            .filter_map(|tensor| Some(Tensor { name: tensor.name.strip_prefix(BEST)?.into(), ..tensor.clone() }));
        self.header.fit.clone().map_or_else(FitState::default, |header| header.with(best.collect()))
    }
}

impl Trainer {
    /// Returns the state of the training, from which [`Trainer::restore`] resumes. It does not include losses that
    /// [`Trainer::advance`] has not returned yet.
    ///
    /// # Errors
    /// A device that does not answer; a number that is not finite.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Adam, Device, Fit, Loss, Network, Trainer, data};
    /// # let build = |rate| Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy())
    /// #     .optimizer(Adam::new(rate)).build(&Device::cpu());
    /// let mut trainer = build(0.01)?;
    /// trainer.fit(&data::xor(), Fit::epochs(3))?;
    /// let checkpoint = trainer.checkpoint()?;
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn checkpoint(&mut self) -> Result<Checkpoint> {
        self.checkpoint_of(None, None)
    }

    /// Like [`Trainer::checkpoint`], with the state of a [`Trainer::fit`] and the validation set of the fit.
    fn checkpoint_of(&mut self, fit: Option<&FitState>, validation: Option<Validation>) -> Result<Checkpoint> {
        self.settle(0)?;
        self.ensure_steps()?;
        let state = self.state()?;
        let mut tensors = self.finite(state)?;
        let best = fit.and_then(|fit| fit.best.as_ref()).map(|best| best.parameters.as_slice());
        let renamed = |tensor: &Tensor| Tensor { name: format!("{BEST}{}", tensor.name), ..tensor.clone() };
        tensors.extend(best.unwrap_or_default().iter().map(renamed));
        let header = Header {
            format: file::FORMAT_VERSION,
            settings: Settings::of(self, validation),
            learning_rate: Some(self.learning_rate()).filter(|rate| *rate != self.built_learning_rate),
            environment: Environment::of(self)?,
            step: self.step,
            epoch: self.epoch,
            used: self.loaded.as_ref().map(Loaded::used),
            fit: fit.map(FitStateHeader::of),
        };
        Ok(Checkpoint { header, tensors })
    }

    /// Resumes from a checkpoint of a training run with the same settings. If a data set was loaded when the checkpoint
    /// was made, [load](Trainer::load) the same data set first.
    ///
    /// The learning rate is set to that of the checkpoint.
    ///
    /// # Errors
    /// Settings or data that differ (the message has the old and the new value); a number that is not finite; tile
    /// sizes that differ from those of [`Builder::tuning`](crate::trainer::Builder::tuning); a device that does not
    /// answer.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Adam, Device, Fit, Loss, Network, Trainer, data};
    /// # let build = |rate| Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy())
    /// #     .optimizer(Adam::new(rate)).build(&Device::cpu());
    /// let (mut stopped, mut resumed) = (build(0.01)?, build(0.01)?);
    /// stopped.set_learning_rate(0.001)?;
    /// resumed.restore(&stopped.checkpoint()?)?;
    /// assert_eq!(resumed.learning_rate(), 0.001);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<Restored> {
        self.restore_with(checkpoint, checkpoint.header.settings.validation, false)
    }

    /// Resumes from a checkpoint like [`Trainer::restore`], but accepts another learning rate and another schedule.
    ///
    /// The new values are used from the next step on. [`Restored::accepted`] lists the changes. The learning rate
    /// counts as changed if it differs from the rate with which the checkpoint's trainer was built. Otherwise the
    /// checkpoint's current rate is used.
    ///
    /// # Errors
    /// As [`Trainer::restore`].
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Adam, Device, Fit, Loss, Network, Trainer, data};
    /// # let build = |rate| Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy())
    /// #     .optimizer(Adam::new(rate)).build(&Device::cpu());
    /// let (mut stopped, mut resumed) = (build(0.01)?, build(0.005)?);
    /// assert!(resumed.restore(&stopped.checkpoint()?).is_err());
    /// let restored = resumed.restore_accepting_learning_rate(&stopped.checkpoint()?)?;
    /// assert_eq!(restored.accepted, ["learning rate 0.01 → 0.005"]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn restore_accepting_learning_rate(&mut self, checkpoint: &Checkpoint) -> Result<Restored> {
        self.restore_with(checkpoint, checkpoint.header.settings.validation, true)
    }

    fn restore_with(
        &mut self,
        checkpoint: &Checkpoint,
        validation: Option<Validation>,
        accepts_rate: bool,
    ) -> Result<Restored> {
        let Checkpoint { header, tensors } = checkpoint;
        if let Some(difference) = header.settings.difference(&Settings::of(self, validation), accepts_rate)? {
            return Err(difference.error("checkpoint"));
        }
        let (built, before) = (header.settings.optimizer().learning_rate(), checkpoint.learning_rate());
        let rate = Some(self.learning_rate()).filter(|own| accepts_rate && *own != built).unwrap_or(before);
        let schedule = header.settings.schedule();
        let accepted = [
            (rate != before).then(|| format!("learning rate {before} → {rate}")),
            (*schedule != self.schedule).then(|| format!("schedule {schedule} → {}", self.schedule)),
        ];
        self.forget()?;
        self.ensure_steps()?;
        let stored = stored(self.spec.optimizer, self.spec.average.is_some());
        let needed = |tensor: &&Tensor| !tensor.name.starts_with(BEST);
        let tensors: Vec<Tensor> = tensors.iter().filter(needed).cloned().collect();
        let wanted: usize = stored.iter().map(|prefix| prefixed_shapes(&self.spec.network, prefix).len()).sum();
        if tensors.len() != wanted {
            let problem = format!("it has {} tensors, but this network and optimizer need {wanted}", tensors.len());
            return Err(Error::conflict("checkpoint", problem, "use a checkpoint of the same training"));
        }
        for tensor in &tensors {
            if let Some(at) = tensor.values.iter().position(|value| !value.is_finite()) {
                let place = format!("checkpoint, {}", tensor.name);
                return Err(Error::value(place, &format!("element {at}"), tensor.values[at], "finite"));
            }
        }
        let restored_tiles = header.environment.tiles_for(self).map_or(Ok(0), |tiles| self.take_tiles(&tiles))?;
        write_parameters(self.executor.as_mut(), &tensors)?;
        self.set_learning_rate(rate)?;
        (self.step, self.epoch) = (header.step, header.epoch);
        if let Some(used) = header.used {
            self.resume_epoch(used)?;
        }
        Ok(Restored {
            step: header.step,
            epochs: header.fit.as_ref().map_or(0, FitStateHeader::epochs),
            restored_tiles,
            skipped_checkpoints: Vec::new(),
            differences: header.environment.differences(&Environment::of(self)?),
            accepted: accepted.into_iter().flatten().collect(),
        })
    }
}

/// Returns the name prefixes of the tensors that a checkpoint stores per parameter. The empty prefix is for the
/// parameter itself. Each optimizer state has a prefix, and so has the average, if there is one: a schedule-free
/// optimizer always has one.
pub(super) fn stored(optimizer: Optimizer, averages: bool) -> Vec<String> {
    let average = (averages || optimizer.is_schedule_free()).then(|| AVERAGE.into());
    let states = optimizer.states().iter().map(|state| format!("{}.{state}.", optimizer.name()));
    [String::new()].into_iter().chain(states).chain(average).collect()
}

#[cfg(test)]
mod tests {
    use crate::device::Device;
    use crate::loss::Loss;
    use crate::network::Network;
    use crate::optim::Adam;
    use crate::trainer::Trainer;

    /// A file with a correct checksum may still contain such numbers.
    #[test]
    fn a_checkpoint_that_is_not_finite_is_not_restored() {
        let builder = Trainer::builder(Network::input(1).dense(2)).loss(Loss::mean_squared_error());
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
