//! State of a [`Trainer::fit`](crate::Trainer::fit). A checkpoint must contain it, so that the fit can resume.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::metrics::Metric;
use crate::model::{Evaluation, Tensor};
use crate::trainer::Epoch;
use crate::trainer::checkpoint::{Validation, ensure};

#[derive(Clone, Debug, Default)]
pub(super) struct FitState {
    /// Complete epochs.
    pub(super) epochs: Vec<Epoch>,
    pub(super) best: Option<Best>,
    /// Current epoch.
    pub(super) running: Running,
}

/// Best parameters so far.
#[derive(Clone, Debug)]
pub(super) struct Best {
    /// Number of the epoch, from 1.
    pub(super) epoch: usize,
    /// Steps since training began.
    pub(super) step: u64,
    /// Validation loss.
    pub(super) loss: f64,
    pub(super) parameters: Vec<Tensor>,
}

/// Losses of the current epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Running {
    pub(super) steps: usize,
    rows: usize,
    /// Sum over the rows so far of loss times weight.
    sum: f64,
    /// Sum of the weights of these rows; `None` if it equals their number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weight: Option<f64>,
}

impl Running {
    pub(super) fn add(&mut self, losses: &[f32], rows: &[usize], weights: &[f64]) {
        for ((loss, rows), weight) in losses.iter().zip(rows).zip(weights) {
            let weight_so_far = self.weight() + weight;
            self.sum += f64::from(*loss) * weight;
            self.rows += rows;
            self.weight = (weight_so_far != self.rows as f64).then_some(weight_so_far);
        }
        self.steps += losses.len();
    }

    fn weight(&self) -> f64 {
        self.weight.unwrap_or(self.rows as f64)
    }

    /// Returns the weighted mean loss over the epoch's rows so far; NaN if their weights are all 0.
    pub(super) fn loss(&self) -> f64 {
        self.sum / self.weight()
    }
}

impl FitState {
    /// Returns `true` if none of the last `patience` epochs was the best so far; `false` if there is no patience.
    pub(super) fn is_out_of(&self, patience: Option<usize>) -> bool {
        let since = self.best.as_ref().map_or(0, |best| self.epochs.len() - best.epoch);
        patience.is_some_and(|patience| since >= patience && !self.epochs.is_empty())
    }

    /// Returns `true` if the evaluation `found` is the first, or better than the best so far. The metric decides;
    /// without one, the loss does.
    pub(super) fn is_best(&self, found: &Evaluation, metric: Option<Metric>) -> Result<bool> {
        let best = self.best.as_ref().and_then(|best| self.epochs.get(best.epoch - 1)?.validation.as_ref());
        let Some(best) = best else { return Ok(true) };
        let Some(metric) = metric else { return Ok(found.loss < best.loss) };
        let [found, best] = [found, best].map(|evaluation| evaluation.metric(&metric.to_string()));
        Ok(if metric.larger_is_better() { found? > best? } else { found? < best? })
    }
}

/// [`FitState`] without tensors, as a file stores it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FitStateHeader {
    epochs: Vec<Epoch>,
    best: Option<BestHeader>,
    running: Running,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BestHeader {
    epoch: usize,
    step: u64,
    loss: f64,
}

impl FitStateHeader {
    pub(super) fn of(state: &FitState) -> Self {
        let best = state.best.as_ref().map(|best| BestHeader { epoch: best.epoch, step: best.step, loss: best.loss });
        Self { epochs: state.epochs.clone(), best, running: state.running }
    }

    /// Returns the number of complete epochs.
    pub(super) fn epochs(&self) -> usize {
        self.epochs.len()
    }

    /// Returns the number of steps and of rows so far in the current epoch.
    pub(super) fn running(&self) -> [usize; 2] {
        [self.running.steps, self.running.rows]
    }

    /// Returns `true` if the checkpoint has the parameters of a best epoch.
    pub(super) fn has_best(&self) -> bool {
        self.best.is_some()
    }

    /// Checks that the complete epochs agree with the number of steps (`step`), the number of epochs that were begun,
    /// and the validation set. Also checks that the best epoch is a complete epoch.
    pub(super) fn check(&self, step: u64, begun: u32, validation: Option<Validation>) -> Result<()> {
        let count = self.epochs.len();
        ensure(count <= begun as usize, || format!("{count} epochs are complete, but {begun} were begun"))?;
        let (rows, restores) = validation.map(|validation| validation.kept()).unzip();
        let mut before = 0;
        for (number, epoch) in (1..).zip(&self.epochs) {
            ensure(epoch.epoch == number, || format!("epoch {number} has the number {}", epoch.epoch))?;
            ensure(before < epoch.steps && epoch.steps <= step, || {
                format!("epoch {number} ended at step {}, not between {before} and {step}", epoch.steps)
            })?;
            let found = epoch.validation.as_ref().map(|evaluation| evaluation.rows);
            ensure(found == rows, || format!("epoch {number} was validated on {found:?} rows, not {rows:?}"))?;
            before = epoch.steps;
        }
        let Some(best) = &self.best else { return Ok(()) };
        let epoch = best.epoch.checked_sub(1).and_then(|index| self.epochs.get(index));
        let same =
            |epoch: &Epoch| epoch.steps == best.step && epoch.validation.as_ref().map(|v| v.loss) == Some(best.loss);
        ensure(restores == Some(true) && epoch.is_some_and(same), || {
            let (epoch, step, loss) = (best.epoch, best.step, best.loss);
            format!("the best epoch is {epoch} at step {step}, loss {loss}, but none of its {count} epochs is that one")
        })
    }

    /// Returns the fit's state, given the parameters of the best epoch.
    pub(super) fn with(self, parameters: Vec<Tensor>) -> FitState {
        let best = self.best.map(|BestHeader { epoch, step, loss }| Best { epoch, step, loss, parameters });
        FitState { epochs: self.epochs, best, running: self.running }
    }
}
