//! Trains a network on a device.
//!
//! [`Trainer`] owns an executor with the plan's memory. [`Trainer::advance`] makes one submission: a few steps on
//! the loaded data set. [`Trainer::fit`] is a loop over it with validation, early stopping and a history;
//! [`Trainer::step`] is for loops of one's own. All that a step depends on is its index, the seed and the data, so
//! that the same seed on the same device gives the same bits, however the steps are grouped.

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
use std::path::PathBuf;

use crate::data::Standardization;
use crate::device::Device;
use crate::error::{Error, Result, copied};
use crate::exec::{Counters, Executor, Ticket};
use crate::lower::TrainingSpec;
pub use crate::model::{Evaluation, Labels};
use crate::model::{
    FORMAT_VERSION, Metadata, Model, Tensor, check_parameters, read_tensors, target_words, write_parameters,
};
use crate::network::Network;
use crate::plan::{Step, ViewId};
use crate::schedule::Schedule;
use in_flight::{HostWrite, InFlight, Losses, PendingLosses, step_loss};
use load::Loaded;
use submission_size::SubmissionSizer;
use tuned::Planner;

/// Trains a network; see the [crate's front page](crate) for an example.
pub struct Trainer {
    /// What the executor's plan is of. Its batch has no more rows than the loaded data set, and a step no more batches.
    spec: TrainingSpec,
    /// Rows of a batch, as the user has set them.
    batch: usize,
    /// Batches of a step, likewise.
    accumulate: usize,
    /// Whether the executor has no memory for steps yet, since it is not known how many rows they have.
    at_rest: bool,
    planner: Planner,
    schedule: Schedule,
    seed: u64,
    device: Device,
    executor: Box<dyn Executor>,
    preprocessing: Option<Standardization>,
    /// True if targets are scaled.
    scale_targets: bool,
    /// Of the first data set, if they are.
    target_scaling: Option<Standardization>,
    columns: Option<Vec<String>>,
    classes: Option<Vec<String>>,
    /// Names of the target columns.
    targets: Vec<String>,
    /// Most steps of a submission, where the user has said so.
    steps_per_submission: Option<usize>,
    /// Steps submitted since training began.
    step: u64,
    /// Epochs begun since training began.
    epoch: u32,
    loaded: Option<Loaded>,
    /// Submissions whose outcome is not known, oldest first.
    in_flight: VecDeque<InFlight>,
    pending_losses: PendingLosses,
    sizer: SubmissionSizer,
    profile: Option<Profile>,
    /// Of the last fit.
    checkpoint_folder: Option<PathBuf>,
}

/// The loss of one step. On the CPU it is there at once; a device that works on its own may still be at it.
pub struct StepLoss {
    ticket: Ticket,
    batches: usize,
}

impl StepLoss {
    /// Waits for the loss: the mean over the step's rows, before its update.
    ///
    /// # Errors
    /// A device that does not answer.
    pub fn value(self) -> Result<f32> {
        Ok(step_loss(&self.ticket.wait_f32()?[..self.batches]))
    }
}

/// What has become known of the steps of an epoch: on the CPU those of the submission that was made, on a GPU those of
/// an earlier one, so that the host does not wait. The last [`Advance`] of an epoch has all that were left.
#[derive(Clone, Debug, PartialEq)]
pub struct Advance {
    /// Loss of each step, before its update, in the order of the steps.
    pub losses: Vec<f32>,
    /// Rows of each step.
    pub rows: Vec<usize>,
    /// Whether the epoch is over, and the losses of all its steps are known.
    pub epoch_done: bool,
}

impl Trainer {
    /// Begins to describe a training of `network`.
    pub fn builder(network: Network) -> Builder {
        Builder::new(network)
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.spec.network
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// What the device was asked to do so far; zeros on the CPU.
    pub fn counters(&self) -> Counters {
        self.executor.counters()
    }

    /// Where the time of its steps went so far, if that is [noted](Builder::profile).
    pub fn profile(&self) -> Option<&Profile> {
        self.profile.as_ref()
    }

    /// Steps submitted since training began.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// One step on rows that the host brings: at most a batch of them, or as many batches as a step
    /// [accumulates](Builder::accumulate). Inputs are raw; the trainer scales them.
    ///
    /// # Errors
    /// Rows, columns or targets that do not fit; [`Error::NotFinite`], with parameters as before the bad step, which on
    /// a GPU may be one of the two before this one; [`Error::StateNotFinite`] where its update overflows.
    pub fn step<'a>(&mut self, features: &[f32], targets: impl Into<Labels<'a>>) -> Result<StepLoss> {
        let input = crate::model::prepared(&self.spec.network, self.preprocessing.as_ref(), features)?;
        let rows = input.len() / self.spec.network.inputs();
        let most = self.own_steps().batch_size();
        if rows > most {
            return Err(Error::Shape {
                place: "step".into(),
                found_what: "rows are".into(),
                found: rows,
                wanted_what: "a step has at most".into(),
                wanted: most,
                remedy: "give fewer rows, or build the trainer with a larger `batch` or `accumulate`".into(),
            });
        }
        let scaled;
        let targets = match (targets.into(), &self.target_scaling) {
            (Labels::Numbers(numbers), Some(scaling)) => {
                scaled = scaling.scaled(numbers)?;
                Labels::Numbers(&scaled)
            }
            (Labels::Numbers(_), None) if self.scale_targets => {
                let remedy = "load a data set before, or build the trainer with `target_scaling`";
                return Err(Error::conflict("step", "targets are to be scaled, but by what is not known yet", remedy));
            }
            (targets, _) => targets,
        };
        let target = target_words(self.network(), self.spec.loss, targets, rows)?;
        self.unload()?;
        let steps: Vec<Step> = self.records(0, rows).collect();
        let batches = steps.len();
        let mut host_writes: Vec<HostWrite> = Vec::new();
        for (name, words) in [("input", bytemuck::cast_vec(input)), ("target", target)] {
            let each = words.len() / rows * self.spec.micro_batch;
            for (batch_index, part) in words.chunks(each).enumerate() {
                host_writes.push((name, batch_index, copied(name, part)?));
            }
        }
        self.submit(steps, host_writes, Losses::Leave)?;
        Ok(StepLoss { ticket: self.executor.read(self.view("loss")?, 0)?, batches })
    }

    /// One submission on the loaded data set: steps up to the end of the epoch, or of the window, and on a GPU for a tenth of a
    /// second, unless [`Builder::steps_per_submission`] says how many. After the last step of an epoch the next one begins, in
    /// a new order.
    ///
    /// # Errors
    /// No data set was loaded; [`Error::NotFinite`], with parameters as before the bad step; [`Error::StateNotFinite`] where
    /// an update overflows. Whatever else needs the parameters may be the one to find out, too.
    pub fn advance(&mut self) -> Result<Advance> {
        self.advance_by(usize::MAX)
    }

    /// The same with at most `most` steps.
    fn advance_by(&mut self, most: usize) -> Result<Advance> {
        if self.loaded.as_ref().is_some_and(Loaded::at_end) {
            self.begin_epoch()?;
        }
        let (batch, batch_size, capacity) = (self.spec.micro_batch, self.spec.batch_size(), self.spec.steps);
        let by_clock = self.steps_per_submission.is_none() && self.executor.in_flight() > 0;
        let steps = if by_clock { self.sizer.steps(capacity) } else { capacity };
        let Some(loaded) = &mut self.loaded else {
            return Err(Error::conflict("advance", "no data set is loaded", "call `load` before"));
        };
        let rows = loaded.next_rows(batch_size * steps.min(most));
        let epoch_done = loaded.at_end();
        let steps = rows.clone().step_by(batch_size).enumerate();
        let steps = steps.flat_map(|(number, first)| self.records(number, batch_size.min(rows.end - first)));
        let first = (rows.start / batch) as u32;
        let steps = steps.map(|record| Step { epoch_step: first + record.batch_index, ..record }).collect();
        self.submit(steps, Vec::new(), Losses::Tell)?;
        if epoch_done {
            self.settle(0)?;
        }
        let PendingLosses { losses, rows } = std::mem::take(&mut self.pending_losses);
        Ok(Advance { losses, rows, epoch_done })
    }

    /// The records of the step that is `ahead` steps ahead, the first of a submission being 0.
    fn records(&self, ahead: usize, rows: usize) -> impl Iterator<Item = Step> + use<> {
        let batch_index = ahead * self.spec.accumulate;
        self.spec.records(self.schedule, self.seed, self.step + ahead as u64, batch_index, rows)
    }

    /// The parameters, in the order of the layers.
    ///
    /// # Errors
    /// A device that does not answer; a number that is not finite, in a step or in what an update has written.
    pub fn parameters(&mut self) -> Result<Vec<Tensor>> {
        self.settle(0)?;
        let parameters = read_tensors(self.executor.as_mut(), &self.spec.network, "")?;
        self.finite(parameters)
    }

    /// Replaces all parameters; the optimizer's state stays.
    ///
    /// # Errors
    /// Parameters that are not those of the network, or not finite.
    pub fn set_parameters(&mut self, parameters: &[Tensor]) -> Result<()> {
        check_parameters(&self.spec.network, parameters)?;
        self.settle(0)?;
        write_parameters(self.executor.as_mut(), parameters)
    }

    /// The gradients of the last step, before clipping and weight decay, in the order of the layers.
    ///
    /// # Errors
    /// A device that does not answer.
    pub fn gradients(&mut self) -> Result<Vec<Tensor>> {
        self.settle(0)?;
        read_tensors(self.executor.as_mut(), &self.spec.network, "grad.")
    }

    /// The model as it is now.
    ///
    /// # Errors
    /// As [`Trainer::parameters`].
    pub fn into_model(mut self) -> Result<Model> {
        self.model()
    }

    /// A copy of the model as it is now.
    ///
    /// # Errors
    /// As [`Trainer::parameters`].
    pub fn model(&mut self) -> Result<Model> {
        let network = self.spec.network.clone();
        let unnamed = || (0..network.inputs()).map(|c| format!("column{c}")).collect();
        let metadata = Metadata {
            format: FORMAT_VERSION,
            loss: self.spec.loss,
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
        Ok(Model { metadata, parameters: self.parameters()? })
    }

    fn view(&self, name: &str) -> Result<ViewId> {
        self.executor.plan().named(name)
    }
}
