//! Compiled shaders, one for each distinct WGSL text and layout of bindings, with checks of indices or without.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};
use crate::exec::gpu::device::GpuDevice;
use crate::plan::{Access, Op, Plan, Section, StepUse};

/// A shader that is ready to run.
#[derive(Clone)]
pub(super) struct Pipeline {
    pub(super) compiled: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
}

/// What a pipeline is compiled from.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    wgsl: String,
    entries: Vec<wgpu::BindGroupLayoutEntry>,
    /// Whether it checks its indices.
    checks: bool,
}

/// All that a device has compiled.
#[derive(Default)]
pub(super) struct Pipelines {
    known: Mutex<HashMap<Key, Pipeline>>,
    /// InputStorage while compiling, so that two executors do not compile the same.
    compiling: Mutex<()>,
}

impl Pipelines {
    /// Compiles what a plan needs and is not there yet, several shaders at a time; returns how many.
    pub(super) fn prepare(&self, device: &GpuDevice, plan: &Plan) -> Result<u64> {
        let _alone = lock(&self.compiling);
        let mut missing: Vec<(&str, Key)> = Vec::new();
        for op in Section::ALL.into_iter().flat_map(|section| plan.ops(section)) {
            let key = key(device, plan, op);
            if !lock(&self.known).contains_key(&key) && missing.iter().all(|(_, other)| *other != key) {
                missing.push((op.kernel.name, key));
            }
        }
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(missing.len());
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some((name, key)) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                self.add(device, name, key)?;
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let own = work();
            let joined = others.into_iter().map(|thread| {
                thread.join().unwrap_or_else(|_| Err(device.error("compiling shaders", "a compilation panicked")))
            });
            joined.fold(own, Result::and)
        })?;
        if let Some(disk) = device.disk().filter(|_| !missing.is_empty()) {
            disk.save();
        }
        Ok(missing.len() as u64)
    }

    fn add(&self, device: &GpuDevice, name: &str, key: &Key) -> Result<()> {
        if let Some(folder) = std::env::var_os("WGRAD_DUMP_WGSL") {
            dump(Path::new(&folder), name, &key.wgsl)?;
        }
        // Error scopes are each thread's own.
        let pipeline = device.scoped(&format!("shader of {name}"), || compile(device, name, key))?;
        lock(&self.known).insert(key.clone(), pipeline);
        Ok(())
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        lock(&self.known).len()
    }

    /// The pipeline of an op of a plan that was prepared.
    pub(super) fn get(&self, device: &GpuDevice, plan: &Plan, op: &Op) -> Result<Pipeline> {
        let found = lock(&self.known).get(&key(device, plan, op)).cloned();
        found.ok_or_else(|| device.error(&format!("shader of {}", op.kernel.name), "it was not compiled"))
    }
}

/// Nothing that is done under our locks can leave the map half changed, hence a poisoned one is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn key(device: &GpuDevice, plan: &Plan, op: &Op) -> Key {
    Key { wgsl: op.kernel.shader.wgsl(op), entries: entries(plan, op), checks: device.options().checks(plan) }
}

/// Binding 0: parameters; 1: step records; then the op's views.
fn entries(plan: &Plan, op: &Op) -> Vec<wgpu::BindGroupLayoutEntry> {
    let entry = |binding: usize, ty, has_dynamic_offset| wgpu::BindGroupLayoutEntry {
        binding: binding as u32,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset, min_binding_size: None },
        count: None,
    };
    let storage = |read_only| wgpu::BufferBindingType::Storage { read_only };
    let step = match op.kernel.step {
        StepUse::One => entry(1, wgpu::BufferBindingType::Uniform, true),
        StepUse::All => entry(1, storage(true), false),
    };
    let views = op.kernel.bindings.iter().zip(&op.views).enumerate().map(|(i, (binding, view))| {
        entry(2 + i, storage(binding.access == Access::Read), plan.get(*view).batch_stride > 0)
    });
    [entry(0, storage(true), false), step].into_iter().chain(views).collect()
}

fn compile(device: &GpuDevice, name: &str, Key { wgsl, entries, checks }: &Key) -> Pipeline {
    let wgpu = device.wgpu();
    let descriptor = wgpu::ShaderModuleDescriptor { label: Some(name), source: wgpu::ShaderSource::Wgsl(wgsl.into()) };
    let module = if *checks {
        wgpu.create_shader_module(descriptor)
    } else {
        // SAFETY: promised by whoever made the options with `GpuOptions::unchecked`; else the plan is our own. Each
        // invocation of its shaders works on elements that parameters and shapes give it, from the same `op()`;
        // `specialize` refuses a tile that an op cannot have. `check::submission` refuses a batch_index that is not there, and a
        // step with more live rows than a batch has: it looks at ops over rows of the batch, and whole batches, of which each
        // section whose shaders use live rows has one (`tests/plans.rs`). The words
        // in memory that become indices, rows of the data set and classes, are compared with the bounds of what they
        // index. No bound of a loop comes from memory that a shader writes. All kernels run both ways over all of
        // their cases in `tests/gpu/kernels.rs`, where what they may not write must keep its bits.
        unsafe { wgpu.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
    };
    let layout = wgpu.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(name), entries });
    let pipeline_layout = wgpu.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some(name),
        bind_group_layouts: &[Some(&layout)],
        immediate_size: 0,
    });
    let compiled = wgpu.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(name),
        layout: Some(&pipeline_layout),
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions {
            // Kernels write all of the workgroup memory that they read.
            zero_initialize_workgroup_memory: false,
            ..Default::default()
        },
        cache: device.disk().map(|disk| &disk.cache),
    });
    Pipeline { compiled, layout }
}

/// Writes a shader as it is compiled to `NAME-HASH.wgsl`.
fn dump(folder: &Path, name: &str, wgsl: &str) -> Result<()> {
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(wgsl);
    let path = folder.join(format!("{name}-{hash:016x}.wgsl"));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&path, wgsl))
        .map_err(|error| Error::file(&path, "writing a shader for WGRAD_DUMP_WGSL", error))
}
