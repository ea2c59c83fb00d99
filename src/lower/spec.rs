//! Spec of a training plan, and its checks.

use crate::error::{Error, Result};
use crate::loss::Loss;
use crate::network::Network;
use crate::optim::{Average, Optimizer, ParameterGroup, TensorSettings};
use crate::plan::Step;
use crate::rng;
use crate::schedule::Schedule;

/// Largest number of micro-batches per step. They share a submission, and drivers reset a GPU if a submission takes
/// seconds.
const MOST_BATCHES: usize = 1024;

/// Storage of the inputs of a resident data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputStorage {
    /// As f32, 4 bytes each.
    Numbers,
    /// As bytes that index a lookup table: one table for all input columns.
    Bytes,
    /// As bytes, with a lookup table per input column.
    BytesByColumn,
}

/// Loss of a step, from its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// Mean of the losses.
    Mean,
    /// Mean of the losses, weighted by the view `weight`.
    WeightedMean,
    /// Computed by the host, which reads the view `output` and writes its gradient to the view `grad.output`.
    Host,
}

/// Everything that a training plan depends on.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingSpec {
    /// Network.
    pub network: Network,
    /// Loss function.
    pub loss: Loss,
    /// Optimizer.
    pub optimizer: Optimizer,
    /// Settings of some parameters.
    pub groups: Vec<ParameterGroup>,
    /// Average of the parameters, with which evaluations predict; `None` if they use the parameters themselves.
    pub average: Option<Average>,
    /// Largest global norm of the gradients (gradient clipping), if they are clipped.
    pub clip_norm: Option<f64>,
    /// Largest magnitude of each gradient (gradient clipping by value), if they are clipped so.
    pub clip_value: Option<f64>,
    /// Micro-batch size: rows that pass through the network at once.
    pub micro_batch: usize,
    /// Micro-batches per step, whose gradients are added (gradient accumulation); 1 without accumulation.
    pub accumulate: usize,
    /// Steps per submission. The window has a part for each micro-batch of these steps.
    pub steps: usize,
    /// Rows of the resident data set; `None` if the host fills the window.
    pub data_rows: Option<usize>,
    /// Storage of the inputs of the resident data set; without effect if no data set is resident.
    pub data_inputs: InputStorage,
    /// Loss of a step, from its rows.
    pub reduction: Reduction,
    /// Rows per evaluation.
    pub evaluate_rows: usize,
}

impl TrainingSpec {
    /// Creates a spec with batches of `micro_batch` rows that the host writes, one step per submission.
    pub fn new(network: Network, loss: Loss, optimizer: impl Into<Optimizer>, micro_batch: usize) -> Self {
        let optimizer = optimizer.into();
        Self {
            network,
            loss,
            optimizer,
            groups: Vec::new(),
            average: None,
            clip_norm: None,
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

    /// Batch size: rows per step.
    pub fn batch_size(&self) -> usize {
        self.micro_batch.saturating_mul(self.accumulate)
    }

    /// Number of parts of the window: one for each batch of a submission.
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
            epoch_step: whole.epoch_step + number as u32,
            rows: batch.min(rows - first) as u32,
            first_row: first as u32,
            ..whole
        })
    }

    /// Returns the record of step `index`, which works on `rows` rows in batch `batch_index` of the submission. Its
    /// values are computed in f64 and rounded once. `epoch_step` is set for an epoch that begins with the submission.
    pub fn record(&self, schedule: &Schedule, seed: u64, index: u64, batch_index: usize, rows: usize) -> Step {
        let [seed_low, seed_high] = rng::key(seed);
        let [optimizer1, optimizer2, optimizer3, optimizer4] = self.optimizer.scalars(index).map(|value| value as f32);
        Step {
            index: index as u32,
            batch_index: batch_index as u32,
            epoch_step: batch_index as u32,
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
            average: self.average.map_or(0.0, |average| average.weight(index)) as f32,
        }
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
        for (name, limit) in [("clip_norm", self.clip_norm), ("clip_value", self.clip_value)] {
            if let Some(limit) = limit.filter(|limit| !((*limit as f32).is_finite() && *limit as f32 > 0.0)) {
                return Err(Error::value("training", name, limit, "finite and above 0"));
            }
        }
        match (self.clip_norm, self.clip_value) {
            (Some(norm), Some(value)) => {
                let problem = format!("gradients are clipped to a norm of {norm}, and to a value of {value}");
                Err(Error::conflict("training", problem, "leave out `clip_norm` or `clip_value`"))
            }
            _ => Ok(()),
        }
    }
}
