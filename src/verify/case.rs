//! Network to verify, and its plans.

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

/// Largest number of steps per submission.
pub(super) const STEPS_PER_SUBMISSION: usize = 7;

/// Kind of plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
#[serde(rename_all = "snake_case")]
pub enum PlanKind {
    /// Few large ops, as in training.
    Fused,
    /// One op per mathematical operation.
    Primitive,
}

impl PlanKind {
    /// Returns `fused` or `primitive`.
    pub fn name(self) -> &'static str {
        ["fused", "primitive"][self as usize]
    }
}

/// Network to verify, with its training settings and the tile sizes of its matrix multiplications.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) spec: TrainingSpec,
    /// Initial parameters of the pass on real numbers; random if `None`.
    pub(super) parameters: Option<Vec<Tensor>>,
    /// Index of the tile among the candidates of each matrix multiplication, and the limits of the device. If `None`,
    /// each uses its first candidate.
    pub(super) tiles: Option<(usize, Limits)>,
    /// Tuning with the tile sizes of the matrix multiplications, and the limits of the device that it is for.
    pub(super) tuning: Option<(Tuning, DeviceLimits)>,
    /// True if the fused plan has a fused step on any device, even if it is not faster.
    pub(super) fused_step: bool,
}

impl Case {
    pub(super) fn new(spec: TrainingSpec) -> Result<Self> {
        spec.check()?;
        let data_rows = Some(spec.batch_size().saturating_mul(2).saturating_add(1));
        let spec = TrainingSpec { steps: STEPS_PER_SUBMISSION, data_rows, ..spec };
        Ok(Self { spec, parameters: None, tiles: None, tuning: None, fused_step: false })
    }

    /// Returns the plan before it is fitted to a device.
    pub(super) fn plan(&self, kind: PlanKind) -> Result<Plan> {
        self.plan_of(&self.spec, kind, false)
    }

    /// Returns the plan fitted to a device.
    pub(super) fn fitted(&self, kind: PlanKind, target: &DeviceLimits) -> Result<Plan> {
        specialize(self.plan(kind)?, target)
    }

    /// Returns the plan for whole numbers. Each activation except the identity is ReLU or ReLU6, and there is no noise,
    /// so that the inputs of matrix multiplications are whole numbers. Ops, views and shapes are those of `real`, the
    /// plan that the device made from [`Case::plan`]. If `real` has no fused step, this plan has none either.
    pub(super) fn plan_of_whole_numbers(&self, kind: PlanKind, real: &Plan) -> Result<Plan> {
        let spec = TrainingSpec { network: whole_number_network(&self.spec.network), ..self.spec.clone() };
        self.plan_of(&spec, kind, traced(real)?.is_none())
    }

    fn plan_of(&self, spec: &TrainingSpec, kind: PlanKind, forbids_fused_step: bool) -> Result<Plan> {
        let mut plan = lower(spec)?;
        if kind == PlanKind::Fused {
            plan = fuse(&plan)?;
        }
        if forbids_fused_step {
            plan = plan.without_fused_step();
        }
        if kind == PlanKind::Fused && self.fused_step {
            let limits = Limits { fused_step: FusedStep::Always, ..Limits::default() };
            plan = with_fused_step(plan, &DeviceLimits::Gpu(limits))?;
        }
        if let Some((rank, limits)) = &self.tiles {
            plan.set_tiles(|op, shapes| candidates(op, shapes, limits).into_iter().cycle().nth(*rank));
        }
        if let Some((tuning, target)) = &self.tuning {
            plan = with_fused_step(plan, target)?;
            tuning.apply(&mut plan, target)?;
        }
        Ok(plan)
    }

    /// Returns the number of different matrix multiplications per step, and how many of them have a tile of the tuning.
    /// Matrix multiplications with the same kernel and shapes count once.
    pub(super) fn tuned(&self, kind: PlanKind) -> Result<[usize; 2]> {
        let plan = self.plan(kind)?;
        Ok(self.tuning.as_ref().map_or([0; 2], |(tuning, _)| tuning.matmul_counts(&plan)))
    }

    /// Returns the initial parameters: those of the model on real numbers, if there is one, else random ones.
    pub(super) fn start(&self, seed: u64, numbers: Numbers) -> Vec<Tensor> {
        match (&self.parameters, numbers) {
            (Some(parameters), Numbers::Real) => parameters.clone(),
            _ => inputs::parameters(&self.spec.network, seed, numbers),
        }
    }

    /// Returns the number of rows of a full and of a short step; the short one is odd if the batch size allows it.
    pub(super) fn rows(&self) -> [usize; 2] {
        let rows = self.spec.batch_size();
        [rows, ((rows * 2 / 3) | 1).min(rows - 1).max(1)]
    }
}

impl fmt::Display for Case {
    /// Writes `64 → dense(128) relu dense(10), softmax_cross_entropy, adam, batch size 64`; with gradient accumulation,
    /// `batch size 3 × 64`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TrainingSpec { network, loss, optimizer, groups, mix, micro_batch: batch, accumulate, .. } = &self.spec;
        write!(f, "{network}, {loss}, {}, ", optimizer.name())?;
        match accumulate {
            1 => write!(f, "batch size {batch}")?,
            _ => write!(f, "batch size {accumulate} × {batch}")?,
        }
        if let Some(mix) = mix {
            write!(f, ", {mix}")?;
        }
        if !groups.is_empty() {
            f.write_str(", groups of parameters")?;
        }
        self.tiles.as_ref().map_or(Ok(()), |(rank, _)| write!(f, ", tiles of rank {rank}"))
    }
}

/// Returns the network with activations that keep whole numbers whole; see [`Case::plan_of_whole_numbers`].
pub(crate) fn whole_number_network(network: &Network) -> Network {
    let layer = |layer: &Layer| match layer {
        Layer::Activation(activation) if *activation == Activation::identity() => Layer::Activation(*activation),
        // Ops of both plans are compared by their index, so their kernels must be the same.
        Layer::Activation(activation) if activation.keeps_input() => Layer::Activation(Activation::relu6()),
        Layer::Activation(_) => Layer::Activation(Activation::relu()),
        Layer::Dropout { .. } => Layer::Dropout { rate: 0.0 },
        Layer::AlphaDropout { .. } => Layer::AlphaDropout { rate: 0.0 },
        Layer::GaussianNoise { .. } => Layer::GaussianNoise { std: 0.0 },
        Layer::Dense(_)
        | Layer::Prelu { .. }
        | Layer::Scaling
        | Layer::Gated(_)
        | Layer::BatchNorm
        | Layer::LayerNorm
        | Layer::RmsNorm
        | Layer::ResidualStart
        | Layer::ResidualEnd => *layer,
    };
    network.layers().iter().map(layer).fold(Network::input(network.inputs()), Network::layer)
}
