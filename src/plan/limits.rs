//! Limits of a GPU that a plan depends on: plain numbers, without an open device.

use std::str::FromStr;

use crate::error::{Error, Result};

/// Limits of a GPU that matter for plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest size of one binding in bytes.
    pub binding_bytes: u64,
    /// Largest size of one allocation in bytes.
    pub allocation_bytes: u64,
    /// Largest number of storage buffers that a shader can bind.
    pub storage_buffers: u32,
    /// Largest number of workgroups along one axis of a grid.
    pub workgroups: u32,
    /// Largest number of invocations per workgroup.
    pub invocations: u32,
    /// Workgroup memory in bytes.
    pub workgroup_bytes: u32,
    /// Largest total number of iterations of all loops of one invocation; some drivers stop longer loops without an
    /// error.
    pub loop_rounds: u32,
    /// `true` if kernels may use subgroups. Every subgroup then has [`Tile::SUBGROUP`](crate::plan::Tile::SUBGROUP)
    /// invocations.
    pub subgroups: bool,
    /// `true` for a software renderer on the CPU, where barriers cost more than they save.
    pub software: bool,
    /// Use of the fused step for small networks.
    pub fused_step: FusedStep,
}

/// Use of the fused step for small networks. A fused step replaces forward pass, loss and backward pass by two ops.
/// `mlp_step_fused` computes partial sums of the gradients, and `mlp_step_sum` adds them. `specialize/fused_step.rs`
/// lists the conditions for a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FusedStep {
    /// Used if it is possible and probably faster, judging by shapes and limits; never on a software renderer.
    #[default]
    WhereItPays,
    /// Never used: the step runs layer by layer.
    Never,
    /// Used whenever it is possible. Otherwise the step runs layer by layer.
    Always,
}

impl FusedStep {
    /// Names of the choices on the command line, in the order of the variants.
    pub const NAMES: [&str; 3] = ["auto", "never", "always"];
}

impl FromStr for FusedStep {
    type Err = Error;

    /// Parses one of [`FusedStep::NAMES`].
    fn from_str(text: &str) -> Result<Self> {
        let all = [Self::WhereItPays, Self::Never, Self::Always];
        let named = Self::NAMES.iter().position(|name| *name == text);
        named.map(|at| all[at]).ok_or_else(|| Error::unknown("choice of fused steps", text, &Self::NAMES))
    }
}

impl Default for Limits {
    /// Returns the limits that WebGPU guarantees.
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
