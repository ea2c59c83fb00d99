//! What must be the same for a training to go on, and what its bits depend on besides.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::check::ensure;
use crate::data::{Dataset, Standardization};
use crate::error::{Error, Result};
use crate::loss::Loss;
use crate::lower::TrainingSpec;
use crate::network::Network;
use crate::optim::Optimizer;
use crate::plan::{Plan, Section};
use crate::schedule::Schedule;
use crate::specialize::{Choice, Tuning};
use crate::trainer::Trainer;
use crate::trainer::load::Loaded;

/// Longest text of a setting in a message.
const LONGEST: usize = 60;

/// What a training is of. How many epochs it shall take, and with how much patience, may change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    network: Network,
    loss: Loss,
    optimizer: Optimizer,
    schedule: Schedule,
    clip_norm: Option<f64>,
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

/// Enough of a data set to tell it from others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::trainer) struct Fingerprint {
    rows: usize,
    /// CRC-32 of inputs and targets.
    checksum: u32,
}

/// What epochs are validated on, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::trainer) struct Validation {
    data: Fingerprint,
    restore_best: bool,
}

impl Validation {
    /// Rows of the data set, and whether the best epoch is kept.
    pub(in crate::trainer) fn kept(&self) -> (usize, bool) {
        (self.data.rows, self.restore_best)
    }

    pub(in crate::trainer) fn of(data: &Dataset, restore_best: bool) -> Self {
        Self { data: Fingerprint::of(data), restore_best }
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
            optimizer: spec.optimizer,
            schedule: trainer.schedule,
            clip_norm: spec.clip_norm,
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

    /// Checks each setting, and that they go together.
    ///
    /// # Errors
    /// What is wrong, where, and what to do.
    pub(super) fn check(&self) -> Result<()> {
        let spec = TrainingSpec {
            clip_norm: self.clip_norm,
            accumulate: self.accumulate,
            evaluate_rows: 1,
            ..TrainingSpec::new(self.network.clone(), self.loss, self.optimizer, self.batch)
        };
        spec.check()?;
        self.schedule.check()?;
        let [columns, inputs] =
            [self.preprocessing.as_ref().map(Standardization::columns), Some(self.network.inputs())];
        ensure(columns.is_none() || columns == inputs, || {
            format!("{columns:?} columns are scaled, but the network has {inputs:?}")
        })?;
        let [columns, outputs] =
            [self.target_scaling.as_ref().map(Standardization::columns), Some(self.network.outputs())];
        ensure(columns.is_none() || columns == outputs && self.loss == Loss::MeanSquaredError, || {
            format!(
                "{columns:?} target columns are scaled, but the network has {outputs:?} and is trained with {}",
                self.loss
            )
        })?;
        for data in [self.data, self.validation.map(|validation| validation.data)].into_iter().flatten() {
            ensure(data.rows > 0, || "it was made on data without rows".into())?;
        }
        Ok(())
    }

    pub(super) fn network(&self) -> &Network {
        &self.network
    }

    pub(super) fn optimizer(&self) -> Optimizer {
        self.optimizer
    }

    /// Rows of the loaded data set, where there is one.
    pub(super) fn data_rows(&self) -> Option<usize> {
        self.data.map(|data| data.rows)
    }

    /// Rows of a step, but for the last of an epoch.
    pub(super) fn batch_size(&self) -> usize {
        self.batch.saturating_mul(self.accumulate)
    }

    /// The first setting that is otherwise `now`.
    pub(super) fn difference(&self, now: &Self) -> Result<Option<Difference>> {
        if self.network != now.network {
            let [made, now] = [self, now].map(|settings| settings.network.to_string());
            return Ok(Some(Difference { name: "network".into(), made, now }));
        }
        let failed = |error: serde_json::Error| Error::conflict("checkpoint", error.to_string(), "make a new one");
        let [made, now] = [serde_json::to_value(self).map_err(failed)?, serde_json::to_value(now).map_err(failed)?];
        let found = difference(String::new(), &made, &now);
        Ok(found.map(|(name, made, now)| Difference { name, made: short(made), now: short(now) }))
    }
}

/// A setting of a checkpoint that is otherwise now.
pub(super) struct Difference {
    /// Such as `optimizer.learning_rate`.
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
    /// The error where the checkpoint at `place` must have the same settings.
    pub(super) fn error(&self, place: impl Into<String>) -> Error {
        let remedy = match self.name.split('.').next() {
            Some("schedule") => "keep the number of epochs, which a cosine is over, or begin anew elsewhere",
            Some("data" | "validation") => "load the data that it was made on, or begin anew elsewhere",
            _ => "go on with the same settings, or begin anew elsewhere",
        };
        Error::conflict(place, format!("it was {self}"), remedy)
    }
}

/// Settings that other ones change, too: the seed splits the data, and from these follow the scaling and the length of a
/// cosine. They are compared last.
const LAST: [&str; 4] = ["data", "validation", "preprocessing", "schedule"];

/// The first value that differs, and what it is called: `optimizer.learning_rate`. What kind of thing it is comes first.
fn difference<'a>(name: String, made: &'a Value, now: &'a Value) -> Option<(String, &'a Value, &'a Value)> {
    match (made, now) {
        (Value::Object(fields), Value::Object(others)) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(field, _)| (*field != "kind", LAST.iter().position(|last| last == field)));
            fields.into_iter().find_map(|(field, made)| {
                let name = if name.is_empty() { field.clone() } else { format!("{name}.{field}") };
                difference(name, made, others.get(field).unwrap_or(&Value::Null))
            })
        }
        _ => (made != now).then_some((name, made, now)),
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    let cut: String = text.chars().take(LONGEST).collect();
    if cut.len() < text.len() { cut + "…" } else { text }
}

/// What the bits of a result depend on besides settings and data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MadeOn {
    /// Of this crate.
    version: String,
    /// The device, with what its arithmetic is made of.
    device: String,
    driver: Option<String>,
    /// CRC-32 of the ops of a step as the device runs them, parameters, tiles and all.
    plan: u32,
    /// The tiles of a GPU's products, of those too that only evaluate, whether the heuristic chose them or a tuning.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tiles: Vec<Choice>,
}

/// The ops of a step, in order, with their parameters, as how many parts or rows a workgroup adds up, and tiles.
fn ops(plan: &Plan) -> String {
    let ops = [Section::Gradients, Section::Update].into_iter().flat_map(|section| plan.ops(section));
    ops.map(|op| format!("{} {:?} {:?}\n", op.kernel.name, op.params, op.tile)).collect()
}

impl MadeOn {
    pub(super) fn of(trainer: &Trainer) -> Result<Self> {
        Ok(Self {
            version: env!("CARGO_PKG_VERSION").into(),
            device: trainer.device.arithmetic(),
            driver: trainer.executor.driver(),
            plan: crc32fast::hash(ops(trainer.executor.plan()).as_bytes()),
            tiles: trainer.tiles()?.choices().to_vec(),
        })
    }

    /// How products were cut, where that can be done again.
    pub(super) fn tiles_for(&self, trainer: &Trainer) -> Option<Tuning> {
        let same_device = self.device == trainer.device.arithmetic();
        same_device.then(|| Tuning::new(None, self.tiles.iter().cloned()))
    }

    /// What is otherwise `now`, in words.
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
