//! Spec from which a training plan is lowered, and its checks.

use crate::error::{Error, Result};
use crate::loss::Loss;
use crate::mix::{Mix, Shares};
use crate::network::Network;
use crate::optim::{Average, Optimizer, ParameterGroup, TensorSettings};
use crate::plan::Step;
use crate::rng;
use crate::schedule::Schedule;

/// Largest number of micro-batches per step. They share a submission, and drivers reset a GPU if a submission takes
/// seconds.
const MOST_BATCHES: usize = 1024;

/// Format in which a data set on the device stores its inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputStorage {
    /// f32 numbers, 4 bytes each.
    Numbers,
    /// Bytes that index a lookup table. All input columns share one table.
    Bytes,
    /// Bytes that index a lookup table. Each input column has its own table.
    BytesByColumn,
}

/// Reduction of the losses of rows to the loss of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// Mean over the rows.
    Mean,
    /// Mean over the rows, weighted by the view `weight`.
    WeightedMean,
    /// No loss op: the host reads the view `output`, computes the loss, and writes its gradient to the view
    /// `grad.output`.
    Host,
}

/// Specification of training, from which [`lower`](crate::lower::lower) makes a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingSpec {
    /// Network to train.
    pub network: Network,
    /// Loss function.
    pub loss: Loss,
    /// Optimizer.
    pub optimizer: Optimizer,
    /// Parameter groups: settings for some tensors that differ from the optimizer's.
    pub groups: Vec<ParameterGroup>,
    /// Average of the parameters, which evaluations use; `None` if they use the parameters themselves.
    pub average: Option<Average>,
    /// Mixing of the rows of a batch in training; `None` if rows stay as they are.
    pub mix: Option<Mix>,
    /// Largest global norm of the gradients, for clipping by norm; `None` for no such clipping.
    pub clip_norm: Option<f64>,
    /// Largest norm of the gradients of each tensor, for clipping per tensor; `None` for no such clipping.
    pub clip_tensor_norm: Option<f64>,
    /// Largest absolute value of each gradient element, for clipping by value; `None` for no such clipping.
    pub clip_value: Option<f64>,
    /// Micro-batch size: rows that pass through the network at once.
    pub micro_batch: usize,
    /// Micro-batches per step, whose gradients are added (gradient accumulation): from 1 to 1024. 1 means no
    /// accumulation.
    pub accumulate: usize,
    /// Steps per submission. The window has room for the rows of all micro-batches of these steps.
    pub steps: usize,
    /// Number of rows of the data set on the device; `None` if the host writes the rows of each batch instead.
    pub data_rows: Option<usize>,
    /// Format of the inputs of the data set on the device; without effect if `data_rows` is `None`.
    pub data_inputs: InputStorage,
    /// Reduction of the losses of rows to the loss of a step.
    pub reduction: Reduction,
    /// Largest number of rows that one run of the section `evaluate` takes.
    pub evaluate_rows: usize,
}

impl TrainingSpec {
    /// Creates a spec with batches of `micro_batch` rows that the host writes, and one step per submission. Gradients
    /// are neither accumulated nor clipped.
    pub fn new(network: Network, loss: Loss, optimizer: impl Into<Optimizer>, micro_batch: usize) -> Self {
        let optimizer = optimizer.into();
        Self {
            network,
            loss,
            optimizer,
            groups: Vec::new(),
            average: None,
            mix: None,
            clip_norm: None,
            clip_tensor_norm: None,
            clip_value: None,
            micro_batch,
            accumulate: 1,
            steps: 1,
            data_rows: None,
            data_inputs: InputStorage::Numbers,
            reduction: Reduction::Mean,
            evaluate_rows: micro_batch,
        }
    }

    /// Returns the batch size: rows per step.
    pub fn batch_size(&self) -> usize {
        self.micro_batch.saturating_mul(self.accumulate)
    }

    /// Returns the number of batches of a submission, each of which has a part of the window.
    pub fn parts(&self) -> usize {
        self.steps.saturating_mul(self.accumulate)
    }

    /// Returns the records of step `index` with `rows` rows, one record per micro-batch. The first one is batch
    /// `batch_index` of the submission. Otherwise like [`TrainingSpec::record`].
    pub fn records(
        &self,
        schedule: &Schedule,
        seed: u64,
        index: u64,
        batch_index: usize,
        rows: usize,
    ) -> impl Iterator<Item = Step> + use<> {
        let (batch, whole) = (self.micro_batch, self.record(schedule, seed, index, batch_index, rows));
        (0..rows).step_by(batch).enumerate().map(move |(number, first)| Step {
            batch_index: whole.batch_index + number as u32,
            epoch_batch: whole.epoch_batch + number as u32,
            rows: batch.min(rows - first) as u32,
            first_row: first as u32,
            ..whole
        })
    }

    /// Returns the record of step `index`, which works on `rows` rows in batch `batch_index` of the submission. Its
    /// values are computed in f64 and rounded once. `epoch_batch` is set for an epoch that begins with the submission.
    pub fn record(&self, schedule: &Schedule, seed: u64, index: u64, batch_index: usize, rows: usize) -> Step {
        let [seed_low, seed_high] = rng::key(seed);
        let average = match self.average {
            Some(average) => average.weight(index),
            None if self.optimizer.is_schedule_free() => schedule.share(index),
            None => 0.0,
        };
        let [optimizer1, optimizer2, optimizer3, optimizer4] = self.optimizer.scalars(index).map(|value| value as f32);
        let mixing = self.mix.map_or(Shares::UNMIXED, |mix| mix.draw(seed, index, self.network.inputs()));
        Step {
            index: index as u32,
            batch_index: batch_index as u32,
            epoch_batch: batch_index as u32,
            rows: rows as u32,
            first_row: 0,
            seed_low,
            seed_high,
            learning_rate: (self.optimizer.learning_rate() * schedule.factor(index)) as f32,
            loss_scale: (1.0 / rows as f64) as f32,
            optimizer1,
            optimizer2,
            optimizer3,
            optimizer4,
            average: average as f32,
            mix_own: mixing.own as f32,
            mix_first: mixing.first as u32,
            mix_columns: mixing.columns as u32,
        }
    }

    /// Returns whether the model predicts with an average of the parameters, or of a state of the optimizer.
    pub fn is_averaged(&self) -> bool {
        self.average.is_some() || self.optimizer.is_schedule_free()
    }

    /// Checks all fields, and that they fit together. Sizes are checked later, when the plan's allocations are known.
    ///
    /// # Errors
    /// Returns an error that names the problem, its place and the remedy.
    pub fn check(&self) -> Result<()> {
        self.network.check()?;
        self.loss.check(&self.network)?;
        self.optimizer.check()?;
        TensorSettings::of(&self.network, &self.groups)?;
        self.average.map_or(Ok(()), |average| average.check())?;
        if let Some(average) = self.average.filter(|_| self.optimizer.is_schedule_free()) {
            let problem = format!("{} has an average of its own, but {average} is set, too", self.optimizer.name());
            return Err(Error::conflict("training", problem, "leave out one of the two"));
        }
        self.mix.map_or(Ok(()), |mix| mix.check())?;
        for (name, value) in
            [("batch", self.micro_batch), ("steps of a submission", self.steps), ("evaluate_rows", self.evaluate_rows)]
        {
            if value == 0 {
                return Err(Error::value("training", name, 0, "at least 1"));
            }
        }
        if !(1..=MOST_BATCHES).contains(&self.accumulate) {
            let wanted = format!("at least 1 and at most {MOST_BATCHES}");
            return Err(Error::value("training", "accumulate", self.accumulate, &wanted));
        }
        let limits = [
            ("clip_norm", self.clip_norm),
            ("clip_tensor_norm", self.clip_tensor_norm),
            ("clip_value", self.clip_value),
        ];
        for (name, limit) in limits {
            if let Some(limit) = limit.filter(|limit| !((*limit as f32).is_finite() && *limit as f32 > 0.0)) {
                return Err(Error::value("training", name, limit, "finite and above 0"));
            }
        }
        let given: Vec<_> = limits.iter().filter_map(|(name, limit)| Some((name, (*limit)?))).collect();
        match given[..] {
            [(first, limit), (second, other), ..] => {
                let problem = format!("gradients are clipped by `{first}`, {limit}, and by `{second}`, {other}");
                Err(Error::conflict("training", problem, format!("leave out `{first}` or `{second}`")))
            }
            _ => Ok(()),
        }
    }
}
