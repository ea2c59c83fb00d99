//! Trains a plan on an executor like the trainer, but step by step and with access to all views.

#![allow(dead_code, reason = "each test target uses some of it")]

use wgrad::Schedule;
use wgrad::exec::{Cpu, Executor, Reference, Run};
use wgrad::fuse::fuse;
use wgrad::lower::{TrainingSpec, lower};
use wgrad::plan::{Access, Contents, Op, Plan, Step, ViewId};

use super::oracle::Value;
use super::problem::Batch;

/// Seed of all dropout masks.
pub const SEED: u64 = 0x1234_5678_9ABC_DEF0;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PlanKind {
    Primitive,
    Fused,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Device {
    Reference,
    Cpu { threads: usize },
}

/// Plan of a kind.
pub fn plan(spec: &TrainingSpec, kind: PlanKind) -> Plan {
    let primitive = lower(spec).expect("the spec is sound");
    match kind {
        PlanKind::Primitive => primitive,
        PlanKind::Fused => fuse(&primitive).expect("a lowered plan can be fused"),
    }
}

pub fn executor(plan: Plan, device: Device) -> Box<dyn Executor> {
    match device {
        Device::Reference => Box::new(Reference::new(plan).expect("there is memory")),
        Device::Cpu { threads } => Box::new(Cpu::new(plan, threads).expect("a few threads can be had")),
    }
}

/// Executor with a plan and the state of training.
pub struct Driver {
    pub executor: Box<dyn Executor>,
    pub spec: TrainingSpec,
    pub schedule: Schedule,
    /// Index of the next step.
    pub next: u64,
}

impl Driver {
    pub fn new(spec: &TrainingSpec, kind: PlanKind, device: Device) -> Self {
        Self::with_plan(spec, plan(spec, kind), device)
    }

    pub fn with_plan(spec: &TrainingSpec, plan: Plan, device: Device) -> Self {
        let executor = executor(plan, device);
        Self { executor, spec: spec.clone(), schedule: Schedule::Constant, next: 0 }
    }

    pub fn find(&self, name: &str) -> ViewId {
        self.executor.plan().find(name).unwrap_or_else(|| panic!("the plan has no view `{name}`"))
    }

    pub fn words(&mut self, name: &str) -> Vec<u32> {
        let view = self.find(name);
        self.executor.read(view, 0).and_then(|ticket| ticket.wait()).expect("host memory can be read")
    }

    pub fn read(&mut self, name: &str) -> Vec<f32> {
        bytemuck::cast_vec(self.words(name))
    }

    pub fn write(&mut self, name: &str, batch_index: usize, words: &[u32]) {
        let view = self.find(name);
        self.executor.write(view, batch_index, words).expect("the view holds as many words");
    }

    pub fn set(&mut self, parameters: &[(String, Vec<f32>)]) {
        for (name, numbers) in parameters {
            self.write(name, 0, bytemuck::cast_slice(numbers));
        }
    }

    /// Writes one batch for each following step; returns the records of those steps.
    pub fn feed(&mut self, batches: &[Batch]) -> Vec<Step> {
        for (batch_index, batch) in batches.iter().enumerate() {
            self.write("input", batch_index, bytemuck::cast_slice(&batch.input));
            self.write("target", batch_index, batch.target.words());
        }
        self.records(batches.iter().map(|batch| batch.rows))
    }

    /// Writes the resident data set.
    pub fn place(&mut self, data: &Batch) {
        self.write("data.input", 0, bytemuck::cast_slice(&data.input));
        self.write("data.target", 0, data.target.words());
    }

    /// Selects rows of the resident data set, one list for each following step; returns the records of those steps.
    pub fn choose(&mut self, steps: &[Vec<u32>]) -> Vec<Step> {
        let batch = self.spec.micro_batch;
        let mut index = vec![u32::MAX; self.spec.steps * batch];
        for (batch_index, rows) in steps.iter().enumerate() {
            index[batch_index * batch..batch_index * batch + rows.len()].copy_from_slice(rows);
        }
        self.write("index", 0, &index);
        self.records(steps.iter().map(Vec::len))
    }

    fn records(&mut self, rows: impl Iterator<Item = usize>) -> Vec<Step> {
        let next = self.next;
        let step =
            |(batch_index, rows)| self.spec.record(&self.schedule, SEED, next + batch_index as u64, batch_index, rows);
        let steps: Vec<Step> = rows.enumerate().map(step).collect();
        self.next += steps.len() as u64;
        steps
    }

    /// Trains on one submission of batches; returns the loss of each.
    pub fn train(&mut self, batches: &[Batch]) -> Vec<f32> {
        let steps = self.feed(batches);
        self.submit(&steps)
    }

    /// Runs the steps as one submission; returns the loss of each.
    pub fn submit(&mut self, steps: &[Step]) -> Vec<f32> {
        self.executor.submit(steps, &Run::submission(steps)).expect("the host answers");
        self.losses(steps.len())
    }

    /// Runs the steps with each op as a separate submission; returns the loss of each.
    pub fn submit_singly(&mut self, steps: &[Step]) -> Vec<f32> {
        for run in Run::submission(steps) {
            for op in 0..self.executor.plan().ops(run.section).len() {
                self.executor.submit_op(steps, run, op).expect("the host answers");
            }
        }
        self.losses(steps.len())
    }

    fn losses(&mut self, steps: usize) -> Vec<f32> {
        let mut losses = self.read("loss");
        losses.truncate(steps);
        losses
    }

    /// Contents of all persistent allocations, with padding: parameters, gradients, optimizer state, flags.
    pub fn persistent(&mut self) -> Vec<(String, Vec<u32>)> {
        let allocations = self.executor.plan().allocations().to_vec();
        let kept = allocations.iter().enumerate().filter(|(_, a)| matches!(a.contents, Contents::Persistent(_)));
        kept.map(|(id, allocation)| {
            let words = self.executor.read_allocation(wgrad::plan::AllocationId(id));
            (allocation.name.clone(), words.expect("host memory can be read"))
        })
        .collect()
    }
}

/// Number of elements in the views that an op writes.
pub fn written_elements(plan: &Plan, op: &Op) -> usize {
    let written = op.kernel.bindings.iter().zip(&op.views).filter(|(binding, _)| binding.access != Access::Read);
    written.map(|(_, view)| plan.shape(*view).rows * plan.shape(*view).columns).sum()
}

/// The only comparator of these tests. Returns how many numbers lie within their errors, or the first that does not. It fails
/// closed on NaN.
pub fn compare(name: &str, found: &[f32], wanted: &[Value]) -> Result<usize, String> {
    if found.len() != wanted.len() {
        return Err(format!("{name}: {} numbers, {} wanted", found.len(), wanted.len()));
    }
    for (index, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        if !((f64::from(*found) - wanted.value).abs() <= wanted.error) {
            return Err(format!("{name}[{index}] is {found}, wanted {} ± {}", wanted.value, wanted.error));
        }
    }
    Ok(found.len())
}
