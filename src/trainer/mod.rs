//! Training of a network on a device.
//!
//! [`Trainer`] owns an executor, which holds the parameters on the device. [`Trainer::advance`] makes one submission:
//! it sends a few steps on the loaded data set to the device at once. [`Trainer::fit`] makes submissions in a loop,
//! with validation, early stopping and a history. [`Trainer::step`] is for custom training loops.
//!
//! The random numbers of a step depend only on the seed and the step's index. The same seed on the same device
//! therefore gives the same bits, however the steps are grouped into submissions.

mod builder;
mod checkpoint;
mod evaluate;
mod fit;
mod fit_state;
mod in_flight;
mod load;
mod not_finite;
mod profile;
mod submission_size;
mod tuned;

pub use builder::Builder;
pub use checkpoint::{Checkpoint, Checkpoints, Restored};
pub use fit::{Epoch, Fit, History, Progress};
pub use profile::{OpTime, Profile};
pub use tuned::Tuned;

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;

use crate::data::{Standardization, check_weights};
use crate::device::Device;
use crate::error::{Error, Result, copied};
use crate::exec::{Counters, Executor, Run, Ticket};
use crate::lower::{AVERAGE, Reduction, TrainingSpec};
pub use crate::model::{Evaluation, Labels};
use crate::model::{
    Metadata, Model, Tensor, check_finite, check_parameters, prefixed_shapes, read_tensors, target_words, version,
    write_parameters,
};
use crate::network::Network;
use crate::plan::{Section, Step, ViewId};
use crate::schedule::Schedule;
use in_flight::{HostWrite, InFlight, Losses, PendingLosses, WeightedSteps, step_loss};
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
    /// Batch size that the user has set.
    batch: usize,
    /// Batches per step that the user has set.
    accumulate: usize,
    /// Learning rate that the trainer was built with. Checkpoints are compared by this rate, not by the current rate.
    built_learning_rate: f64,
    /// True if the executor needs another plan before it can run steps: after the trainer is built, and after the
    /// number of batches per step has changed.
    at_rest: bool,
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

/// Loss of one step, which a GPU may still be computing.
pub struct StepLoss {
    ticket: Ticket,
    batches: usize,
}

impl fmt::Debug for StepLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepLoss").field("batches", &self.batches).finish_non_exhaustive()
    }
}

impl StepLoss {
    /// Waits for the loss and returns it: the mean over the step's rows, computed before the step's update.
    ///
    /// # Errors
    /// A device that does not answer.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer};
    /// # let builder = Trainer::builder(Network::input(1).dense(1)).loss(Loss::mean_squared_error());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// let loss: f32 = trainer.step(&[0.0, 0.0], &[1.0, 3.0])?.value()?;
    /// assert_eq!(loss, 5.0, "the first bias is 0, so the loss is (1² + 3²) / 2");
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn value(self) -> Result<f32> {
        Ok(step_loss(&self.ticket.wait_f32()?[..self.batches]))
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

    /// Takes one step on the given rows, of which there may be at most the batch size times the number of
    /// [accumulated](Builder::accumulate) batches. Pass raw inputs and targets: the trainer scales them. A data set
    /// that was [loaded](Trainer::load) is unloaded.
    ///
    /// # Errors
    /// Rows, columns or targets that do not fit; a batch of one row with
    /// [batch normalization](crate::Layer::BatchNorm); targets whose scaling is not known yet; [`Error::NotFinite`],
    /// with the parameters from before the bad step; [`Error::StateNotFinite`] if an update overflows. On a GPU these
    /// last two errors may come from one of the two previous steps.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Device, Loss, Network, Sgd, Trainer};
    /// let builder = Trainer::builder(Network::input(1).dense(1)).loss(Loss::mean_squared_error());
    /// let mut trainer = builder.optimizer(Sgd::new(0.1)).build(&Device::cpu())?;
    /// for _ in 0..200 {
    ///     let loss = trainer.step(&[0.0, 1.0, 2.0], &[1.0, 3.0, 5.0])?;
    /// }
    /// assert!((trainer.predict(&[3.0])?[0] - 7.0).abs() < 0.1);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn step<'a>(&mut self, features: &[f32], targets: impl Into<Labels<'a>>) -> Result<StepLoss> {
        self.step_on(features, targets.into(), None)
    }

    /// [`Trainer::step`] with a weight per row, at least 0. The loss is the weighted mean Σ w·l / Σ w over the step's rows, as that of
    /// [`Dataset::weighted`](crate::Dataset::weighted).
    ///
    /// # Errors
    /// As [`Trainer::step`]; a number of weights that is not that of the rows; a weight that is negative or not finite.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer};
    /// # let builder = Trainer::builder(Network::input(1).dense(1)).loss(Loss::mean_squared_error());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// let loss = trainer.step_weighted(&[0.0, 0.0], &[1.0, 3.0], &[3.0, 1.0])?.value()?;
    /// assert_eq!(loss, 3.0, "the first bias is 0, so the loss is (3 · 1² + 1 · 3²) / 4");
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn step_weighted<'a>(
        &mut self,
        features: &[f32],
        targets: impl Into<Labels<'a>>,
        weights: &[f32],
    ) -> Result<StepLoss> {
        self.step_on(features, targets.into(), Some(weights))
    }

    fn step_on(&mut self, features: &[f32], targets: Labels<'_>, weights: Option<&[f32]>) -> Result<StepLoss> {
        let (input, rows) = self.step_input(features)?;
        let target = self.step_targets(targets, rows)?;
        weights.map_or(Ok(()), |weights| check_weights("step", weights, rows))?;
        self.unload(if weights.is_some() { Reduction::WeightedMean } else { Reduction::Mean })?;
        let mut steps = WeightedSteps::default();
        steps.add(self.records(0, rows), rows, weights);
        let batches = steps.steps.len();
        let mut host_writes: Vec<HostWrite> = Vec::new();
        let weight = weights.map(|weights| ("weight", bytemuck::cast_slice(weights).to_vec()));
        for (name, words) in [("input", bytemuck::cast_vec(input)), ("target", target)].into_iter().chain(weight) {
            let each = words.len() / rows * self.spec.micro_batch;
            for (batch_index, part) in words.chunks(each).enumerate() {
                host_writes.push((name, batch_index, copied(name, part)?));
            }
        }
        self.submit(steps, host_writes, Losses::Caller)?;
        Ok(StepLoss { ticket: self.executor.read(self.view("loss")?, 0)?, batches })
    }

    /// Returns the scaled inputs of a step, and its number of rows.
    fn step_input(&self, features: &[f32]) -> Result<(Vec<f32>, usize)> {
        let input = crate::model::prepared(&self.spec.network, self.preprocessing.as_ref(), features)?;
        let rows = input.len() / self.spec.network.inputs();
        let most = self.own_steps(Reduction::Mean).batch_size();
        if rows <= most {
            self.check_single_row("step", rows, self.batch)?;
            return Ok((input, rows));
        }
        Err(Error::Shape {
            place: "step".into(),
            found_what: "rows are".into(),
            found: rows,
            wanted_what: "a step has at most".into(),
            wanted: most,
            remedy: "give fewer rows, or build the trainer with a larger `batch` or `accumulate`".into(),
        })
    }

    /// Returns the scaled targets of a step's rows as words.
    fn step_targets(&self, targets: Labels<'_>, rows: usize) -> Result<Vec<u32>> {
        let scaled;
        let targets = match (targets, &self.target_scaling) {
            (Labels::Numbers(numbers), Some(scaling)) => {
                scaled = scaling.scaled(numbers)?;
                Labels::Numbers(&scaled)
            }
            (Labels::Numbers(_), None) if self.scale_targets => {
                let remedy = "load a data set before, or build the trainer with `target_scaling`";
                return Err(Error::conflict("step", "the scaling of the targets is not known yet", remedy));
            }
            (targets, _) => targets,
        };
        target_words(self.network(), self.spec.loss, targets, rows)
    }

    /// Takes one step on the given rows with a loss function of your own, which runs on the host: for prototypes.
    ///
    /// `loss` gets the outputs of the network, of shape `[rows, outputs]`, row-major: logits, or scaled numbers. It
    /// returns the loss of the step, which [`Trainer::step_with`] passes on, and its gradient by each output, of the
    /// same shape. The loss function of the builder still gives outputs their meaning in predictions and evaluations.
    ///
    /// The step is that of [`Trainer::step`] otherwise, with the same dropout and optimizer. It waits for the device,
    /// and computes the forward pass twice. ARCHITECTURE.md says how to declare a loss function that runs on the
    /// device.
    ///
    /// # Errors
    /// As [`Trainer::step`]; outputs that are not finite; a loss or a gradient that is not finite, or a gradient of
    /// another length; [gradient accumulation](Builder::accumulate).
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Device, Loss, Network, Sgd, Trainer};
    /// let builder = Trainer::builder(Network::input(1).dense(1)).loss(Loss::mean_squared_error());
    /// let mut trainer = builder.optimizer(Sgd::new(0.1)).build(&Device::cpu())?;
    /// // The fourth power of errors.
    /// let targets = [1.0, 3.0];
    /// let loss = trainer.step_with(&[0.0, 0.0], |outputs| {
    ///     let errors: Vec<f32> = outputs.iter().zip(targets).map(|(output, target)| output - target).collect();
    ///     let mean = errors.iter().map(|error| f64::from(error.powi(4))).sum::<f64>() / 2.0;
    ///     (mean, errors.iter().map(|error| 4.0 * error.powi(3) / 2.0).collect())
    /// })?;
    /// assert_eq!(loss, (1.0 + 81.0) / 2.0, "the first bias is 0");
    /// assert_eq!(trainer.gradients()?[1].values, [-2.0 - 54.0]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn step_with(&mut self, features: &[f32], loss: impl FnOnce(&[f32]) -> (f64, Vec<f32>)) -> Result<f64> {
        if self.accumulate > 1 {
            let problem = format!("a step has {} batches", self.accumulate);
            return Err(Error::conflict("step_with", problem, "build the trainer without `accumulate`"));
        }
        let (input, rows) = self.step_input(features)?;
        self.unload(Reduction::Host)?;
        self.settle(0)?;
        let mut steps = WeightedSteps::default();
        steps.add(self.records(0, rows), rows, None);
        let (columns, input) = (self.spec.network.outputs(), bytemuck::cast_vec(input));
        let mut host_writes = vec![("input", 0, input), ("grad.output", 0, vec![0.0f32.to_bits(); rows * columns])];
        self.write_from_host(&host_writes)?;
        // For its forward pass: gradients of 0 make the backward pass harmless.
        self.executor.submit(&steps.steps, &[Run { section: Section::Gradients, batch_index: 0 }])?;
        let outputs = self.executor.read(self.view("output")?, 0)?.wait_f32()?;
        let outputs = &outputs[..rows * columns];
        check_finite("step_with", 0, columns, outputs.iter().copied())?;
        let (value, gradient) = loss(outputs);
        check_own_loss(value, &gradient, rows * columns)?;
        host_writes[1].2 = bytemuck::cast_vec(gradient);
        self.submit(steps, host_writes, Losses::Caller)?;
        Ok(value)
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
            let records = records.map(|record| Step { epoch_step: first_batch + record.batch_index, ..record });
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

    /// Replaces all parameters, and their [average](Builder::average). The optimizer's state is unchanged.
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

    /// Writes parameters, and their average, if there is one.
    fn write_parameters(&mut self, parameters: &[Tensor]) -> Result<()> {
        write_parameters(self.executor.as_mut(), parameters)?;
        let averaged = self.averaged_names();
        let average = |tensor: &Tensor| Tensor { name: format!("{AVERAGE}{}", tensor.name), ..tensor.clone() };
        let averages = parameters.iter().map(average).filter(|tensor| averaged.contains(&tensor.name));
        write_parameters(self.executor.as_mut(), &averages.collect::<Vec<_>>())
    }

    /// Returns the names of the averaged tensors, none if there is no average.
    fn averaged_names(&self) -> Vec<String> {
        let shapes = self.spec.average.map(|_| prefixed_shapes(&self.spec.network, AVERAGE));
        shapes.into_iter().flatten().map(|(name, _)| name).collect()
    }

    /// Returns the parameters with which the trainer predicts and evaluates, in the order of the layers: their
    /// [average](Builder::average), or without one the parameters themselves.
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
        if self.spec.average.is_some() {
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
    /// After a step of a single row, the gradient of a layer's bias is its δ: the derivative of the loss with respect to
    /// the layer's sums z, as [`Model::layer_outputs`] has them.
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

    /// Turns the trainer into its model.
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
            record: None,
            network,
        };
        Ok(Model { metadata, parameters: self.averaged_parameters()? })
    }

    fn view(&self, name: &str) -> Result<ViewId> {
        self.executor.plan().named(name)
    }
}

/// Checks the loss of [`Trainer::step_with`], and its gradient, which has `wanted` numbers.
fn check_own_loss(value: f64, gradient: &[f32], wanted: usize) -> Result<()> {
    if gradient.len() != wanted {
        return Err(Error::Shape {
            place: "step_with".into(),
            found_what: "the number of gradients is".into(),
            found: gradient.len(),
            wanted_what: "the number of outputs is".into(),
            wanted,
            remedy: "return the gradient by each output of each row".into(),
        });
    }
    if !value.is_finite() {
        return Err(Error::value("step_with", "the loss", value, "finite"));
    }
    match gradient.iter().position(|number| !number.is_finite()) {
        None => Ok(()),
        Some(at) => Err(Error::value("step_with", &format!("gradient {at}"), gradient[at], "finite")),
    }
}
