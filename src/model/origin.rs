//! Origin of a model: the layout of its table, and the data and settings of its training.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::data::delimiter;
use crate::data::{CsvOptions, NumberFormat, Preparation, Standardization, unnamed_columns};
use crate::error::{Error, Result};
use crate::model::{Evaluation, Metadata, version};

/// Layout of the table that a model was trained on, so that other tables are read in the same way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableLayout {
    /// True if the first row holds the names of the columns; else they are called `column1`, `column2`, ….
    pub header: bool,
    /// Delimiter between the columns; a space stands for runs of spaces and tabs. `None` in models of early versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// Column with the weight of each row, if rows had weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// Columns that were neither inputs nor the target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<String>,
    /// Number formats by column, for columns whose format differs from `-1234.5`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub formats: BTreeMap<String, NumberFormat>,
}

impl TableLayout {
    /// Checks the delimiter and the number formats, and that a table without a header has a named target.
    pub(super) fn check(&self, targets: &[String]) -> Result<()> {
        if !self.header && targets.is_empty() {
            let problem = "it was trained on a table without a header, but no target is named";
            return Err(Error::conflict("model", problem, "name the target column"));
        }
        if let Some(delimiter) = self.delimiter {
            // A character other than ASCII becomes a byte that is refused.
            delimiter::check(u8::try_from(delimiter).unwrap_or(u8::MAX), "model")?;
        }
        self.formats.iter().try_for_each(|(name, format)| format.check(&format!("model, column `{name}`")))
    }
}

impl Metadata {
    /// Adds the options for reading the model's table. Options that are already set take precedence.
    pub fn csv_options(&self, mut options: CsvOptions) -> CsvOptions {
        for (name, format) in self.preparation.iter().flat_map(Preparation::formats) {
            options.formats.entry(name.into()).or_insert(format);
        }
        let Some(known) = &self.table else { return options };
        options.header = options.header.or(Some(known.header));
        options.known_delimiter =
            options.known_delimiter.or_else(|| known.delimiter.and_then(|sign| u8::try_from(sign).ok()));
        for (name, format) in &known.formats {
            options.formats.entry(name.clone()).or_insert(*format);
        }
        if !known.header && options.names.is_empty() {
            // `Preparation::count` includes dropped columns.
            let others = self.columns.len() + known.dropped.len();
            let others = self.preparation.as_ref().map_or(others, Preparation::count);
            options.names = unnamed_columns(others + self.targets.len());
            options.target = options.target.or_else(|| self.targets.first().cloned());
            options.drop.extend(known.dropped.iter().cloned());
        }
        options
    }
}

impl Metadata {
    /// Sets the preparation of table rows, and with it the names of the input columns and the format version. The
    /// preparation must have as many inputs as the network.
    pub fn prepare_with(&mut self, preparation: Preparation) {
        self.columns = preparation.inputs();
        self.format = version(Some(&preparation), None);
        self.preparation = Some(preparation);
    }

    /// Returns the model's preparation of table rows. For a model without one, returns a preparation that needs numbers
    /// in all columns. It replaces a missing number by the mean of the training set, or by 0 if the model does not
    /// scale its inputs.
    pub fn table_preparation(&self) -> Cow<'_, Preparation> {
        if let Some(preparation) = &self.preparation {
            return Cow::Borrowed(preparation);
        }
        let means = self.preprocessing.as_ref().map_or(&[][..], Standardization::mean);
        let preparation = Preparation::of_numbers(&self.columns, means);
        Cow::Owned(match &self.table {
            Some(table) => preparation.with_formats(&table.formats),
            None => preparation,
        })
    }
}

/// Data and settings of a training run. The same data and settings give the same model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Origin {
    /// Name of the data set.
    pub data: String,
    /// Number of rows of the whole data set.
    pub rows: usize,
    /// [Checksum](crate::Dataset::checksum) of the data set.
    pub checksum: u32,
    /// Settings by name, such as `epochs` and `seed`.
    pub settings: BTreeMap<String, String>,
}

/// Result of a training run, stored in its model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Record {
    /// Version of wgrad.
    pub version: String,
    /// Number of networks whose mean the model is.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub networks: usize,
    /// Temperature by which the outputs were divided after training, so that probabilities are calibrated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Number of epochs, of all networks together.
    pub epochs: usize,
    /// Number of steps since training began, of all networks together.
    pub steps: u64,
    /// Epoch (from 1) with the best parameters, if these were kept instead of the last ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_epoch: Option<usize>,
    /// Number of rows of each of the sets `train`, `validation` and `test` that is not empty.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sets: BTreeMap<String, usize>,
    /// Set of the evaluation: `test`, `validation` if there was no test set, or `all` (the training set) if there was
    /// neither.
    pub evaluated_on: String,
    /// Loss and metrics of the model.
    pub evaluation: Evaluation,
}

impl Record {
    /// Creates the record of a training run of one network with this version of wgrad, without a best epoch.
    pub fn new(
        sets: BTreeMap<String, usize>,
        [epochs, steps]: [u64; 2],
        evaluated_on: impl Into<String>,
        evaluation: Evaluation,
    ) -> Self {
        let (version, evaluated_on) = (env!("CARGO_PKG_VERSION").into(), evaluated_on.into());
        let (networks, temperature, best_epoch) = (1, None, None);
        Self {
            version,
            networks,
            temperature,
            epochs: epochs as usize,
            steps,
            best_epoch,
            sets,
            evaluated_on,
            evaluation,
        }
    }
}

fn one() -> usize {
    1
}

fn is_one(number: &usize) -> bool {
    *number == 1
}

impl Origin {
    /// Creates the origin of a model: a data set by its name, number of rows and checksum, and settings by name.
    pub fn new(
        data: impl Into<String>,
        (rows, checksum): (usize, u32),
        settings: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        Self { data: data.into(), rows, checksum, settings: settings.into_iter().collect() }
    }

    /// Returns the first difference to `other`: its name, the value in `self`, and the value in `other`. Ignores the
    /// settings in `may_change`. `None` if there is no difference.
    pub fn difference<'a>(&'a self, other: &'a Self, may_change: &[&str]) -> Option<(&'a str, String, String)> {
        let data = |origin: &Self| format!("{} rows with checksum {:08x}", origin.rows, origin.checksum);
        let text = |value: Option<&String>| value.map_or("not set".into(), String::clone);
        let names = self.settings.keys().chain(other.settings.keys());
        let names = names.filter(|name| !may_change.contains(&name.as_str()));
        let settings = names.map(|name| (name.as_str(), text(self.settings.get(name)), text(other.settings.get(name))));
        let name = ("data", self.data.clone(), other.data.clone());
        let contents = ("contents", data(self), data(other));
        // Settings come before the contents: another target changes the contents, too.
        let all = std::iter::once(name).chain(settings).chain([contents]);
        all.into_iter().find(|(_, one, two)| one != two)
    }
}
