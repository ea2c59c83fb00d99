//! Adapters of this machine, and the choice of one by name.

use std::fmt;

use crate::error::{Error, Result};
use crate::plan::Tile;
use crate::specialize::{FusedStep, Limits};

/// Kind of an adapter, from the most to the least preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AdapterKind {
    /// GPU with its own memory.
    Discrete,
    /// GPU that shares the host's memory.
    Integrated,
    /// GPU of a virtual machine.
    Virtual,
    /// Unknown kind: the driver does not report it.
    Unknown,
    /// Software renderer on the CPU: useful for tests, but slower than this crate's CPU executor.
    Software,
}

/// Adapter of this machine: a GPU or a software renderer, used through one graphics API. A GPU that several APIs
/// support has one adapter per API.
#[derive(Clone, Debug, PartialEq)]
pub struct Adapter {
    /// Name that the driver reports.
    pub name: String,
    /// PCI numbers of the vendor and of the adapter; 0 if the API does not report them.
    pub ids: [u32; 2],
    /// PCI bus address, `0000:01:00.0`; empty if the API does not report it.
    pub pci: String,
    /// Kind of adapter.
    pub kind: AdapterKind,
    /// Graphics API: `vulkan`, `metal`, `dx12`.
    pub interface: String,
    /// Driver and its version, as far as the driver reports them.
    pub driver: String,
    /// Largest limits that the adapter supports.
    pub limits: Limits,
    /// Those of the features `f16`, `subgroups` and `timestamps` that the adapter supports.
    pub features: Vec<&'static str>,
}

impl AdapterKind {
    /// Returns the kind in words: `discrete GPU`.
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
    /// Creates the description of an adapter from the data that its driver reports.
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
        // Kernels with subgroups run only on software drivers.
        let ours = [info.subgroup_min_size, info.subgroup_max_size] == [Tile::SUBGROUP; 2];
        let subgroups = software && ours && handle.features().contains(wgpu::Features::SUBGROUP);
        Self {
            name: info.name,
            ids: [info.vendor, info.device],
            pci: info.device_pci_bus_id,
            kind,
            interface: info.backend.to_string(),
            driver,
            limits: limits(&handle.limits(), subgroups, software, FusedStep::default()),
            features: features(handle.features()),
        }
    }

    /// Returns `, at 0000:01:00.0`, which distinguishes equal adapters; empty if there is no address.
    fn address(&self) -> String {
        if self.pci.is_empty() { String::new() } else { format!(", at {}", self.pci) }
    }
}

impl fmt::Display for Adapter {
    /// Formats the name, the graphics API, and the word `software` for a software adapter: `llvmpipe (LLVM 15.0.6, 256
    /// bits), vulkan, software`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let software = if self.kind == AdapterKind::Software { ", software" } else { "" };
        write!(f, "{}, {}{software}", self.name, self.interface)
    }
}

/// Returns wgpu's limits as the limits that plans must fit.
pub(super) fn limits(limits: &wgpu::Limits, subgroups: bool, software: bool, fused_step: FusedStep) -> Limits {
    Limits {
        binding_bytes: limits.max_storage_buffer_binding_size,
        allocation_bytes: limits.max_buffer_size,
        storage_buffers: limits.max_storage_buffers_per_shader_stage,
        workgroups: limits.max_compute_workgroups_per_dimension,
        invocations: limits.max_compute_invocations_per_workgroup,
        workgroup_bytes: limits.max_compute_workgroup_storage_size,
        // Mesa's llvmpipe counts the iterations of all loops of an invocation, and stops them after this many. No
        // driver reports such a limit.
        loop_rounds: if software { 65_535 } else { u32::MAX },
        subgroups,
        software,
        fused_step,
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

/// Returns `true` if an adapter runs shaders. One of Mesa's drivers for AMD GPUs only compiles shaders, for GPUs that
/// are not present.
fn computes(adapter: &Adapter) -> bool {
    !adapter.name.to_lowercase().contains("null hardware")
}

/// Returns all adapters with their handles, best kind first.
pub(super) fn adapters() -> Vec<(Adapter, wgpu::Adapter)> {
    let descriptor = wgpu::InstanceDescriptor {
        // The driver's validation layers run only if WGPU_VALIDATION is set, in every build profile.
        flags: wgpu::InstanceFlags::empty().with_env(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    };
    let instance = wgpu::Instance::new(descriptor);
    let handles = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    let described = handles.into_iter().map(|handle| (Adapter::of(&handle), handle));
    let mut adapters: Vec<_> = described.filter(|(adapter, _)| computes(adapter)).collect();
    adapters.sort_by_key(|(adapter, _)| adapter.kind);
    adapters
}

/// Splits a description into words. A point is part of a word: `15.0.6` is one word.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '.')
}

/// Returns the index of the requested adapter, among adapters with the best kind first. A name is an index, a PCI bus
/// address, a description, or part of a description. A number must match a whole word. `NAME#1` is the second adapter
/// that matches NAME.
pub(super) fn choose(adapters: &[Adapter], name: Option<&str>) -> Result<usize> {
    let list = |chosen: &[usize]| {
        let numbered = |index: &usize| format!("{index}: `{}`{}", adapters[*index], adapters[*index].address());
        chosen.iter().map(numbered).collect::<Vec<_>>().join(", ")
    };
    let all: Vec<usize> = (0..adapters.len()).collect();
    let present = || if adapters.is_empty() { "none".into() } else { list(&all) };
    let Some(name) = name else {
        return adapters.iter().position(|adapter| adapter.kind != AdapterKind::Software).ok_or_else(|| {
            Error::Device {
                device: "gpu".into(),
                problem: format!("this machine has no GPU; adapters: {}", present()),
                remedy: "install a driver, name a software adapter, or train with `--device cpu`".into(),
            }
        });
    };
    let unknown = || Error::Unknown { kind: "GPU adapter", name: name.into(), nearest: None, known: present() };
    if let Some(index) = name.parse().ok().filter(|index| *index < adapters.len()) {
        return Ok(index);
    }
    let numbered = name.rsplit_once('#').and_then(|(part, number)| Some((part, number.parse::<usize>().ok()?)));
    let (part, place) = numbered.map_or((name, None), |(part, place)| (part, Some(place)));
    let part = part.to_lowercase();
    let fitting = |fits: &dyn Fn(&Adapter) -> bool| all.iter().copied().filter(|i| fits(&adapters[*i])).collect();
    // Full names are compared first, since a full name may be part of another name.
    let whole = |adapter: &Adapter| {
        [&adapter.name.to_lowercase(), &adapter.to_string().to_lowercase(), &adapter.pci].contains(&&part)
    };
    let mut chosen: Vec<usize> = fitting(&whole);
    if chosen.is_empty() {
        let number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        chosen = fitting(&|adapter| {
            let text = adapter.to_string().to_lowercase();
            // A number must be a whole word: `1` does not match `LLVM 15.0.6`.
            if number { words(&text).any(|word| word == part) } else { text.contains(&part) }
        });
    }
    match (&chosen[..], place) {
        ([], _) => Err(unknown()),
        (_, Some(place)) => chosen.get(place).copied().ok_or_else(unknown),
        ([only], None) => Ok(*only),
        ([first, ..], None) => {
            let problem = format!("its name fits several adapters: {}", list(&chosen));
            let remedy =
                format!("name one by its number, as in `{first}`, or by its place among these, as in `{name}#1`");
            Err(Error::conflict(format!("device `{name}`"), problem, remedy))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(name: &str, kind: AdapterKind) -> Adapter {
        let (limits, features) = (Limits::default(), Vec::new());
        Adapter {
            name: name.into(),
            ids: [0; 2],
            pci: String::new(),
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
        assert_eq!(refused(&all, Some("Arc")), "unknown GPU adapter `Arc`; known: 0: `Radeon, vulkan`");
        assert_eq!(refused(&all, Some("1")), "unknown GPU adapter `1`; known: 0: `Radeon, vulkan`");
        assert_eq!(refused(&all, Some("radeon#1")), "unknown GPU adapter `radeon#1`; known: 0: `Radeon, vulkan`");
        assert_eq!(refused(&[], Some("Arc")), "unknown GPU adapter `Arc`; known: none");
    }

    #[test]
    fn equal_adapters_are_told_apart_by_number_place_and_address() {
        let at = |pci: &str| Adapter { pci: pci.into(), ..adapter("Radeon", AdapterKind::Discrete) };
        let all = [at("0000:01:00.0"), at("0000:02:00.0"), adapter("llvmpipe (LLVM 15)", AdapterKind::Software)];
        let named = [("1", 1), ("radeon#0", 0), ("Radeon, vulkan#1", 1), ("0000:02:00.0", 1), ("LLVM 1", 2), ("2", 2)];
        for (name, index) in named {
            assert_eq!(choose(&all, Some(name)).ok(), Some(index), "{name}");
        }
        let message = refused(&all, Some("radeon"));
        let list = "0: `Radeon, vulkan`, at 0000:01:00.0, 1: `Radeon, vulkan`, at 0000:02:00.0; name one by its number";
        assert!(message.starts_with(&format!("device `radeon`: its name fits several adapters: {list}")), "{message}");
        assert!(message.ends_with("as in `radeon#1`"), "{message}");
    }

    /// Tests that a number is first tried as an index, and then must match a whole word: `1` does not match `LLVM 15`.
    #[test]
    fn numbers_are_indices_or_words_of_names() {
        let names = ["NVIDIA GeForce RTX 4090", "AMD Radeon RX 6800 (RADV NAVI21)", "llvmpipe (LLVM 15.0.6, 256 bits)"];
        let all = names.map(|name| adapter(name, AdapterKind::Discrete));
        for (name, index) in [("4090", 0), ("6800", 1), ("0", 0), ("2", 2), ("4090#0", 0), ("RX 6800", 1), ("256", 2)] {
            assert_eq!(choose(&all, Some(name)).ok(), Some(index), "{name}");
        }
        for name in ["3", "15", "40", "680", "4090#1", "99999999999999999999"] {
            assert!(refused(&all, Some(name)).starts_with("unknown GPU adapter"), "{name}");
        }
        let two = [0; 2].map(|_| adapter("RTX 4090", AdapterKind::Discrete));
        assert!(refused(&two, Some("4090")).contains("several adapters"));
        assert_eq!(choose(&two, Some("4090#1")).ok(), Some(1));
    }

    #[test]
    fn a_name_that_is_part_of_another_is_its_own() {
        let all = [adapter("Arc A770 LE", AdapterKind::Discrete), adapter("Arc A770", AdapterKind::Discrete)];
        assert_eq!(choose(&all, Some("arc a770")).ok(), Some(1));
        assert!(refused(&all, Some("arc a7")).contains("several adapters"));
    }

    #[test]
    fn adapters_that_compute_nothing_are_not_offered() {
        let names = [("Null hardware (RADV NAVI21)", false), ("AMD Radeon RX 6800 (RADV NAVI21)", true)];
        for (name, offered) in names {
            assert_eq!(computes(&adapter(name, AdapterKind::Discrete)), offered, "{name}");
        }
    }
}
