//! Tile sizes of a training's matrix multiplications: the heuristic's, those of a tuning, or those of the checkpoint that it
//! resumes from.

use crate::error::{Error, Result};
use crate::fuse::fuse;
use crate::lower::{TrainingSpec, lower};
use crate::plan::{Plan, Section};
use crate::specialize::{Choice, DeviceLimits, Tuning, TuningPolicy, with_fused_step};
use crate::trainer::Trainer;

/// Makes plans with tiled matrix multiplications.
#[derive(Clone, Debug)]
pub(super) struct Planner {
    /// True if ops are fused.
    pub(super) fused: bool,
    target: DeviceLimits,
    tuning: Tuning,
    pinned: bool,
    ignored: Vec<String>,
}

/// Use of a tuning by a [`Trainer`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Tuned {
    /// Number of different matrix multiplications of a step.
    pub matmuls: usize,
    /// Number of those with tile sizes in the tuning.
    pub tuned: usize,
    /// Reasons why parts of the tuning are ignored. Empty if it is [pinned](crate::trainer::Builder::tuning).
    pub ignored: Vec<String>,
}

impl Planner {
    /// Creates a planner for a training on devices with these limits.
    pub(super) fn new(wish: TuningPolicy, fused: bool, spec: &TrainingSpec, target: DeviceLimits) -> Result<Self> {
        let pinned = wish.is_pinned();
        let mut planner = Self { fused, target, tuning: Tuning::default(), pinned, ignored: Vec::new() };
        (planner.tuning, planner.ignored) = wish.granted(&planner.plan(spec)?, &planner.target);
        Ok(planner)
    }

    /// Returns the plan of a training before it is specialized for the device. Only its fused step and its tiles depend on the
    /// device.
    pub(super) fn plan(&self, spec: &TrainingSpec) -> Result<Plan> {
        let plan = lower(spec)?;
        let mut plan = with_fused_step(if self.fused { fuse(&plan)? } else { plan }, &self.target)?;
        self.tuning.cut(&mut plan, &self.target)?;
        Ok(plan)
    }

    /// Returns the plan before it is known how many rows a step has. It runs evaluations but no steps. Parameters, gradients and
    /// state have the same names and sizes as in every plan of the specification.
    pub(super) fn plan_at_rest(&self, spec: &TrainingSpec) -> Result<Plan> {
        let spec = TrainingSpec { micro_batch: 1, accumulate: 1, steps: 1, data_rows: None, ..spec.clone() };
        let plan = lower(&spec)?;
        let plan = if self.fused { fuse(&plan)? } else { plan };
        let mut plan = plan.only(&[Section::Evaluate, Section::Score])?;
        self.tuning.cut(&mut plan, &self.target)?;
        Ok(plan)
    }

    /// Returns the tiles of all matrix multiplications.
    pub(super) fn tiles(&self, spec: &TrainingSpec) -> Result<Tuning> {
        Ok(Tuning::of(&self.plan(spec)?, &self.target))
    }
}

impl Trainer {
    /// Returns how many matrix multiplications have tile sizes of a tuning.
    ///
    /// # Errors
    /// None that [`Builder::build`](crate::trainer::Builder::build) would not have returned.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::BinaryCrossEntropy);
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// assert_eq!(trainer.tuned()?.tuned, 0, "there is no tuning");
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn tuned(&self) -> Result<Tuned> {
        let [matmuls, tuned] = self.planner.tuning.share(&self.planner.plan(&self.spec)?);
        Ok(Tuned { matmuls, tuned, ignored: self.planner.ignored.clone() })
    }

    /// Returns the tile sizes of all matrix multiplications on the device, chosen by the heuristic or by a tuning. The CPU has
    /// none. As a [pinned](crate::trainer::Builder::tuning) tuning they reproduce the bits of this training.
    ///
    /// # Errors
    /// None that [`Builder::build`](crate::trainer::Builder::build) would not have returned.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::BinaryCrossEntropy);
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// assert!(trainer.tiles()?.is_empty(), "it trains on the CPU");
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn tiles(&self) -> Result<Tuning> {
        self.planner.tiles(&self.spec)
    }

    /// Uses the checkpoint's tile sizes, which are of the same device. Returns the number of matrix multiplications that change.
    ///
    /// # Errors
    /// A pinned tuning with other tile sizes.
    pub(super) fn take_tiles(&mut self, made: &Tuning) -> Result<usize> {
        let now = self.tiles()?;
        // Matrix multiplications that exist now, with another tile.
        let other = |tuning: &Tuning, choice: &&Choice| {
            tuning.choices().iter().any(|own| own.same_matmul(choice) && own.tile != choice.tile)
        };
        let others: Vec<_> = made.choices().iter().filter(|choice| other(&now, choice)).collect();
        if others.is_empty() {
            return Ok(0);
        }
        let pinned = others.iter().find(|choice| self.planner.pinned && other(&self.planner.tuning, choice));
        if let Some(first) = pinned {
            let problem =
                format!("it was made with other tiles than those of the tuning: {first} had `{}`", first.tile);
            let remedy =
                "leave the tuning out to continue with the checkpoint's tiles, or start a new training elsewhere";
            return Err(Error::conflict("checkpoint", problem, remedy));
        }
        let planner = Planner { tuning: made.clone(), ..self.planner.clone() };
        // Another build of the same version may have other tiles. The plan then differs, which `Restored` reports.
        let plan = match planner.plan(&self.spec) {
            Ok(plan) => plan,
            Err(Error::Conflict { problem, .. }) => {
                log::info!("the checkpoint's tiles are not used: {problem}");
                return Ok(0);
            }
            Err(error) => return Err(error),
        };
        self.executor.adopt(plan)?;
        self.planner = planner;
        Ok(others.len())
    }
}
