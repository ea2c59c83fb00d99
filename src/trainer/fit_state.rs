//! How far a [`Trainer::fit`](crate::Trainer::fit) has come: what a checkpoint must hold for it to go on.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::model::Tensor;
use crate::trainer::Epoch;
use crate::trainer::checkpoint::{Validation, ensure};

#[derive(Clone, Debug, Default)]
pub(super) struct FitState {
    /// Those that are over.
    pub(super) epochs: Vec<Epoch>,
    pub(super) best: Option<Best>,
    /// The epoch under way.
    pub(super) running: Running,
}

/// The best parameters so far.
#[derive(Clone, Debug)]
pub(super) struct Best {
    /// From 1.
    pub(super) epoch: usize,
    /// Steps since training began.
    pub(super) step: u64,
    pub(super) loss: f64,
    pub(super) parameters: Vec<Tensor>,
}

/// What is known of an epoch under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Running {
    pub(super) steps: usize,
    rows: usize,
    /// Of all rows' losses.
    sum: f64,
}

impl Running {
    pub(super) fn add(&mut self, losses: &[f32], rows: &[usize]) {
        for (loss, rows) in losses.iter().zip(rows) {
            self.sum += f64::from(*loss) * *rows as f64;
            self.rows += rows;
        }
        self.steps += losses.len();
    }

    /// Mean over the rows so far.
    pub(super) fn loss(&self) -> f64 {
        self.sum / self.rows as f64
    }
}

impl FitState {
    /// Whether the validation loss has not fallen for as many epochs as patience allows.
    pub(super) fn is_out_of(&self, patience: Option<usize>) -> bool {
        let since = self.best.as_ref().map_or(0, |best| self.epochs.len() - best.epoch);
        patience.is_some_and(|patience| since >= patience && !self.epochs.is_empty())
    }

    /// Whether a loss is the lowest so far. One that is no number is worse than any other.
    pub(super) fn is_best(&self, loss: f64) -> bool {
        self.best.as_ref().is_none_or(|best| loss < best.loss)
    }
}

/// A [`FitState`] without tensors, as it stands in a file.
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

    /// Epochs that are over.
    pub(super) fn epochs(&self) -> usize {
        self.epochs.len()
    }

    /// Steps and rows of the epoch under way.
    pub(super) fn running(&self) -> [usize; 2] {
        [self.running.steps, self.running.rows]
    }

    /// Whether there are parameters of a best epoch.
    pub(super) fn has_best(&self) -> bool {
        self.best.is_some()
    }

    /// Checks the epochs that are over against the steps and epochs of the training, and the best against them.
    pub(super) fn check(&self, step: u64, begun: u32, validation: Option<Validation>) -> Result<()> {
        let count = self.epochs.len();
        ensure(count <= begun as usize, || format!("{count} epochs are over, but {begun} were begun"))?;
        let (rows, restores) = validation.map(|validation| validation.kept()).unzip();
        let mut before = 0;
        for (number, epoch) in (1..).zip(&self.epochs) {
            ensure(epoch.epoch == number, || format!("epoch {number} is called {}", epoch.epoch))?;
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
            format!("the best epoch is {epoch} at step {step}, loss {loss}, but that is none of its {count} epochs")
        })
    }

    /// The state again, with the parameters of the best epoch.
    pub(super) fn with(self, parameters: Vec<Tensor>) -> FitState {
        let best = self.best.map(|BestHeader { epoch, step, loss }| Best { epoch, step, loss, parameters });
        FitState { epochs: self.epochs, best, running: self.running }
    }
}
