//! A GPU: which there are, which one is taken, and how its errors become ours.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use crate::error::{Error, Result};
use crate::exec::gpu::pipelines::Pipelines;
use crate::specialize::Limits;

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapter {
    /// The driver's name for it.
    pub name: String,
    /// What it is made of.
    pub kind: AdapterKind,
    /// The interface: `vulkan`, `metal`, `dx12`.
    pub interface: String,
    /// The driver and its version, as far as it says.
    pub driver: String,
}

impl Adapter {
    fn new(info: wgpu::AdapterInfo) -> Self {
        let kind = match info.device_type {
            wgpu::DeviceType::DiscreteGpu => AdapterKind::Discrete,
            wgpu::DeviceType::IntegratedGpu => AdapterKind::Integrated,
            wgpu::DeviceType::VirtualGpu => AdapterKind::Virtual,
            wgpu::DeviceType::Other => AdapterKind::Unknown,
            wgpu::DeviceType::Cpu => AdapterKind::Software,
        };
        let driver = format!("{} {}", info.driver, info.driver_info).trim().to_string();
        Self { name: info.name, kind, interface: info.backend.to_string(), driver }
    }
}

impl fmt::Display for Adapter {
    /// `llvmpipe (LLVM 15.0.6, 256 bits), vulkan, software`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let software = if self.kind == AdapterKind::Software { ", software" } else { "" };
        write!(f, "{}, {}{software}", self.name, self.interface)
    }
}

/// How a GPU is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuOptions {
    /// Whether shaders check each index and bound each loop. Off is faster, on stays within memory whatever a
    /// shader does; both compute the same bits.
    pub(super) runtime_checks: bool,
}

impl GpuOptions {
    /// Shaders that do not check their indices.
    ///
    /// # Safety
    /// Every shader that the device is given must stay within its views by itself. Those of this crate do: their
    /// tests run with and without checks, compare the bits, and compare all memory around what they may write.
    pub const unsafe fn unchecked() -> Self {
        Self { runtime_checks: false }
    }
}

impl Default for GpuOptions {
    fn default() -> Self {
        Self { runtime_checks: true }
    }
}

/// An open GPU. Cheap to clone; all clones share one queue and one cache of pipelines.
#[derive(Clone)]
pub struct GpuDevice(Arc<Inner>);

struct Inner {
    adapter: Adapter,
    options: GpuOptions,
    device: wgpu::Device,
    queue: wgpu::Queue,
    pipelines: Pipelines,
    failure: Arc<OnceLock<String>>,
}

impl GpuDevice {
    /// All adapters of this machine, software ones too, best kind first.
    pub fn list() -> Vec<Adapter> {
        adapters().into_iter().map(|(adapter, _)| adapter).collect()
    }

    /// Opens the first adapter whose description (`NAME, INTERFACE`) contains `name`, in any case, or without a
    /// name the best one that is a GPU.
    ///
    /// # Errors
    /// No such adapter, with a list of those present; without a name, only software ones; a driver that refuses.
    pub fn open(name: Option<&str>) -> Result<Self> {
        Self::open_with(name, GpuOptions::default())
    }

    /// The same as [`GpuDevice::open`], with options.
    ///
    /// # Errors
    /// As [`GpuDevice::open`].
    pub fn open_with(name: Option<&str>, options: GpuOptions) -> Result<Self> {
        let (infos, mut handles): (Vec<_>, Vec<_>) = adapters().into_iter().unzip();
        let chosen = choose(&infos, name)?;
        let (adapter, handle) = (infos[chosen].clone(), handles.swap_remove(chosen));
        log::info!("gpu: {adapter}, driver {}", adapter.driver);
        // No feature is asked for that no kernel uses: some of them change how every shader is compiled.
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("wgrad"),
            required_limits: handle.limits(),
            memory_hints: wgpu::MemoryHints::Performance,
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(handle.request_device(&descriptor))
            .map_err(|error| unusable(&adapter.to_string(), error.to_string()))?;
        let failure = Arc::new(OnceLock::new());
        // Without these an error outside a scope, or a loss, would be a panic. The first one is kept; every later
        // call reports it.
        let (uncaptured, lost) = (failure.clone(), failure.clone());
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            let _ = uncaptured.set(error.to_string());
        }));
        device.set_device_lost_callback(move |reason, message| {
            let _ = lost.set(format!("it was lost ({reason:?}) {message}").trim_end().into());
        });
        Ok(Self(Arc::new(Inner { adapter, options, device, queue, pipelines: Pipelines::default(), failure })))
    }

    /// The adapter.
    pub fn adapter(&self) -> &Adapter {
        &self.0.adapter
    }

    /// The options that it was opened with.
    pub fn options(&self) -> GpuOptions {
        self.0.options
    }

    /// The limits that plans must fit.
    pub fn limits(&self) -> Limits {
        let limits = self.0.device.limits();
        Limits {
            binding_bytes: limits.max_storage_buffer_binding_size,
            allocation_bytes: limits.max_buffer_size,
            storage_buffers: limits.max_storage_buffers_per_shader_stage,
            workgroups: limits.max_compute_workgroups_per_dimension,
            invocations: limits.max_compute_invocations_per_workgroup,
            workgroup_bytes: limits.max_compute_workgroup_storage_size,
            software: self.0.adapter.kind == AdapterKind::Software,
        }
    }

    /// Gives the device up, as a driver may at any time: every later call on it must be an error.
    #[doc(hidden)]
    pub fn lose(&self) {
        self.0.device.destroy();
    }

    pub(super) fn wgpu(&self) -> &wgpu::Device {
        &self.0.device
    }

    pub(super) fn queue(&self) -> &wgpu::Queue {
        &self.0.queue
    }

    pub(super) fn pipelines(&self) -> &Pipelines {
        &self.0.pipelines
    }

    /// An error that happened outside a scope, at whatever earlier call.
    pub(super) fn check(&self) -> Result<()> {
        self.0.failure.get().map_or(Ok(()), |problem| Err(self.error(problem.clone())))
    }

    /// The device does not do what it is asked.
    pub(super) fn error(&self, problem: String) -> Error {
        unusable(&self.0.adapter.to_string(), problem)
    }

    /// Runs `work`, and returns any error of the device that it causes.
    pub(super) fn scoped<T>(&self, what: &str, work: impl FnOnce() -> T) -> Result<T> {
        self.check()?;
        let filters = [wgpu::ErrorFilter::OutOfMemory, wgpu::ErrorFilter::Internal, wgpu::ErrorFilter::Validation];
        let [memory, internal, validation] = filters.map(|filter| self.0.device.push_error_scope(filter));
        let value = work();
        // Innermost first; natively the answers are there at once.
        let errors = [validation.pop(), internal.pop(), memory.pop()].map(pollster::block_on);
        self.check()?;
        match errors.into_iter().flatten().next() {
            Some(wgpu::Error::OutOfMemory { .. }) => Err(Error::Device {
                device: self.0.adapter.to_string(),
                problem: format!("{what}: out of memory"),
                remedy: "use a smaller batch or a smaller network".into(),
            }),
            Some(error) => Err(self.error(format!("{what}: {error}"))),
            None => Ok(value),
        }
    }

    /// Lets the device deliver what has arrived, and the news of its loss; waits for a submission if one is given.
    pub(super) fn poll(&self, wait_for: Option<wgpu::SubmissionIndex>) -> Result<()> {
        let poll = match wait_for {
            Some(index) => wgpu::PollType::Wait { submission_index: Some(index), timeout: None },
            None => wgpu::PollType::Poll,
        };
        // wgpu 30 panics here where the device is lost, instead of returning an error.
        let polled = catch_unwind(AssertUnwindSafe(|| self.0.device.poll(poll)));
        self.check()?;
        match polled {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.error(error.to_string())),
            Err(_) => Err(self.error("it was lost while waiting for it".into())),
        }
    }
}

/// All adapters with their handles, best kind first.
fn adapters() -> Vec<(Adapter, wgpu::Adapter)> {
    let descriptor = wgpu::InstanceDescriptor {
        // Validation by the driver's layers only where WGPU_VALIDATION asks for it, in every build profile.
        flags: wgpu::InstanceFlags::empty().with_env(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    };
    let instance = wgpu::Instance::new(descriptor);
    let handles = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    let mut adapters: Vec<_> = handles.into_iter().map(|handle| (Adapter::new(handle.get_info()), handle)).collect();
    adapters.sort_by_key(|(adapter, _)| adapter.kind);
    adapters
}

/// Index of the adapter that is asked for, among adapters with the best kind first.
fn choose(adapters: &[Adapter], name: Option<&str>) -> Result<usize> {
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

fn unusable(device: &str, problem: String) -> Error {
    let remedy = "update the driver, or train with `--device cpu`".into();
    Error::Device { device: device.into(), problem, remedy }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(name: &str, kind: AdapterKind) -> Adapter {
        Adapter { name: name.into(), kind, interface: "vulkan".into(), driver: String::new() }
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
