//! Fits a plan to a device, or says why it does not fit, before anything is allocated.

use crate::error::{Error, Result};
pub use crate::plan::Limits;
use crate::plan::{Op, Plan, Section, StepUse, Tile};
use crate::shape::{Shape, TENSOR_ALIGNMENT};

/// What a plan must know of a device: plain numbers, no handle.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// The host: no limits but its memory.
    Cpu,
    /// A GPU.
    Gpu(Limits),
}

/// Cuts products into tiles, and checks each allocation and op against the target's limits.
///
/// # Errors
/// [`Error::Limit`] with the op and both numbers; a tile that the op cannot have there.
pub fn specialize(mut plan: Plan, target: &Target) -> Result<Plan> {
    if let Target::Gpu(limits) = target {
        plan.cut(|op, shapes| op.tile.or_else(|| candidates(op, shapes, limits).first().copied()));
        plan = split(plan)?;
        plan.allocations().iter().try_for_each(|allocation| {
            let (needed, allowed) = (4 * allocation.elements as u64, limits.allocation_bytes);
            let op = format!("allocation {}", allocation.name);
            let remedy = "use a smaller batch or narrower layers".into();
            let too_large = needed > allowed;
            if too_large { Err(Error::Limit { op, what: "bytes", needed, allowed, remedy }) } else { Ok(()) }
        })?;
        for section in Section::ALL {
            (0..plan.ops(section).len()).try_for_each(|index| check(&plan, section, index, limits))?;
        }
    }
    Ok(plan)
}

/// The tiles that an op can have, the best one first; none where it is no product.
pub fn candidates(op: &Op, shapes: &[Shape], limits: &Limits) -> Vec<Tile> {
    let tiles = op.kernel.shader.and_then(|shader| shader.tiles);
    tiles.map(|tiles| (tiles.candidates)(op, shapes, limits)).unwrap_or_default()
}

/// Makes two ops of each product whose terms are cut into parts.
fn split(mut plan: Plan) -> Result<Plan> {
    let parted = |op: &Op| op.kernel.shader.and_then(|shader| shader.tiles?.split).filter(|_| op.tile().parts > 1);
    let mut ops = Vec::new();
    for section in Section::ALL {
        for op in plan.ops(section).to_vec() {
            match parted(&op) {
                Some(split) => ops.extend(split(&mut plan, &op).map(|half| (section, Op { layer: op.layer, ..half }))),
                None => ops.push((section, op)),
            }
        }
    }
    plan.with_ops(ops)
}

fn check(plan: &Plan, section: Section, index: usize, limits: &Limits) -> Result<()> {
    let op = &plan.ops(section)[index];
    let limit = |what, needed: u64, allowed: u64, remedy: &str| {
        if needed <= allowed {
            return Ok(());
        }
        Err(Error::Limit { op: plan.op_name(section, index), what, needed, allowed, remedy: remedy.into() })
    };
    let Some(shader) = &op.kernel.shader else {
        return Err(Error::Device {
            device: "gpu".into(),
            problem: format!("{} has no shader yet", plan.op_name(section, index)),
            remedy: "train with `--device cpu`".into(),
        });
    };
    // The first one holds the parameters.
    let bindings = 1 + op.views.len() + usize::from(op.kernel.step == StepUse::All);
    limit("storage buffers", bindings as u64, u64::from(limits.storage_buffers), "use another device")?;
    for view in &op.views {
        let bytes = 4 * plan.shape(*view).elements() as u64;
        limit("bytes in one binding", bytes, limits.binding_bytes, "use a smaller batch or narrower layers")?;
        let view = plan.get(*view);
        if view.offset % TENSOR_ALIGNMENT + view.slot_stride % TENSOR_ALIGNMENT > 0 {
            let problem = format!(
                "{} begins at element {} and moves by {}, but a device binds multiples of {TENSOR_ALIGNMENT}",
                view.name, view.offset, view.slot_stride
            );
            return Err(Error::conflict(plan.op_name(section, index), problem, "pad what lies before it"));
        }
    }
    let shapes: Vec<_> = op.views.iter().map(|v| plan.shape(*v)).collect();
    if let Some(tile) = op.tile.filter(|tile| !candidates(op, &shapes, limits).contains(tile)) {
        let problem = format!("its tile is {tile}, which this device or these shapes do not allow");
        return Err(Error::conflict(plan.op_name(section, index), problem, "let `specialize` choose"));
    }
    let grid = (shader.grid)(op, &shapes);
    grid.iter().try_for_each(|groups| {
        limit("workgroups along one axis", u64::from(*groups), u64::from(limits.workgroups), "use a smaller batch")
    })
}
