//! An open GPU, and how its errors become ours.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use crate::error::{Error, Result};
use crate::exec::gpu::adapters::{Adapter, AdapterKind, adapters, choose, limits};
use crate::exec::gpu::cache::DiskCache;
use crate::exec::gpu::pipelines::Pipelines;
use crate::plan::Plan;
use crate::specialize::{Limits, WholeStep};

/// How a GPU is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuOptions {
    runtime_checks: Checks,
    /// What it is opened with; the adapter's own where nothing is said.
    pub(super) limits: Option<Limits>,
    whole_step: WholeStep,
    timestamps: bool,
    pipeline_cache: bool,
}

/// Which shaders check each index and bound each loop. Without that they are faster, with it they stay within memory
/// whatever they do; both compute the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Checks {
    All,
    /// All but those of plans that are this crate's own.
    Foreign,
    None,
}

impl GpuOptions {
    /// Shaders that check their indices, this crate's own too: for those who doubt them.
    pub const fn checked() -> Self {
        Self::with(Checks::All)
    }

    /// Shaders that do not check their indices, whoever has written them.
    ///
    /// # Safety
    /// Every shader that the device is given must stay within its views by itself. Those of this crate do: their
    /// tests run with and without checks, compare the bits, and compare all memory around what they may write.
    pub const unsafe fn unchecked() -> Self {
        Self::with(Checks::None)
    }

    const fn with(runtime_checks: Checks) -> Self {
        Self {
            runtime_checks,
            limits: None,
            whole_step: WholeStep::WhereItPays,
            timestamps: false,
            pipeline_cache: true,
        }
    }

    /// Opens a device that can tell when ops began and ended; one that cannot is refused.
    pub const fn timestamps(mut self) -> Self {
        self.timestamps = true;
        self
    }

    /// Neither reads nor writes compiled shaders on disk. Else, where the backend can (Vulkan), they are kept in the
    /// folder `wgrad` of the user's cache folder (`XDG_CACHE_HOME`, `~/.cache`, on Windows `LOCALAPPDATA`), or in the one
    /// that the variable `WGRAD_PIPELINE_CACHE` names, where `off` does the same as this.
    pub const fn without_pipeline_cache(mut self) -> Self {
        self.pipeline_cache = false;
        self
    }

    /// Opens a device with these limits, or the adapter's where those are lower, as if the adapter had no others: what
    /// goes beyond them is refused by wgpu itself. For tests, and for programs that keep to what smaller GPUs can do.
    /// What no limit of wgpu's says stays as it is: whether it is software, and when it has [whole
    /// steps](GpuOptions::whole_step).
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// When the step of a narrow network is one op; without this, where it pays.
    pub const fn whole_step(mut self, whole_step: WholeStep) -> Self {
        self.whole_step = whole_step;
        self
    }

    /// Whether the shaders of a plan check their indices.
    pub(super) fn checks(&self, plan: &Plan) -> bool {
        match self.runtime_checks {
            Checks::All => true,
            Checks::Foreign => !plan.is_own(),
            Checks::None => false,
        }
    }
}

impl Default for GpuOptions {
    /// What ships: this is the one place that decides it. Shaders check their indices, but not in plans that were
    /// [lowered](crate::lower) from a description ([`Plan::is_own`]), as those of trainers and models are.
    fn default() -> Self {
        Self::with(Checks::Foreign)
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
    disk: Option<DiskCache>,
    failure: Arc<OnceLock<String>>,
}

impl fmt::Debug for GpuDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GpuDevice").field("adapter", &self.0.adapter).field("options", &self.0.options).finish()
    }
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
        let subgroups = adapter.limits.subgroups && options.limits.is_none_or(|limits| limits.subgroups);
        let mut features = if subgroups { wgpu::Features::SUBGROUP } else { wgpu::Features::empty() };
        if options.timestamps {
            if !handle.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
                return Err(without_timestamps(&adapter.to_string()));
            }
            features |= wgpu::Features::TIMESTAMP_QUERY;
        }
        if options.pipeline_cache {
            features |= handle.features() & wgpu::Features::PIPELINE_CACHE;
        }
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("wgrad"),
            required_features: features,
            required_limits: lowered(handle.limits(), options.limits),
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
        let cached = features.contains(wgpu::Features::PIPELINE_CACHE);
        let disk = cached.then(|| DiskCache::open(&device, &handle.get_info())).flatten();
        let pipelines = Pipelines::default();
        Ok(Self(Arc::new(Inner { adapter, options, device, queue, pipelines, disk, failure })))
    }

    /// A GPU that a program has opened for something else, a renderer say, and goes on using.
    ///
    /// Its handlers of errors and of loss stay the program's: a loss is seen here by the next reading. Plans must fit
    /// the limits that it was opened with. Our shaders check their indices, whatever they do to others.
    pub fn from_wgpu(adapter: &wgpu::Adapter, device: wgpu::Device, queue: wgpu::Queue) -> Self {
        let options = GpuOptions::checked();
        let (adapter, pipelines) = (Adapter::of(adapter), Pipelines::default());
        Self(Arc::new(Inner { adapter, options, device, queue, pipelines, disk: None, failure: Arc::default() }))
    }

    /// The same GPU, opened anew if it cannot tell times: see [`GpuOptions::timestamps`].
    ///
    /// # Errors
    /// An adapter that cannot tell them; a driver that refuses.
    pub fn timed(&self) -> Result<Self> {
        if self.check_timestamps().is_ok() {
            return Ok(self.clone());
        }
        Self::open_with(Some(&self.0.adapter.to_string()), self.0.options.timestamps())
    }

    /// The same adapter, opened so that narrow networks' steps are one op as `choice` says.
    ///
    /// # Errors
    /// A driver that refuses.
    pub fn with_whole_step(&self, choice: WholeStep) -> Result<Self> {
        if self.0.options.whole_step == choice {
            return Ok(self.clone());
        }
        Self::open_with(Some(&self.0.adapter.to_string()), self.0.options.whole_step(choice))
    }

    /// Whether it was opened so that it tells times.
    pub(super) fn check_timestamps(&self) -> Result<()> {
        let has = self.0.device.features().contains(wgpu::Features::TIMESTAMP_QUERY);
        if has { Ok(()) } else { Err(without_timestamps(&self.0.adapter.to_string())) }
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
        let Inner { adapter, device, .. } = &*self.0;
        let subgroups = adapter.limits.subgroups && device.features().contains(wgpu::Features::SUBGROUP);
        limits(&device.limits(), subgroups, adapter.kind == AdapterKind::Software, self.0.options.whole_step)
    }

    /// How many shaders were compiled on it so far, for all executors together.
    pub fn pipelines_compiled(&self) -> usize {
        self.0.pipelines.len()
    }

    /// Gives the device up, as a driver may at any time: every later call on it must be an error.
    #[doc(hidden)]
    pub fn lose(&self) {
        self.0.device.destroy();
    }

    /// Where compiled shaders are kept, if they are.
    pub(super) fn disk(&self) -> Option<&DiskCache> {
        self.0.disk.as_ref()
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
        let refused = |error| Err(refused(&self.0.adapter.to_string(), what, &error));
        errors.into_iter().flatten().next().map_or(Ok(value), refused)
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

/// A device did not do `what`: for want of memory, or for another reason.
fn refused(device: &str, what: &str, error: &wgpu::Error) -> Error {
    match error {
        wgpu::Error::OutOfMemory { .. } => Error::Device {
            device: device.into(),
            problem: format!("{what}: out of memory"),
            remedy: "use a smaller batch or a smaller network".into(),
        },
        error => unusable(device, format!("{what}: {error}")),
    }
}

/// The adapter's limits, but no more than `wanted`.
fn lowered(adapter: wgpu::Limits, wanted: Option<Limits>) -> wgpu::Limits {
    let Some(wanted) = wanted else { return adapter };
    let invocations = |own: u32| own.min(wanted.invocations);
    wgpu::Limits {
        max_storage_buffer_binding_size: adapter.max_storage_buffer_binding_size.min(wanted.binding_bytes),
        max_buffer_size: adapter.max_buffer_size.min(wanted.allocation_bytes),
        max_storage_buffers_per_shader_stage: adapter.max_storage_buffers_per_shader_stage.min(wanted.storage_buffers),
        max_compute_workgroups_per_dimension: adapter.max_compute_workgroups_per_dimension.min(wanted.workgroups),
        max_compute_invocations_per_workgroup: invocations(adapter.max_compute_invocations_per_workgroup),
        max_compute_workgroup_size_x: invocations(adapter.max_compute_workgroup_size_x),
        max_compute_workgroup_size_y: invocations(adapter.max_compute_workgroup_size_y),
        max_compute_workgroup_size_z: invocations(adapter.max_compute_workgroup_size_z),
        max_compute_workgroup_storage_size: adapter.max_compute_workgroup_storage_size.min(wanted.workgroup_bytes),
        ..adapter
    }
}

fn without_timestamps(device: &str) -> Error {
    Error::Device {
        device: device.into(),
        problem: "it was asked when ops begin and end, and has no timestamps, or was opened without them".into(),
        remedy: "open it with `GpuOptions::timestamps`, or profile with `--device cpu`".into(),
    }
}

fn unusable(device: &str, problem: String) -> Error {
    let remedy = "update the driver, or train with `--device cpu`".into();
    Error::Device { device: device.into(), problem, remedy }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn want_of_memory_is_said_to_be_that() {
        let error = wgpu::Error::OutOfMemory { source: "a driver's reason".into() };
        let message = refused("a GPU", "memory for parameters (64 bytes)", &error).to_string();
        let wanted = "device `a GPU`: memory for parameters (64 bytes): out of memory; use a smaller batch";
        assert!(message.starts_with(wanted), "{message}");
        let error = wgpu::Error::Internal { source: "none".into(), description: "something else".into() };
        let message = refused("a GPU", "shader of adamw", &error).to_string();
        assert!(message.contains("shader of adamw: ") && message.contains("something else"), "{message}");
    }

    #[test]
    fn limits_are_never_above_the_adapters() {
        let adapter = wgpu::Limits::default();
        let more = Limits { binding_bytes: u64::MAX, invocations: 64, workgroups: u32::MAX, ..Limits::default() };
        let limits = lowered(adapter.clone(), Some(more));
        assert_eq!(limits.max_storage_buffer_binding_size, adapter.max_storage_buffer_binding_size);
        assert_eq!(limits.max_compute_workgroups_per_dimension, adapter.max_compute_workgroups_per_dimension);
        assert_eq!([limits.max_compute_invocations_per_workgroup, limits.max_compute_workgroup_size_x], [64; 2]);
        assert_eq!(lowered(adapter.clone(), None), adapter);
    }
}
