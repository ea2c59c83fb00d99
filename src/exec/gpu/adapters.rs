//! Which GPUs there are, and which one is taken.

use std::fmt;

use crate::error::{Error, Result};
use crate::plan::Tile;
use crate::specialize::{Limits, WholeStep};

/// What an adapter is made of, from the most to the least wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AdapterKind {
    /// A GPU with its own memory.
    Discrete,
    /// A GPU that shares the host's memory.
    Integrated,
    /// A GPU lent to a virtual machine.
    Virtual,
    /// The driver does not say.
    Unknown,
    /// A program that computes on the CPU: right for tests, slower than our CPU executor.
    Software,
}

/// An adapter of this machine. One GPU appears once for each interface that reaches it.
#[derive(Clone, Debug, PartialEq)]
pub struct Adapter {
    /// The driver's name for it.
    pub name: String,
    /// The vendor's number, as PCI has it, and the adapter's, as the vendor has it; 0 where an interface tells none.
    pub ids: [u32; 2],
    /// What it is made of.
    pub kind: AdapterKind,
    /// The interface: `vulkan`, `metal`, `dx12`.
    pub interface: String,
    /// The driver and its version, as far as it says.
    pub driver: String,
    /// What it offers at most.
    pub limits: Limits,
    /// Those of `f16`, `subgroups` and `timestamps` that it has.
    pub features: Vec<&'static str>,
}

impl AdapterKind {
    /// In words: `discrete GPU`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Discrete => "discrete GPU",
            Self::Integrated => "integrated GPU",
            Self::Virtual => "virtual GPU",
            Self::Unknown => "GPU of unknown kind",
            Self::Software => "software",
        }
    }
}

impl Adapter {
    /// What a driver says of its adapter.
    pub(super) fn of(handle: &wgpu::Adapter) -> Self {
        let info = handle.get_info();
        let kind = match info.device_type {
            wgpu::DeviceType::DiscreteGpu => AdapterKind::Discrete,
            wgpu::DeviceType::IntegratedGpu => AdapterKind::Integrated,
            wgpu::DeviceType::VirtualGpu => AdapterKind::Virtual,
            wgpu::DeviceType::Other => AdapterKind::Unknown,
            wgpu::DeviceType::Cpu => AdapterKind::Software,
        };
        let driver = format!("{} {}", info.driver, info.driver_info).trim().to_string();
        let software = kind == AdapterKind::Software;
        // Only software drivers are given kernels with subgroups.
        let ours = [info.subgroup_min_size, info.subgroup_max_size] == [Tile::SUBGROUP; 2];
        let subgroups = software && ours && handle.features().contains(wgpu::Features::SUBGROUP);
        Self {
            name: info.name,
            ids: [info.vendor, info.device],
            kind,
            interface: info.backend.to_string(),
            driver,
            limits: limits(&handle.limits(), subgroups, software, WholeStep::default()),
            features: features(handle.features()),
        }
    }
}

impl fmt::Display for Adapter {
    /// `llvmpipe (LLVM 15.0.6, 256 bits), vulkan, software`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let software = if self.kind == AdapterKind::Software { ", software" } else { "" };
        write!(f, "{}, {}{software}", self.name, self.interface)
    }
}

/// The limits that plans must fit.
pub(super) fn limits(limits: &wgpu::Limits, subgroups: bool, software: bool, whole_step: WholeStep) -> Limits {
    Limits {
        binding_bytes: limits.max_storage_buffer_binding_size,
        allocation_bytes: limits.max_buffer_size,
        storage_buffers: limits.max_storage_buffers_per_shader_stage,
        workgroups: limits.max_compute_workgroups_per_dimension,
        invocations: limits.max_compute_invocations_per_workgroup,
        workgroup_bytes: limits.max_compute_workgroup_storage_size,
        // Mesa's llvmpipe counts the rounds of all loops of an invocation, and ends them after so many. No driver says such a
        // thing of itself.
        loop_rounds: if software { 65_535 } else { u32::MAX },
        subgroups,
        software,
        whole_step,
    }
}

fn features(features: wgpu::Features) -> Vec<&'static str> {
    let named = [
        ("f16", wgpu::Features::SHADER_F16),
        ("subgroups", wgpu::Features::SUBGROUP),
        ("timestamps", wgpu::Features::TIMESTAMP_QUERY),
    ];
    named.into_iter().filter(|(_, feature)| features.contains(*feature)).map(|(name, _)| name).collect()
}

/// All adapters with their handles, best kind first.
pub(super) fn adapters() -> Vec<(Adapter, wgpu::Adapter)> {
    let descriptor = wgpu::InstanceDescriptor {
        // Validation by the driver's layers only where WGPU_VALIDATION asks for it, in every build profile.
        flags: wgpu::InstanceFlags::empty().with_env(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    };
    let instance = wgpu::Instance::new(descriptor);
    let handles = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    let mut adapters: Vec<_> = handles.into_iter().map(|handle| (Adapter::of(&handle), handle)).collect();
    adapters.sort_by_key(|(adapter, _)| adapter.kind);
    adapters
}

/// Index of the adapter that is asked for, among adapters with the best kind first.
pub(super) fn choose(adapters: &[Adapter], name: Option<&str>) -> Result<usize> {
    let list = || adapters.iter().map(|adapter| format!("`{adapter}`")).collect::<Vec<_>>().join(", ");
    let present = || if adapters.is_empty() { "no adapter at all".into() } else { list() };
    let Some(name) = name else {
        return adapters.iter().position(|adapter| adapter.kind != AdapterKind::Software).ok_or_else(|| {
            Error::Device {
                device: "gpu".into(),
                problem: format!("this machine offers no GPU, but {}", present()),
                remedy: "install a driver, name a software adapter, or train with `--device cpu`".into(),
            }
        });
    };
    let lower = name.to_lowercase();
    adapters
        .iter()
        .position(|adapter| adapter.to_string().to_lowercase().contains(&lower))
        .ok_or_else(|| Error::Unknown { kind: "GPU adapter", name: name.into(), nearest: None, known: present() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(name: &str, kind: AdapterKind) -> Adapter {
        let (limits, features) = (Limits::default(), Vec::new());
        Adapter {
            name: name.into(),
            ids: [0; 2],
            kind,
            interface: "vulkan".into(),
            driver: String::new(),
            limits,
            features,
        }
    }

    fn refused(adapters: &[Adapter], name: Option<&str>) -> String {
        choose(adapters, name).expect_err("there is no such adapter").to_string()
    }

    #[test]
    fn software_is_taken_only_by_name() {
        let all = [adapter("llvmpipe", AdapterKind::Software)];
        let message = refused(&all, None);
        assert!(message.contains("no GPU") && message.contains("`llvmpipe, vulkan, software`"), "{message}");
        assert!(matches!(choose(&all, Some("LLVM")), Ok(0)));
    }

    #[test]
    fn the_first_gpu_is_taken_without_a_name() {
        let all = [adapter("Radeon", AdapterKind::Discrete), adapter("llvmpipe", AdapterKind::Software)];
        assert!(matches!(choose(&all, None), Ok(0)));
        assert!(matches!(choose(&all, Some("radeon, vulkan")), Ok(0)));
    }

    #[test]
    fn unknown_names_list_what_is_there() {
        let all = [adapter("Radeon", AdapterKind::Discrete)];
        assert_eq!(refused(&all, Some("Arc")), "unknown GPU adapter `Arc`; known: `Radeon, vulkan`");
        assert_eq!(refused(&[], Some("Arc")), "unknown GPU adapter `Arc`; known: no adapter at all");
    }
}
