//! Tile sizes of a GPU's matrix multiplications: from `--autotune`, `WGRAD_TUNING`, or the file that `wgrad tune`
//! stored.

use std::path::PathBuf;

use clap::ValueHint;
use serde::Serialize;
use wgrad::plan::Plan;
use wgrad::specialize::{Tuning, with_fused_step};
use wgrad::trainer::Builder;
use wgrad::verify::Verify;
use wgrad::{Device, Error, Result};

use super::paths::on_disk;

/// Values of `--autotune` and `WGRAD_TUNING` that select the default tile sizes.
const NONE: [&str; 2] = ["none", "off"];

/// Option of commands that run, show or check a GPU's matrix multiplications.
#[derive(clap::Args)]
pub struct TuningOptions {
    /// Tile sizes on a GPU: a file, or `none` [default: stored ones]
    ///
    /// A GPU multiplies matrices in tiles. `wgrad tune` measures which tile sizes are fastest; this option measures
    /// nothing. FILE is what `wgrad tune --out FILE` wrote. By default, it is the file in the environment variable
    /// WGRAD_TUNING, else the sizes that `wgrad tune` stored for this GPU. Built-in rules choose the sizes that were
    /// not measured, and all sizes with `none`. The CPU needs no sizes: there, a file is an error, except in `bench`.
    #[arg(long, alias = "tuning", value_name = "FILE", value_hint = ValueHint::FilePath)]
    #[arg(help_heading = "Device", hide_short_help = true)]
    #[arg(value_parser = on_disk())]
    autotune: Option<PathBuf>,
}

/// Source of the tile sizes.
pub enum TuningSource {
    /// Default tile sizes, which built-in rules choose.
    BuiltIn,
    /// Tile sizes from the file of `--autotune`. A tile size that the device does not support is an error.
    Pinned(PathBuf, Tuning),
    /// Tile sizes from the file of `WGRAD_TUNING` or of `wgrad tune`. Those that the device does not support are
    /// ignored.
    Suggested(PathBuf, Tuning),
    /// Problem with the file of `wgrad tune`. Built-in rules choose the tile sizes instead.
    Unusable(String),
}

/// Report on a tuning file: how many of its tile sizes are used, and why others are not.
#[derive(Serialize)]
pub struct TuningReport {
    /// File of the tuning.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// Number of matrix multiplications per step. Those with the same kernel and the same shapes count once.
    matmuls: usize,
    /// Number of these matrix multiplications whose tile sizes are from the file.
    tuned: usize,
    /// Machine on which the tile sizes were measured, if it differs from this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    measured_on: Option<String>,
    /// Reasons why some tile sizes of the file are not used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ignored: Vec<String>,
}

impl TuningOptions {
    /// Returns an error if `--autotune` is given, for a command without a device.
    pub fn check_unused(&self) -> Result<()> {
        if self.autotune.is_some() {
            let problem = "no device is named, and only a GPU has tile sizes";
            return Err(Error::conflict("`--autotune`", problem, "add `--device NAME`"));
        }
        Ok(())
    }

    /// Returns an error if the file of `--autotune` cannot be read.
    pub fn check_readable(&self) -> Result<()> {
        self.choose(&Device::cpu()).map(|_| ())
    }

    /// Chooses the tile sizes for a device: from `--autotune`, else from `WGRAD_TUNING`, else from the file that
    /// `wgrad tune` stored. An unreadable file is an error only if the user named it.
    pub fn choose(&self, device: &Device) -> Result<TuningSource> {
        let everywhere = std::env::var_os("WGRAD_TUNING").filter(|value| !value.is_empty()).map(PathBuf::from);
        let named = self.autotune.as_ref().or(everywhere.as_ref());
        if named.is_some_and(|word| NONE.iter().any(|none| word.as_os_str() == *none)) {
            return Ok(TuningSource::BuiltIn);
        }
        match (&self.autotune, everywhere) {
            (Some(path), _) => Ok(TuningSource::Pinned(path.clone(), Tuning::load(path)?)),
            (None, Some(path)) if device.is_gpu() => {
                let tuning = Tuning::load(&path)?;
                Ok(TuningSource::Suggested(path, tuning))
            }
            _ => Ok(device.machine().map_or(TuningSource::BuiltIn, |machine| match Tuning::cached(&machine) {
                Ok(None) => TuningSource::BuiltIn,
                Ok(Some((path, tuning))) => TuningSource::Suggested(path, tuning),
                // The user did not name this file, so a problem with it is not an error.
                Err(error) => TuningSource::Unusable(error.to_string()),
            })),
        }
    }
}

impl TuningSource {
    /// Sets these tile sizes, if there are any, in the builder of a trainer.
    pub fn train(&self, builder: Builder) -> Builder {
        match self {
            Self::Pinned(_, tuning) => builder.tuning(tuning.clone()),
            Self::Suggested(_, tuning) => builder.suggest_tuning(tuning.clone()),
            Self::BuiltIn | Self::Unusable(_) => builder,
        }
    }

    /// Sets these tile sizes, if there are any, in a verification.
    pub fn verify(&self, verify: Verify) -> Verify {
        match self {
            Self::Pinned(_, tuning) => verify.tuning(tuning.clone()),
            Self::Suggested(_, tuning) => verify.suggest_tuning(tuning.clone()),
            Self::BuiltIn | Self::Unusable(_) => verify,
        }
    }

    /// Sets these tile sizes in a plan, and replaces its ops by a fused step if the device uses one. Both must happen
    /// before the plan is specialized. Returns the plan, and the result of [`TuningSource::report`].
    pub fn apply(&self, mut plan: Plan, device: &Device) -> Result<(Plan, Option<TuningReport>)> {
        let limits = device.limits();
        plan = with_fused_step(plan, &limits)?;
        let (tuning, ignored) = match self {
            Self::Pinned(_, tuning) => (tuning.clone(), Vec::new()),
            Self::Suggested(_, tuning) => tuning.clone().fitting(&plan, &limits),
            Self::BuiltIn | Self::Unusable(_) => (Tuning::default(), Vec::new()),
        };
        tuning.apply(&mut plan, &limits)?;
        let report = self.report(device, tuning.matmul_counts(&plan), &ignored);
        Ok((plan, report))
    }

    /// Returns a report on the tuning file, which has tile sizes for `tuned` of `matmuls` matrix multiplications.
    /// `ignored` are the reasons why other tile sizes of the file are not used. Returns `None` without a file. Also
    /// returns `None` if `--autotune` did not name the file, `tuned` is 0, and nothing was ignored.
    pub fn report(&self, device: &Device, [matmuls, tuned]: [usize; 2], ignored: &[String]) -> Option<TuningReport> {
        let (path, tuning) = match self {
            Self::BuiltIn => return None,
            Self::Suggested(..) if tuned == 0 && ignored.is_empty() => return None,
            Self::Pinned(path, tuning) | Self::Suggested(path, tuning) => (path, tuning),
            Self::Unusable(problem) => {
                return Some(TuningReport {
                    file: None,
                    matmuls,
                    tuned: 0,
                    measured_on: None,
                    ignored: vec![problem.clone()],
                });
            }
        };
        let elsewhere = tuning.machine.as_ref().filter(|machine| device.machine().as_ref() != Some(machine));
        Some(TuningReport {
            file: Some(path.display().to_string()),
            matmuls,
            tuned,
            measured_on: elsewhere.map(ToString::to_string),
            ignored: ignored.to_vec(),
        })
    }
}

impl TuningReport {
    /// Returns human-readable lines: one for the file, one for each problem.
    pub fn lines(&self) -> Vec<String> {
        let Self { file, matmuls, tuned, measured_on, ignored } = self;
        let elsewhere = measured_on.as_ref().map(|machine| format!("; it was measured on {machine}"));
        let head = file.as_ref().map(|file| {
            format!("tuning: {file}, for {tuned} of {matmuls} matrix multiplications{}", elsewhere.unwrap_or_default())
        });
        let ignored = ignored.iter().map(|problem| format!("tuning not used: {problem}"));
        head.into_iter().chain(ignored).collect()
    }
}
