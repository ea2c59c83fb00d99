//! Training over epochs, with validation, early stopping and a history.

use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::metrics::Metric;
use crate::trainer::checkpoint::{Beginning, CheckpointWriter, Fingerprint, Validation};
use crate::trainer::fit_state::{Best, FitState};
use crate::trainer::{Checkpoints, Evaluation, PendingLosses, Restored, Trainer};

/// Options of [`Trainer::fit`]: number of epochs, validation, early stopping, checkpoints and callbacks.
///
/// # Examples
/// ```
/// use wgrad::Fit;
/// let fit = Fit::epochs(30).patience(5);
/// ```
pub struct Fit<'a> {
    epochs: usize,
    validation: Option<&'a Dataset>,
    patience: Option<usize>,
    metric: Option<Metric>,
    restore_best: bool,
    accumulate: Option<usize>,
    on_submission: Option<Callback<'a, Progress>>,
    on_epoch: Option<EpochCallback<'a>>,
    checkpoints: Option<Checkpoints>,
    on_resume: Option<Listener<'a, Restored>>,
    on_begin_anew: Option<Listener<'a, [String]>>,
}

type Callback<'a, T> = Box<dyn FnMut(&T) -> ControlFlow<()> + Send + 'a>;

type EpochCallback<'a> = Box<dyn FnMut(&Epoch, &mut Trainer) -> ControlFlow<()> + Send + 'a>;

type Listener<'a, T> = Box<dyn FnMut(&T) + Send + 'a>;

/// Leaves out callbacks.
impl fmt::Debug for Fit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fit")
            .field("epochs", &self.epochs)
            .field("validation", &self.validation.map(Dataset::name))
            .field("patience", &self.patience)
            .field("metric", &self.metric)
            .field("restore_best", &self.restore_best)
            .field("accumulate", &self.accumulate)
            .field("checkpoints", &self.checkpoints)
            .finish_non_exhaustive()
    }
}

/// Progress of training, reported after each group of steps that is sent to the device (a submission).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// Number of the epoch, from 1.
    pub epoch: usize,
    /// Total number of epochs.
    pub epochs: usize,
    /// Steps of this epoch whose losses have arrived.
    pub step: usize,
    /// Steps per epoch.
    pub steps: usize,
    /// Mean training loss over the epoch's rows so far.
    pub loss: f64,
}

/// Results of an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Epoch {
    /// Number of the epoch, from 1.
    pub epoch: usize,
    /// Steps since training began.
    pub steps: u64,
    /// Mean training loss over the epoch's rows. The loss of a row is computed before the update of its step.
    pub loss: f64,
    /// Learning rate of the epoch's last step, with the schedule's factor.
    pub learning_rate: f64,
    /// Evaluation of the validation set, if there is one: loss and accuracy, or R², MAE and RMSE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<Evaluation>,
}

/// All epochs of a [`Trainer::fit`].
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct History {
    /// Results of each epoch, in order.
    pub epochs: Vec<Epoch>,
    /// Number of the epoch, from 1, whose parameters were restored; `None` without [`Fit::restore_best`].
    pub best: Option<usize>,
    /// True if a callback stopped training before all epochs were done.
    pub stopped: bool,
}

impl History {
    /// Returns the number of epochs.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Fit, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// # let train = data::xor();
    /// let history = trainer.fit(&train, Fit::epochs(3))?;
    /// assert_eq!(history.len(), 3);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn len(&self) -> usize {
        self.epochs.len()
    }

    /// Returns true if there was no epoch.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Fit, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// # let train = data::xor();
    /// assert!(!trainer.fit(&train, Fit::epochs(1))?.is_empty());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.epochs.is_empty()
    }
}

impl<'a> Fit<'a> {
    /// Creates settings for training over `epochs` epochs (passes over the training set).
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Fit, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// # let train = data::xor();
    /// let history = trainer.fit(&train, Fit::epochs(3))?;
    /// assert_eq!(history.epochs[2].epoch, 3);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn epochs(epochs: usize) -> Self {
        Self {
            epochs,
            validation: None,
            patience: None,
            metric: None,
            restore_best: false,
            accumulate: None,
            on_submission: None,
            on_epoch: None,
            checkpoints: None,
            on_resume: None,
            on_begin_anew: None,
        }
    }

    /// Sets the validation set, which is evaluated after each epoch.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Fit, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// # let (train, validation, _) = data::two_moons(100, 0.1, 0)?.split(wgrad::Split::parts(0.8, 0.2))?;
    /// let history = trainer.fit(&train, Fit::epochs(2).validate(&validation))?;
    /// assert_eq!(history.epochs[1].validation.as_ref().unwrap().rows, 20);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn validate(mut self, data: &'a Dataset) -> Self {
        self.validation = Some(data);
        self
    }

    /// Stops training once the validation loss, or the [metric](Fit::metric), has not improved for `epochs` epochs
    /// (early stopping). This needs a [validation set](Fit::validate). At the end, the best parameters are restored as
    /// by [`Fit::restore_best`].
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Fit, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// # let (train, validation, _) = data::two_moons(100, 0.1, 0)?.split(wgrad::Split::parts(0.8, 0.2))?;
    /// let history = trainer.fit(&train, Fit::epochs(20).validate(&validation).patience(3))?;
    /// assert!(history.best.is_some());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn patience(mut self, epochs: usize) -> Self {
        self.patience = Some(epochs);
        self.restore_best()
    }

    /// Chooses the best epoch by a metric on the validation set instead of the loss. This implies
    /// [`Fit::restore_best`], and also applies to [`Fit::patience`]. It needs a [validation set](Fit::validate). A
    /// metric that does not suit the loss function is an error, and so is one that is undefined for the set, such as
    /// `roc_auc` if a class has no rows.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Fit, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// # let (train, validation, _) = data::two_moons(100, 0.1, 0)?.split(wgrad::Split::parts(0.8, 0.2))?;
    /// let fit = Fit::epochs(20).validate(&validation).patience(3).metric("roc_auc".parse()?);
    /// let history = trainer.fit(&train, fit)?;
    /// let best = &history.epochs[history.best.unwrap() - 1];
    /// let area = best.validation.as_ref().unwrap().metric("roc_auc")?;
    /// assert_eq!(trainer.evaluate(&validation)?.metric("roc_auc")?, area);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn metric(mut self, metric: Metric) -> Self {
        self.metric = Some(metric);
        self.restore_best()
    }

    /// Sets the number of batches per step from this fit on (gradient accumulation), like
    /// [`Builder::accumulate`](crate::trainer::Builder::accumulate). On a GPU this may compile a shader when the fit
    /// begins.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Fit, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// # let train = data::xor();
    /// trainer.fit(&train, Fit::epochs(1).accumulate(4))?;
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn accumulate(mut self, batches: usize) -> Self {
        self.accumulate = Some(batches);
        self
    }

    /// Restores, at the end of training, the parameters of the epoch with the lowest validation loss, or the best
    /// [metric](Fit::metric). This needs a [validation
    /// set](Fit::validate).
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Fit, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// # let (train, validation, _) = data::two_moons(100, 0.1, 0)?.split(wgrad::Split::parts(0.8, 0.2))?;
    /// let history = trainer.fit(&train, Fit::epochs(5).validate(&validation).restore_best())?;
    /// let best = &history.epochs[history.best.unwrap() - 1];
    /// assert_eq!(trainer.evaluate_with(&validation, &[])?, *best.validation.as_ref().unwrap());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn restore_best(mut self) -> Self {
        self.restore_best = true;
        self
    }

    /// Sets a callback that is called after each submission: a group of steps that is sent to the device at once. The
    /// callback may stop training.
    ///
    /// On a GPU, one or two later submissions are already running when the callback is called. They are finished before
    /// training stops.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Fit, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// # let train = data::xor();
    /// use std::ops::ControlFlow;
    /// let fit = Fit::epochs(2).on_submission(|progress| {
    ///     println!("step {} of {}: loss {:.3}", progress.step, progress.steps, progress.loss);
    ///     ControlFlow::Continue(())
    /// });
    /// trainer.fit(&train, fit)?;
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn on_submission(mut self, callback: impl FnMut(&Progress) -> ControlFlow<()> + Send + 'a) -> Self {
        self.on_submission = Some(Box::new(callback));
        self
    }

    /// Writes checkpoints during training, and resumes from a checkpoint if [`Checkpoints::resume`] is set.
    ///
    /// If a callback stops training within an epoch, the history leaves this epoch out. The training run that resumes
    /// completes it.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Fit, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// # let train = data::xor();
    /// # let folder = std::env::temp_dir().join(format!("wgrad-doc-fit-{}", std::process::id()));
    /// use wgrad::Checkpoints;
    /// trainer.fit(&train, Fit::epochs(2).checkpoints(Checkpoints::in_folder(&folder).resume()))?;
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn checkpoints(mut self, checkpoints: Checkpoints) -> Self {
        self.checkpoints = Some(checkpoints);
        self
    }

    /// Sets a callback that is called if training resumes from a checkpoint.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Fit, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// # let train = data::xor();
    /// let fit = Fit::epochs(2).on_resume(|restored| println!("resumed after step {}", restored.step));
    /// trainer.fit(&train, fit)?;
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn on_resume(mut self, callback: impl FnMut(&Restored) + Send + 'a) -> Self {
        self.on_resume = Some(Box::new(callback));
        self
    }

    /// Sets a callback that is called if training should resume, but there is no checkpoint with the same settings and
    /// data. It receives one text per folder that belongs to a training run with other settings: the folder, and the
    /// first setting that differs.
    ///
    /// The list is empty except for [numbered folders](Checkpoints::in_numbered_folder). In any other folder, a
    /// checkpoint with other settings is an error.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Fit, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// # let train = data::xor();
    /// let fit = Fit::epochs(2).on_begin_anew(|others| println!("starts a new training: {others:?}"));
    /// trainer.fit(&train, fit)?;
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn on_begin_anew(mut self, callback: impl FnMut(&[String]) + Send + 'a) -> Self {
        self.on_begin_anew = Some(Box::new(callback));
        self
    }

    /// Sets a callback that is called after each epoch, with the epoch's results and the trainer.
    ///
    /// The callback may stop training, set the learning rate, read or replace parameters, predict, and evaluate other
    /// data sets. It must not train, restore a checkpoint or load a data set. Evaluations do not change the training.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Fit, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// # let train = data::xor();
    /// use std::ops::ControlFlow;
    /// // Halves the learning rate after each epoch.
    /// let fit = Fit::epochs(3).on_epoch(|epoch, trainer| {
    ///     println!("epoch {}: loss {:.3}", epoch.epoch, epoch.loss);
    ///     match trainer.set_learning_rate(0.5 * trainer.learning_rate()) {
    ///         Ok(()) => ControlFlow::Continue(()),
    ///         Err(_) => ControlFlow::Break(()),
    ///     }
    /// });
    /// trainer.fit(&train, fit)?;
    /// assert_eq!(trainer.learning_rate(), 0.001 / 8.0);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn on_epoch(mut self, callback: impl FnMut(&Epoch, &mut Trainer) -> ControlFlow<()> + Send + 'a) -> Self {
        self.on_epoch = Some(Box::new(callback));
        self
    }
}

impl Trainer {
    /// Trains on a data set.
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
        let mut stopped = false;
        while !stopped && state.epochs.len() < fit.epochs && !state.is_out_of(fit.patience) {
            let (whole, mut flow) = self.epoch(&mut state, &mut fit, writer.as_mut())?;
            // An epoch that a callback has interrupted is reported by the resumed training run that completes it.
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

    /// Returns the state to start from, and the writer of checkpoints; `None` if the fit writes no checkpoints.
    fn begin(&mut self, fit: &mut Fit<'_>) -> Result<(FitState, Option<CheckpointWriter>)> {
        let Some(checkpoints) = &fit.checkpoints else { return Ok((FitState::default(), None)) };
        let (writer, beginning) = CheckpointWriter::begin(
            checkpoints,
            self,
            fit.validation.map(|data| Validation::of(data, fit.restore_best, fit.metric)),
        )?;
        let state = match beginning {
            Beginning::Resumed(state, restored) => {
                fit.on_resume.iter_mut().for_each(|callback| callback(&restored));
                state
            }
            Beginning::Anew(others) => {
                let callback = fit.on_begin_anew.iter_mut().filter(|_| checkpoints.resumes());
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
            let callback = fit.on_submission.as_mut().filter(|_| !advance.losses.is_empty());
            let flow = callback.map_or(ControlFlow::Continue(()), |callback| callback(&progress));
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
            if let Some(writer) = &mut writer {
                writer.write(self, state, flow == ControlFlow::Break(()))?;
            }
            if flow == ControlFlow::Break(()) {
                return Ok((false, flow));
            }
        }
    }

    /// Evaluates the validation set, stores the parameters in `state` if they are the best so far, and calls
    /// `on_epoch`. Sets `flow` if `on_epoch` stops training. Returns `true` if the parameters are the best so far.
    fn end_epoch(&mut self, state: &mut FitState, fit: &mut Fit<'_>, flow: &mut ControlFlow<()>) -> Result<bool> {
        let running = std::mem::take(&mut state.running);
        let epoch = state.epochs.len() + 1;
        let validation = fit.validation.map(|data| self.evaluate_with(data, fit.metric.as_slice())).transpose()?;
        let judged = validation.as_ref().filter(|_| fit.restore_best);
        let mut is_best = false;
        if let Some(evaluation) = judged
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
        };
        if let Some(callback) = &mut fit.on_epoch {
            let position = self.position();
            if callback(&record, self) == ControlFlow::Break(()) {
                *flow = ControlFlow::Break(());
            }
            if self.position() != position {
                let problem =
                    format!("the callback of epoch {epoch} trained, restored a checkpoint or loaded a data set");
                let remedy = "in a callback, only evaluate, predict, read or set parameters, or set the learning rate";
                return Err(Error::conflict("fit", problem, remedy));
            }
        }
        state.epochs.push(record);
        Ok(is_best)
    }

    /// Returns the part of the state that a callback must not change: step, epoch, batches per step, and position in
    /// the data.
    fn position(&self) -> (u64, u32, usize, Option<(usize, Fingerprint)>) {
        let loaded = self.loaded.as_ref().map(|loaded| (loaded.used(), loaded.fingerprint()));
        (self.step, self.epoch, self.accumulate, loaded)
    }
}
