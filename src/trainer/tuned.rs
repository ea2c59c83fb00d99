//! Tile sizes of the matrix multiplications in training. They come from the heuristic, from a tuning, or from the
//! checkpoint from which training resumes.

use crate::error::{Error, Result};
use crate::lower::{TrainingSpec, lower};
use crate::plan::{Plan, Section};
use crate::specialize::{Choice, DeviceLimits, Tuning, TuningPolicy, with_fused_step};
use crate::trainer::Trainer;

/// Makes plans whose matrix multiplications have the tile sizes of a tuning.
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
    /// Number of matrix multiplications per step. Those with the same kernel and the same shapes count once, and those
    /// of a fused step do not count.
    pub matmuls: usize,
    /// Number of these matrix multiplications that have tile sizes in the tuning.
    pub tuned: usize,
    /// Entries of the tuning that are ignored, with reasons. Empty for a tuning that was set by
    /// [`Builder::tuning`](crate::trainer::Builder::tuning), for which such an entry is an error.
    pub ignored: Vec<String>,
}

impl Planner {
    /// Creates a planner for training on devices with these limits.
    pub(super) fn new(policy: TuningPolicy, fused: bool, spec: &TrainingSpec, target: DeviceLimits) -> Result<Self> {
        let pinned = policy.is_pinned();
        let mut planner = Self { fused, target, tuning: Tuning::default(), pinned, ignored: Vec::new() };
        (planner.tuning, planner.ignored) = policy.resolve(&planner.plan(spec)?, &planner.target);
        Ok(planner)
    }

    /// Returns the training plan before it is specialized for the device. Only its fused step and its tiles depend on
    /// the device.
    pub(super) fn plan(&self, spec: &TrainingSpec) -> Result<Plan> {
        let mut plan = with_fused_step(self.untiled(spec)?, &self.target)?;
        self.tuning.apply(&mut plan, &self.target)?;
        Ok(plan)
    }

    /// Returns a plan that can evaluate but not train, for the time before the number of rows per step is known.
    /// Parameters, gradients and optimizer state have the same names and sizes as in the plans that train. So they are
    /// kept when the plan changes.
    pub(super) fn evaluation_plan(&self, spec: &TrainingSpec) -> Result<Plan> {
        let spec = TrainingSpec { micro_batch: 1, accumulate: 1, steps: 1, data_rows: None, ..spec.clone() };
        let mut plan = self.untiled(&spec)?.only(&[Section::Evaluate, Section::Score])?;
        self.tuning.apply(&mut plan, &self.target)?;
        Ok(plan)
    }

    fn untiled(&self, spec: &TrainingSpec) -> Result<Plan> {
        if self.fused { Plan::for_training(spec) } else { lower(spec) }
    }

    /// Returns the tiles of all matrix multiplications.
    pub(super) fn tiles(&self, spec: &TrainingSpec) -> Result<Tuning> {
        Ok(Tuning::of(&self.plan(spec)?, &self.target))
    }
}

impl Trainer {
    /// Returns the number of matrix multiplications with tile sizes of a tuning, and the entries of the tuning that are
    /// ignored.
    ///
    /// # Errors
    /// None are expected: [`Builder::build`](crate::trainer::Builder::build) has made the same checks.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// assert_eq!(trainer.tuned()?.tuned, 0, "there is no tuning");
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn tuned(&self) -> Result<Tuned> {
        let [matmuls, tuned] = self.planner.tuning.matmul_counts(&self.planner.plan(&self.spec)?);
        Ok(Tuned { matmuls, tuned, ignored: self.planner.ignored.clone() })
    }

    /// Returns the tile sizes of all matrix multiplications on a GPU, chosen by the heuristic or by a tuning; empty on
    /// the CPU. Another trainer reproduces the bits of this trainer if it is built with [these tile
    /// sizes](crate::trainer::Builder::tuning).
    ///
    /// # Errors
    /// None are expected: [`Builder::build`](crate::trainer::Builder::build) has made the same checks.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// assert!(trainer.tiles()?.is_empty(), "it trains on the CPU");
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn tiles(&self) -> Result<Tuning> {
        self.planner.tiles(&self.spec)
    }

    /// Changes to the tile sizes of a checkpoint that was made on the same device. Returns the number of matrix
    /// multiplications whose tile changes; 0 if the checkpoint's tiles cannot be used.
    ///
    /// # Errors
    /// A pinned tuning with other tile sizes.
    pub(super) fn take_tiles(&mut self, made: &Tuning) -> Result<usize> {
        let now = self.tiles()?;
        // Returns `true` if `tuning` has another tile for the matrix multiplication of `choice`.
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
        // Another build of the same version may have other tiles. Then the plan differs, and `Restored::differences`
        // reports this.
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
