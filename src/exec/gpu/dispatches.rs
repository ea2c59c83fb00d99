//! Ops as dispatches, each with its pipeline, bind group, grid, and dynamic offsets for the batch of the submission.

use crate::error::Result;
use crate::exec::gpu::buffers::RECORD;
use crate::exec::gpu::device::GpuDevice;
use crate::exec::gpu::pipelines::Pipeline;
use crate::plan::{MAX_BINDINGS, Op, Plan, Step, StepUse};

/// Op that is ready to run for any batch of a submission.
pub(super) struct Dispatch {
    pipeline: Pipeline,
    group: wgpu::BindGroup,
    grid: [u32; 3],
    /// Increment in bytes of each dynamic offset per batch of the submission, in the order of bindings.
    strides: Vec<u32>,
    /// Size in bytes of the binding of each view.
    pub(super) bound: Vec<u64>,
}

/// Buffers whose ranges an op binds.
pub(super) struct BindGroupBuffers<'a> {
    pub(super) params: &'a wgpu::Buffer,
    pub(super) steps: &'a wgpu::Buffer,
    pub(super) allocations: &'a [wgpu::Buffer],
}

impl Dispatch {
    /// Creates the dispatch of an op whose parameters are record `number`.
    pub(super) fn new(
        device: &GpuDevice,
        plan: &Plan,
        op: &Op,
        pipeline: Pipeline,
        buffers: &BindGroupBuffers<'_>,
        number: usize,
    ) -> Result<Self> {
        let step_bytes = size_of::<Step>();
        let steps = match op.kernel.step {
            // The range starts after the record that holds the number of steps. The dynamic offset selects the step.
            StepUse::One => range(buffers.steps, RECORD, step_bytes),
            StepUse::All => buffers.steps.as_entire_binding(),
        };
        let views = op.views.iter().map(|view| plan.get(*view));
        let bound_bytes = views.clone().map(|v| bound_bytes(4 * v.shape.elements())).collect();
        let resources = [range(buffers.params, number * RECORD, RECORD), steps].into_iter().chain(
            views.clone().map(|v| range(&buffers.allocations[v.allocation.0], 4 * v.offset, 4 * v.shape.elements())),
        );
        let entries: Vec<_> = resources
            .enumerate()
            .map(|(binding, resource)| wgpu::BindGroupEntry { binding: binding as u32, resource })
            .collect();
        let descriptor =
            wgpu::BindGroupDescriptor { label: Some(op.kernel.name), layout: &pipeline.layout, entries: &entries };
        let group = device
            .scoped(&format!("bindings of {}", op.kernel.name), || device.wgpu().create_bind_group(&descriptor))?;
        let shapes: Vec<_> = views.clone().map(|view| view.shape).collect();
        let grid = (op.kernel.shader.grid)(op, &shapes);
        let step_stride = (op.kernel.step == StepUse::One).then_some(RECORD as u32);
        let view_strides = views.filter(|view| view.batch_stride > 0).map(|view| 4 * view.batch_stride as u32);
        let strides = step_stride.into_iter().chain(view_strides).collect();
        Ok(Self { pipeline, group, grid, strides, bound: bound_bytes })
    }

    /// Adds the op, for batch `batch_index` of the submission, to a pass. Returns `false` if the op's grid is empty.
    pub(super) fn encode(&self, pass: &mut wgpu::ComputePass<'_>, batch_index: usize) -> bool {
        if self.grid.contains(&0) {
            return false;
        }
        let mut offsets = [0; MAX_BINDINGS + 1];
        let offsets = &mut offsets[..self.strides.len()];
        offsets.iter_mut().zip(&self.strides).for_each(|(offset, stride)| *offset = stride * batch_index as u32);
        pass.set_pipeline(&self.pipeline.compiled);
        pass.set_bind_group(0, &self.group, offsets);
        let [x, y, z] = self.grid;
        pass.dispatch_workgroups(x, y, z);
        true
    }
}

/// Returns the size of a binding in bytes. A view without elements binds one word, and no op runs on it.
fn bound_bytes(bytes: usize) -> u64 {
    bytes.max(4) as u64
}

/// Returns a binding of a range of a buffer. Offset and size are in bytes.
fn range(buffer: &wgpu::Buffer, offset: usize, bytes: usize) -> wgpu::BindingResource<'_> {
    wgpu::BindingResource::Buffer(wgpu::BufferBinding {
        buffer,
        offset: offset as u64,
        size: wgpu::BufferSize::new(bound_bytes(bytes)),
    })
}
