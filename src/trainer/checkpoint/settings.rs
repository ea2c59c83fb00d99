//! Settings that must be the same when training resumes, and other properties on which the bits of results depend.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::check::ensure;
use crate::data::{Dataset, Standardization};
use crate::error::{Error, Result};
use crate::loss::Loss;
use crate::lower::TrainingSpec;
use crate::metrics::Metric;
use crate::mix::Mix;
use crate::network::Network;
use crate::optim::{Average, Optimizer, ParameterGroup};
use crate::plan::{Plan, Section};
use crate::schedule::Schedule;
use crate::specialize::{Choice, Tuning};
use crate::trainer::Trainer;
use crate::trainer::load::Loaded;

/// Largest number of characters of a setting's value in a message.
const LONGEST: usize = 60;

/// Settings of a training run. The number of epochs and the patience are not stored here, since they may change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    network: Network,
    loss: Loss,
    optimizer: Optimizer,
    schedule: Schedule,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    groups: Vec<ParameterGroup>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    average: Option<Average>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mix: Option<Mix>,
    clip_norm: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clip_tensor_norm: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clip_value: Option<f64>,
    batch: usize,
    accumulate: usize,
    seed: u64,
    fused: bool,
    data: Option<Fingerprint>,
    pub(super) validation: Option<Validation>,
    preprocessing: Option<Standardization>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target_scaling: Option<Standardization>,
}

/// Number of rows and checksum of a data set. They identify the data set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::trainer) struct Fingerprint {
    rows: usize,
    /// CRC-32 of inputs and targets.
    checksum: u32,
}

/// Validation set of a fit, and the choice of the best epoch. `metric` is the metric that decides; `None` for the loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::trainer) struct Validation {
    data: Fingerprint,
    restore_best: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metric: Option<Metric>,
}

impl Validation {
    /// Returns the number of rows, and `true` if the fit restores the best epoch.
    pub(in crate::trainer) fn kept(&self) -> (usize, bool) {
        (self.data.rows, self.restore_best)
    }

    pub(in crate::trainer) fn of(data: &Dataset, restore_best: bool, metric: Option<Metric>) -> Self {
        Self { data: Fingerprint::of(data), restore_best, metric }
    }
}

impl Fingerprint {
    pub(in crate::trainer) fn of(data: &Dataset) -> Self {
        Self { rows: data.len(), checksum: data.checksum() }
    }
}

impl Settings {
    pub(super) fn of(trainer: &Trainer, validation: Option<Validation>) -> Self {
        let spec = &trainer.spec;
        Self {
            network: spec.network.clone(),
            loss: spec.loss,
            optimizer: spec.optimizer.with_learning_rate(trainer.built_learning_rate),
            schedule: trainer.schedule.clone(),
            groups: spec.groups.clone(),
            average: spec.average,
            mix: spec.mix,
            clip_norm: spec.clip_norm,
            clip_tensor_norm: spec.clip_tensor_norm,
            clip_value: spec.clip_value,
            batch: trainer.batch,
            accumulate: trainer.accumulate,
            seed: trainer.seed,
            fused: trainer.planner.fused,
            data: trainer.loaded.as_ref().map(Loaded::fingerprint),
            validation,
            preprocessing: trainer.preprocessing.clone(),
            target_scaling: trainer.target_scaling.clone(),
        }
    }

    /// Checks each setting, and that the settings fit together.
    ///
    /// # Errors
    /// The first problem.
    pub(super) fn check(&self) -> Result<()> {
        let spec = TrainingSpec {
            groups: self.groups.clone(),
            average: self.average,
            mix: self.mix,
            clip_norm: self.clip_norm,
            clip_tensor_norm: self.clip_tensor_norm,
            clip_value: self.clip_value,
            accumulate: self.accumulate,
            evaluate_rows: 1,
            ..TrainingSpec::new(self.network.clone(), self.loss, self.optimizer, self.batch)
        };
        spec.check()?;
        self.schedule.check()?;
        self.optimizer.check_schedule(&self.schedule)?;
        let [columns, inputs] =
            [self.preprocessing.as_ref().map(Standardization::columns), Some(self.network.inputs())];
        ensure(columns.is_none() || columns == inputs, || {
            format!("{columns:?} columns are scaled, but the network has {inputs:?}")
        })?;
        let wanted = self.loss.target_columns(self.network.outputs());
        let columns = self.target_scaling.as_ref().map(Standardization::columns);
        ensure(columns.is_none_or(|columns| columns == wanted && self.loss.scales_targets()), || {
            format!("{columns:?} target columns are scaled, but with {} the network has {wanted}", self.loss)
        })?;
        for data in [self.data, self.validation.map(|validation| validation.data)].into_iter().flatten() {
            ensure(data.rows > 0, || "it was made with data without rows".into())?;
        }
        Ok(())
    }

    pub(super) fn network(&self) -> &Network {
        &self.network
    }

    pub(super) fn optimizer(&self) -> Optimizer {
        self.optimizer
    }

    pub(super) fn average(&self) -> Option<Average> {
        self.average
    }

    pub(super) fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// Returns the number of rows of the loaded data set, if there is one.
    pub(super) fn data_rows(&self) -> Option<usize> {
        self.data.map(|data| data.rows)
    }

    /// Returns the number of rows per step. The last step of an epoch may have fewer.
    pub(super) fn batch_size(&self) -> usize {
        self.batch.saturating_mul(self.accumulate)
    }

    /// Returns the first setting that differs from the same setting in `now`. If `accepts_rate`, the learning rate and
    /// the schedule may differ.
    pub(super) fn difference(&self, now: &Self, accepts_rate: bool) -> Result<Option<Difference>> {
        if accepts_rate {
            let optimizer = self.optimizer.with_learning_rate(now.optimizer.learning_rate());
            return Self { optimizer, schedule: now.schedule.clone(), ..self.clone() }.difference(now, false);
        }
        if self.network != now.network {
            let [made, now] = [self, now].map(|settings| settings.network.to_string());
            return Ok(Some(Difference { name: "network".into(), made, now }));
        }
        let failed = |error: serde_json::Error| Error::conflict("checkpoint", error.to_string(), "write a new one");
        let [made, now] = [serde_json::to_value(self).map_err(failed)?, serde_json::to_value(now).map_err(failed)?];
        let found = difference(String::new(), &made, &now);
        Ok(found.map(|(name, made, now)| Difference { name, made: short(made), now: short(now) }))
    }
}

/// Setting that differs: its value in the checkpoint (`made`), and in the current training run (`now`).
pub(super) struct Difference {
    /// Path of the setting, such as `optimizer.learning_rate`.
    name: String,
    made: String,
    now: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, made, now } = self;
        write!(f, "made with {name} = {made}, but now it is {now}")
    }
}

impl Difference {
    /// Returns the error for a checkpoint at `place`.
    pub(super) fn error(&self, place: impl Into<String>) -> Error {
        let remedy = match self.name.split('.').next() {
            Some("schedule") => {
                "keep the schedule and the number of epochs, accept the new schedule with `accept_learning_rate`, or start a \
                 new training in another folder"
            }
            Some("data" | "validation") => "load the same data, or start a new training in another folder",
            _ if self.name == "optimizer.learning_rate" => {
                "keep the learning rate, accept the new one with `accept_learning_rate`, or start a new training in another \
                 folder"
            }
            _ => "use the same settings, or start a new training in another folder",
        };
        Error::conflict(place, format!("it was {self}"), remedy)
    }
}

/// Settings that follow from other settings and are therefore compared last: the seed splits the data, and the data
/// determines the scaling and the length of a cosine.
const LAST: [&str; 4] = ["data", "validation", "preprocessing", "schedule"];

/// Returns the path of the first setting that differs, such as `optimizer.learning_rate`, and its values in `made` and
/// `now`. Compares the field `kind` first and the fields of [`LAST`] last.
fn difference<'a>(name: String, made: &'a Value, now: &'a Value) -> Option<(String, &'a Value, &'a Value)> {
    match (made, now) {
        (Value::Object(fields), Value::Object(others)) => {
            // A setting that is not written has its default.
            let mut names: Vec<_> =
                fields.keys().chain(others.keys().filter(|name| !fields.contains_key(*name))).collect();
            names.sort_by_key(|field| (*field != "kind", LAST.iter().position(|last| last == field)));
            names.into_iter().find_map(|field| {
                let name = if name.is_empty() { field.clone() } else { format!("{name}.{field}") };
                let [made, now] = [fields, others].map(|fields| fields.get(field).unwrap_or(&Value::Null));
                difference(name, made, now)
            })
        }
        // The path of the first different element is returned, since a message shows only the beginning of a long list.
        (Value::Array(values), Value::Array(others)) if values.len() == others.len() => {
            let mut pairs = values.iter().zip(others).enumerate();
            pairs.find_map(|(index, (made, now))| difference(format!("{name}[{index}]"), made, now))
        }
        _ => (made != now).then_some((name, made, now)),
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    let start: String = text.chars().take(LONGEST).collect();
    match value {
        _ if start.len() == text.len() => text,
        Value::Array(values) => format!("{start}… ({} values)", values.len()),
        _ => start + "…",
    }
}

/// Version, device and plan. Besides settings and data, the bits of a result depend on these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Environment {
    /// Version of this crate.
    version: String,
    /// Device, with the properties of its arithmetic.
    device: String,
    driver: Option<String>,
    /// CRC-32 of the ops of a step as the device runs them, with parameters and tiles.
    plan: u32,
    /// Tiles of all matrix multiplications on a GPU, including evaluations. The heuristic or a tuning chose the tiles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tiles: Vec<Choice>,
}

/// Returns the ops of a step as text, in order, with their parameters and tiles.
fn ops(plan: &Plan) -> String {
    let ops = [Section::Gradients, Section::Update].into_iter().flat_map(|section| plan.ops(section));
    ops.map(|op| format!("{} {:?} {:?}\n", op.kernel.name, op.params, op.tile)).collect()
}

impl Environment {
    pub(super) fn of(trainer: &Trainer) -> Result<Self> {
        Ok(Self {
            version: env!("CARGO_PKG_VERSION").into(),
            device: trainer.device.arithmetic(),
            driver: trainer.executor.driver(),
            plan: crc32fast::hash(ops(trainer.executor.plan()).as_bytes()),
            tiles: trainer.tiles()?.choices().to_vec(),
        })
    }

    /// Returns the stored tile sizes, if the trainer's device is the one that these settings were stored with.
    pub(super) fn tiles_for(&self, trainer: &Trainer) -> Option<Tuning> {
        let same_device = self.device == trainer.device.arithmetic();
        same_device.then(|| Tuning::new(None, self.tiles.iter().cloned()))
    }

    /// Returns one text for each property that differs from the same property in `now`.
    pub(super) fn differences(&self, now: &Self) -> Vec<String> {
        let driver = |made: &Self| made.driver.clone().unwrap_or_else(|| "none".into());
        let plan = |made: &Self| format!("{:08x}", made.plan);
        [
            ("wgrad", self.version.clone(), now.version.clone()),
            ("device", self.device.clone(), now.device.clone()),
            ("driver", driver(self), driver(now)),
            ("plan", plan(self), plan(now)),
        ]
        .into_iter()
        .filter(|(_, made, now)| made != now)
        .map(|(what, made, now)| format!("{what} was {made}, is {now}"))
        .collect()
    }
}
