//! Fused step: replaces the ops of forward pass, loss and backward pass of a small network by two ops. The first op
//! runs all three. The second op adds the partial sums of the first op's workgroups.
//!
//! A network can have a fused step if
//! - all its layers are dense, at most 16, with biases and without dropout;
//! - each dense layer but the last is followed by one activation layer, which may be an `identity`;
//! - activations with parameters all have the same parameters, and all derivatives are computed from outputs;
//! - its loss is computed per element, or is the softmax cross-entropy without label smoothing;
//! - workgroup memory holds the inputs and outputs of all layers for at least four rows;
//! - the device could also bind the intermediate values of the whole batch, so that each stage can be checked.
//!
//! The option [`FusedStep`] controls the use of fused steps. By default, a fused step is used in two cases. In the
//! first, a GPU would otherwise wait between ops longer than it computes. In the second, it would spend more time on
//! memory traffic of activations than on matrix multiplications. The choice depends on shapes and limits alone.
//! [`traced`] turns a plan with a fused step into the plan that lockstep checks.

use crate::error::Result;
use crate::kernels::dropout::Mask;
use crate::kernels::mlp_step_fused::{self, GROUP, MOST_LAYERS, Params};
use crate::kernels::shared::row_loss;
use crate::kernels::{
    activation_grad, dense_forward, dense_grad_input, dense_grad_weight, element_loss, mlp_step_sum,
    softmax_cross_entropy,
};
use crate::loss::Loss;
use crate::network::Activation;
use crate::plan::{Contents, FusedStep, Kernel, Limits, Op, Plan, Section, View, ViewId};
use crate::shape::{Dtype, Shape, TENSOR_ALIGNMENT};

/// Possible numbers of rows per workgroup, from many to few.
const CHUNKS: [u32; 5] = [64, 32, 16, 8, 4];

/// Number of workgroups that keep a mid-range GPU busy. The rows per workgroup are chosen so that there are at least
/// this many, if possible.
const WORKGROUPS: usize = 64;

/// Largest layer width for which the kernel is efficient. Each of its invocations computes one unit of a layer for four
/// rows at a time.
const WIDEST: usize = 128;

/// Largest number of parameters of a network with a fused step, since each workgroup reads all of them.
const MOST_PARAMETERS: usize = 50_000;

/// Number of multiply-adds up to which a step takes less time than the dispatches of its layers: 50 µs at a few
/// TFLOP/s.
const SMALL: usize = 16_000_000;

/// Smallest batch size for which memory traffic, not launch overhead, dominates the time of a step.
const LARGE_BATCH: usize = 4096;

/// Replaces the ops of `gradients` by the fused step, if that is possible and wanted. Otherwise returns the plan
/// unchanged.
pub(super) fn fuse(plan: Plan, limits: &Limits) -> Result<Plan> {
    let never = limits.fused_step == FusedStep::Never || plan.forbids_fused_step();
    let Some(step) = (!never).then(|| FusableStep::of(&plan)).flatten() else { return Ok(plan) };
    let Some(params) = step.params(limits) else { return Ok(plan) };
    let wanted = match limits.fused_step {
        FusedStep::Never => false,
        FusedStep::WhereItPays => pays(&params, limits),
        FusedStep::Always => true,
    };
    if wanted { step.replace(plan, &params) } else { Ok(plan) }
}

/// Returns the traced build of a plan: the same plan, but its fused step also stores the results of each stage. `None`
/// if there is no fused step. All results are the same, to the bit. A new allocation stores the outputs of the layers
/// and their gradients. Its views have the same names as in a plan without a fused step, such as `layer2.output` and
/// `grad.layer1.output`.
///
/// # Errors
/// Returns an error only if this crate has a bug.
pub fn traced(plan: &Plan) -> Result<Option<Plan>> {
    let step = |op: &&Op| op.kernel.name == mlp_step_fused::KERNEL.name;
    let Some(op) = plan.ops(Section::Gradients).iter().find(step) else { return Ok(None) };
    let (params, mut traced): (&Params, Plan) = (op.params(), plan.clone());
    let [.., trace] = mlp_step_fused::written(params);
    let all = traced.tensor("trace", Dtype::F32, trace, Contents::Computed);
    let (allocation, parameters) = (traced.get(all).allocation, plan.get(op.views[0]).allocation);
    let network = params.network();
    for (at, layer) in network.iter().enumerate() {
        let weight = |view: &&View| (view.allocation, view.offset) == (parameters, layer.weight);
        let number = plan.views().iter().filter(weight).find_map(|view| view.layer());
        let Some(number) = number else { continue };
        let shape = Shape::new(params.batch as usize, layer.outputs);
        // In layer numbers, an activation is a layer of its own. All dense layers but the last have one, perhaps the
        // identity.
        let output = number + usize::from(at + 1 < network.len() || params.activation(layer) != Activation::identity());
        traced.view(format!("layer{output}.output"), allocation, layer.output, shape);
        traced.view(format!("grad.layer{number}.output"), allocation, layer.gradient, shape);
    }
    let views: Vec<_> = op.views.iter().copied().chain([all]).collect();
    let own = |op: &Op| if step(&op) { mlp_step_fused::op(params, &views) } else { op.clone() };
    let ops = Section::ALL.into_iter().flat_map(|section| plan.ops(section).iter().map(move |op| (section, op)));
    let ops: Vec<_> = ops.map(|(section, op)| (section, own(op))).collect();
    Ok(Some(traced.with_ops(ops)?.with_trusted(plan.is_trusted())))
}

/// Estimates whether the fused step is faster. With R rows per workgroup, each row accounts for 1/R of reading all
/// weights twice from a cache, and of writing and adding their gradients once. A step without fusion moves each number
/// between layers to or from memory about seven times: the forward pass writes and reads it, the backward pass writes
/// and reads its gradient, and the weights' gradients read both.
fn pays(params: &Params, limits: &Limits) -> bool {
    let (batch, parameters, units) = (params.batch as usize, params.parameters(), params.units());
    let small = batch * parameters <= SMALL;
    let streams = batch >= LARGE_BATCH && 7 * units * params.chunk() >= 4 * parameters;
    let narrow = params.network().iter().all(|layer| layer.outputs.max(layer.inputs) <= WIDEST);
    !limits.software && narrow && parameters <= MOST_PARAMETERS && (small || streams)
}

/// Network whose gradients the section `gradients` computes. It is recognized from the section's ops.
struct FusableStep {
    /// Views of parameters, input, targets, row_loss, flag and all gradients.
    views: [ViewId; 6],
    /// Number of outputs and number of the activation function, per layer.
    layers: Vec<(usize, u32)>,
    loss: Loss,
    activation_parameters: [f32; 2],
    /// Number of the section's ops that the fused step replaces.
    ops: usize,
    batch: Shape,
}

fn is(op: &Op, kernel: &'static Kernel) -> bool {
    std::ptr::eq(op.kernel, kernel)
}

impl FusableStep {
    fn of(plan: &Plan) -> Option<Self> {
        let ops = plan.ops(Section::Gradients);
        let count = ops.iter().take_while(|op| is(op, &dense_forward::KERNEL)).count();
        let (forward, rest) = ops.split_at(count);
        let (loss_op, mut rest) = rest.split_first()?;
        let is_plain_softmax =
            |op: &Op| is(op, &softmax_cross_entropy::KERNEL) && op.params::<row_loss::Params>().alpha == 0.0;
        let is_loss = is(loss_op, &element_loss::KERNEL) || is_plain_softmax(loss_op);
        let loss = is_loss.then(|| loss_op.params::<row_loss::Params>().loss())?;
        let mut layers: Vec<Activation> = Vec::new();
        for (number, op) in forward.iter().enumerate() {
            let p: &dense_forward::Params = op.params();
            let follows = number == 0 || op.views[0] == forward[number - 1].views[3];
            if !follows || p.threshold > 0 || op.layer.is_none() {
                return None;
            }
            layers.push(p.activation());
        }
        let (last, first) = (forward.last()?, forward.first()?);
        let mut d = (loss_op.views[0] == last.views[3]).then_some(loss_op.views[3])?;
        if let Some((op, behind)) = rest.split_first().filter(|(op, _)| is(op, &activation_grad::KERNEL)) {
            (d, rest) = (derived(op, d, last)?, behind);
        } else if *layers.last()? != Activation::identity() {
            return None;
        }
        for number in (0..forward.len()).rev() {
            let (op, behind) = rest.split_first()?;
            let own = is(op, &dense_grad_weight::KERNEL) && op.views[..2] == [d, forward[number].views[0]];
            rest = own.then_some(behind)?;
            if number > 0 {
                let (op, behind) = rest.split_first()?;
                d = grad_input(op, d, &forward[number], layers[number - 1])?;
                rest = behind;
            }
        }
        let activation_parameters = shared_parameters(&layers)?;
        let weight = ops[count..].iter().find(|op| is(op, &dense_grad_weight::KERNEL))?;
        let whole = |view: ViewId| whole(plan, view);
        let (parameters, gradients) = (whole(first.views[1])?, whole(weight.views[2])?);
        let views = [parameters, first.views[0], loss_op.views[1], loss_op.views[2], loss_op.views[4], gradients];
        let outputs = |(op, f): (&Op, &Activation)| (plan.shape(op.views[3]).columns, f.number());
        let step = Self {
            views,
            layers: forward.iter().zip(&layers).map(outputs).collect(),
            loss,
            activation_parameters,
            ops: ops.len() - rest.len(),
            batch: plan.shape(first.views[0]),
        };
        step.has_expected_offsets(plan, forward, &ops[..step.ops]).then_some(step)
    }

    /// Returns `true` if weights, biases and their gradients are at the offsets that the kernel expects.
    fn has_expected_offsets(&self, plan: &Plan, forward: &[Op], ops: &[Op]) -> bool {
        if self.layers.len() > MOST_LAYERS {
            return false;
        }
        let params = self.params_of(4);
        let at = |view: ViewId, all: ViewId, place: usize| {
            (plan.get(view).allocation, plan.get(view).offset) == (plan.get(all).allocation, place)
        };
        let network = params.network();
        let weights = ops.iter().filter(|op| is(op, &dense_grad_weight::KERNEL)).rev();
        let [parameters, .., gradients] = self.views;
        let sizes = [parameters, gradients].map(|view| plan.shape(view).elements());
        sizes == [params.parameters(); 2]
            && forward.iter().zip(weights).zip(network).all(|((forward, backward), layer)| {
                at(forward.views[1], parameters, layer.weight)
                    && at(forward.views[2], parameters, layer.bias)
                    && at(backward.views[2], gradients, layer.weight)
                    && at(backward.views[3], gradients, layer.bias)
            })
    }

    fn params_of(&self, chunk: u32) -> Params {
        let Shape { rows, columns } = self.batch;
        Params { chunk, ..Params::new(rows, columns, &self.layers, self.loss, self.activation_parameters) }
    }

    /// Returns the kernel's parameters with as many rows per workgroup as fit into the limits and leave at least
    /// [`WORKGROUPS`] workgroups. If no choice leaves that many, returns the one with the fewest rows; `None` if none
    /// fits.
    fn params(&self, limits: &Limits) -> Option<Params> {
        let all = CHUNKS.map(|chunk| self.params_of(chunk));
        let most = limits.binding_bytes.min(limits.allocation_bytes);
        let fits = |params: &&Params| {
            4 * params.units() * params.chunk() <= limits.workgroup_bytes as usize
                && GROUP <= limits.invocations as usize
                && params.rounds().max(params.parts() as u64) <= limits.loop_rounds.into()
                // The parameters have a binding of their own.
                && mlp_step_fused::TRACED.bindings.len() < limits.storage_buffers as usize
                && mlp_step_fused::written(params).iter().all(|shape| 4 * shape.elements() as u64 <= most)
        };
        let fills = |params: &&Params| params.parts() >= WORKGROUPS;
        let fitting = || all.iter().filter(fits);
        fitting().find(fills).or_else(|| fitting().next_back()).copied()
    }

    fn replace(&self, mut plan: Plan, params: &Params) -> Result<Plan> {
        let [parameters, input, targets, row_loss, flag, gradients] = self.views;
        let [partial, ..] = mlp_step_fused::written(params);
        let partial = plan.tensor("partial", Dtype::F32, partial, Contents::Computed);
        let views = [parameters, input, targets, partial, row_loss, flag];
        let new = [mlp_step_fused::op(params, &views), mlp_step_sum::op(&plan, partial, gradients, flag)];
        let mut ops = Vec::new();
        for section in Section::ALL {
            let old = plan.ops(section).iter().cloned();
            match section {
                Section::Gradients => {
                    let all = new.clone().into_iter().chain(old.skip(self.ops));
                    ops.extend(all.map(|op| (section, op)));
                }
                _ => ops.extend(old.map(|op| (section, op))),
            }
        }
        plan.with_ops(ops)
    }
}

/// Returns the gradient of the last layer's output before the activation, if `op` computes it from the loss gradient
/// `d`.
fn derived(op: &Op, d: ViewId, last: &Op) -> Option<ViewId> {
    let (own, forward): (&activation_grad::Params, &dense_forward::Params) = (op.params(), last.params());
    let same = own.activation() == forward.activation();
    (same && op.views[..2] == [d, last.views[3]]).then_some(op.views[2])
}

/// Returns the gradient that `layer` passes to the layer below, if `op` computes it from `d` as the fused kernel does.
/// `lower` is the activation of the layer below.
fn grad_input(op: &Op, d: ViewId, layer: &Op, lower: Activation) -> Option<ViewId> {
    let p = is(op, &dense_grad_input::KERNEL).then(|| *op.params::<dense_grad_input::Params>())?;
    let same = (p.activation(), p.threshold, p.scale) == (lower, 0, Mask::NONE.scale);
    let reads = op.views[..3] == [d, layer.views[1], layer.views[0]];
    (same && reads).then_some(op.views[3])
}

/// Returns the parameters that all activations with parameters have in common. `None` if they differ, or if a
/// derivative is computed from an input.
fn shared_parameters(layers: &[Activation]) -> Option<[f32; 2]> {
    if layers.iter().any(|activation| activation.keeps_input()) {
        return None;
    }
    let with_parameters = |activation: &&Activation| !activation.function().parameters.is_empty();
    let mut parameters = layers.iter().filter(with_parameters).map(|activation| activation.parameters());
    let first = parameters.next().unwrap_or_default();
    parameters.all(|other| other == first).then_some(first)
}

/// Returns the view that covers the whole allocation of the view `part`, if there is one.
fn whole(plan: &Plan, part: ViewId) -> Option<ViewId> {
    let allocation = plan.get(part).allocation;
    let elements = plan.allocations()[allocation.0].elements;
    let covers = |view: &View| view.allocation == allocation && view.shape == Shape::vector(elements);
    plan.views().iter().position(covers).map(ViewId).filter(|_| elements.is_multiple_of(TENSOR_ALIGNMENT))
}
