//! Options of a training run over epochs.

use std::fmt;
use std::ops::ControlFlow;

use crate::data::Dataset;
use crate::metrics::Metric;
use crate::trainer::callback::{OnEpoch, OnSubmission};
use crate::trainer::{Callback, Checkpoints, Epoch, Progress, Restored, Trainer};

/// Options of [`Trainer::fit`]: number of epochs, validation, early stopping, checkpoints and callbacks.
///
/// # Examples
/// ```
/// use wgrad::Fit;
/// let fit = Fit::epochs(30).patience(5);
/// ```
pub struct Fit<'a> {
    pub(super) epochs: usize,
    pub(super) validation: Option<&'a Dataset>,
    pub(super) patience: Option<usize>,
    pub(super) metric: Option<Metric>,
    pub(super) restore_best: bool,
    pub(super) accumulate: Option<usize>,
    pub(super) callbacks: Vec<Box<dyn Callback + 'a>>,
    pub(super) checkpoints: Option<Checkpoints>,
    pub(super) on_resume: Option<Listener<'a, Restored>>,
    pub(super) on_new_run: Option<Listener<'a, [String]>>,
}

type Listener<'a, T> = Box<dyn FnMut(&T) + Send + 'a>;

/// Shows all options except the callbacks.
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
            callbacks: Vec::new(),
            checkpoints: None,
            on_resume: None,
            on_new_run: None,
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

    /// Sets the number of batches per step (gradient accumulation) for this fit and all later steps, like
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
    /// [metric](Fit::metric). This needs a [validation set](Fit::validate).
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

    /// Adds a [callback](Callback), such as a [log](crate::trainer::CsvLog). Callbacks are called in the order in which
    /// they were added.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Fit, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// # let train = data::xor();
    /// use wgrad::trainer::Plateau;
    /// trainer.fit(&train, Fit::epochs(3).callback(Plateau::new()))?;
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn callback(mut self, callback: impl Callback + 'a) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// Adds a [callback](Fit::callback) that is called after each submission: a group of steps that is sent to the
    /// device at once. The callback may stop training.
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
    pub fn on_submission(self, callback: impl FnMut(&Progress) -> ControlFlow<()> + Send + 'a) -> Self {
        self.callback(OnSubmission(callback))
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
    /// let fit = Fit::epochs(2).on_new_run(|others| println!("starts a new training: {others:?}"));
    /// trainer.fit(&train, fit)?;
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn on_new_run(mut self, callback: impl FnMut(&[String]) + Send + 'a) -> Self {
        self.on_new_run = Some(Box::new(callback));
        self
    }

    /// Adds a [callback](Fit::callback) that is called after each epoch, with the epoch's results and the trainer.
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
    pub fn on_epoch(self, callback: impl FnMut(&Epoch, &mut Trainer) -> ControlFlow<()> + Send + 'a) -> Self {
        self.callback(OnEpoch(callback))
    }
}
