//! File of a log: created when training starts, and extended after each epoch.

use std::fs::{File, create_dir_all};
use std::io::Write;
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::model::Evaluation;
use crate::trainer::Epoch;

/// File of a log.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: Option<File>,
}

impl LogFile {
    pub(super) fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), file: None }
    }

    /// Creates or replaces the file, and its folder if necessary.
    pub(super) fn replace(&mut self, contents: &[u8]) -> Result<()> {
        if let Some(folder) = self.path.parent() {
            create_dir_all(folder).map_err(|error| Error::file(folder, "creating the folder", error))?;
        }
        self.file = Some(File::create(&self.path).map_err(|error| Error::file(&self.path, "creating", error))?);
        self.append(contents)
    }

    /// Appends bytes without a buffer, so that they are in the file when the function returns.
    pub(super) fn append(&mut self, contents: &[u8]) -> Result<()> {
        let Some(file) = &mut self.file else { return self.replace(contents) };
        file.write_all(contents).map_err(|error| Error::file(&self.path, "writing", error))
    }
}

/// Returns the numbers of an epoch by name: `loss`, `learning_rate`, `validation/loss`, other metrics of the validation
/// set, and the numbers that callbacks have added.
pub(super) fn numbers(epoch: &Epoch) -> Vec<(String, f64)> {
    let mut numbers = vec![("loss".to_string(), epoch.loss), ("learning_rate".to_string(), epoch.learning_rate)];
    let metrics = epoch.validation.iter().flat_map(Evaluation::all);
    numbers.extend(metrics.map(|(name, value)| (format!("validation/{name}"), value)));
    numbers.extend(epoch.scalars.iter().map(|(name, value)| (name.clone(), *value)));
    numbers
}
