//! What must be the same for a training to go on, and what its bits depend on besides.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::data::{Dataset, Standardisation, Targets};
use crate::error::{Error, Result};
use crate::loss::Loss;
use crate::network::Network;
use crate::optim::Optimizer;
use crate::schedule::Schedule;
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
    seed: u64,
    fused: bool,
    data: Option<Fingerprint>,
    pub(super) validation: Option<Fingerprint>,
    preprocessing: Option<Standardisation>,
}

/// Enough of a data set to tell it from others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::trainer) struct Fingerprint {
    rows: usize,
    /// CRC-32 of inputs and targets.
    checksum: u32,
}

impl Fingerprint {
    pub(in crate::trainer) fn of(data: &Dataset) -> Self {
        let mut checksum = crc32fast::Hasher::new();
        match data.bytes() {
            Some(bytes) => checksum.update(bytes),
            None => checksum.update(bytemuck::cast_slice(&data.input())),
        }
        match data.targets() {
            Targets::Classes { indices, .. } => checksum.update(bytemuck::cast_slice(indices)),
            Targets::Numbers { values, .. } => checksum.update(bytemuck::cast_slice(values)),
        }
        Self { rows: data.len(), checksum: checksum.finalize() }
    }
}

impl Settings {
    pub(super) fn of(trainer: &Trainer, validation: Option<Fingerprint>) -> Self {
        let description = &trainer.description;
        Self {
            network: description.network.clone(),
            loss: description.loss,
            optimizer: description.optimizer,
            schedule: trainer.schedule,
            clip_norm: description.clip_norm,
            batch: description.batch,
            seed: trainer.seed,
            fused: trainer.fused,
            data: trainer.loaded.as_ref().map(Loaded::fingerprint),
            validation,
            preprocessing: trainer.preprocessing.clone(),
        }
    }

    /// # Errors
    /// The first setting that differs, with both values.
    pub(super) fn same_as(&self, other: &Self) -> Result<()> {
        let failed = |error: serde_json::Error| Error::conflict("checkpoint", error.to_string(), "make a new one");
        let [made, now] = [serde_json::to_value(self).map_err(failed)?, serde_json::to_value(other).map_err(failed)?];
        let Some((name, made, now)) = difference(String::new(), &made, &now) else { return Ok(()) };
        let problem = format!("it was made with {name} = {}, but now it is {}", short(made), short(now));
        Err(Error::conflict("checkpoint", problem, "go on with the same settings and data, or begin anew elsewhere"))
    }
}

/// The first value that differs, and what it is called: `optimizer.learning_rate`.
fn difference<'a>(name: String, made: &'a Value, now: &'a Value) -> Option<(String, &'a Value, &'a Value)> {
    match (made, now) {
        (Value::Object(fields), Value::Object(others)) => fields.iter().find_map(|(field, made)| {
            let name = if name.is_empty() { field.clone() } else { format!("{name}.{field}") };
            difference(name, made, others.get(field).unwrap_or(&Value::Null))
        }),
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
    /// CRC-32 of the plan as the device runs it, tiles and all.
    plan: u32,
}

impl MadeOn {
    pub(super) fn of(trainer: &Trainer) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            device: trainer.device.arithmetic(),
            driver: trainer.executor.driver(),
            plan: crc32fast::hash(trainer.executor.plan().to_string().as_bytes()),
        }
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
