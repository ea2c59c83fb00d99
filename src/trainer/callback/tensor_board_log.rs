//! Log for TensorBoard.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::Result;
use crate::trainer::callback::event_file;
use crate::trainer::callback::log_file::{LogFile, numbers};
use crate::trainer::{Callback, Epoch, Trainer};

/// Name of the file. TensorBoard reads files whose names contain `tfevents`.
const NAME: &str = "events.out.tfevents.wgrad";

/// Writes the curves of training for TensorBoard: one folder per run, as in `tensorboard --logdir runs`.
///
/// Curves are `loss`, `learning_rate`, `validation/loss` and other metrics of the validation set, and the numbers that
/// callbacks before this one have added. The horizontal axis is the number of steps since training began. An existing
/// file of this log is replaced. If training resumes from a checkpoint, the past epochs are written first, with the
/// current time.
///
/// # Examples
/// ```
/// # use wgrad::{Device, Fit, Loss, Network, Trainer, data};
/// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
/// # let mut trainer = builder.build(&Device::cpu())?;
/// # let folder = std::env::temp_dir().join(format!("wgrad-doc-board-{}", std::process::id()));
/// use wgrad::trainer::TensorBoardLog;
/// trainer.fit(&data::xor(), Fit::epochs(3).callback(TensorBoardLog::new(&folder)))?;
/// assert!(folder.join("events.out.tfevents.wgrad").exists());
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Debug)]
pub struct TensorBoardLog(LogFile);

impl TensorBoardLog {
    /// Creates a log in a folder, which is created if necessary.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::trainer::TensorBoardLog;
    /// let log = TensorBoardLog::new("runs/a");
    /// ```
    pub fn new(folder: impl AsRef<Path>) -> Self {
        Self(LogFile::new(folder.as_ref().join(NAME)))
    }
}

/// Returns the seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

fn record(epoch: &Epoch) -> Vec<u8> {
    event_file::scalars(now(), epoch.steps, &numbers(epoch))
}

impl Callback for TensorBoardLog {
    fn on_start(&mut self, past: &[Epoch], _: &mut Trainer) -> Result<()> {
        self.0.replace(
            &std::iter::once(event_file::first(now())).chain(past.iter().map(record)).collect::<Vec<_>>().concat(),
        )
    }

    fn on_epoch(&mut self, epoch: &mut Epoch, _: &mut Trainer) -> Result<ControlFlow<()>> {
        self.0.append(&record(epoch)).map(|()| ControlFlow::Continue(()))
    }
}
