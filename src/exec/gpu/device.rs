//! Open GPU, and the conversion of its errors.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crate::error::{Error, Result};
use crate::exec::gpu::adapters::{Adapter, AdapterKind, adapters, choose, limits};
use crate::exec::gpu::cache::DiskCache;
use crate::exec::gpu::pipelines::Pipelines;
use crate::plan::Plan;
use crate::specialize::{FusedStep, Limits};

/// Options for opening a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuOptions {
    runtime_checks: Checks,
    /// Limits of the open device; `None` for the adapter's own.
    pub(super) limits: Option<Limits>,
    fused_step: FusedStep,
    timestamps: bool,
    pipeline_cache: bool,
}

/// Choice of the shaders that run with checks of each index and limits on each loop. With checks, a shader cannot
/// access memory outside its views. Without checks, it is faster. Checks change no bit of the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Checks {
    All,
    /// All shaders, except in plans that this crate made itself ([`Plan::is_trusted`]).
    Foreign,
    None,
}

impl GpuOptions {
    /// Returns options with index checks in all shaders, including those of this crate.
    pub const fn checked() -> Self {
        Self::with(Checks::All)
    }

    /// Returns options without index checks in any shader, including shaders that are not this crate's own.
    ///
    /// # Safety
    /// Every shader that runs on the device must stay within its views without checks. The shaders of this crate do:
    /// tests run them with and without checks, compare the bits, and check that memory outside the written views does
    /// not change.
    pub const unsafe fn unchecked() -> Self {
        Self::with(Checks::None)
    }

    const fn with(runtime_checks: Checks) -> Self {
        Self {
            runtime_checks,
            limits: None,
            fused_step: FusedStep::WhereItPays,
            timestamps: false,
            pipeline_cache: true,
        }
    }

    /// Enables timestamps, which measure on the device when each op begins and ends. Opening the device then fails if
    /// the adapter does not support timestamps.
    pub const fn timestamps(mut self) -> Self {
        self.timestamps = true;
        self
    }

    /// Turns off the pipeline cache on disk. By default, compiled shaders are cached if the backend supports it, as
    /// only Vulkan does. The environment variable `WGRAD_PIPELINE_CACHE` names the folder of the cache, or is `off` to
    /// turn it off. If it is not set, the folder is `wgrad` in the user's cache folder: `XDG_CACHE_HOME` or `~/.cache`,
    /// on Windows `LOCALAPPDATA`.
    pub const fn without_pipeline_cache(mut self) -> Self {
        self.pipeline_cache = false;
        self
    }

    /// Lowers the limits of the device to these; limits above the adapter's have no effect. This is for tests, and for
    /// programs that must also run on smaller GPUs. A plan that exceeds a limit is an error when it is fitted to the
    /// device. The fields `software` and `fused_step` are not limits and are ignored; see [`GpuOptions::fused_step`].
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// Sets the use of the fused step for small networks; default [`FusedStep::WhereItPays`].
    pub const fn fused_step(mut self, fused_step: FusedStep) -> Self {
        self.fused_step = fused_step;
        self
    }

    /// Returns `true` if the shaders of a plan check their indices.
    pub(super) fn checks(&self, plan: &Plan) -> bool {
        match self.runtime_checks {
            Checks::All => true,
            Checks::Foreign => !plan.is_trusted(),
            Checks::None => false,
        }
    }
}

impl Default for GpuOptions {
    /// Returns the default options. Shaders check their indices, except in plans that the crate [lowered](crate::lower)
    /// itself, such as those of trainers and models ([`Plan::is_trusted`]).
    fn default() -> Self {
        Self::with(Checks::Foreign)
    }
}

/// Open GPU. Clones are cheap: all clones share one queue and the compiled shaders.
#[derive(Clone)]
pub struct GpuDevice(Arc<Inner>);

struct Inner {
    adapter: Adapter,
    /// Needed to reopen the same adapter; a search by name could find another.
    handle: wgpu::Adapter,
    options: GpuOptions,
    device: wgpu::Device,
    queue: wgpu::Queue,
    pipelines: Pipelines,
    disk: Option<DiskCache>,
    /// First error outside an error scope.
    failure: Arc<OnceLock<String>>,
    /// Set once the device is known to be lost.
    lost: Arc<AtomicBool>,
}

impl fmt::Debug for GpuDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GpuDevice").field("adapter", &self.0.adapter).field("options", &self.0.options).finish()
    }
}

impl GpuDevice {
    /// Returns all adapters of this machine, including software ones, best kind first.
    pub fn list() -> Vec<Adapter> {
        adapters().into_iter().map(|(adapter, _)| adapter).collect()
    }

    /// Opens an adapter. Without a name, this is the best adapter that is not a software adapter. A name is an index in
    /// [`GpuDevice::list`], a PCI bus address, or all or part of a description (`NAME, INTERFACE`), ignoring case. A
    /// number that is not an index must match a whole word, as in `4090`. `NAME#1` is the second adapter that matches
    /// NAME.
    ///
    /// # Errors
    /// Returns an error if no adapter has the name (with a list of the adapters), if several adapters match the name,
    /// if no name is given and there are only software adapters, or if the driver fails to open the adapter.
    pub fn open(name: Option<&str>) -> Result<Self> {
        Self::open_with(name, GpuOptions::default())
    }

    /// Like [`GpuDevice::open`], with options.
    ///
    /// # Errors
    /// Returns the errors of [`GpuDevice::open`]. Also returns an error if `options` ask for timestamps, and the
    /// adapter does not support them.
    pub fn open_with(name: Option<&str>, options: GpuOptions) -> Result<Self> {
        let (infos, mut handles): (Vec<_>, Vec<_>) = adapters().into_iter().unzip();
        let chosen = choose(&infos, name)?;
        Self::open_handle(infos[chosen].clone(), handles.swap_remove(chosen), options)
    }

    /// Opens the same adapter again, with other options.
    fn reopened(&self, options: GpuOptions) -> Result<Self> {
        Self::open_handle(self.0.adapter.clone(), self.0.handle.clone(), options)
    }

    fn open_handle(adapter: Adapter, handle: wgpu::Adapter, options: GpuOptions) -> Result<Self> {
        log::info!("gpu: {adapter}, driver {}", adapter.driver);
        // Only features that kernels use are requested: some features change the compilation of every shader.
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
            required_limits: capped(handle.limits(), options.limits),
            memory_hints: wgpu::MemoryHints::Performance,
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(handle.request_device(&descriptor))
            .map_err(|error| unusable(&adapter.to_string(), "opening it", &error.to_string()))?;
        let (failure, lost) = (Arc::new(OnceLock::new()), Arc::new(AtomicBool::new(false)));
        // Without these handlers, an error outside a scope or a loss of the device would panic. The handler keeps the
        // first error, and every later call reports it.
        let (uncaptured, gone) = (failure.clone(), lost.clone());
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            let _ = uncaptured.set(error.to_string());
        }));
        device.set_device_lost_callback(move |reason, message| {
            log::error!("gpu: the device was lost ({reason:?}): {message}");
            gone.store(true, Ordering::Relaxed);
        });
        let cached = features.contains(wgpu::Features::PIPELINE_CACHE);
        let disk = cached.then(|| DiskCache::open(&device, &handle.get_info())).flatten();
        let pipelines = Pipelines::default();
        Ok(Self(Arc::new(Inner { adapter, handle, options, device, queue, pipelines, disk, failure, lost })))
    }

    /// Wraps a GPU that your program has opened itself, for example for rendering.
    ///
    /// The program keeps its own handlers for errors and device loss, so this crate notices a loss only at the next
    /// readback. Plans must fit the limits that the device was opened with. Shaders run with index checks.
    pub fn from_wgpu(adapter: &wgpu::Adapter, device: wgpu::Device, queue: wgpu::Queue) -> Self {
        Self(Arc::new(Inner {
            adapter: Adapter::of(adapter),
            handle: adapter.clone(),
            options: GpuOptions::checked(),
            device,
            queue,
            pipelines: Pipelines::default(),
            disk: None,
            failure: Arc::default(),
            lost: Arc::default(),
        }))
    }

    /// Returns the same GPU, reopened if it was opened without timestamps: see [`GpuOptions::timestamps`].
    ///
    /// # Errors
    /// Returns an error if the adapter has no timestamps, or if the driver fails to open it again.
    pub fn timed(&self) -> Result<Self> {
        if self.check_timestamps().is_ok() {
            return Ok(self.clone());
        }
        self.reopened(self.0.options.timestamps())
    }

    /// Returns the same GPU, reopened if it was opened with another choice of the fused step.
    ///
    /// # Errors
    /// Returns an error if the driver fails to open the adapter again.
    pub fn with_fused_step(&self, choice: FusedStep) -> Result<Self> {
        if self.0.options.fused_step == choice {
            return Ok(self.clone());
        }
        self.reopened(self.0.options.fused_step(choice))
    }

    /// Checks that the device was opened with timestamps.
    pub(super) fn check_timestamps(&self) -> Result<()> {
        let has = self.0.device.features().contains(wgpu::Features::TIMESTAMP_QUERY);
        if has { Ok(()) } else { Err(without_timestamps(&self.0.adapter.to_string())) }
    }

    /// Returns the description of the adapter.
    pub fn adapter(&self) -> &Adapter {
        &self.0.adapter
    }

    /// Returns the options that the device was opened with.
    pub fn options(&self) -> GpuOptions {
        self.0.options
    }

    /// Returns the limits of the device, which plans must fit.
    pub fn limits(&self) -> Limits {
        let Inner { adapter, device, .. } = &*self.0;
        let subgroups = adapter.limits.subgroups && device.features().contains(wgpu::Features::SUBGROUP);
        let own = limits(&device.limits(), subgroups, adapter.kind == AdapterKind::Software, self.0.options.fused_step);
        let wanted = self.0.options.limits.map_or(u32::MAX, |limits| limits.loop_rounds);
        Limits { loop_rounds: own.loop_rounds.min(wanted), ..own }
    }

    /// Returns the number of different shaders that the device has compiled so far, for all executors together.
    pub fn pipelines_compiled(&self) -> usize {
        self.0.pipelines.len()
    }

    /// Destroys the device to simulate its loss. Every later call on it must return an error.
    #[doc(hidden)]
    pub fn lose(&self) {
        self.0.device.destroy();
    }

    /// Returns the pipeline cache on disk, if there is one.
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

    /// Checks for an error outside an error scope in any earlier call, and for the loss of the device. `doing` names
    /// the current operation in the message.
    pub(super) fn check(&self, doing: &str) -> Result<()> {
        match self.0.failure.get() {
            Some(problem) => Err(self.error(doing, problem)),
            None if self.0.lost.load(Ordering::Relaxed) => Err(lost(&self.0.adapter.to_string(), doing)),
            None => Ok(()),
        }
    }

    /// Creates the error of a failed operation on an open device. A lost device fails in many ways that do not mention
    /// the loss, so this function checks for a loss first.
    pub(super) fn error(&self, doing: &str, problem: impl ToString) -> Error {
        let device = self.0.adapter.to_string();
        if self.is_lost() { lost(&device, doing) } else { unusable(&device, doing, &problem.to_string()) }
    }

    /// Returns `true` if the device is lost, even if it has not reported the loss yet.
    fn is_lost(&self) -> bool {
        let Inner { device, lost, .. } = &*self.0;
        // wgpu 30 panics here if the device is lost, instead of returning an error.
        let polled = catch_unwind(AssertUnwindSafe(|| device.poll(wgpu::PollType::Poll)));
        if !lost.load(Ordering::Relaxed) && (polled.is_err() || !self.allocates()) {
            lost.store(true, Ordering::Relaxed);
        }
        lost.load(Ordering::Relaxed)
    }

    /// Returns `true` if the device still creates a tiny buffer. If that fails without an error, the device is lost:
    /// wgpu reports a loss in no error scope, only to one handler, which may belong to the program that opened the
    /// device.
    fn allocates(&self) -> bool {
        let (label, size, usage) = (Some("is it there"), 4, wgpu::BufferUsages::COPY_SRC);
        let buffer = wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: true };
        let (made, error) = self.caught(|| self.0.device.create_buffer(&buffer));
        error.is_some() || made.get_mapped_range_mut(..).is_ok()
    }

    /// Runs `work`; returns its result, and the first error of the device that it causes.
    fn caught<T>(&self, work: impl FnOnce() -> T) -> (T, Option<wgpu::Error>) {
        let filters = [wgpu::ErrorFilter::OutOfMemory, wgpu::ErrorFilter::Internal, wgpu::ErrorFilter::Validation];
        let [memory, internal, validation] = filters.map(|filter| self.0.device.push_error_scope(filter));
        let value = work();
        // Innermost scope first; on native platforms the results are available at once.
        let errors = [validation.pop(), internal.pop(), memory.pop()].map(pollster::block_on);
        (value, errors.into_iter().flatten().next())
    }

    /// Runs `work`, and returns any error of the device that it causes.
    pub(super) fn scoped<T>(&self, doing: &str, work: impl FnOnce() -> T) -> Result<T> {
        self.check(doing)?;
        let (value, error) = self.caught(work);
        self.check(doing)?;
        error.map_or(Ok(value), |error| Err(self.refused(doing, &error)))
    }

    /// Converts an error of wgpu that occurred while `doing` something. Lack of memory gets a remedy of its own.
    fn refused(&self, doing: &str, error: &wgpu::Error) -> Error {
        match error {
            wgpu::Error::OutOfMemory { .. } if !self.is_lost() => without_memory(&self.0.adapter.to_string(), doing),
            error => self.error(doing, error),
        }
    }

    /// Processes completed work, and checks for errors and for the loss of the device. Waits for the submission
    /// `wait_for`, if it is given.
    pub(super) fn poll(&self, doing: &str, wait_for: Option<wgpu::SubmissionIndex>) -> Result<()> {
        let poll = match wait_for {
            Some(index) => wgpu::PollType::Wait { submission_index: Some(index), timeout: None },
            None => wgpu::PollType::Poll,
        };
        // wgpu 30 panics here if the device is lost, instead of returning an error.
        let polled = catch_unwind(AssertUnwindSafe(|| self.0.device.poll(poll)));
        self.check(doing)?;
        match polled {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.error(doing, error)),
            Err(_) => Err(lost(&self.0.adapter.to_string(), doing)),
        }
    }
}

/// Returns the limits to request: the adapter's, but no more than `wanted`.
fn capped(adapter: wgpu::Limits, wanted: Option<Limits>) -> wgpu::Limits {
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
        problem: "op times were requested, but it has no timestamps, or was opened without them".into(),
        remedy: "open it with `GpuOptions::timestamps`, or profile with `--device cpu`".into(),
    }
}

fn unusable(device: &str, doing: &str, problem: &str) -> Error {
    // wgpu's messages are paragraphs.
    let problem = problem.split_whitespace().collect::<Vec<_>>().join(" ");
    let remedy = "update the driver, or train with `--device cpu`".into();
    Error::Device { device: device.into(), problem: format!("{doing}: {problem}"), remedy }
}

fn without_memory(device: &str, doing: &str) -> Error {
    let (problem, remedy) = (format!("{doing}: out of memory"), "use a smaller batch or a smaller network".into());
    Error::Device { device: device.into(), problem, remedy }
}

/// Creates the error of a lost device. All clones of the device are lost, too.
fn lost(device: &str, doing: &str) -> Error {
    let problem = format!("{doing}: the device was lost");
    let remedy = "reopen it, and resume from the last checkpoint".into();
    Error::Device { device: device.into(), problem, remedy }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn want_of_memory_is_said_to_be_that() {
        let message = without_memory("a GPU", "memory for parameters (64 bytes)").to_string();
        let wanted = "device `a GPU`: memory for parameters (64 bytes): out of memory; use a smaller batch";
        assert!(message.starts_with(wanted), "{message}");
    }

    #[test]
    fn problems_are_reported_on_one_line() {
        let message = unusable("a GPU", "shader of adamw", "Validation Error\n\nCaused by:\n  In a call\n").to_string();
        assert!(message.contains(": shader of adamw: Validation Error Caused by: In a call; update"), "{message}");
    }

    #[test]
    fn limits_are_never_above_the_adapters() {
        let adapter = wgpu::Limits::default();
        let more = Limits { binding_bytes: u64::MAX, invocations: 64, workgroups: u32::MAX, ..Limits::default() };
        let limits = capped(adapter.clone(), Some(more));
        assert_eq!(limits.max_storage_buffer_binding_size, adapter.max_storage_buffer_binding_size);
        assert_eq!(limits.max_compute_workgroups_per_dimension, adapter.max_compute_workgroups_per_dimension);
        assert_eq!([limits.max_compute_invocations_per_workgroup, limits.max_compute_workgroup_size_x], [64; 2]);
        assert_eq!(capped(adapter.clone(), None), adapter);
    }
}
