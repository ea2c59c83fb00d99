//! Ops timed by the device's own clock: a compute pass for each, since what every backend can tell is when a pass begins
//! and ends.

use crate::error::Result;
use crate::exec::gpu::buffers::staging;
use crate::exec::gpu::reading::Reading;
use crate::exec::gpu::{Gpu, wgpu};
use crate::exec::{Pending, Run};

/// Ops that are timed together: a set of queries holds two for each.
const TOGETHER: usize = wgpu::QUERY_SET_MAX_QUERIES as usize / 2;

/// Bytes of a timestamp.
const STAMP: u64 = wgpu::QUERY_SIZE as u64;

impl Gpu {
    /// Runs ops whose steps are on the device, and returns when each began and ended, in seconds of the device's clock.
    pub(super) fn timed(&mut self, ops: &[(Run, usize)]) -> Result<Vec<[f64; 2]>> {
        let ticks = ops.chunks(TOGETHER).map(|part| self.ticks(part)).collect::<Result<Vec<_>>>()?.concat();
        let second = 1e-9 * f64::from(self.device.queue().get_timestamp_period());
        // In whole ticks from the first, since a clock that has run for days has more digits than an f64.
        let first = ticks.first().map_or(0, |[began, _]| *began);
        Ok(ticks.into_iter().map(|stamps| stamps.map(|tick| tick.saturating_sub(first) as f64 * second)).collect())
    }

    /// One submission; waits until it is over.
    fn ticks(&mut self, ops: &[(Run, usize)]) -> Result<Vec<[u64; 2]>> {
        let (device, count) = (&self.device, 2 * ops.len() as u32);
        let bytes = STAMP * u64::from(count);
        let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        let (queries, resolved) = device.scoped("timestamps", || {
            let ty = wgpu::QueryType::Timestamp;
            let queries = device.wgpu().create_query_set(&wgpu::QuerySetDescriptor { label: None, ty, count });
            let buffer = wgpu::BufferDescriptor { label: None, size: bytes, usage, mapped_at_creation: false };
            (queries, device.wgpu().create_buffer(&buffer))
        })?;
        let staging = staging(device, bytes as usize)?;
        let mut encoder = device.wgpu().create_command_encoder(&Default::default());
        for (number, (run, op)) in (0..).step_by(2).zip(ops) {
            let writes = wgpu::ComputePassTimestampWrites {
                query_set: &queries,
                beginning_of_pass_write_index: Some(number),
                end_of_pass_write_index: Some(number + 1),
            };
            let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes: Some(writes) };
            let mut pass = encoder.begin_compute_pass(&descriptor);
            let dispatch = &self.state.sections[run.section as usize][*op];
            self.counters.dispatches += u64::from(dispatch.record(&mut pass, run.slot));
        }
        encoder.resolve_query_set(&queries, 0..count, &resolved, 0);
        encoder.copy_buffer_to_buffer(&resolved, 0, &staging, 0, bytes);
        let submission = device.queue().submit([encoder.finish()]);
        self.counters.submissions += 1;
        self.counters.buffers += 2;
        let reading = Reading::new(device.clone(), self.staging.clone(), staging, bytes, submission);
        let words = Box::new(reading).wait()?;
        let stamp = |words: &[u32]| u64::from(words[0]) | u64::from(words[1]) << 32;
        Ok(words.chunks_exact(4).map(|four| [stamp(&four[..2]), stamp(&four[2..])]).collect())
    }
}
