//! Training of a network on a device.
//!
//! [`Trainer`] owns an executor, which holds the parameters on the device. [`Trainer::advance`] makes one submission:
//! it sends a few steps on the loaded data set to the device at once. [`Trainer::fit`] makes submissions in a loop,
//! with validation, early stopping and a history. [`Trainer::step`] is for custom training loops.
//!
//! The random numbers of a step depend only on the seed and the step's index. The same seed on the same device
//! therefore gives the same bits, however the steps are grouped into submissions.

mod builder;
mod callback;
mod checkpoint;
mod epochs;
mod evaluate;
mod fit;
mod fit_state;
mod history;
mod in_flight;
mod load;
mod not_finite;
mod parameters;
mod profile;
mod rate_test;
mod step;
mod submission_size;
mod tuned;

pub use builder::Builder;
pub use callback::{
    Callback, CsvLog, Finding, FindingKind, Health, JsonLog, LayerHealth, Plateau, TensorBoardLog, TimeLimit,
};
pub use checkpoint::{Checkpoint, Checkpoints, Restored};
pub use fit::Fit;
pub use history::{Epoch, History, Progress};
pub use profile::{OpTime, Profile};
pub use rate_test::{RateCurve, RateTest};
pub use step::StepLoss;
pub use tuned::Tuned;

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;

use crate::data::Standardization;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::exec::{Counters, Executor};
use crate::lower::TrainingSpec;
pub use crate::model::{Evaluation, Labels};
use crate::network::Network;
use crate::plan::{Step, ViewId};
use crate::schedule::Schedule;
use in_flight::{InFlight, Losses, PendingLosses, WeightedSteps};
use load::Loaded;
use submission_size::SubmissionSizer;
use tuned::Planner;

/// Trains a network.
///
/// # Examples
/// ```
/// use wgrad::{Adam, Device, Fit, Loss, Network, Trainer, data};
/// let mut trainer = Trainer::builder(Network::input(2).dense(8).tanh().dense(1))
///     .loss(Loss::binary_cross_entropy())
///     .optimizer(Adam::new(0.05))
///     .build(&Device::cpu())?;
/// trainer.fit(&data::xor(), Fit::epochs(200))?;
/// assert_eq!(trainer.predict_classes(&[0.0, 1.0])?, [1]);
/// # Ok::<(), wgrad::Error>(())
/// ```
pub struct Trainer {
    /// Specification of the executor's current plan. The batch size and the number of steps are no larger than the
    /// loaded data set needs. The optimizer in it has the current learning rate, on which no plan depends.
    spec: TrainingSpec,
    /// Batch size that the user has set: the number of rows per micro-batch.
    batch: usize,
    /// Batches per step that the user has set.
    accumulate: usize,
    /// Learning rate that the trainer was built with. Checkpoints are compared by this rate, not by the current rate.
    built_learning_rate: f64,
    /// True if the executor needs another plan before it can run steps: after the trainer is built, and after the
    /// number of batches per step has changed.
    needs_step_plan: bool,
    planner: Planner,
    schedule: Schedule,
    seed: u64,
    device: Device,
    executor: Box<dyn Executor>,
    preprocessing: Option<Standardization>,
    /// True if targets are scaled.
    scale_targets: bool,
    /// Scaling of the targets, fitted on the first data set.
    target_scaling: Option<Standardization>,
    columns: Option<Vec<String>>,
    classes: Option<Vec<String>>,
    /// Names of the target columns.
    targets: Vec<String>,
    /// Number of steps per submission, if the user has set it.
    steps_per_submission: Option<usize>,
    /// Steps submitted since training began.
    step: u64,
    /// Epochs begun since training began.
    epoch: u32,
    loaded: Option<Loaded>,
    /// Submissions whose losses and errors the host does not know yet, oldest first.
    in_flight: VecDeque<InFlight>,
    pending_losses: PendingLosses,
    sizer: SubmissionSizer,
    profile: Option<Profile>,
    /// Folder of the last fit's checkpoints.
    checkpoint_folder: Option<PathBuf>,
}

impl fmt::Debug for Trainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trainer")
            .field("network", &format_args!("{}", self.spec.network))
            .field("loss", &self.spec.loss)
            .field("optimizer", &self.spec.optimizer)
            .field("schedule", &format_args!("{}", self.schedule))
            .field("device", &format_args!("{}", self.device))
            .field("step", &self.step)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}

/// Losses that [`Trainer::advance`] has received.
///
/// On the CPU these are the losses of the steps that the call ran. On a GPU they are the losses of an earlier call's
/// steps, so that the host does not wait; the first calls return no losses. The last [`Advance`] of an epoch has all
/// remaining losses.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Advance {
    /// Loss of each step before its update, in the order of the steps.
    pub losses: Vec<f32>,
    /// Number of rows of each step.
    pub rows: Vec<usize>,
    /// Sum of the weights of each step's rows; without [weights](crate::Dataset::weighted) the number of rows.
    pub weights: Vec<f64>,
    /// True if the epoch is over. The losses of all its steps are then known.
    pub epoch_done: bool,
}

impl Trainer {
    /// Returns the network.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer};
    /// let builder = Trainer::builder(Network::input(2).dense(3)).loss(Loss::mean_squared_error());
    /// let trainer = builder.build(&Device::cpu())?;
    /// assert_eq!(trainer.network().parameter_count(), 2 * 3 + 3);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn network(&self) -> &Network {
        &self.spec.network
    }

    /// Returns the device.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer};
    /// # let builder = Trainer::builder(Network::input(2).dense(3)).loss(Loss::mean_squared_error());
    /// let trainer = builder.build(&Device::cpu())?;
    /// println!("trains on {}", trainer.device());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Returns the number of submissions, transfers and dispatches so far. All counts are zero on the CPU.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer};
    /// # let builder = Trainer::builder(Network::input(2).dense(3)).loss(Loss::mean_squared_error());
    /// let trainer = builder.build(&Device::cpu())?;
    /// println!("{:?}", trainer.counters());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn counters(&self) -> Counters {
        self.executor.counters()
    }

    /// Returns the total time of each op so far; `None` unless [profiling](Builder::profile) is on.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// let mut trainer = builder.profile().build(&Device::cpu())?;
    /// trainer.load(&data::xor())?;
    /// trainer.advance()?;
    /// let seconds: f64 = trainer.profile().unwrap().ops().iter().map(|op| op.secs).sum();
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn profile(&self) -> Option<&Profile> {
        self.profile.as_ref()
    }

    /// Returns the number of steps since training began. A GPU may still be running the last ones.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Fit, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// let mut trainer = builder.batch(2).build(&Device::cpu())?;
    /// trainer.fit(&data::xor(), Fit::epochs(3))?;
    /// assert_eq!(trainer.steps(), 6, "each epoch has 4 rows, and each step 2");
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// Returns the current learning rate, before the schedule's factor.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Adam, Device, Loss, Network, Trainer};
    /// # let builder = Trainer::builder(Network::input(2).dense(3)).loss(Loss::mean_squared_error());
    /// let trainer = builder.optimizer(Adam::new(0.01)).build(&Device::cpu())?;
    /// assert_eq!(trainer.learning_rate(), 0.01);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn learning_rate(&self) -> f64 {
        self.spec.optimizer.learning_rate()
    }

    /// Sets the learning rate of all later steps. It is multiplied by the schedule's factor.
    ///
    /// Steps that were already sent to the device keep their rate. [Checkpoints](Checkpoint) store the rate. See
    /// [`Fit::on_epoch`] for a change during [`Trainer::fit`].
    ///
    /// # Errors
    /// A rate that is negative, or not finite as an `f32`.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Adam, Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// let mut trainer = builder.optimizer(Adam::new(0.01)).build(&Device::cpu())?;
    /// trainer.load(&data::xor())?;
    /// trainer.advance()?;
    /// trainer.set_learning_rate(0.5 * trainer.learning_rate())?;
    /// trainer.advance()?;
    /// assert_eq!(trainer.learning_rate(), 0.005);
    /// assert!(trainer.set_learning_rate(-1.0).is_err());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn set_learning_rate(&mut self, learning_rate: f64) -> Result<()> {
        let optimizer = self.spec.optimizer.with_learning_rate(learning_rate);
        optimizer.check()?;
        self.spec.optimizer = optimizer;
        Ok(())
    }

    /// Takes the next steps on the loaded data set. These steps are sent to the device at once, as one submission.
    /// After the last step of an epoch, the next call begins a new epoch, with the rows in a new order.
    ///
    /// [`Builder::steps_per_submission`] sets the number of steps per call. By default a submission on a GPU lasts
    /// about a tenth of a second.
    ///
    /// # Errors
    /// No data set is loaded; [`Error::NotFinite`], with the parameters from before the bad step;
    /// [`Error::StateNotFinite`] if an update overflows. On a GPU a later call may return these two errors.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// trainer.load(&data::xor())?;
    /// loop {
    ///     let advance = trainer.advance()?;
    ///     println!("losses of some steps: {:?}", advance.losses);
    ///     if advance.epoch_done {
    ///         break;
    ///     }
    /// }
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn advance(&mut self) -> Result<Advance> {
        self.advance_by(usize::MAX)
    }

    /// Like [`Trainer::advance`], with at most `most` steps.
    fn advance_by(&mut self, most: usize) -> Result<Advance> {
        if self.loaded.as_ref().is_some_and(Loaded::at_end) {
            self.begin_epoch()?;
        }
        let (batch, batch_size, capacity) = (self.spec.micro_batch, self.spec.batch_size(), self.spec.steps);
        let by_clock = self.steps_per_submission.is_none() && self.executor.in_flight() > 0;
        let steps = if by_clock { self.sizer.steps(capacity) } else { capacity };
        let Some(loaded) = &mut self.loaded else {
            return Err(Error::conflict("advance", "no data set is loaded", "call `load` first"));
        };
        let rows = loaded.next_rows(batch_size * steps.min(most));
        let epoch_done = loaded.at_end();
        let (mut steps, first_batch) = (WeightedSteps::default(), (rows.start / batch) as u32);
        for (number, first) in rows.clone().step_by(batch_size).enumerate() {
            let own = first..rows.end.min(first + batch_size);
            let records = self.records(number, own.len());
            let records = records.map(|record| Step { epoch_batch: first_batch + record.batch_index, ..record });
            let weights = self.loaded.as_ref().and_then(|loaded| loaded.weights(own.clone()));
            steps.add(records, own.len(), weights);
        }
        self.submit(steps, Vec::new(), Losses::Trainer)?;
        if epoch_done {
            self.settle(0)?;
        }
        let PendingLosses { losses, rows, weights } = std::mem::take(&mut self.pending_losses);
        Ok(Advance { losses, rows, weights, epoch_done })
    }

    /// Returns the records, one per batch, of the step with index `ahead` in the next submission. The step has `rows`
    /// rows.
    fn records(&self, ahead: usize, rows: usize) -> impl Iterator<Item = Step> + use<> {
        let batch_index = ahead * self.spec.accumulate;
        self.spec.records(&self.schedule, self.seed, self.step + ahead as u64, batch_index, rows)
    }

    fn view(&self, name: &str) -> Result<ViewId> {
        self.executor.plan().named(name)
    }
}
