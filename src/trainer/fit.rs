//! Epochs, validation, early stopping, history.

use std::ops::ControlFlow;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::trainer::checkpoint::{Beginning, CheckpointWriter, Validation};
use crate::trainer::fit_state::{Best, FitState};
use crate::trainer::{Checkpoints, Evaluation, PendingLosses, Restored, Trainer};

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
    accumulate: Option<usize>,
    on_submission: Option<Callback<'a, Progress>>,
    on_epoch: Option<Callback<'a, Epoch>>,
    checkpoints: Option<Checkpoints>,
    on_resume: Option<Told<'a, Restored>>,
    on_begin_anew: Option<Told<'a, [String]>>,
}

type Callback<'a, T> = Box<dyn FnMut(&T) -> ControlFlow<()> + Send + 'a>;

type Told<'a, T> = Box<dyn FnMut(&T) + Send + 'a>;

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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// Whether a callback stopped it before all epochs were done.
    pub stopped: bool,
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
        Self {
            epochs,
            validation: None,
            patience: None,
            restore_best: false,
            accumulate: None,
            on_submission: None,
            on_epoch: None,
            checkpoints: None,
            on_resume: None,
            on_begin_anew: None,
        }
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

    /// Adds the gradients of so many batches before each update, from this fit on: a step is then the same as one with a batch
    /// that many times as large, in the memory of one. Without this, as many as
    /// [`Builder::accumulate`](crate::trainer::Builder::accumulate) says, which on a GPU also compiles the shader for it when
    /// the trainer is built.
    pub fn accumulate(mut self, batches: usize) -> Self {
        self.accumulate = Some(batches);
        self
    }

    /// At the end, restores the parameters of the epoch with the lowest validation loss.
    pub fn restore_best(mut self) -> Self {
        self.restore_best = true;
        self
    }

    /// Calls back whenever the losses of a submission have become known; on a GPU one or two others are under way then,
    /// and are finished where it stops.
    pub fn on_submission(mut self, callback: impl FnMut(&Progress) -> ControlFlow<()> + Send + 'a) -> Self {
        self.on_submission = Some(Box::new(callback));
        self
    }

    /// Writes checkpoints while it trains, and may go on from one. An epoch that a callback stops midway is then left out of
    /// the history: it goes on where training is resumed.
    pub fn checkpoints(mut self, checkpoints: Checkpoints) -> Self {
        self.checkpoints = Some(checkpoints);
        self
    }

    /// Calls back where it goes on from a checkpoint.
    pub fn on_resume(mut self, callback: impl FnMut(&Restored) + Send + 'a) -> Self {
        self.on_resume = Some(Box::new(callback));
        self
    }

    /// Calls back where it was to resume, but begins anew because all checkpoints are of other settings or data, with
    /// their folders and one setting of each that differs. Only
    /// [numbered folders](Checkpoints::in_numbered_folder) are passed over so.
    pub fn on_begin_anew(mut self, callback: impl FnMut(&[String]) + Send + 'a) -> Self {
        self.on_begin_anew = Some(Box::new(callback));
        self
    }

    /// Calls back after each epoch.
    pub fn on_epoch(mut self, callback: impl FnMut(&Epoch) -> ControlFlow<()> + Send + 'a) -> Self {
        self.on_epoch = Some(Box::new(callback));
        self
    }
}

impl Trainer {
    /// Trains on a data set.
    ///
    /// # Errors
    /// No epochs, or patience for none; data that does not fit; [`Error::NotFinite`], with parameters as before the bad
    /// step; [`Error::StateNotFinite`] where an update overflows, the last one too; a checkpoint that cannot be written, or
    /// resumed from.
    pub fn fit(&mut self, data: &Dataset, mut fit: Fit<'_>) -> Result<History> {
        if fit.restore_best && fit.validation.is_none() {
            return Err(Error::conflict("fit", "the best epoch is known only by validation", "add `.validate(…)`"));
        }
        // Either would train nothing and say that all went well.
        for (name, epochs) in [("epochs", Some(fit.epochs)), ("patience", fit.patience)] {
            if epochs == Some(0) {
                return Err(Error::value("fit", name, 0, "at least 1"));
            }
        }
        self.fit_target_scaling(data)?;
        fit.validation.map_or(Ok(()), |validation| self.check(validation))?;
        if let Some(batches) = fit.accumulate {
            self.accumulate(batches)?;
        }
        self.load(data)?;
        self.checkpoint_folder = None;
        let (mut state, mut writer) = self.begin(&mut fit)?;
        let mut stopped = false;
        while !stopped && state.epochs.len() < fit.epochs && !state.is_out_of(fit.patience) {
            let (whole, mut flow) = self.epoch(&mut state, &mut fit, writer.as_mut())?;
            // Of an epoch that is to go on there is nothing to tell yet.
            let best = if whole || writer.is_none() { self.end_epoch(&mut state, &mut fit, &mut flow)? } else { false };
            let over = state.epochs.len() == fit.epochs || state.is_out_of(fit.patience);
            stopped = flow == ControlFlow::Break(()) && !over;
            if let Some(writer) = writer.as_mut().filter(|_| whole)
                && (stopped || over || best || writer.is_due(self.step))
            {
                writer.write(self, &state, stopped)?;
            }
        }
        self.checkpoint_folder = writer.as_ref().and_then(CheckpointWriter::folder).map(Path::to_path_buf);
        let best = state.best.filter(|_| fit.restore_best);
        let best = best.map(|best| self.set_parameters(&best.parameters).map(|()| best.epoch));
        Ok(History { epochs: state.epochs, best: best.transpose()?, stopped })
    }

    /// The folder to which the last [`Trainer::fit`] wrote its checkpoints, or from which it went on; none where it did
    /// neither.
    pub fn checkpoint_folder(&self) -> Option<&Path> {
        self.checkpoint_folder.as_deref()
    }

    /// Where to begin, and who keeps checkpoints.
    fn begin(&mut self, fit: &mut Fit<'_>) -> Result<(FitState, Option<CheckpointWriter>)> {
        let Some(checkpoints) = &fit.checkpoints else { return Ok((FitState::default(), None)) };
        let (writer, beginning) = CheckpointWriter::begin(
            checkpoints,
            self,
            fit.validation.map(|data| Validation::of(data, fit.restore_best)),
        )?;
        let state = match beginning {
            Beginning::Resumed(state, restored) => {
                fit.on_resume.iter_mut().for_each(|callback| callback(&restored));
                state
            }
            Beginning::Anew(others) => {
                let callback = fit.on_begin_anew.iter_mut().filter(|_| !others.is_empty());
                callback.for_each(|callback| callback(&others));
                FitState::default()
            }
        };
        Ok((state, Some(writer)))
    }

    /// The steps of an epoch that are left, up to its end or to where a callback stops it; returns whether it is whole.
    fn epoch(
        &mut self,
        state: &mut FitState,
        fit: &mut Fit<'_>,
        mut writer: Option<&mut CheckpointWriter>,
    ) -> Result<(bool, ControlFlow<()>)> {
        let (epoch, epochs) = (state.epochs.len() + 1, fit.epochs);
        let steps = self.loaded.as_ref().map_or(0, |loaded| loaded.steps(self.spec.batch_size()));
        loop {
            let most = writer.as_ref().map_or(u64::MAX, |writer| writer.steps_left(self.step));
            let advance = self.advance_by(usize::try_from(most).unwrap_or(usize::MAX))?;
            state.running.add(&advance.losses, &advance.rows);
            let progress = Progress {
                epoch,
                epochs,
                step: state.running.steps,
                steps,
                loss: state.running.loss() * self.loss_factor(),
            };
            let callback = fit.on_submission.as_mut().filter(|_| !advance.losses.is_empty());
            let flow = callback.map_or(ControlFlow::Continue(()), |callback| callback(&progress));
            let due = writer.as_ref().is_some_and(|writer| writer.is_due(self.step));
            if !advance.epoch_done && flow == ControlFlow::Continue(()) && !due {
                continue;
            }
            self.settle(0)?;
            let PendingLosses { losses, rows } = std::mem::take(&mut self.pending_losses);
            state.running.add(&losses, &rows);
            if advance.epoch_done {
                return Ok((true, flow));
            }
            if let Some(writer) = &mut writer {
                writer.write(self, state, flow == ControlFlow::Break(()))?;
            }
            if flow == ControlFlow::Break(()) {
                return Ok((false, flow));
            }
        }
    }

    /// Validates, keeps the best parameters, and tells of the epoch; returns whether it is the best so far.
    fn end_epoch(&mut self, state: &mut FitState, fit: &mut Fit<'_>, flow: &mut ControlFlow<()>) -> Result<bool> {
        let running = std::mem::take(&mut state.running);
        let epoch = state.epochs.len() + 1;
        let validation = fit.validation.map(|data| self.evaluate(data)).transpose()?;
        let loss = validation.as_ref().filter(|_| fit.restore_best).map(|evaluation| evaluation.loss);
        let best = loss.filter(|loss| state.is_best(*loss));
        if let Some(loss) = best {
            state.best = Some(Best { epoch, step: self.step, loss, parameters: self.parameters()? });
        }
        let record = Epoch {
            epoch,
            steps: self.step,
            loss: running.loss() * self.loss_factor(),
            learning_rate: self.learning_rate(),
            validation,
        };
        if let Some(callback) = &mut fit.on_epoch
            && callback(&record) == ControlFlow::Break(())
        {
            *flow = ControlFlow::Break(());
        }
        state.epochs.push(record);
        Ok(best.is_some())
    }

    /// The learning rate of the last step.
    fn learning_rate(&self) -> f64 {
        self.spec.optimizer.learning_rate() * self.schedule.factor(self.step.saturating_sub(1))
    }
}
