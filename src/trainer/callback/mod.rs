//! Trait for callbacks of [`Trainer::fit`], and the callbacks that come with the library.

mod csv_log;
mod event_file;
mod finding;
mod health;
mod json_log;
mod log_file;
mod plateau;
mod tensor_board_log;
mod time_limit;

pub use csv_log::CsvLog;
pub use finding::{Finding, FindingKind};
pub use health::{Health, LayerHealth};
pub use json_log::JsonLog;
pub use plateau::Plateau;
pub use tensor_board_log::TensorBoardLog;
pub use time_limit::TimeLimit;

use std::ops::ControlFlow;

use crate::error::Result;
use crate::trainer::{Epoch, History, Progress, Trainer};

/// Functions that [`Trainer::fit`] calls during training. [`Fit::callback`](crate::Fit::callback) adds a callback.
///
/// All functions have defaults, which do nothing. A callback may stop training, set the learning rate, read or replace
/// parameters, predict, and evaluate data sets. It must not train, restore a checkpoint or load a data set. An error
/// ends training.
///
/// A checkpoint stores the results of past epochs, with the numbers that callbacks have added to [`Epoch::scalars`]. If
/// training resumes, [`Callback::on_start`] receives them, so that a callback can restore its state.
///
/// # Examples
/// ```
/// use std::ops::ControlFlow;
/// use wgrad::trainer::Callback;
/// use wgrad::{Device, Epoch, Fit, Loss, Network, Result, Trainer, data};
///
/// /// Stops training once the training loss is small enough.
/// struct Enough(f64);
///
/// impl Callback for Enough {
///     fn on_epoch(&mut self, epoch: &mut Epoch, _: &mut Trainer) -> Result<ControlFlow<()>> {
///         epoch.scalars.insert("excess".into(), epoch.loss - self.0);
///         Ok(if epoch.loss < self.0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
///     }
/// }
///
/// let builder = Trainer::builder(Network::input(2).dense(8).tanh().dense(1)).loss(Loss::binary_cross_entropy());
/// let mut trainer = builder.optimizer(wgrad::Adam::new(0.05)).build(&Device::cpu())?;
/// let history = trainer.fit(&data::xor(), Fit::epochs(1000).callback(Enough(0.1)))?;
/// assert!(history.stopped && history.epochs.last().unwrap().scalars["excess"] < 0.0);
/// # Ok::<(), wgrad::Error>(())
/// ```
pub trait Callback: Send {
    /// Called once, before the first step. If training resumes, the checkpoint has been restored by then, and `past`
    /// has the epochs that were completed before. Otherwise `past` is empty.
    ///
    /// # Errors
    /// Those of the callback.
    fn on_start(&mut self, past: &[Epoch], trainer: &mut Trainer) -> Result<()> {
        let _ = (past, trainer);
        Ok(())
    }

    /// Called after each submission: a group of steps that is sent to the device at once. Returns `Break` to stop
    /// training.
    fn on_submission(&mut self, progress: &Progress) -> ControlFlow<()> {
        let _ = progress;
        ControlFlow::Continue(())
    }

    /// Called after each epoch. Returns `Break` to stop training. The callback may add numbers to [`Epoch::scalars`];
    /// changes of other fields are not stored.
    ///
    /// # Errors
    /// Those of the callback.
    fn on_epoch(&mut self, epoch: &mut Epoch, trainer: &mut Trainer) -> Result<ControlFlow<()>> {
        let _ = (epoch, trainer);
        Ok(ControlFlow::Continue(()))
    }

    /// Called once after the last epoch, after the best parameters were restored. Not called if training ends with an
    /// error.
    ///
    /// # Errors
    /// Those of the callback.
    fn on_end(&mut self, history: &History, trainer: &mut Trainer) -> Result<()> {
        let _ = (history, trainer);
        Ok(())
    }
}

/// Forwards all calls to the borrowed callback, so that the caller can read its results after the fit.
impl<C: Callback + ?Sized> Callback for &mut C {
    fn on_start(&mut self, past: &[Epoch], trainer: &mut Trainer) -> Result<()> {
        (**self).on_start(past, trainer)
    }

    fn on_submission(&mut self, progress: &Progress) -> ControlFlow<()> {
        (**self).on_submission(progress)
    }

    fn on_epoch(&mut self, epoch: &mut Epoch, trainer: &mut Trainer) -> Result<ControlFlow<()>> {
        (**self).on_epoch(epoch, trainer)
    }

    fn on_end(&mut self, history: &History, trainer: &mut Trainer) -> Result<()> {
        (**self).on_end(history, trainer)
    }
}

/// Closure of [`Fit::on_epoch`](crate::Fit::on_epoch).
pub(super) struct OnEpoch<F>(pub(super) F);

impl<F: FnMut(&Epoch, &mut Trainer) -> ControlFlow<()> + Send> Callback for OnEpoch<F> {
    fn on_epoch(&mut self, epoch: &mut Epoch, trainer: &mut Trainer) -> Result<ControlFlow<()>> {
        Ok(self.0(epoch, trainer))
    }
}

/// Closure of [`Fit::on_submission`](crate::Fit::on_submission).
pub(super) struct OnSubmission<F>(pub(super) F);

impl<F: FnMut(&Progress) -> ControlFlow<()> + Send> Callback for OnSubmission<F> {
    fn on_submission(&mut self, progress: &Progress) -> ControlFlow<()> {
        self.0(progress)
    }
}
