//! Checks that the parts of a checkpoint belong together, before any of them is used.
//!
//! A correct checksum does not prove that a trainer wrote the file. Later code relies on these checks: it subtracts,
//! indexes and counts without checking again.

use std::collections::BTreeMap;

use super::{Checkpoint, stored};
use crate::error::{Error, Result};
use crate::model::{BEST, prefixed_shapes};
use crate::trainer::fit_state::FitStateHeader;

/// Limit of the number of steps, far more than any training needs. Numbers below it can be added without overflow.
const MOST_STEPS: u64 = 1 << 48;

/// Returns `problem` as an error, unless the condition `holds`.
pub(in crate::trainer) fn ensure(holds: bool, problem: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::conflict("checkpoint", problem(), "use another checkpoint")) }
}

impl Checkpoint {
    /// Checks all parts of the checkpoint, and that they fit together.
    ///
    /// # Errors
    /// The first part found that no trainer can have written.
    pub(super) fn check(&self) -> Result<()> {
        let header = &self.header;
        header.settings.check()?;
        header.settings.optimizer().with_learning_rate(self.learning_rate()).check()?;
        let under_way = self.check_place()?;
        if let Some(fit) = &header.fit {
            let [steps, rows] = fit.running();
            ensure(rows == under_way && steps == under_way / header.settings.batch_size(), || {
                format!("losses are of {steps} steps and {rows} rows, but {under_way} rows of the epoch were used")
            })?;
            fit.check(header.step, header.epoch, header.settings.validation)?;
        }
        self.check_tensors()
    }

    /// Checks the step, the epoch, and the number of rows used in the epoch. Returns this number, or 0 between two
    /// epochs.
    fn check_place(&self) -> Result<usize> {
        let (step, epoch, rows_of_step) = (self.header.step, self.header.epoch, self.header.settings.batch_size());
        ensure(step < MOST_STEPS, || format!("it is of step {step}, but steps must be below {MOST_STEPS}"))?;
        // The number of steps does not follow from the used rows: a failed step is not counted, but its rows are.
        ensure(epoch < u32::MAX, || format!("{epoch} epochs were begun, but they must be below {}", u32::MAX))?;
        let (used, rows) = match (self.header.used, self.header.settings.data_rows()) {
            (Some(used), Some(rows)) => (used, rows),
            (used, rows) => {
                ensure(used == rows, || {
                    format!("rows of the epoch that were used: {used:?}, rows of the data: {rows:?}")
                })?;
                return Ok(0);
            }
        };
        if used == rows {
            return Ok(0);
        }
        ensure(used < rows && used.is_multiple_of(rows_of_step), || {
            format!("{used} of {rows} rows of the epoch were used, but a step has {rows_of_step}")
        })?;
        // Before the first epoch the rows have no order.
        ensure(epoch > 0, || format!("{used} rows of the epoch were used, but none was begun"))?;
        Ok(used)
    }

    /// Checks that parameters, optimizer states and best parameters are complete, unique and finite.
    fn check_tensors(&self) -> Result<()> {
        let settings = &self.header.settings;
        let mut prefixes = stored(settings.optimizer(), settings.average().is_some());
        if self.header.fit.as_ref().is_some_and(FitStateHeader::has_best) {
            prefixes.push(BEST.into());
        }
        let all = prefixes.iter().flat_map(|prefix| prefixed_shapes(settings.network(), prefix));
        let mut wanted: BTreeMap<String, Vec<usize>> = all.collect();
        for tensor in &self.tensors {
            let name = &tensor.name;
            let shape = wanted.remove(name);
            ensure(shape.as_ref() == Some(&tensor.shape), || match &shape {
                Some(shape) => format!("tensor `{name}` has the shape {:?}, but {shape:?} is needed", tensor.shape),
                None => format!("tensor `{name}` is not one of the training's"),
            })?;
            let never_negative = settings.optimizer().rule().update.never_negative;
            let squares = never_negative.iter().any(|state| name.contains(&format!(".{state}.")));
            let bad = tensor.values.iter().find(|value| !value.is_finite() || (squares && **value < 0.0));
            ensure(bad.is_none(), || {
                let kind = if squares { "finite and at least 0" } else { "finite" };
                format!("tensor `{name}` holds {}, but must be {kind}", bad.copied().unwrap_or_default())
            })?;
        }
        ensure(wanted.is_empty(), || format!("{} tensors are missing: {:?}", wanted.len(), wanted.keys().next()))
    }
}
