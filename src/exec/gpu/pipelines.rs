//! Compiled shaders: one for each combination of WGSL text, bind group layout, and use of index checks.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};
use crate::exec::gpu::device::GpuDevice;
use crate::plan::{Access, Op, Plan, Section, StepUse};

/// Compiled shader.
#[derive(Clone)]
pub(super) struct Pipeline {
    pub(super) compiled: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
}

/// Inputs from which a pipeline is compiled.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    wgsl: String,
    entries: Vec<wgpu::BindGroupLayoutEntry>,
    /// `true` if the shader checks its indices.
    checks: bool,
}

/// All pipelines that a device has compiled.
#[derive(Default)]
pub(super) struct Pipelines {
    known: Mutex<HashMap<Key, Pipeline>>,
    /// Held while compiling, so that two executors do not compile the same shaders.
    compiling: Mutex<()>,
}

impl Pipelines {
    /// Compiles the shaders of a plan that are still missing, several in parallel; returns their number.
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
        // wgpu's error scopes belong to a thread, so each thread opens its own.
        let pipeline = device.scoped(&format!("shader of {name}"), || compile(device, name, key))?;
        lock(&self.known).insert(key.clone(), pipeline);
        Ok(())
    }

    /// Returns the number of pipelines.
    pub(super) fn len(&self) -> usize {
        lock(&self.known).len()
    }

    /// Returns the compiled pipeline of an op. It is an error if `plan` was not [prepared](Self::prepare).
    pub(super) fn get(&self, device: &GpuDevice, plan: &Plan, op: &Op) -> Result<Pipeline> {
        let found = lock(&self.known).get(&key(device, plan, op)).cloned();
        found.ok_or_else(|| device.error(&format!("shader of {}", op.kernel.name), "it was not compiled"))
    }
}

/// Locks a mutex, even a poisoned one: no code under these locks can leave the map in an invalid state.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn key(device: &GpuDevice, plan: &Plan, op: &Op) -> Key {
    Key { wgsl: op.kernel.shader.wgsl(op), entries: entries(plan, op), checks: device.options().checks(plan) }
}

/// Returns the layout entries: binding 0 has the parameters, binding 1 the step records, then the op's views.
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
        // SAFETY: the caller of `GpuOptions::unchecked` promised that shaders stay within their views; otherwise the
        // plan is the crate's own. Each invocation of its shaders works on elements that follow from parameters and
        // shapes, which both come from the same `op()`. `specialize` rejects a tile that an op cannot have.
        // `check::ensure_submission` rejects a batch that does not exist, and a step with more rows in use than a batch
        // has. It compares the number of rows with each op over rows of the batch or over whole batches. Every section
        // whose shaders read this number has such an op (`tests/plans.rs`). Words in memory that become indices (rows
        // of the data set, classes) are compared with the size of what they index. No loop bound comes from memory that
        // a shader writes. All kernels run with and without checks over all of their cases in `tests/gpu/kernels.rs`,
        // and memory that they must not write must keep its bits.
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

/// Writes the WGSL text of a shader to `NAME-HASH.wgsl` in a folder, for debugging.
fn dump(folder: &Path, name: &str, wgsl: &str) -> Result<()> {
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(wgsl);
    let path = folder.join(format!("{name}-{hash:016x}.wgsl"));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&path, wgsl))
        .map_err(|error| Error::file(&path, "writing a shader for WGRAD_DUMP_WGSL", error))
}
