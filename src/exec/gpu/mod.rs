//! GPU executor: runs any plan, on any device that wgpu supports.
//!
//! [`GpuDevice`] is an open GPU; [`Gpu`] holds a plan's memory on it. [`Gpu::new`] prepares as much as possible: one
//! buffer per allocation, all parameters in one buffer of records, one pipeline per distinct shader, one bind group per
//! op. A submission then writes its step records, and encodes one compute pass. Each op of the pass sets a pipeline, a
//! bind group with dynamic offsets for its batch of the submission, and a grid. wgpu inserts the barriers between ops.
//! No kernel has code of its own here.
//!
//! ```no_run
//! use wgrad::exec::Executor;
//! use wgrad::exec::gpu::{Gpu, GpuDevice};
//! # fn plan() -> wgrad::plan::Plan { wgrad::plan::Plan::new() }
//! # fn main() -> wgrad::Result<()> {
//! let device = GpuDevice::open(None)?;
//! println!("{}", device.adapter());
//! let gpu = Gpu::new(&device, plan())?;
//! println!("{} shaders compiled", gpu.counters().pipelines);
//! # Ok(())
//! # }
//! ```

mod adapters;
mod buffers;
mod cache;
mod device;
mod dispatches;
mod pipelines;
mod reading;
mod timing;

use std::ops::Range;

pub use adapters::{Adapter, AdapterKind};
pub use cache::cache_folder;
pub use device::{GpuDevice, GpuOptions};
/// The version of wgpu that [`Device::from_wgpu`] accepts.
pub use wgpu;

use crate::device::Device;
use crate::error::Result;
pub use crate::exec::Counters;
use crate::exec::{Executor, Run, Span, Ticket, check, profile};
use crate::plan::{AllocationId, Op, Plan, Section, Step, ViewId};
use crate::specialize::{DeviceLimits, specialize};
use buffers::RECORD;
use dispatches::{BindGroupBuffers, Dispatch};
use reading::{Reading, StagingPool};

impl Device {
    /// Wraps a GPU that your program has opened itself, for example for rendering; see [`GpuDevice::from_wgpu`]. The
    /// arguments must have the types of the crate's own version of wgpu, [`wgrad::exec::gpu::wgpu`](wgpu).
    pub fn from_wgpu(adapter: wgpu::Adapter, device: wgpu::Device, queue: wgpu::Queue) -> Self {
        GpuDevice::from_wgpu(&adapter, device, queue).into()
    }
}

/// Executor that runs plans on a GPU.
pub struct Gpu {
    device: GpuDevice,
    state: State,
    staging: StagingPool,
    counters: Counters,
}

/// Number of submissions in flight while the host prepares the next one. Two are enough that the device never waits for
/// the host. With more, errors would be reported later.
const IN_FLIGHT: usize = 2;

impl Gpu {
    /// Allocates memory and compiles pipelines for `plan`.
    ///
    /// # Errors
    /// Returns an error if an op exceeds a limit of the device (with the needed and the allowed number), if there is
    /// too little memory, if the driver rejects a shader, or if the device was lost.
    pub fn new(device: &GpuDevice, plan: Plan) -> Result<Self> {
        let mut counters = Counters::default();
        let state = State::new(device, plan, None, &mut counters)?;
        Ok(Self { device: device.clone(), state, staging: StagingPool::default(), counters })
    }

    /// Returns the size in bytes of the binding of each of an op's views. The op's shader can reach no other memory,
    /// except parameters and step records.
    ///
    /// # Panics
    /// Panics if the section has no such op.
    pub fn bound_bytes(&self, section: Section, op: usize) -> &[u64] {
        &self.state.sections[section as usize][op].bound
    }

    /// Copies the step records to the device, and submits one compute pass. `encode` adds the dispatches to the pass,
    /// and returns their number.
    fn submit_pass(
        &mut self,
        steps: &[Step],
        runs: &[Run],
        encode: impl Fn(&State, &mut wgpu::ComputePass<'_>) -> u64,
    ) -> Result<()> {
        self.write_records(steps, runs)?;
        let mut encoder = self.device.wgpu().create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        let dispatches = encode(&self.state, &mut pass);
        drop(pass);
        self.device.queue().submit([encoder.finish()]);
        self.counters.dispatches += dispatches;
        self.counters.submissions += 1;
        self.device.check("submitting")
    }

    /// Checks a submission, and writes its step records to the device. The buffer is enlarged if it is too small.
    fn write_records(&mut self, steps: &[Step], runs: &[Run]) -> Result<()> {
        self.device.poll("submitting", None)?;
        self.counters.buffers += self.state.reserve(&self.device, steps, runs)?;
        let records = records(steps);
        self.device.queue().write_buffer(&self.state.steps.buffer, 0, &records);
        self.counters.uploaded_bytes += records.len() as u64;
        Ok(())
    }

    /// Starts a copy of `words` words of an allocation, from word `start` on.
    fn start_reading(&mut self, allocation: AllocationId, start: usize, words: usize) -> Result<Ticket> {
        self.device.poll("reading", None)?;
        if words == 0 {
            return Ok(Ticket::ready(Vec::new()));
        }
        let (start, bytes) = (4 * start as u64, 4 * words as u64);
        let (staging, made) = self.staging.take(&self.device, bytes)?;
        self.counters.buffers += u64::from(made);
        let mut encoder = self.device.wgpu().create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(&self.state.allocations[allocation.0], start, &staging, 0, bytes);
        let submission = self.device.queue().submit([encoder.finish()]);
        self.counters.readbacks += 1;
        self.counters.downloaded_bytes += bytes;
        let reading = Reading::new(self.device.clone(), self.staging.clone(), staging, bytes, submission);
        self.device.check("reading")?;
        Ok(Ticket::pending(reading))
    }
}

impl Executor for Gpu {
    fn name(&self) -> String {
        self.device.adapter().to_string()
    }

    fn driver(&self) -> Option<String> {
        Some(self.device.adapter().driver.clone())
    }

    fn limits(&self) -> DeviceLimits {
        DeviceLimits::Gpu(self.device.limits())
    }

    fn plan(&self) -> &Plan {
        &self.state.plan
    }

    fn adopt(&mut self, plan: Plan) -> Result<()> {
        self.state = State::new(&self.device, plan, Some(&self.state), &mut self.counters)?;
        Ok(())
    }

    fn prepare(&mut self, plan: &Plan) -> Result<()> {
        let plan = specialize(plan.clone(), &DeviceLimits::Gpu(self.device.limits()))?;
        self.counters.pipelines += self.device.pipelines().prepare(&self.device, &plan)?;
        Ok(())
    }

    fn in_flight(&self) -> usize {
        IN_FLIGHT
    }

    fn counters(&self) -> Counters {
        self.counters
    }

    fn write(&mut self, view: ViewId, batch_index: usize, words: &[u32]) -> Result<()> {
        self.device.poll("writing", None)?;
        let range = check::writable_range(&self.state.plan, view, batch_index, words)?;
        let buffer = &self.state.allocations[self.state.plan.get(view).allocation.0];
        self.device.queue().write_buffer(buffer, 4 * range.start as u64, bytemuck::cast_slice(words));
        self.counters.uploaded_bytes += 4 * words.len() as u64;
        self.device.check("writing")
    }

    fn read(&mut self, view: ViewId, batch_index: usize) -> Result<Ticket> {
        check::ensure_batch(&self.state.plan, view, batch_index)?;
        let view = self.state.plan.get(view);
        let (allocation, range) = (view.allocation, view.range(batch_index));
        self.start_reading(allocation, range.start, range.len())
    }

    fn submit(&mut self, steps: &[Step], runs: &[Run]) -> Result<()> {
        self.submit_pass(steps, runs, |state, pass| {
            let ready = |run: &Run| state.sections[run.section as usize].iter().zip(std::iter::repeat(run.batch_index));
            runs.iter()
                .flat_map(ready)
                .map(|(dispatch, batch_index)| u64::from(dispatch.encode(pass, batch_index)))
                .sum()
        })
    }

    fn submit_op(&mut self, steps: &[Step], run: Run, op: usize) -> Result<()> {
        self.submit_pass(steps, &[run], |state, pass| {
            u64::from(state.sections[run.section as usize][op].encode(pass, run.batch_index))
        })
    }

    fn submit_timed(&mut self, steps: &[Step], runs: &[Run]) -> Result<Vec<Span>> {
        self.device.check_timestamps()?;
        self.write_records(steps, runs)?;
        let ops = profile::ops(self, runs);
        let times = self.timed(&ops)?;
        let span = |((run, op), [start, end]): ((Run, usize), [f64; 2])| {
            let secs = (end - start).max(0.0);
            Span { section: run.section, op, batch_index: run.batch_index, start_secs: start, secs }
        };
        Ok(ops.into_iter().zip(times).map(span).collect())
    }

    fn submit_repeated(&mut self, steps: &[Step], run: Run, ops: Range<usize>, times: usize) -> Result<f64> {
        self.write_records(steps, &[run])?;
        self.repeated(run, &ops, times)
    }

    fn read_allocation(&mut self, allocation: AllocationId) -> Result<Vec<u32>> {
        self.start_reading(allocation, 0, self.state.plan.allocations()[allocation.0].elements)?.wait()
    }
}

/// Plan, its memory, and its ops as dispatches.
struct State {
    plan: Plan,
    allocations: Vec<wgpu::Buffer>,
    params: wgpu::Buffer,
    steps: Steps,
    sections: [Vec<Dispatch>; 6],
}

impl State {
    /// Fits a plan to the device and prepares it. Allocations that `old` holds under the same name, type and size are
    /// kept.
    fn new(device: &GpuDevice, plan: Plan, old: Option<&Self>, counters: &mut Counters) -> Result<Self> {
        device.poll("making a plan ready", None)?;
        let plan = specialize(plan, &DeviceLimits::Gpu(device.limits()))?;
        let old = old.map(|old| (&old.plan, old.allocations.as_slice()));
        // Shaders are compiled before memory is allocated, since the driver may reject a shader.
        counters.pipelines += device.pipelines().prepare(device, &plan)?;
        let (allocations, made) = buffers::allocate(device, &plan, old)?;
        let params = buffers::records(device, "params", &ops(&plan).map(|(_, op)| &op.params[..]).collect::<Vec<_>>())?;
        let steps = Steps::new(
            device,
            plan.views().iter().filter_map(|view| check::batch_count(&plan, view)).max().unwrap_or(1),
        )?;
        let mut state = Self { plan, allocations, params, steps, sections: Default::default() };
        state.bind(device)?;
        // Two more buffers hold the parameters and the step records.
        counters.buffers += made + 2;
        Ok(state)
    }

    /// Creates the dispatches of all ops.
    fn bind(&mut self, device: &GpuDevice) -> Result<()> {
        let buffers =
            BindGroupBuffers { params: &self.params, steps: &self.steps.buffer, allocations: &self.allocations };
        let mut sections: [Vec<Dispatch>; 6] = Default::default();
        for (number, (section, op)) in ops(&self.plan).enumerate() {
            let pipeline = device.pipelines().get(device, &self.plan, op)?;
            sections[section as usize].push(Dispatch::new(device, &self.plan, op, pipeline, &buffers, number)?);
        }
        self.sections = sections;
        Ok(())
    }

    /// Checks the runs of a submission, and enlarges the buffer of step records if it is too small. Returns the number
    /// of new buffers.
    fn reserve(&mut self, device: &GpuDevice, steps: &[Step], runs: &[Run]) -> Result<u64> {
        check::ensure_submission(&self.plan, steps, runs)?;
        if steps.len() > self.steps.capacity {
            let more = Steps::new(device, steps.len().next_power_of_two())?;
            let fewer = std::mem::replace(&mut self.steps, more);
            // Bind groups and the buffer that they refer to change together, or not at all.
            if let Err(error) = self.bind(device) {
                self.steps = fewer;
                return Err(error);
            }
            return Ok(1);
        }
        Ok(0)
    }
}

/// Returns all ops, in the order of their parameters in the buffer.
fn ops(plan: &Plan) -> impl Iterator<Item = (Section, &Op)> {
    Section::ALL.into_iter().flat_map(|section| plan.ops(section).iter().map(move |op| (section, op)))
}

/// Step records of a submission on the device, after one record that holds their number.
struct Steps {
    buffer: wgpu::Buffer,
    capacity: usize,
}

impl Steps {
    fn new(device: &GpuDevice, capacity: usize) -> Result<Self> {
        Ok(Self { buffer: buffers::records(device, "steps", &vec![&[][..]; 1 + capacity])?, capacity })
    }
}

/// Returns the number of steps and their records, as bytes.
fn records(steps: &[Step]) -> Vec<u8> {
    let mut bytes = vec![0; (1 + steps.len()) * RECORD];
    let (count, records) = bytes.split_at_mut(RECORD);
    count[..4].copy_from_slice(bytemuck::bytes_of(&(steps.len() as u32)));
    for (record, step) in records.chunks_exact_mut(RECORD).zip(steps) {
        record[..size_of::<Step>()].copy_from_slice(bytemuck::bytes_of(step));
    }
    bytes
}
