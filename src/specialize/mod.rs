//! Fits a plan to a device, or reports why it does not fit, before anything is allocated.

mod bindings;
mod fused_step;
mod tuning;

pub use fused_step::traced;
pub(crate) use tuning::TuningPolicy;
pub use tuning::{Choice, Machine, TUNING_VERSION, Tuning};

use crate::error::{Error, Result};
use crate::kernels;
use crate::kernels::matmul_split::PARTS;
use crate::plan::{Allocation, Contents, Op, Plan, STEP_BYTES, Section, StepUse, Tile};
pub use crate::plan::{FusedStep, Limits};
use crate::shape::{Shape, TENSOR_ALIGNMENT};

/// Limits of a device, to which a plan is fitted. They are plain numbers; no device needs to be open.
#[derive(Clone, Debug, PartialEq)]
pub enum DeviceLimits {
    /// CPU of the host, which has no limits except its memory.
    Cpu,
    /// GPU with these limits.
    Gpu(Limits),
}

/// Fits a plan to a device: creates the [fused step](with_fused_step), chooses tile sizes for matrix multiplications,
/// splits ops that exceed the binding limits, and checks each allocation and op against the device's limits. Tiles that
/// a [`Tuning`] has already set stay as they are.
///
/// Ops over all parameters (optimizers, norms, checks) are split if needed, and so are ops that gather rows of a data
/// set. A data set may therefore span many bindings, but must fit into one allocation. A weight must fit into one
/// binding.
///
/// # Errors
/// Returns [`Error::Limit`] with the op, the needed and the allowed number if the plan exceeds a limit. Returns another
/// error if this device does not support a tile that was set.
pub fn specialize(mut plan: Plan, target: &DeviceLimits) -> Result<Plan> {
    let trusted = plan.is_trusted();
    if *target == DeviceLimits::Cpu {
        plan.set_tiles(slices);
        plan = split(plan, false)?;
    }
    if let DeviceLimits::Gpu(limits) = target {
        shaders(limits)?;
        plan = with_fused_step(plan, target)?;
        plan.set_tiles(|op, shapes| op.tile.or_else(|| candidates(op, shapes, limits).first().copied()));
        plan = bindings::split(split(plan, true)?, limits)?;
        plan.allocations().iter().try_for_each(|allocation| check_allocation(allocation, limits))?;
        for section in Section::ALL {
            (0..plan.ops(section).len()).try_for_each(|index| check_op(&plan, section, index, limits))?;
        }
    }
    Ok(plan.with_trusted(trusted))
}

/// Replaces the forward pass, loss and backward pass of a small network by a fused step, if the device should use one.
/// This must happen before tiles are chosen, since the fused step has no tiles.
///
/// # Errors
/// Returns an error only if this crate has a bug.
pub fn with_fused_step(plan: Plan, target: &DeviceLimits) -> Result<Plan> {
    let trusted = plan.is_trusted();
    match target {
        DeviceLimits::Gpu(limits) => Ok(fused_step::fuse(plan, limits)?.with_trusted(trusted)),
        DeviceLimits::Cpu => Ok(plan),
    }
}

/// Number of rows of the batch that the CPU keeps in cache during the forward and backward pass through all layers.
const SLICE: usize = 256;

/// Returns a tile that splits a weight gradient of a small layer and a large batch into slices of the batch. Each slice
/// is then summed while its rows are in cache. Returns `None` for other ops, and if the partial sums would take more
/// memory than the operands.
fn slices(op: &Op, shapes: &[Shape]) -> Option<Tile> {
    if !std::ptr::eq(op.kernel, &kernels::dense_grad_weight::KERNEL) {
        return None;
    }
    let (batch, weight) = (shapes[0].rows, shapes[2]);
    let pays = batch >= 4 * SLICE && weight.elements() <= SLICE * (weight.rows + weight.columns);
    pays.then_some(Tile { parts: (batch / SLICE) as u32, ..Tile::PLAIN })
}

/// Returns the tiles that a GPU with these limits supports for an op with views of these shapes. The heuristic's choice
/// is first. Empty if the op is not a matrix multiplication.
pub fn candidates(op: &Op, shapes: &[Shape], limits: &Limits) -> Vec<Tile> {
    op.kernel.shader.tiles.map(|tiles| (tiles.candidates)(op, shapes, limits)).unwrap_or_default()
}

/// Replaces each matrix multiplication whose tile has several parts (split-K) by two ops. The new ops have tiles only
/// if `tiled`; the CPU needs none.
fn split(mut plan: Plan, tiled: bool) -> Result<Plan> {
    let parted = |op: &Op| op.kernel.shader.tiles.and_then(|tiles| tiles.split).filter(|_| op.tile().parts > 1);
    if !Section::ALL.iter().flat_map(|section| plan.ops(*section)).any(|op| parted(op).is_some()) {
        return Ok(plan);
    }
    let mut ops = Vec::new();
    for section in Section::ALL {
        for op in plan.ops(section).to_vec() {
            match parted(&op) {
                Some(split) => {
                    let halves = split(&mut plan, &op);
                    let tile = |half: &Op| half.tile.filter(|_| tiled);
                    ops.extend(halves.map(|half| (section, Op { layer: op.layer, tile: tile(&half), ..half })));
                }
                None => ops.push((section, op)),
            }
        }
    }
    plan.with_ops(ops)
}

/// Checks the limits that every shader needs.
fn shaders(limits: &Limits) -> Result<()> {
    let needs = [
        ("invocations in one workgroup", kernels::shared::GROUP as u64, limits.invocations),
        ("bytes of workgroup memory", kernels::shared::GROUP_BYTES as u64, limits.workgroup_bytes),
    ];
    needs.into_iter().try_for_each(|(what, needed, allowed)| {
        limit(|| "every shader".into(), what, needed, allowed.into(), || "use another device".into())
    })
}

/// Checks that an allocation is not larger than the device allows.
fn check_allocation(allocation: &Allocation, limits: &Limits) -> Result<()> {
    let remedy = match &allocation.contents {
        Contents::Host => "use fewer rows at once, of a data set or of a batch, or train with `--device cpu`",
        Contents::Persistent(_) if allocation.name.ends_with(PARTS) => "use a smaller batch or narrower layers",
        Contents::Persistent(_) | Contents::Constant(_) => "use narrower layers, or train with `--device cpu`",
        Contents::Computed => "use a smaller batch or narrower layers",
    };
    let name = || format!("allocation {}", allocation.name);
    limit(name, "bytes", 4 * allocation.elements as u64, limits.allocation_bytes, || remedy.into())
}

fn limit(
    op: impl Fn() -> String,
    what: &'static str,
    needed: u64,
    allowed: u64,
    remedy: impl Fn() -> String,
) -> Result<()> {
    if needed > allowed {
        return Err(Error::Limit { op: op(), what, needed, allowed, remedy: remedy() });
    }
    Ok(())
}

fn check_op(plan: &Plan, section: Section, index: usize, limits: &Limits) -> Result<()> {
    let op = &plan.ops(section)[index];
    let limit = |what, needed, allowed, remedy: &str| {
        limit(|| plan.op_name(section, index), what, needed, allowed, || remedy.into())
    };
    // The first binding holds the parameters.
    let bindings = 1 + op.views.len() + usize::from(op.kernel.step == StepUse::All);
    limit("storage buffers", bindings as u64, u64::from(limits.storage_buffers), "use another device")?;
    if op.kernel.step == StepUse::All {
        let records = (STEP_BYTES * (1 + op.items)) as u64;
        limit("bytes of step records", records, limits.binding_bytes, "put fewer steps into a submission")?;
    }
    for (binding, view) in op.kernel.bindings.iter().zip(&op.views) {
        let bytes = 4 * plan.shape(*view).elements() as u64;
        // Each range of rows must begin at a multiple of 64 words. So the op can be split only if some number of rows
        // has a multiple of 64 words and fits into a binding.
        let remedy = match &plan.allocation_of(*view).contents {
            _ if binding.by_rows => "fewer columns, or 64 more of them",
            Contents::Host => "fewer rows at once, of a data set or of a batch",
            _ => "a smaller batch or narrower layers",
        };
        let remedy = format!("{} takes that: use {remedy}", plan.get(*view).name);
        limit("bytes in one binding", bytes, limits.binding_bytes, &remedy)?;
        let view = plan.get(*view);
        if view.offset % TENSOR_ALIGNMENT + view.batch_stride % TENSOR_ALIGNMENT > 0 {
            let problem = format!(
                "{} begins at element {} and moves by {}, but a device binds multiples of {TENSOR_ALIGNMENT}",
                view.name, view.offset, view.batch_stride
            );
            return Err(Error::conflict(plan.op_name(section, index), problem, "pad what lies before it"));
        }
    }
    let shapes: Vec<_> = op.views.iter().map(|v| plan.shape(*v)).collect();
    if let Some(tile) = op.tile.filter(|tile| !candidates(op, &shapes, limits).contains(tile)) {
        let problem = format!("its tile is {tile}, which this device or these shapes do not allow");
        return Err(Error::conflict(plan.op_name(section, index), problem, "let `specialize` choose"));
    }
    if let Some(rounds) = op.kernel.shader.rounds {
        let remedy = "use a smaller batch or narrower layers, or train with `--device cpu`";
        limit("iterations of an invocation's loops", rounds(op, &shapes), limits.loop_rounds.into(), remedy)?;
    }
    let grid = (op.kernel.shader.grid)(op, &shapes);
    grid.iter().try_for_each(|groups| {
        limit("workgroups along one axis", u64::from(*groups), u64::from(limits.workgroups), "use a smaller batch")
    })
}
