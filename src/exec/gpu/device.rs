//! An open GPU, and how its errors become ours.

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

/// How a GPU is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuOptions {
    runtime_checks: Checks,
    /// What it is opened with; the adapter's own where nothing is said.
    pub(super) limits: Option<Limits>,
    fused_step: FusedStep,
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
            fused_step: FusedStep::WhereItPays,
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
    /// Rounds of loops, which wgpu does not count, are limited by our own plans. What no limit says stays as it is: whether it is
    /// software, and when it has [fused steps](GpuOptions::fused_step).
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// When the step of a narrow network is one op; without this, where it pays.
    pub const fn fused_step(mut self, fused_step: FusedStep) -> Self {
        self.fused_step = fused_step;
        self
    }

    /// Whether the shaders of a plan check their indices.
    pub(super) fn checks(&self, plan: &Plan) -> bool {
        match self.runtime_checks {
            Checks::All => true,
            Checks::Foreign => !plan.is_trusted(),
            Checks::None => false,
        }
    }
}

impl Default for GpuOptions {
    /// What ships: this is the one place that decides it. Shaders check their indices, but not in plans that were
    /// [lowered](crate::lower) from a spec ([`Plan::is_trusted`]), as those of trainers and models are.
    fn default() -> Self {
        Self::with(Checks::Foreign)
    }
}

/// An open GPU. Cheap to clone; all clones share one queue and one cache of pipelines.
#[derive(Clone)]
pub struct GpuDevice(Arc<Inner>);

struct Inner {
    adapter: Adapter,
    /// To open it anew: found by its name, it could be another.
    handle: wgpu::Adapter,
    options: GpuOptions,
    device: wgpu::Device,
    queue: wgpu::Queue,
    pipelines: Pipelines,
    disk: Option<DiskCache>,
    /// What happened outside a scope first.
    failure: Arc<OnceLock<String>>,
    /// Set once it is known to be lost.
    lost: Arc<AtomicBool>,
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

    /// Opens the adapter of that name, or without a name the best one that is a GPU. A name is an index in
    /// [`GpuDevice::list`], an address on the PCI bus, or a spec (`NAME, INTERFACE`) or part of one, in any case,
    /// where a number is a whole word, as in `4090`;
    /// `NAME#1` is the second of those that NAME fits.
    ///
    /// # Errors
    /// No such adapter, with a list of those present; a name that fits several; without a name, only software ones; a
    /// driver that refuses.
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
        Self::open_handle(infos[chosen].clone(), handles.swap_remove(chosen), options)
    }

    /// The same adapter, opened anew with other options.
    fn reopened(&self, options: GpuOptions) -> Result<Self> {
        Self::open_handle(self.0.adapter.clone(), self.0.handle.clone(), options)
    }

    fn open_handle(adapter: Adapter, handle: wgpu::Adapter, options: GpuOptions) -> Result<Self> {
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
            .map_err(|error| unusable(&adapter.to_string(), "opening it", &error.to_string()))?;
        let (failure, lost) = (Arc::new(OnceLock::new()), Arc::new(AtomicBool::new(false)));
        // Without these an error outside a scope, or a loss, would be a panic. The first one is kept; every later
        // call reports it.
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

    /// A GPU that a program has opened for something else, a renderer say, and goes on using.
    ///
    /// Its handlers of errors and of loss stay the program's: a loss is seen here by the next reading. Plans must fit
    /// the limits that it was opened with. Our shaders check their indices, whatever they do to others.
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

    /// The same GPU, opened anew if it cannot tell times: see [`GpuOptions::timestamps`].
    ///
    /// # Errors
    /// An adapter that cannot tell them; a driver that refuses.
    pub fn timed(&self) -> Result<Self> {
        if self.check_timestamps().is_ok() {
            return Ok(self.clone());
        }
        self.reopened(self.0.options.timestamps())
    }

    /// The same adapter, opened so that narrow networks' steps are one op as `choice` says.
    ///
    /// # Errors
    /// A driver that refuses.
    pub fn with_fused_step(&self, choice: FusedStep) -> Result<Self> {
        if self.0.options.fused_step == choice {
            return Ok(self.clone());
        }
        self.reopened(self.0.options.fused_step(choice))
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
        let own = limits(&device.limits(), subgroups, adapter.kind == AdapterKind::Software, self.0.options.fused_step);
        let wanted = self.0.options.limits.map_or(u32::MAX, |limits| limits.loop_rounds);
        Limits { loop_rounds: own.loop_rounds.min(wanted), ..own }
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

    /// An error that happened outside a scope, at whatever earlier call, or the loss of the device; `doing` says what is
    /// being done now.
    pub(super) fn check(&self, doing: &str) -> Result<()> {
        match self.0.failure.get() {
            Some(problem) => Err(self.error(doing, problem)),
            None if self.0.lost.load(Ordering::Relaxed) => Err(lost(&self.0.adapter.to_string(), doing)),
            None => Ok(()),
        }
    }

    /// The device does not do what it is asked. All errors of an open device come from here: one that is lost fails in many
    /// ways, which say nothing of that, so that it is asked first.
    pub(super) fn error(&self, doing: &str, problem: impl ToString) -> Error {
        let device = self.0.adapter.to_string();
        if self.is_lost() { lost(&device, doing) } else { unusable(&device, doing, &problem.to_string()) }
    }

    /// Whether it is gone for good, which may not have been told yet.
    fn is_lost(&self) -> bool {
        let Inner { device, lost, .. } = &*self.0;
        // wgpu 30 panics here where the device is lost, instead of returning an error.
        let polled = catch_unwind(AssertUnwindSafe(|| device.poll(wgpu::PollType::Poll)));
        if !lost.load(Ordering::Relaxed) && (polled.is_err() || !self.gives_memory()) {
            lost.store(true, Ordering::Relaxed);
        }
        lost.load(Ordering::Relaxed)
    }

    /// Whether it does the least that a device can be asked: without an answer of its own, it is lost. wgpu puts that into no
    /// scope, and tells it to one handler alone, which is not ours where a program brought the device along.
    fn gives_memory(&self) -> bool {
        let (label, size, usage) = (Some("is it there"), 4, wgpu::BufferUsages::COPY_SRC);
        let buffer = wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: true };
        let (made, error) = self.caught(|| self.0.device.create_buffer(&buffer));
        error.is_some() || made.get_mapped_range_mut(..).is_ok()
    }

    /// Runs `work`; returns what it returns, and the first error of the device that it causes.
    fn caught<T>(&self, work: impl FnOnce() -> T) -> (T, Option<wgpu::Error>) {
        let filters = [wgpu::ErrorFilter::OutOfMemory, wgpu::ErrorFilter::Internal, wgpu::ErrorFilter::Validation];
        let [memory, internal, validation] = filters.map(|filter| self.0.device.push_error_scope(filter));
        let value = work();
        // Innermost first; natively the answers are there at once.
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

    /// It did not do that: for want of memory, or for another reason.
    fn refused(&self, doing: &str, error: &wgpu::Error) -> Error {
        match error {
            wgpu::Error::OutOfMemory { .. } if !self.is_lost() => without_memory(&self.0.adapter.to_string(), doing),
            error => self.error(doing, error),
        }
    }

    /// Lets the device deliver what has arrived, and the news of its loss; waits for a submission if one is given.
    pub(super) fn poll(&self, doing: &str, wait_for: Option<wgpu::SubmissionIndex>) -> Result<()> {
        let poll = match wait_for {
            Some(index) => wgpu::PollType::Wait { submission_index: Some(index), timeout: None },
            None => wgpu::PollType::Poll,
        };
        // wgpu 30 panics here where the device is lost, instead of returning an error.
        let polled = catch_unwind(AssertUnwindSafe(|| self.0.device.poll(poll)));
        self.check(doing)?;
        match polled {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.error(doing, error)),
            Err(_) => Err(lost(&self.0.adapter.to_string(), doing)),
        }
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

fn unusable(device: &str, doing: &str, problem: &str) -> Error {
    // wgpu's problems are paragraphs.
    let problem = problem.split_whitespace().collect::<Vec<_>>().join(" ");
    let remedy = "update the driver, or train with `--device cpu`".into();
    Error::Device { device: device.into(), problem: format!("{doing}: {problem}"), remedy }
}

fn without_memory(device: &str, doing: &str) -> Error {
    let (problem, remedy) = (format!("{doing}: out of memory"), "use a smaller batch or a smaller network".into());
    Error::Device { device: device.into(), problem, remedy }
}

/// Clones of a lost device are lost, too.
fn lost(device: &str, doing: &str) -> Error {
    let problem = format!("{doing}: the device was lost");
    let remedy = "open it anew, and resume from the last checkpoint".into();
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
    fn problems_are_told_in_one_line() {
        let message = unusable("a GPU", "shader of adamw", "Validation Error\n\nCaused by:\n  In a call\n").to_string();
        assert!(message.contains(": shader of adamw: Validation Error Caused by: In a call; update"), "{message}");
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
