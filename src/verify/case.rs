//! One network to verify, and the plans that it becomes.

use std::fmt;

use serde::Serialize;

use crate::error::Result;
use crate::fuse::fuse;
use crate::lower::{TrainingSpec, lower};
use crate::model::Tensor;
use crate::network::{Activation, Layer, Network};
use crate::plan::Plan;
use crate::specialize::{DeviceLimits, FusedStep, Limits, Tuning, candidates, specialize, traced, with_fused_step};
use crate::verify::inputs::{self, Numbers};

/// Most steps of a submission.
pub(super) const STEPS_PER_SUBMISSION: usize = 7;

/// Which of the two plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanKind {
    /// Few big ops: what training uses.
    Fused,
    /// Ops as on a blackboard.
    Primitive,
}

impl PlanKind {
    /// `fused` or `primitive`.
    pub fn name(self) -> &'static str {
        ["fused", "primitive"][self as usize]
    }
}

/// One network to verify.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) spec: TrainingSpec,
    /// What the pass on real numbers starts from; drawn where there is nothing.
    pub(super) parameters: Option<Vec<Tensor>>,
    /// Cuts each product by the tile of that rank in its candidates, instead of by the first, which is the device's
    /// choice; with the device's limits.
    pub(super) tiles: Option<(usize, Limits)>,
    /// Cuts products as a tuning says, for the device that it was settled for.
    pub(super) tuning: Option<(Tuning, DeviceLimits)>,
    /// Whether the fused plan has a fused step on any device, and not only where it pays.
    pub(super) fused_step: bool,
}

impl Case {
    pub(super) fn new(spec: TrainingSpec) -> Result<Self> {
        spec.check()?;
        let data_rows = Some(spec.batch_size().saturating_mul(2).saturating_add(1));
        let spec = TrainingSpec { steps: STEPS_PER_SUBMISSION, data_rows, ..spec };
        Ok(Self { spec, parameters: None, tiles: None, tuning: None, fused_step: false })
    }

    /// The plan, for whatever device.
    pub(super) fn plan(&self, kind: PlanKind) -> Result<Plan> {
        self.plan_of(&self.spec, kind, false)
    }

    /// The plan as a device runs it.
    pub(super) fn fitted(&self, kind: PlanKind, target: &DeviceLimits) -> Result<Plan> {
        specialize(self.plan(kind)?, target)
    }

    /// The plan for whole numbers: every activation but the identity is a relu, and nothing is dropped, so that products
    /// of what lies before stay whole. Ops, views and shapes are those of `real`, the plan that the device made of
    /// [`Case::plan`]: where that has no fused step, this network has none either, though it could.
    pub(super) fn plan_of_whole_numbers(&self, kind: PlanKind, real: &Plan) -> Result<Plan> {
        let spec = TrainingSpec { network: whole(&self.spec.network), ..self.spec.clone() };
        self.plan_of(&spec, kind, traced(real)?.is_none())
    }

    fn plan_of(&self, spec: &TrainingSpec, kind: PlanKind, layered: bool) -> Result<Plan> {
        let mut plan = lower(spec)?;
        if kind == PlanKind::Fused {
            plan = fuse(&plan)?;
        }
        if layered {
            plan = plan.in_layers();
        }
        if kind == PlanKind::Fused && self.fused_step {
            let limits = Limits { fused_step: FusedStep::Always, ..Limits::default() };
            plan = with_fused_step(plan, &DeviceLimits::Gpu(limits))?;
        }
        if let Some((rank, limits)) = &self.tiles {
            plan.cut(|op, shapes| candidates(op, shapes, limits).into_iter().cycle().nth(*rank));
        }
        if let Some((tuning, target)) = &self.tuning {
            plan = with_fused_step(plan, target)?;
            tuning.cut(&mut plan, target)?;
        }
        Ok(plan)
    }

    /// How many different products a step has, and how many of them are cut as a tuning says.
    pub(super) fn tuned(&self, kind: PlanKind) -> Result<[usize; 2]> {
        let plan = self.plan(kind)?;
        Ok(self.tuning.as_ref().map_or([0; 2], |(tuning, _)| tuning.share(&plan)))
    }

    /// The parameters to start from.
    pub(super) fn start(&self, seed: u64, numbers: Numbers) -> Vec<Tensor> {
        match (&self.parameters, numbers) {
            (Some(parameters), Numbers::Real) => parameters.clone(),
            _ => inputs::parameters(&self.spec.network, seed, numbers),
        }
    }

    /// Live rows of a full and of a short step; the short one is odd where it can be.
    pub(super) fn rows(&self) -> [usize; 2] {
        let rows = self.spec.batch_size();
        [rows, ((rows * 2 / 3) | 1).min(rows - 1).max(1)]
    }
}

impl fmt::Display for Case {
    /// `64 → dense(128) relu dense(10), softmax_cross_entropy, adam, batches of 64`; where they are accumulated, `steps
    /// of 3 batches of 64`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TrainingSpec { network, loss, optimizer, micro_batch: batch, accumulate, .. } = &self.spec;
        write!(f, "{network}, {loss}, {}, ", optimizer.name())?;
        match accumulate {
            1 => write!(f, "batches of {batch}")?,
            _ => write!(f, "steps of {accumulate} batches of {batch}")?,
        }
        self.tiles.as_ref().map_or(Ok(()), |(rank, _)| write!(f, ", tiles of rank {rank}"))
    }
}

/// A network on which whole numbers stay whole: see [`Case::plan_of_whole_numbers`].
pub(crate) fn whole(network: &Network) -> Network {
    let layer = |layer: &Layer| match layer {
        Layer::Activation(Activation::Identity) => Layer::Activation(Activation::Identity),
        Layer::Activation(_) => Layer::Activation(Activation::Relu),
        Layer::Dropout { .. } => Layer::Dropout { rate: 0.0 },
        Layer::Dense(dense) => Layer::Dense(*dense),
    };
    network.layers().iter().map(layer).fold(Network::input(network.inputs()), Network::layer)
}
