//! How a GPU's products are cut: `--tuning`, `WGRAD_TUNING`, and what `wgrad tune` has left on this machine.

use std::path::PathBuf;

use clap::ValueHint;
use serde::Serialize;
use wgrad::plan::Plan;
use wgrad::specialize::{Tuning, with_fused_step};
use wgrad::trainer::Builder;
use wgrad::verify::Verify;
use wgrad::{Device, Result};

/// What leaves all to the heuristic.
const NONE: [&str; 2] = ["none", "off"];

/// The option of commands that a tuning makes a difference to.
#[derive(clap::Args)]
pub struct TuningOptions {
    /// Cuts a GPU's products as this file says, which `wgrad tune` wrote; `none`: by rules alone [default: what
    /// `WGRAD_TUNING` names, as far as it fits, or what was tuned for this GPU]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Device")]
    tuning: Option<PathBuf>,
}

/// A tuning, and where it comes from.
pub enum Chosen {
    /// None.
    Nothing,
    /// One that was named; what it says must be possible.
    Named(PathBuf, Tuning),
    /// One that was found; what is not possible is passed over.
    Found(PathBuf, Tuning),
    /// One that was found, and cannot be used.
    Unusable(String),
}

/// What came of it, for people and programs.
#[derive(Serialize)]
pub struct Followed {
    /// Its file.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// Different products of a step…
    matmuls: usize,
    /// …and those that are cut as it says.
    tuned: usize,
    /// The adapter that it was measured on, where that is another one, or has another driver by now.
    #[serde(skip_serializing_if = "Option::is_none")]
    measured_on: Option<String>,
    /// What it says, and is not followed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ignored: Vec<String>,
}

impl TuningOptions {
    /// What is to be used on a device.
    pub fn choose(&self, device: &Device) -> Result<Chosen> {
        let everywhere = std::env::var_os("WGRAD_TUNING").filter(|value| !value.is_empty()).map(PathBuf::from);
        let named = self.tuning.as_ref().or(everywhere.as_ref());
        if named.is_some_and(|word| NONE.iter().any(|none| word.as_os_str() == *none)) {
            return Ok(Chosen::Nothing);
        }
        match (&self.tuning, everywhere) {
            (Some(path), _) => Ok(Chosen::Named(path.clone(), Tuning::load(path)?)),
            (None, Some(path)) if device.is_gpu() => {
                let tuning = Tuning::load(&path)?;
                Ok(Chosen::Found(path, tuning))
            }
            _ => Ok(device.machine().map_or(Chosen::Nothing, |machine| match Tuning::cached(&machine) {
                Ok(None) => Chosen::Nothing,
                Ok(Some((path, tuning))) => Chosen::Found(path, tuning),
                // Nobody has asked for it.
                Err(error) => Chosen::Unusable(error.to_string()),
            })),
        }
    }
}

impl Chosen {
    /// A training that follows it.
    pub fn train(&self, builder: Builder) -> Builder {
        match self {
            Self::Named(_, tuning) => builder.tuning(tuning.clone()),
            Self::Found(_, tuning) => builder.suggest_tuning(tuning.clone()),
            Self::Nothing | Self::Unusable(_) => builder,
        }
    }

    /// A verification that follows it.
    pub fn verify(&self, verify: Verify) -> Verify {
        match self {
            Self::Named(_, tuning) => verify.tuning(tuning.clone()),
            Self::Found(_, tuning) => verify.suggest_tuning(tuning.clone()),
            Self::Nothing | Self::Unusable(_) => verify,
        }
    }

    /// A plan whose products are cut as it says, before it is fitted to the device.
    pub fn cut(&self, mut plan: Plan, device: &Device) -> Result<(Plan, Option<Followed>)> {
        let target = device.target();
        plan = with_fused_step(plan, &target)?;
        let (tuning, ignored) = match self {
            Self::Named(_, tuning) => (tuning.clone(), Vec::new()),
            Self::Found(_, tuning) => tuning.clone().fitting(&plan, &target),
            Self::Nothing | Self::Unusable(_) => (Tuning::default(), Vec::new()),
        };
        tuning.cut(&mut plan, &target)?;
        let followed = self.followed(device, tuning.share(&plan), &ignored);
        Ok((plan, followed))
    }

    /// What there is to tell of it, where so many of a step's products are cut as it says: nothing of one that was found
    /// and says nothing of them.
    pub fn followed(&self, device: &Device, [matmuls, tuned]: [usize; 2], ignored: &[String]) -> Option<Followed> {
        let (path, tuning) = match self {
            Self::Nothing => return None,
            Self::Found(..) if tuned == 0 && ignored.is_empty() => return None,
            Self::Named(path, tuning) | Self::Found(path, tuning) => (path, tuning),
            Self::Unusable(problem) => {
                return Some(Followed {
                    file: None,
                    matmuls,
                    tuned: 0,
                    measured_on: None,
                    ignored: vec![problem.clone()],
                });
            }
        };
        let elsewhere = tuning.machine.as_ref().filter(|machine| device.machine().as_ref() != Some(machine));
        Some(Followed {
            file: Some(path.display().to_string()),
            matmuls,
            tuned,
            measured_on: elsewhere.map(ToString::to_string),
            ignored: ignored.to_vec(),
        })
    }
}

impl Followed {
    /// In a line, and one for each thing that is not followed.
    pub fn lines(&self) -> Vec<String> {
        let Self { file, matmuls, tuned, measured_on, ignored } = self;
        let elsewhere = measured_on.as_ref().map(|machine| format!("; it was measured on {machine}"));
        let head = file.as_ref().map(|file| {
            format!("tuning: {file}, for {tuned} of {matmuls} matrix multiplications{}", elsewhere.unwrap_or_default())
        });
        let ignored = ignored.iter().map(|problem| format!("tuning not followed: {problem}"));
        head.into_iter().chain(ignored).collect()
    }
}
