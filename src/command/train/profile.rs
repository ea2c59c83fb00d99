//! Output of the time of each operation (op): `--profile`, `--trace`.

use std::path::{Path, PathBuf};

use serde::Serialize;
use wgrad::plan::Rates;
use wgrad::trainer::{OpTime, Profile};
use wgrad::{Error, Result};

use super::Arguments;
use crate::command::paths::check_result;
use crate::command::plot::same_file;
use crate::command::rates::RateOptions;
use crate::command::report::Output;

/// JSON object with the time and work of one op.
#[derive(Serialize)]
struct Op {
    event: &'static str,
    section: &'static str,
    op: usize,
    kernel: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    layer: Option<usize>,
    calls: u64,
    seconds: f64,
    flops: u64,
    bytes: u64,
}

impl Arguments {
    /// Returns the file for the trace; `None` without `--trace`. It must be writable, and differ from the other files
    /// of the run.
    pub(super) fn trace_file(&self, model: &Path) -> Result<Option<PathBuf>> {
        let remedy = "add `--profile`";
        let Some(path) = &self.trace else {
            let without = self.rates.rates() != Rates::default() && !self.profile;
            let problem = "there is no profile to compare rates with";
            let conflict = Error::conflict("`--peak-gflops`, `--bandwidth-gbs`", problem, remedy);
            return if without { Err(conflict) } else { Ok(None) };
        };
        if !self.profile {
            return Err(Error::conflict("`--trace`", "there is no profile to write", remedy));
        }
        let others = [Some(model), Some(Path::new(&self.data)), self.plot.as_deref()];
        if others.into_iter().flatten().any(|other| same_file(path, other)) {
            let problem = "the trace would replace the model, the picture, or the table that is trained on";
            return Err(Error::conflict(path.display().to_string(), problem, "name another file with `--trace`"));
        }
        check_result(path)?;
        Ok(Some(path.clone()))
    }
}

/// Prints the time of each op as a table.
pub fn print_table(output: &mut Output, profile: &Profile, rates: &RateOptions) {
    output.line("");
    output.folded(&profile.table(rates.rates()), "kernel");
}

/// Prints the time of each op as a JSON object.
pub fn print_events(output: &mut Output, profile: &Profile) {
    profile.ops().iter().for_each(|op| output.json(&event(op)));
}

fn event(op: &OpTime) -> Op {
    Op {
        event: "op",
        section: op.section.name(),
        op: op.op,
        kernel: op.kernel,
        layer: op.layer,
        calls: op.calls,
        seconds: op.secs,
        flops: op.work.flops,
        bytes: op.work.bytes,
    }
}
