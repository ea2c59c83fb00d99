//! Timing of ops by the device's own clock. Every backend can write timestamps at the start and end of a compute pass.
//! So each op runs in a pass of its own, or all repetitions of a measurement run in one pass.

use std::ops::Range;
use std::time::Instant;

use crate::error::Result;
use crate::exec::gpu::buffers::staging;
use crate::exec::gpu::reading::Reading;
use crate::exec::gpu::{Gpu, wgpu};
use crate::exec::{Pending, Run};

/// Number of passes that share a query set. The set holds two queries for each pass.
const TOGETHER: usize = wgpu::QUERY_SET_MAX_QUERIES as usize / 2;

/// Size of a timestamp in bytes.
const STAMP: u64 = wgpu::QUERY_SIZE as u64;

impl Gpu {
    /// Runs ops whose step records are on the device. Returns the start and end of each op in seconds since the start
    /// of the first op, by the device's clock.
    pub(super) fn timed(&mut self, ops: &[(Run, usize)]) -> Result<Vec<[f64; 2]>> {
        let passes: Vec<_> = ops.chunks(1).collect();
        let ticks = passes.chunks(TOGETHER).map(|part| self.ticks(part)).collect::<Result<Vec<_>>>()?.concat();
        let second = self.tick();
        // Relative to the first tick, as integers: a clock that has run for days has more digits than an f64.
        let first = ticks.first().map_or(0, |[began, _]| *began);
        Ok(ticks.into_iter().map(|stamps| stamps.map(|tick| tick.saturating_sub(first) as f64 * second)).collect())
    }

    /// Returns the seconds per tick of the device's clock.
    fn tick(&self) -> f64 {
        1e-9 * f64::from(self.device.queue().get_timestamp_period())
    }

    /// Runs ops `times` times in one pass, and returns the total seconds: by the device's clock, or by the host's clock
    /// if the device was opened without timestamps.
    pub(super) fn repeated(&mut self, run: Run, ops: &Range<usize>, times: usize) -> Result<f64> {
        let pass: Vec<_> = (0..times).flat_map(|_| ops.clone()).map(|op| (run, op)).collect();
        if self.device.check_timestamps().is_ok() {
            let stamps = self.ticks(&[&pass])?;
            return Ok(stamps.iter().map(|[began, ended]| ended.saturating_sub(*began) as f64 * self.tick()).sum());
        }
        // Waits for earlier submissions, so that their time does not count.
        self.device.poll("waiting", Some(self.device.queue().submit([])))?;
        let began = Instant::now();
        let mut encoder = self.device.wgpu().create_command_encoder(&Default::default());
        self.encode_pass(&mut encoder, None, &pass);
        let submission = self.device.queue().submit([encoder.finish()]);
        self.counters.submissions += 1;
        self.device.poll("waiting", Some(submission))?;
        Ok(began.elapsed().as_secs_f64())
    }

    /// Encodes ops as one compute pass.
    fn encode_pass(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        timestamp_writes: Option<wgpu::ComputePassTimestampWrites<'_>>,
        ops: &[(Run, usize)],
    ) {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes });
        let ready = |(run, op): &(Run, usize)| {
            self.state.sections[run.section as usize][*op].encode(&mut pass, run.batch_index)
        };
        self.counters.dispatches += ops.iter().map(ready).map(u64::from).sum::<u64>();
    }

    /// Submits passes, waits until they are done, and returns the timestamps of the start and end of each, in ticks.
    fn ticks(&mut self, passes: &[&[(Run, usize)]]) -> Result<Vec<[u64; 2]>> {
        let (device, count) = (self.device.clone(), 2 * passes.len() as u32);
        let bytes = STAMP * u64::from(count);
        let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        let (queries, resolved) = device.scoped("timestamps", || {
            let ty = wgpu::QueryType::Timestamp;
            let queries = device.wgpu().create_query_set(&wgpu::QuerySetDescriptor { label: None, ty, count });
            let buffer = wgpu::BufferDescriptor { label: None, size: bytes, usage, mapped_at_creation: false };
            (queries, device.wgpu().create_buffer(&buffer))
        })?;
        let staging = staging(&device, bytes as usize)?;
        let mut encoder = device.wgpu().create_command_encoder(&Default::default());
        for (number, pass) in (0..).step_by(2).zip(passes) {
            let writes = wgpu::ComputePassTimestampWrites {
                query_set: &queries,
                beginning_of_pass_write_index: Some(number),
                end_of_pass_write_index: Some(number + 1),
            };
            self.encode_pass(&mut encoder, Some(writes), pass);
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
