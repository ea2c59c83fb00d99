//! Memory of a plan on the device: one buffer per allocation.

use crate::error::Result;
use crate::exec::gpu::device::GpuDevice;
use crate::plan::{Allocation, Contents, POISON, Plan};

/// Stride in bytes between records in a buffer of records. A record holds the parameters of one op, or one step record.
pub(super) const RECORD: usize = crate::plan::STEP_BYTES;

/// Creates a buffer for each allocation, and returns the number of new buffers. Allocations that `old` holds under the
/// same name, type and size keep their buffer and contents.
pub(super) fn allocate(
    device: &GpuDevice,
    plan: &Plan,
    old: Option<(&Plan, &[wgpu::Buffer])>,
) -> Result<(Vec<wgpu::Buffer>, u64)> {
    let kept = |new: &Allocation| {
        let (plan, buffers) = old?;
        plan.find_allocation(new).map(|id| buffers[id.0].clone())
    };
    let mut made = 0;
    let buffer = |new: &Allocation| {
        kept(new).map_or_else(
            || {
                made += 1;
                fresh(device, new)
            },
            Ok,
        )
    };
    let buffers = plan.allocations().iter().map(buffer).collect::<Result<_>>()?;
    Ok((buffers, made))
}

/// Creates a buffer with the initial contents of the allocation.
fn fresh(device: &GpuDevice, allocation: &Allocation) -> Result<wgpu::Buffer> {
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
    // An allocation without elements still needs a buffer to bind.
    let bytes = 4 * allocation.elements.max(1);
    let filled = |word: u32| buffer(device, &allocation.name, bytes, usage, |words| words.fill(word), word != 0);
    match &allocation.contents {
        Contents::Persistent(word) => filled(*word),
        Contents::Host | Contents::Computed => filled(POISON),
        Contents::Constant(words) => buffer(device, &allocation.name, bytes, usage, in_parts(words), true),
    }
}

/// Returns a function that copies words part by part, from the beginning.
fn in_parts(mut words: &[u32]) -> impl FnMut(&mut [u32]) {
    move |part| {
        let (now, later) = words.split_at(part.len());
        part.copy_from_slice(now);
        words = later;
    }
}

/// Creates a buffer of records with a stride of `RECORD` bytes.
pub(super) fn records(device: &GpuDevice, name: &str, records: &[&[u32]]) -> Result<wgpu::Buffer> {
    let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
    let mut words = vec![0; RECORD / 4 * records.len().max(1)];
    for (chunk, record) in words.chunks_exact_mut(RECORD / 4).zip(records) {
        chunk[..record.len()].copy_from_slice(record);
    }
    buffer(device, name, 4 * words.len(), usage, in_parts(&words), true)
}

/// Creates a staging buffer of `bytes` bytes. The host reads copies of device memory from it.
pub(super) fn staging(device: &GpuDevice, bytes: usize) -> Result<wgpu::Buffer> {
    let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
    buffer(device, "reading", bytes, usage, |_| (), false)
}

/// Creates a buffer. If `filled`, the function `fill` writes its contents part by part, from the beginning. Otherwise
/// the buffer keeps the zeros of wgpu.
fn buffer(
    device: &GpuDevice,
    name: &str,
    bytes: usize,
    usage: wgpu::BufferUsages,
    mut fill: impl FnMut(&mut [u32]),
    filled: bool,
) -> Result<wgpu::Buffer> {
    const WORDS_PER_PART: usize = 1 << 16;
    let descriptor =
        wgpu::BufferDescriptor { label: Some(name), size: bytes as u64, usage, mapped_at_creation: filled };
    let made =
        device.scoped(&format!("memory for {name} ({bytes} bytes)"), || device.wgpu().create_buffer(&descriptor))?;
    if filled {
        let mut mapped =
            made.get_mapped_range_mut(..).map_err(|error| device.error(&format!("memory for {name}"), error))?;
        let mut part = vec![0; WORDS_PER_PART.min(bytes / 4)];
        for start in (0..bytes).step_by(4 * WORDS_PER_PART) {
            let words = &mut part[..WORDS_PER_PART.min((bytes - start) / 4)];
            fill(words);
            let written: &[u8] = bytemuck::cast_slice(words);
            mapped.slice(start..start + written.len()).copy_from_slice(written);
        }
        drop(mapped);
        made.unmap();
    }
    Ok(made)
}
