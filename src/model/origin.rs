//! Where a model comes from: how its table was read, and what it was trained with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::data::{CsvOptions, NumberFormat, unnamed_columns};
use crate::error::{Error, Result};
use crate::model::{Evaluation, Metadata};

/// How a table was read that a model was trained on, so that others are read in the same way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableLayout {
    /// Whether its first row held the names of the columns; without names they are called `column1`, `column2`, …
    pub header: bool,
    /// Columns that were neither inputs nor the target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<String>,
    /// Columns whose numbers are written otherwise than `-1234.5`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub formats: BTreeMap<String, NumberFormat>,
}

impl TableLayout {
    /// Refuses what no training writes: a table of unnamed columns without the target among them, and unknown formats.
    pub(super) fn check(&self, targets: &[String]) -> Result<()> {
        if !self.header && targets.is_empty() {
            let problem = "it was trained on a table without a header, but no target is named";
            return Err(Error::conflict("model", problem, "name the target column"));
        }
        self.formats.iter().try_for_each(|(name, format)| format.check(&format!("model, column `{name}`")))
    }
}

impl Metadata {
    /// How a table is read for this model: as the one that it was trained on, but for what `form` says itself.
    pub fn form(&self, mut form: CsvOptions) -> CsvOptions {
        let Some(known) = &self.table else { return form };
        form.header = form.header.or(Some(known.header));
        for (name, format) in &known.formats {
            form.formats.entry(name.clone()).or_insert(*format);
        }
        if !known.header && form.names.is_empty() {
            form.names = unnamed_columns(self.columns.len() + self.targets.len() + known.dropped.len());
            form.target = form.target.or_else(|| self.targets.first().cloned());
            form.drop.extend(known.dropped.iter().cloned());
        }
        form
    }
}

/// Data and settings that a model was trained with. The same data and settings give the same model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Name of the data set.
    pub data: String,
    /// Its rows, those of all parts.
    pub rows: usize,
    /// Its [checksum](crate::Dataset::checksum).
    pub checksum: u32,
    /// Settings by name, such as `epochs` and `seed`.
    pub settings: BTreeMap<String, String>,
}

/// Outcome of a training, stored in its model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Version of wgrad.
    pub version: String,
    /// Epochs that were trained.
    pub epochs: usize,
    /// Steps since training began.
    pub steps: u64,
    /// The epoch (from 1) whose parameters were kept, where that is not the last one by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_epoch: Option<usize>,
    /// Rows that the evaluation is of: `test`, or `all` where there was no test set.
    pub evaluated_on: String,
    /// Loss and metrics of the model.
    pub evaluation: Evaluation,
}

impl Origin {
    /// The first thing that is otherwise in `other`, but for settings that `may_change`: its name, and both values.
    pub fn difference<'a>(&'a self, other: &'a Self, may_change: &[&str]) -> Option<(&'a str, String, String)> {
        let data = |origin: &Self| format!("{} rows with checksum {:08x}", origin.rows, origin.checksum);
        let told = |value: Option<&String>| value.map_or("not set".into(), String::clone);
        let names = self.settings.keys().chain(other.settings.keys());
        let names = names.filter(|name| !may_change.contains(&name.as_str()));
        let settings = names.map(|name| (name.as_str(), told(self.settings.get(name)), told(other.settings.get(name))));
        let name = ("data", self.data.clone(), other.data.clone());
        let contents = ("contents", data(self), data(other));
        // Another target has other contents, too.
        let all = std::iter::once(name).chain(settings).chain([contents]);
        all.into_iter().find(|(_, one, two)| one != two)
    }
}
