//! Log in the JSON Lines format.

use std::ops::ControlFlow;
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::trainer::callback::log_file::LogFile;
use crate::trainer::{Callback, Epoch, Trainer};

/// Writes one line per epoch, with the [`Epoch`] as a JSON object, including all metrics of the validation set.
///
/// An existing file is replaced. If training resumes from a checkpoint, the past epochs are written first. In the end,
/// the file is the same as that of an uninterrupted run.
///
/// # Examples
/// ```
/// # use wgrad::{Device, Fit, Loss, Network, Trainer, data};
/// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
/// # let mut trainer = builder.build(&Device::cpu())?;
/// # let path = std::env::temp_dir().join(format!("wgrad-doc-log-{}.jsonl", std::process::id()));
/// use wgrad::trainer::JsonLog;
/// let history = trainer.fit(&data::xor(), Fit::epochs(3).callback(JsonLog::new(&path)))?;
/// let text = std::fs::read_to_string(&path).unwrap();
/// let epochs: Vec<wgrad::Epoch> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
/// assert_eq!(epochs, history.epochs);
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Debug)]
pub struct JsonLog(LogFile);

impl JsonLog {
    /// Creates a log in a file. Its folder is created if necessary.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::trainer::JsonLog;
    /// let log = JsonLog::new("runs/a/epochs.jsonl");
    /// ```
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(LogFile::new(path))
    }
}

fn line(epoch: &Epoch) -> Result<String> {
    let text = serde_json::to_string(epoch);
    text.map(|text| text + "\n").map_err(|error| Error::conflict("JSON log", error.to_string(), "leave it out"))
}

impl Callback for JsonLog {
    fn on_start(&mut self, past: &[Epoch], _: &mut Trainer) -> Result<()> {
        self.0.replace(past.iter().map(line).collect::<Result<String>>()?.as_bytes())
    }

    fn on_epoch(&mut self, epoch: &mut Epoch, _: &mut Trainer) -> Result<ControlFlow<()>> {
        self.0.append(line(epoch)?.as_bytes()).map(|()| ControlFlow::Continue(()))
    }
}
