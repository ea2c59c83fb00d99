//! Fits a plan to a device, or says why it does not fit, before anything is allocated.

use crate::error::{Error, Result};
use crate::plan::{Plan, Section};

/// What a plan must know of a device: plain numbers, no handle.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// The host: no limits but its memory.
    Cpu,
    /// A GPU.
    Gpu(Limits),
}

/// The limits of a GPU that matter.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Largest size of one binding in bytes.
    pub binding_bytes: u64,
    /// Most storage buffers that one kernel may bind.
    pub storage_buffers: u32,
    /// Most workgroups along one axis of a grid.
    pub workgroups: u32,
}

impl Default for Limits {
    /// What WebGPU guarantees.
    fn default() -> Self {
        Self { binding_bytes: 128 << 20, storage_buffers: 8, workgroups: 65_535 }
    }
}

/// Checks each op against the target's limits.
///
/// # Errors
/// [`Error::Limit`] with the op and both numbers.
pub fn specialize(plan: Plan, target: &Target) -> Result<Plan> {
    if let Target::Gpu(limits) = target {
        for section in Section::ALL {
            (0..plan.ops(section).len()).try_for_each(|index| check(&plan, section, index, limits))?;
        }
    }
    Ok(plan)
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
    limit("storage buffers", op.views.len() as u64, u64::from(limits.storage_buffers), "use another device")?;
    for view in &op.views {
        let bytes = 4 * plan.shape(*view).elements() as u64;
        limit("bytes in one binding", bytes, limits.binding_bytes, "use a smaller batch or narrower layers")?;
    }
    let shapes: Vec<_> = op.views.iter().map(|v| plan.shape(*v)).collect();
    let grid = (shader.grid)(&op.params, &shapes, op.lanes);
    grid.iter().try_for_each(|groups| {
        limit("workgroups along one axis", u64::from(*groups), u64::from(limits.workgroups), "use a smaller batch")
    })
}
