//! Compiled shaders, one for each distinct WGSL text and layout of bindings.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::exec::gpu::device::GpuDevice;
use crate::plan::{Access, Op, Plan, StepUse};

/// A shader that is ready to run.
#[derive(Clone)]
pub(super) struct Pipeline {
    pub(super) compiled: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
}

type Key = (String, Vec<wgpu::BindGroupLayoutEntry>);

/// All that a device has compiled.
#[derive(Default)]
pub(super) struct Pipelines(Mutex<HashMap<Key, Pipeline>>);

impl Pipelines {
    /// The pipeline of an op, and whether it had to be compiled.
    pub(super) fn get(&self, device: &GpuDevice, plan: &Plan, op: &Op) -> Result<(Pipeline, bool)> {
        let Some(shader) = &op.kernel.shader else {
            return Err(device.error(format!("{} has no shader", op.kernel.name)));
        };
        let key = (shader.wgsl(op), entries(plan, op));
        // Held while compiling, so that two threads do not compile the same. Nothing in here can leave the map
        // half changed, hence a poisoned lock is as good as any.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipeline) = known.get(&key) {
            return Ok((pipeline.clone(), false));
        }
        if let Some(folder) = std::env::var_os("WGRAD_DUMP_WGSL") {
            dump(Path::new(&folder), op.kernel.name, &key.0)?;
        }
        let name = op.kernel.name;
        let pipeline = device.scoped(&format!("shader of {name}"), || compile(device, name, &key))?;
        known.insert(key, pipeline.clone());
        Ok((pipeline, true))
    }
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
        entry(2 + i, storage(binding.access == Access::Read), plan.get(*view).slot_stride > 0)
    });
    [entry(0, wgpu::BufferBindingType::Uniform, false), step].into_iter().chain(views).collect()
}

fn compile(device: &GpuDevice, name: &str, (wgsl, entries): &Key) -> Pipeline {
    let wgpu = device.wgpu();
    let descriptor = wgpu::ShaderModuleDescriptor { label: Some(name), source: wgpu::ShaderSource::Wgsl(wgsl.into()) };
    let module = if device.options().runtime_checks {
        wgpu.create_shader_module(descriptor)
    } else {
        // SAFETY: promised by whoever made the options with `GpuOptions::unchecked`.
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
        cache: None,
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
