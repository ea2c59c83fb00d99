//! One network to verify, and the plans that it becomes.

use std::fmt;

use serde::Serialize;

use crate::error::Result;
use crate::fuse::fuse;
use crate::lower::{Description, lower};
use crate::model::Tensor;
use crate::network::{Activation, Layer, Network};
use crate::plan::Plan;
use crate::specialize::{Limits, Target, Tuning, WholeStep, candidates, specialize, traced, with_whole_step};
use crate::verify::inputs::{self, Numbers};

/// Most steps of a submission.
pub(super) const SLOTS: usize = 7;

/// Which of the two plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Few big ops: what training uses.
    Fused,
    /// Ops as on a blackboard.
    Primitive,
}

impl Form {
    /// `fused` or `primitive`.
    pub fn name(self) -> &'static str {
        ["fused", "primitive"][self as usize]
    }
}

/// One network to verify.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) description: Description,
    /// What the pass on real numbers starts from; drawn where there is nothing.
    pub(super) parameters: Option<Vec<Tensor>>,
    /// Cuts each product by the tile of that rank in its candidates, instead of by the first, which is the device's
    /// choice; with the device's limits.
    pub(super) tiles: Option<(usize, Limits)>,
    /// Cuts products as a tuning says, for the device that it was settled for.
    pub(super) tuning: Option<(Tuning, Target)>,
    /// Whether the fused plan has a whole step on any device, and not only where it pays.
    pub(super) whole_step: bool,
}

impl Case {
    pub(super) fn new(description: Description) -> Result<Self> {
        description.check()?;
        let data_rows = Some(description.step_rows().saturating_mul(2).saturating_add(1));
        let description = Description { slots: SLOTS, data_rows, ..description };
        Ok(Self { description, parameters: None, tiles: None, tuning: None, whole_step: false })
    }

    /// The plan, for whatever device.
    pub(super) fn plan(&self, form: Form) -> Result<Plan> {
        self.plan_of(&self.description, form, false)
    }

    /// The plan as a device runs it.
    pub(super) fn fitted(&self, form: Form, target: &Target) -> Result<Plan> {
        specialize(self.plan(form)?, target)
    }

    /// The plan for whole numbers: every activation but the identity is a relu, and nothing is dropped, so that products
    /// of what lies before stay whole. Ops, views and shapes are those of `real`, the plan that the device made of
    /// [`Case::plan`]: where that has no whole step, this network has none either, though it could.
    pub(super) fn plan_of_whole_numbers(&self, form: Form, real: &Plan) -> Result<Plan> {
        let description = Description { network: whole(&self.description.network), ..self.description.clone() };
        self.plan_of(&description, form, traced(real)?.is_none())
    }

    fn plan_of(&self, description: &Description, form: Form, layered: bool) -> Result<Plan> {
        let mut plan = lower(description)?;
        if form == Form::Fused {
            plan = fuse(&plan)?;
        }
        if layered {
            plan = plan.in_layers();
        }
        if form == Form::Fused && self.whole_step {
            let limits = Limits { whole_step: WholeStep::Always, ..Limits::default() };
            plan = with_whole_step(plan, &Target::Gpu(limits))?;
        }
        if let Some((rank, limits)) = &self.tiles {
            plan.cut(|op, shapes| candidates(op, shapes, limits).into_iter().cycle().nth(*rank));
        }
        if let Some((tuning, target)) = &self.tuning {
            plan = with_whole_step(plan, target)?;
            tuning.cut(&mut plan, target)?;
        }
        Ok(plan)
    }

    /// How many different products a step has, and how many of them are cut as a tuning says.
    pub(super) fn tuned(&self, form: Form) -> Result<[usize; 2]> {
        let plan = self.plan(form)?;
        Ok(self.tuning.as_ref().map_or([0; 2], |(tuning, _)| tuning.share(&plan)))
    }

    /// The parameters to start from.
    pub(super) fn start(&self, seed: u64, numbers: Numbers) -> Vec<Tensor> {
        match (&self.parameters, numbers) {
            (Some(parameters), Numbers::Real) => parameters.clone(),
            _ => inputs::parameters(&self.description.network, seed, numbers),
        }
    }

    /// Live rows of a full and of a short step; the short one is odd where it can be.
    pub(super) fn rows(&self) -> [usize; 2] {
        let rows = self.description.step_rows();
        [rows, ((rows * 2 / 3) | 1).min(rows - 1).max(1)]
    }
}

impl fmt::Display for Case {
    /// `64 → dense(128) relu dense(10), softmax_cross_entropy, adam, batches of 64`; where they are accumulated, `steps
    /// of 3 batches of 64`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Description { network, loss, optimizer, batch, accumulate, .. } = &self.description;
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
