//! Log as a table in CSV.

use std::ops::ControlFlow;
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::trainer::callback::log_file::{LogFile, numbers};
use crate::trainer::{Callback, Epoch, Trainer};

/// Writes a CSV table with one row per epoch, for spreadsheets and pandas.
///
/// The columns are `epoch`, `steps`, `loss`, `learning_rate`, `validation_loss` and other metrics of the validation
/// set, and the numbers that callbacks before this one have added. An existing file is replaced. If training resumes
/// from a checkpoint, the past epochs are written first. In the end, the file is the same as that of an uninterrupted
/// run.
///
/// # Examples
/// ```
/// # use wgrad::{Device, Fit, Loss, Network, Trainer, data};
/// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
/// # let mut trainer = builder.build(&Device::cpu())?;
/// # let path = std::env::temp_dir().join(format!("wgrad-doc-log-{}.csv", std::process::id()));
/// use wgrad::trainer::CsvLog;
/// trainer.fit(&data::xor(), Fit::epochs(3).callback(CsvLog::new(&path)))?;
/// let text = std::fs::read_to_string(&path).unwrap();
/// assert_eq!((text.lines().next(), text.lines().count()), (Some("epoch,steps,loss,learning_rate"), 1 + 3));
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Debug)]
pub struct CsvLog {
    file: LogFile,
    columns: Vec<String>,
    epochs: Vec<Epoch>,
}

impl CsvLog {
    /// Creates a log in a file. Its folder is created if necessary.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::trainer::CsvLog;
    /// let log = CsvLog::new("runs/a/epochs.csv");
    /// ```
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { file: LogFile::new(path), columns: Vec::new(), epochs: Vec::new() }
    }

    /// Adds an epoch and its columns. Returns `true` if there are new columns.
    fn add(&mut self, epoch: &Epoch) -> bool {
        let before = self.columns.len();
        for (name, _) in numbers(epoch) {
            if !self.columns.contains(&name) {
                self.columns.push(name);
            }
        }
        self.epochs.push(epoch.clone());
        self.columns.len() > before
    }

    /// Returns the row of an epoch. Cells without a number are empty.
    fn row(&self, epoch: &Epoch) -> Vec<String> {
        let numbers = numbers(epoch);
        let value =
            |column: &String| numbers.iter().find(|(name, _)| name == column).map(|(_, value)| value.to_string());
        let cells = self.columns.iter().map(|column| value(column).unwrap_or_default());
        [epoch.epoch.to_string(), epoch.steps.to_string()].into_iter().chain(cells).collect()
    }

    /// Returns the whole table.
    fn table(&self) -> Vec<Vec<String>> {
        let names = self.columns.iter().map(|name| name.replace('/', "_"));
        let header = ["epoch", "steps"].map(String::from).into_iter().chain(names).collect();
        std::iter::once(header).chain(self.epochs.iter().map(|epoch| self.row(epoch))).collect()
    }
}

/// Returns rows as CSV.
fn text(rows: &[Vec<String>]) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let written = rows.iter().try_for_each(|row| writer.write_record(row));
    let failed = |error: String| Error::conflict("CSV log", error, "leave it out");
    written.map_err(|error| failed(error.to_string()))?;
    writer.into_inner().map_err(|error| failed(error.to_string()))
}

impl Callback for CsvLog {
    fn on_start(&mut self, past: &[Epoch], _: &mut Trainer) -> Result<()> {
        (self.columns, self.epochs) = (Vec::new(), Vec::new());
        for epoch in past {
            self.add(epoch);
        }
        let table = if past.is_empty() { Vec::new() } else { self.table() };
        self.file.replace(&text(&table)?)
    }

    fn on_epoch(&mut self, epoch: &mut Epoch, _: &mut Trainer) -> Result<ControlFlow<()>> {
        // New columns change the header, so the file is written again.
        match self.add(epoch) {
            true => self.file.replace(&text(&self.table())?)?,
            false => self.file.append(&text(&[self.row(epoch)])?)?,
        }
        Ok(ControlFlow::Continue(()))
    }
}
