//! Epochs, validation, early stopping, history.

use serde::Serialize;

use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::model::Tensor;
use crate::trainer::{Evaluation, Known, Trainer};

/// How long to train, and what to do after each epoch.
///
/// ```
/// use wgrad::Fit;
/// let fit = Fit::epochs(30).patience(5);
/// ```
pub struct Fit<'a> {
    epochs: usize,
    validation: Option<&'a Dataset>,
    patience: Option<usize>,
    restore_best: bool,
    on_submission: Option<Callback<'a, Progress>>,
    on_epoch: Option<Callback<'a, Epoch>>,
}

type Callback<'a, T> = Box<dyn FnMut(&T) -> Flow + Send + 'a>;

/// What a callback wants to happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Stop training in good order, as if this had been the last epoch.
    Stop,
}

/// Where training is, after a submission.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Epochs in all.
    pub epochs: usize,
    /// Steps of this epoch that are done.
    pub step: usize,
    /// Steps of an epoch.
    pub steps: usize,
    /// Mean loss over the epoch's rows so far.
    pub loss: f64,
}

/// What is known after an epoch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Epoch {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Steps since training began.
    pub steps: u64,
    /// Mean training loss over the epoch's rows, each before its step's update.
    pub loss: f64,
    /// Learning rate of the epoch's last step.
    pub learning_rate: f64,
    /// On the validation set, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<Evaluation>,
}

/// All epochs of a [`Trainer::fit`].
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct History {
    /// One entry for each epoch, in order.
    pub epochs: Vec<Epoch>,
    /// The epoch (from 1) whose parameters were restored, where that was asked for.
    pub best: Option<usize>,
}

impl History {
    /// Number of epochs.
    pub fn len(&self) -> usize {
        self.epochs.len()
    }

    /// Whether there was no epoch.
    pub fn is_empty(&self) -> bool {
        self.epochs.is_empty()
    }
}

impl<'a> Fit<'a> {
    /// Trains for this many epochs.
    pub fn epochs(epochs: usize) -> Self {
        Self { epochs, validation: None, patience: None, restore_best: false, on_submission: None, on_epoch: None }
    }

    /// Evaluates this set after each epoch.
    pub fn validate(mut self, data: &'a Dataset) -> Self {
        self.validation = Some(data);
        self
    }

    /// Stops once the validation loss has not fallen for `epochs` epochs, and restores the best parameters.
    pub fn patience(mut self, epochs: usize) -> Self {
        self.patience = Some(epochs);
        self.restore_best()
    }

    /// At the end, restores the parameters of the epoch with the lowest validation loss.
    pub fn restore_best(mut self) -> Self {
        self.restore_best = true;
        self
    }

    /// Calls back whenever the losses of a submission have become known; on a GPU one or two others are under way then,
    /// and are finished where it stops.
    pub fn on_submission(mut self, callback: impl FnMut(&Progress) -> Flow + Send + 'a) -> Self {
        self.on_submission = Some(Box::new(callback));
        self
    }

    /// Calls back after each epoch.
    pub fn on_epoch(mut self, callback: impl FnMut(&Epoch) -> Flow + Send + 'a) -> Self {
        self.on_epoch = Some(Box::new(callback));
        self
    }
}

/// The best parameters so far.
struct Best {
    epoch: usize,
    loss: f64,
    parameters: Vec<Tensor>,
}

impl Trainer {
    /// Trains on a data set.
    ///
    /// # Errors
    /// Data that does not fit; [`Error::NotFinite`], with parameters as before the bad step.
    pub fn fit(&mut self, data: &Dataset, mut fit: Fit<'_>) -> Result<History> {
        if fit.restore_best && fit.validation.is_none() {
            return Err(Error::conflict("fit", "the best epoch is known only by validation", "add `.validate(…)`"));
        }
        fit.validation.map_or(Ok(()), |validation| self.check(validation))?;
        self.load(data)?;
        let mut history = History::default();
        let mut best: Option<Best> = None;
        for epoch in 1..=fit.epochs {
            let (loss, mut flow) = self.epoch(epoch, &mut fit)?;
            let validation = fit.validation.map(|data| self.evaluate(data)).transpose()?;
            if let (Some(evaluation), true) = (&validation, fit.restore_best) {
                // A loss that is no number is worse than any other.
                let loss = if evaluation.loss.is_nan() { f64::INFINITY } else { evaluation.loss };
                if best.as_ref().is_none_or(|best| loss < best.loss) {
                    best = Some(Best { epoch, loss, parameters: self.parameters()? });
                }
                let since = best.as_ref().map_or(0, |best| epoch - best.epoch);
                if fit.patience.is_some_and(|patience| since >= patience) {
                    flow = Flow::Stop;
                }
            }
            let record = Epoch { epoch, steps: self.step, loss, learning_rate: self.learning_rate(), validation };
            if let Some(callback) = &mut fit.on_epoch
                && callback(&record) == Flow::Stop
            {
                flow = Flow::Stop;
            }
            history.epochs.push(record);
            if flow == Flow::Stop {
                break;
            }
        }
        if let Some(best) = best {
            self.set_parameters(&best.parameters)?;
            history.best = Some(best.epoch);
        }
        Ok(history)
    }

    /// One epoch, or its beginning where a callback stops it; returns its mean loss.
    fn epoch(&mut self, epoch: usize, fit: &mut Fit<'_>) -> Result<(f64, Flow)> {
        let steps = self.loaded.as_ref().map_or(0, |loaded| loaded.steps(self.description.batch));
        let (mut sum, mut rows, mut step) = (0.0, 0, 0);
        let mut add = |losses: &[f32], counts: &[usize]| {
            for (loss, count) in losses.iter().zip(counts) {
                sum += f64::from(*loss) * *count as f64;
                rows += count;
            }
            step += losses.len();
            (step, sum / rows as f64)
        };
        loop {
            let advance = self.advance()?;
            let (step, loss) = add(&advance.losses, &advance.rows);
            let progress = Progress { epoch, epochs: fit.epochs, step, steps, loss };
            let callback = fit.on_submission.as_mut().filter(|_| !advance.losses.is_empty());
            let flow = callback.map_or(Flow::Continue, |callback| callback(&progress));
            if advance.epoch_done || flow == Flow::Stop {
                self.settle(0)?;
                let Known { losses, rows } = std::mem::take(&mut self.known);
                return Ok((add(&losses, &rows).1, flow));
            }
        }
    }

    /// The learning rate of the last step.
    fn learning_rate(&self) -> f64 {
        self.description.optimizer.learning_rate() * self.schedule.factor(self.step.saturating_sub(1))
    }
}
