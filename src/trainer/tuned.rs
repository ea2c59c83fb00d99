//! Which tiles a training's products have: the heuristic's, those of a tuning, or those of the checkpoint that it goes on
//! from.

use crate::error::{Error, Result};
use crate::fuse::fuse;
use crate::lower::{TrainingSpec, lower};
use crate::plan::{Plan, Section};
use crate::specialize::{Choice, DeviceLimits, Tuning, TuningPolicy, with_fused_step};
use crate::trainer::Trainer;

/// Makes plans, and cuts their products.
#[derive(Clone, Debug)]
pub(super) struct Planner {
    /// Whether ops are fused.
    pub(super) fused: bool,
    target: DeviceLimits,
    tuning: Tuning,
    pinned: bool,
    ignored: Vec<String>,
}

/// What a [`Trainer`] makes of a tuning.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuned {
    /// Different products of a step.
    pub matmuls: usize,
    /// Those that the tuning says something of.
    pub tuned: usize,
    /// Why it was not followed everywhere, where it was not [pinned](crate::trainer::Builder::tuning).
    pub ignored: Vec<String>,
}

impl Planner {
    /// For trainings as described on devices of this kind.
    pub(super) fn new(wish: TuningPolicy, fused: bool, spec: &TrainingSpec, target: DeviceLimits) -> Result<Self> {
        let pinned = wish.is_pinned();
        let mut planner = Self { fused, target, tuning: Tuning::default(), pinned, ignored: Vec::new() };
        (planner.tuning, planner.ignored) = wish.granted(&planner.plan(spec)?, &planner.target);
        Ok(planner)
    }

    /// The plan of a spec, which is not fitted to the device yet but for its tiles.
    pub(super) fn plan(&self, spec: &TrainingSpec) -> Result<Plan> {
        let plan = lower(spec)?;
        let mut plan = with_fused_step(if self.fused { fuse(&plan)? } else { plan }, &self.target)?;
        self.tuning.cut(&mut plan, &self.target)?;
        Ok(plan)
    }

    /// What is there before it is known how many rows a step has: parameters, gradients and state, under the names and with the
    /// sizes that they have in every plan of the spec; it runs evaluations, and no steps.
    pub(super) fn plan_at_rest(&self, spec: &TrainingSpec) -> Result<Plan> {
        let spec = TrainingSpec { micro_batch: 1, accumulate: 1, steps: 1, data_rows: None, ..spec.clone() };
        let plan = lower(&spec)?;
        let plan = if self.fused { fuse(&plan)? } else { plan };
        let mut plan = plan.only(&[Section::Evaluate, Section::Score])?;
        self.tuning.cut(&mut plan, &self.target)?;
        Ok(plan)
    }

    /// The tiles of all products, whoever chose them.
    pub(super) fn tiles(&self, spec: &TrainingSpec) -> Result<Tuning> {
        Ok(Tuning::of(&self.plan(spec)?, &self.target))
    }
}

impl Trainer {
    /// How far its products follow a tuning.
    ///
    /// # Errors
    /// None that building it would not have found.
    pub fn tuned(&self) -> Result<Tuned> {
        let [matmuls, tuned] = self.planner.tuning.share(&self.planner.plan(&self.spec)?);
        Ok(Tuned { matmuls, tuned, ignored: self.planner.ignored.clone() })
    }

    /// The tiles of all products on its device, whoever chose them; none on the CPU. As a
    /// [pinned](crate::trainer::Builder::tuning) tuning they repeat this training's bits there.
    ///
    /// # Errors
    /// None that building it would not have found.
    pub fn tiles(&self) -> Result<Tuning> {
        self.planner.tiles(&self.spec)
    }

    /// Cuts products as the checkpoint's training did, on the same device; returns how many it has cut otherwise until now.
    ///
    /// # Errors
    /// Other tiles that were pinned.
    pub(super) fn take_tiles(&mut self, made: &Tuning) -> Result<usize> {
        let now = self.tiles()?;
        // Products that it has now, and cuts otherwise.
        let other = |tuning: &Tuning, choice: &&Choice| {
            tuning.choices().iter().any(|own| own.same_matmul(choice) && own.tile != choice.tile)
        };
        let others: Vec<_> = made.choices().iter().filter(|choice| other(&now, choice)).collect();
        if others.is_empty() {
            return Ok(0);
        }
        let pinned = others.iter().find(|choice| self.planner.pinned && other(&self.planner.tuning, choice));
        if let Some(first) = pinned {
            let problem = format!("it was made with other tiles than the tuning says: {first} had `{}`", first.tile);
            let remedy = "leave the tuning out to go on with the checkpoint's tiles, or begin anew elsewhere";
            return Err(Error::conflict("checkpoint", problem, remedy));
        }
        let planner = Planner { tuning: made.clone(), ..self.planner.clone() };
        // Another build of the same version may know other tiles: then the plan differs, which is told.
        let plan = match planner.plan(&self.spec) {
            Ok(plan) => plan,
            Err(Error::Conflict { problem, .. }) => {
                log::info!("the checkpoint's tiles are not taken: {problem}");
                return Ok(0);
            }
            Err(error) => return Err(error),
        };
        self.executor.adopt(plan)?;
        self.planner = planner;
        Ok(others.len())
    }
}
