//! Loop over epochs: [`Trainer::fit`].

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::trainer::checkpoint::{CheckpointWriter, Fingerprint, RunStart, Validation};
use crate::trainer::fit_state::{Best, FitState};
use crate::trainer::{Callback, Epoch, Fit, History, PendingLosses, Progress, Trainer};

impl Trainer {
    /// Trains on a data set with the options `fit`, and returns the results of all epochs.
    ///
    /// # Errors
    /// Zero epochs or patience; data that does not fit; [`Error::NotFinite`], with the parameters from before the bad
    /// step; [`Error::StateNotFinite`] if an update overflows, even in the last step; a checkpoint that cannot be
    /// written or resumed from; a callback that trains.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Fit, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// # let train = data::xor();
    /// let history = trainer.fit(&train, Fit::epochs(3))?;
    /// println!("loss after the last epoch: {}", history.epochs[2].loss);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn fit(&mut self, data: &Dataset, mut fit: Fit<'_>) -> Result<History> {
        if fit.restore_best && fit.validation.is_none() {
            return Err(Error::conflict(
                "fit",
                "the best epoch is chosen by validation, but there is no validation set",
                "add `.validate(…)`",
            ));
        }
        // With 0, training would do nothing, and return no error.
        for (name, epochs) in [("epochs", Some(fit.epochs)), ("patience", fit.patience)] {
            if epochs == Some(0) {
                return Err(Error::value("fit", name, 0, "at least 1"));
            }
        }
        self.fit_target_scaling(data)?;
        fit.validation.map_or(Ok(()), |validation| self.check(validation))?;
        if let (Some(metric), Some(validation)) = (fit.metric, fit.validation) {
            // A metric that cannot be computed is an error now, not after the first epoch.
            self.evaluate_with(validation, &[metric])?;
        }
        if let Some(batches) = fit.accumulate {
            self.accumulate(batches)?;
        }
        self.load(data)?;
        self.checkpoint_folder = None;
        let (mut state, mut writer) = self.begin(&mut fit)?;
        self.guarded("at the start", |trainer| {
            fit.callbacks.iter_mut().try_for_each(|callback| callback.on_start(&state.epochs, trainer))
        })?;
        let mut stopped = false;
        while !stopped && state.epochs.len() < fit.epochs && !state.is_out_of(fit.patience) {
            let (whole, mut flow) = self.epoch(&mut state, &mut fit, writer.as_mut())?;
            // An epoch that a callback has interrupted is reported by the resumed training run that completes it.
            let best = if whole || writer.is_none() { self.end_epoch(&mut state, &mut fit, &mut flow)? } else { false };
            let over = state.epochs.len() == fit.epochs || state.is_out_of(fit.patience);
            stopped = flow == ControlFlow::Break(()) && !over;
            if let Some(writer) = writer.as_mut().filter(|writer| whole && writer.is_moment(over, stopped))
                && (stopped || over || best || writer.is_due(self.step))
            {
                writer.write(self, &state)?;
            }
        }
        self.checkpoint_folder = writer.as_ref().and_then(CheckpointWriter::folder).map(Path::to_path_buf);
        let best = state.best.filter(|_| fit.restore_best);
        let best = best.map(|best| self.set_parameters(&best.parameters).map(|()| best.epoch));
        let history = History { epochs: state.epochs, best: best.transpose()?, stopped };
        fit.callbacks.iter_mut().try_for_each(|callback| callback.on_end(&history, self))?;
        Ok(history)
    }

    /// Returns the folder to which the last [`Trainer::fit`] wrote checkpoints, or from which it resumed; `None` if it
    /// did neither.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Fit, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// # let train = data::xor();
    /// trainer.fit(&train, Fit::epochs(1))?;
    /// assert_eq!(trainer.checkpoint_folder(), None);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn checkpoint_folder(&self) -> Option<&Path> {
        self.checkpoint_folder.as_deref()
    }

    /// Returns the state to start from, and the writer of checkpoints, which is `None` if the fit writes none.
    fn begin(&mut self, fit: &mut Fit<'_>) -> Result<(FitState, Option<CheckpointWriter>)> {
        let Some(checkpoints) = &fit.checkpoints else { return Ok((FitState::default(), None)) };
        let (writer, start) = CheckpointWriter::begin(
            checkpoints,
            self,
            fit.validation.map(|data| Validation::of(data, fit.restore_best, fit.metric)),
        )?;
        let state = match start {
            RunStart::Resumed(state, restored) => {
                fit.on_resume.iter_mut().for_each(|callback| callback(&restored));
                state
            }
            RunStart::New(others) => {
                let callback = fit.on_new_run.iter_mut().filter(|_| checkpoints.resumes());
                callback.for_each(|callback| callback(&others));
                FitState::default()
            }
        };
        Ok((state, Some(writer)))
    }

    /// Takes the remaining steps of an epoch, unless a callback stops training. Returns `true` if the epoch is
    /// complete, and the callback's decision to continue or stop.
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
            state.running.add(&advance.losses, &advance.rows, &advance.weights);
            let progress = Progress {
                epoch,
                epochs,
                step: state.running.steps,
                steps,
                loss: state.running.loss() * self.loss_factor(),
            };
            let callbacks = fit.callbacks.iter_mut().filter(|_| !advance.losses.is_empty());
            let flow = any_break(callbacks.map(|callback| callback.on_submission(&progress)));
            let due = writer.as_ref().is_some_and(|writer| writer.is_due(self.step));
            if !advance.epoch_done && flow == ControlFlow::Continue(()) && !due {
                continue;
            }
            self.settle(0)?;
            let PendingLosses { losses, rows, weights } = std::mem::take(&mut self.pending_losses);
            state.running.add(&losses, &rows, &weights);
            if advance.epoch_done {
                return Ok((true, flow));
            }
            if let Some(writer) = writer.as_mut().filter(|writer| writer.is_moment(false, flow.is_break())) {
                writer.write(self, state)?;
            }
            if flow == ControlFlow::Break(()) {
                return Ok((false, flow));
            }
        }
    }

    /// Evaluates the validation set, stores the parameters in `state` if they are the best so far, and calls the
    /// callbacks. Sets `flow` if one of them stops training. Returns `true` if the parameters are the best so far.
    fn end_epoch(&mut self, state: &mut FitState, fit: &mut Fit<'_>, flow: &mut ControlFlow<()>) -> Result<bool> {
        let running = std::mem::take(&mut state.running);
        let epoch = state.epochs.len() + 1;
        let validation = fit.validation.map(|data| self.evaluate_with(data, fit.metric.as_slice())).transpose()?;
        let watched = validation.as_ref().filter(|_| fit.restore_best);
        let mut is_best = false;
        if let Some(evaluation) = watched
            && state.is_best(evaluation, fit.metric)?
        {
            is_best = true;
            let (step, loss) = (self.step, evaluation.loss);
            state.best = Some(Best { epoch, step, loss, parameters: self.averaged_parameters()? });
        }
        let record = Epoch {
            epoch,
            steps: self.step,
            loss: running.loss() * self.loss_factor(),
            learning_rate: self.learning_rate() * self.schedule.factor(self.step.saturating_sub(1)),
            validation,
            scalars: BTreeMap::new(),
        };
        let (record, callbacks) = self.call_back(record, &mut fit.callbacks)?;
        *flow = any_break([*flow, callbacks]);
        state.epochs.push(record);
        Ok(is_best)
    }

    /// Calls all callbacks with the results of an epoch. Returns the results with the numbers that the callbacks have
    /// added, and `Break` if one of them stops training.
    fn call_back(
        &mut self,
        record: Epoch,
        callbacks: &mut [Box<dyn Callback + '_>],
    ) -> Result<(Epoch, ControlFlow<()>)> {
        let (mut flow, mut shown) = (ControlFlow::Continue(()), record.clone());
        self.guarded(&format!("of epoch {}", record.epoch), |trainer| {
            for callback in callbacks {
                flow = any_break([flow, callback.on_epoch(&mut shown, trainer)?]);
            }
            Ok(())
        })?;
        if let Some((name, value)) = shown.scalars.iter().find(|(_, value)| !value.is_finite()) {
            return Err(Error::value(format!("callback of epoch {}", record.epoch), name, value, "finite"));
        }
        // Callbacks may only add scalars. Checkpoints rely on the other fields.
        Ok((Epoch { scalars: shown.scalars, ..record }, flow))
    }

    /// Calls callbacks. It is an error if they train, restore a checkpoint or load a data set.
    fn guarded(&mut self, when: &str, callbacks: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let position = self.position();
        callbacks(self)?;
        if self.position() == position {
            return Ok(());
        }
        let problem = format!("the callback {when} trained, restored a checkpoint or loaded a data set");
        let remedy = "in a callback, only evaluate, predict, read or set parameters, or set the learning rate";
        Err(Error::conflict("fit", problem, remedy))
    }

    /// Returns the part of the state that a callback must not change: step, epoch, batches per step, and position in
    /// the data.
    fn position(&self) -> (u64, u32, usize, Option<(usize, Fingerprint)>) {
        let loaded = self.loaded.as_ref().map(|loaded| (loaded.used(), loaded.fingerprint()));
        (self.step, self.epoch, self.accumulate, loaded)
    }
}

/// Returns `Break` if one of these flows is `Break`. Consumes the whole iterator, so that every callback is called.
fn any_break(flows: impl IntoIterator<Item = ControlFlow<()>>) -> ControlFlow<()> {
    let breaks = flows.into_iter().fold(false, |breaks, flow| breaks | flow.is_break());
    if breaks { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}
