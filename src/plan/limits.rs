//! What a plan must know of a GPU: plain numbers, no handle.

use std::str::FromStr;

use crate::error::{Error, Result};

/// The limits of a GPU that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest size of one binding in bytes.
    pub binding_bytes: u64,
    /// Largest size of one allocation in bytes.
    pub allocation_bytes: u64,
    /// Most storage buffers that one kernel may bind.
    pub storage_buffers: u32,
    /// Most workgroups along one axis of a grid.
    pub workgroups: u32,
    /// Most invocations of one workgroup.
    pub invocations: u32,
    /// Workgroup memory in bytes.
    pub workgroup_bytes: u32,
    /// Most rounds that all loops of one invocation may take together: some drivers then end them without a word.
    pub loop_rounds: u32,
    /// Whether kernels may use subgroups: all have [`Tile::SUBGROUP`](crate::plan::Tile::SUBGROUP) invocations.
    pub subgroups: bool,
    /// Whether it is a program on the CPU, where barriers cost more than they save.
    pub software: bool,
    /// When a narrow network's step is one op.
    pub fused_step: FusedStep,
}

/// When all that `gradients` does for a narrow network is one op, `mlp_step_fused`, and one that adds its parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FusedStep {
    /// Where a GPU gains by it, as far as shapes and limits tell.
    #[default]
    WhereItPays,
    /// Never: layer by layer.
    Never,
    /// Wherever it can be.
    Always,
}

impl FusedStep {
    /// As they are written: where it pays, never, always.
    pub const NAMES: [&str; 3] = ["auto", "never", "always"];
}

impl FromStr for FusedStep {
    type Err = Error;

    /// One of [`FusedStep::NAMES`].
    fn from_str(text: &str) -> Result<Self> {
        let all = [Self::WhereItPays, Self::Never, Self::Always];
        let named = Self::NAMES.iter().position(|name| *name == text);
        named.map(|at| all[at]).ok_or_else(|| Error::unknown("choice of fused steps", text, &Self::NAMES))
    }
}

impl Default for Limits {
    /// What WebGPU guarantees.
    fn default() -> Self {
        Self {
            binding_bytes: 128 << 20,
            allocation_bytes: 256 << 20,
            storage_buffers: 8,
            workgroups: 65_535,
            invocations: 256,
            workgroup_bytes: 16 << 10,
            loop_rounds: u32::MAX,
            subgroups: false,
            software: false,
            fused_step: FusedStep::default(),
        }
    }
}
