//! Times of the single ops of a training step. Each op is repeated within one submission to the device, so that launch
//! overhead is negligible.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::{Duration, Instant};

use serde::Serialize;
use wgrad::TrainingSpec;
use wgrad::exec::{Executor, Run};
use wgrad::loss::TargetKind;
use wgrad::plan::{Op, Plan, Rates, Section, Step, Tile, Work};
use wgrad::rng::{Philox, Stream};
use wgrad::specialize::{DeviceLimits, candidates};
use wgrad::{Adam, Device, Result, Schedule};

use super::roofline::Roofline;
use super::workload::Workload;
use crate::command::autotune::TuningSource;

/// Approximate time of a submission, in seconds. It is short, since operating systems reset a GPU that is busy for too
/// long.
const BLOCK_SECONDS: f64 = 0.02;

/// Largest number of runs of an op per submission.
const MOST: f64 = 4096.0;

/// Learning rate so small that repeated updates leave the parameters as they are.
const RATE: f64 = 1e-9;

/// Sizes of a matrix multiplication: the result is rows × columns, and each element is a sum of `terms` products.
#[derive(Serialize)]
pub struct Matmul {
    /// Transposed factors, as in BLAS (N: no, T: yes): `NT` forward, `NN` the input gradient, `TN` the weight gradient.
    pub form: &'static str,
    pub rows: usize,
    pub columns: usize,
    pub terms: usize,
}

/// Time of an op.
#[derive(Serialize)]
pub struct Measured {
    pub network: &'static str,
    /// Name of the kernel. A matrix multiplication that is split into parts has two: the second kernel adds the parts.
    pub kernel: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<usize>,
    pub shapes: String,
    #[serde(flatten)]
    pub matmul: Option<Matmul>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tile: Option<String>,
    /// `true` for the tile that training uses.
    pub chosen: bool,
    /// Time of one run in seconds: median over the submissions.
    pub seconds: f64,
    pub best_seconds: f64,
    pub submissions: usize,
    pub runs_per_submission: usize,
    pub gflop_per_second: f64,
    #[serde(flatten)]
    pub roofline: Roofline,
}

/// Settings of the measurement.
#[derive(Clone, Copy)]
pub struct Settings<'a> {
    /// Time for each op.
    pub budget: Duration,
    /// Tile sizes of training.
    pub tuning: &'a TuningSource,
    /// Measures all tile sizes, not only the chosen one.
    pub tiles: bool,
    pub rates: Rates,
}

/// Measures the ops of a step. Ops with the same kernel, shapes and tile are measured once. Calls `on_result` with each
/// result as soon as it is measured.
pub fn measure(
    workload: &Workload,
    device: &Device,
    settings: Settings<'_>,
    mut on_result: impl FnMut(&Measured),
) -> Result<()> {
    let new = TrainingSpec::new(workload.network.clone(), workload.loss, Adam::new(RATE), workload.batch);
    let spec = TrainingSpec { evaluate_rows: 1, ..new };
    let plan = Plan::for_training(&spec)?;
    let mut executor = device.executor(settings.tuning.apply(plan.clone(), device)?.0)?;
    let step = fill(executor.as_mut(), &spec)?;
    warm_up(executor.as_mut(), step, settings.budget)?;
    let mut seen = BTreeSet::new();
    // The tiles that training uses (`None`) are measured first, then all candidates in order.
    let count = if settings.tiles { most_candidates(&plan, device) } else { 0 };
    for candidate in std::iter::once(None).chain((0..count).map(Some)) {
        if let Some(number) = candidate {
            executor.adopt(with_candidate(&plan, device, number))?;
            // Fills the buffers that are new in this plan.
            executor.submit(&[step], &[Run { section: Section::Gradients, batch_index: 0 }])?;
        }
        for (section, ops) in units(executor.plan()) {
            let unit = Unit { workload, section, ops, chosen: candidate.is_none() };
            if seen.insert(unit.key(executor.plan())) {
                on_result(&unit.measure(executor.as_mut(), step, settings)?);
            }
        }
    }
    Ok(())
}

/// Returns the largest number of tile sizes that are possible for a matrix multiplication of the plan; 0 on the CPU.
fn most_candidates(plan: &Plan, device: &Device) -> usize {
    let DeviceLimits::Gpu(limits) = device.limits() else { return 0 };
    let shapes = |op: &Op| op.views.iter().map(|view| plan.shape(*view)).collect::<Vec<_>>();
    let ops = plan.ops(Section::Gradients).iter();
    ops.map(|op| candidates(op, &shapes(op), &limits).len()).max().unwrap_or(0)
}

/// Returns the plan with other tile sizes: candidate `number` in each matrix multiplication that has more than `number`
/// candidates.
fn with_candidate(plan: &Plan, device: &Device, number: usize) -> Plan {
    let mut plan = plan.clone();
    if let DeviceLimits::Gpu(limits) = device.limits() {
        plan.set_tiles(|op, shapes| candidates(op, shapes, &limits).get(number).copied());
    }
    plan
}

/// Groups the ops that are measured together: a split matrix multiplication and the op that adds its parts. All other
/// ops are measured alone.
fn units(plan: &Plan) -> Vec<(Section, Range<usize>)> {
    let mut units = Vec::new();
    for section in [Section::Gradients, Section::Update] {
        let (mut first, ops) = (0, plan.ops(section));
        while first < ops.len() {
            let parts = ops[first].kernel.name.starts_with("matmul_split_");
            let end = ops.len().min(first + if parts { 2 } else { 1 });
            units.push((section, first..end));
            first = end;
        }
    }
    units
}

/// Writes random parameters and rows, and runs a step, so that all buffers hold values as in training.
fn fill(executor: &mut dyn Executor, spec: &TrainingSpec) -> Result<Step> {
    let mut random = Philox::new(0, Stream::Data, 0);
    for node in spec.network.nodes() {
        let scale = (6.0 / node.inputs as f64).sqrt();
        for tensor in node.tensors() {
            let signed = |_| ((scale * (2.0 * random.uniform() - 1.0)) as f32).to_bits();
            write(executor, &format!("layer{}.{}", node.number, tensor.name), signed)?;
        }
    }
    let classes = spec.network.outputs() as u32;
    write(executor, "input", |_| ((2.0 * random.uniform() - 1.0) as f32).to_bits())?;
    write(executor, "target", |_| match spec.loss.target_kind() {
        TargetKind::Class => random.below(classes),
        TargetKind::Numbers => (random.below(2) as f32).to_bits(),
    })?;
    let step = spec.record(&Schedule::Constant, 0, 0, 0, spec.micro_batch);
    executor.submit(&[step], &Run::submission(&[step]))?;
    Ok(step)
}

/// Runs the step for `time`, since idle GPUs have low clocks.
fn warm_up(executor: &mut dyn Executor, step: Step, time: Duration) -> Result<()> {
    let (began, run) = (Instant::now(), Run { section: Section::Gradients, batch_index: 0 });
    let all = 0..executor.plan().ops(Section::Gradients).len();
    while began.elapsed() < time {
        executor.submit_repeated(&[step], run, all.clone(), 1)?;
    }
    Ok(())
}

fn write(executor: &mut dyn Executor, name: &str, word: impl FnMut(usize) -> u32) -> Result<()> {
    let view = executor.plan().named(name)?;
    let words: Vec<u32> = (0..executor.plan().shape(view).elements()).map(word).collect();
    executor.write(view, 0, &words)
}

/// Ops that are measured together.
struct Unit<'a> {
    workload: &'a Workload,
    section: Section,
    ops: Range<usize>,
    chosen: bool,
}

impl Unit<'_> {
    fn of<'p>(&self, plan: &'p Plan) -> &'p [Op] {
        &plan.ops(self.section)[self.ops.clone()]
    }

    fn kernel(&self, plan: &Plan) -> String {
        self.of(plan).iter().map(|op| op.kernel.name).collect::<Vec<_>>().join(" + ")
    }

    /// Returns the key of the measurement. Units with the same key take the same time, so only the first is measured.
    fn key(&self, plan: &Plan) -> [String; 3] {
        [self.kernel(plan), self.shapes(plan), self.tile(plan).unwrap_or_default()]
    }

    fn tile(&self, plan: &Plan) -> Option<String> {
        let op = &self.of(plan)[0];
        // The number of parts of a split matrix multiplication follows from the op's parameters.
        let parts = op.param("k").zip(op.param("chunk")).map_or(1, |(terms, chunk)| terms.div_ceil(chunk));
        op.tile.map(|tile| Tile { parts, ..tile }.to_string())
    }

    /// Returns the shapes that are read and written: `128×784 512×784 1×512 → 128×512`.
    fn shapes(&self, plan: &Plan) -> String {
        let [read, written] = [false, true].map(|writes| {
            let bound = self.of(plan).iter().flat_map(|op| op.kernel.bindings.iter().zip(&op.views));
            let these = bound.filter(|(binding, _)| binding.access.writes() == writes);
            these.map(|(_, view)| plan.shape(*view).to_string()).collect::<Vec<_>>().join(" ")
        });
        format!("{read} → {written}")
    }

    /// Returns the sizes of the unit's matrix multiplication; `None` for other ops.
    fn matmul(&self, plan: &Plan) -> Option<Matmul> {
        let op = &self.of(plan)[0];
        let (_, dense, inputs) = self.workload.network.dense_layers().find(|(layer, ..)| op.layer == Some(*layer))?;
        let (batch, outputs) = (self.workload.batch, dense.outputs);
        let (form, [rows, columns, terms]) = match op.kernel.name {
            "dense_forward" | "dense_forward_kept" | "matmul_split_nt" => ("NT", [batch, outputs, inputs]),
            "dense_grad_input" | "matmul_split_nn" => ("NN", [batch, inputs, outputs]),
            "dense_grad_weight" | "matmul_split_tn" => ("TN", [outputs, inputs, batch]),
            _ => return None,
        };
        Some(Matmul { form, rows, columns, terms })
    }

    fn measure(&self, executor: &mut dyn Executor, step: Step, settings: Settings<'_>) -> Result<Measured> {
        let (run, began) = (Run { section: self.section, batch_index: 0 }, Instant::now());
        let mut repeated = |times| executor.submit_repeated(&[step], run, self.ops.clone(), times);
        let first = repeated(1)?;
        let runs_per_submission = (BLOCK_SECONDS / first.max(1e-7)).clamp(1.0, MOST) as usize;
        let mut all = Vec::new();
        while all.is_empty() || began.elapsed() < settings.budget {
            all.push(repeated(runs_per_submission)? / runs_per_submission as f64);
        }
        all.sort_by(f64::total_cmp);
        let (plan, seconds) = (executor.plan(), all[all.len() / 2]);
        let work: Work = self.of(plan).iter().map(|op| plan.work(op)).sum();
        Ok(Measured {
            network: self.workload.name,
            kernel: self.kernel(plan),
            layer: self.of(plan)[0].layer,
            shapes: self.shapes(plan),
            matmul: self.matmul(plan),
            tile: self.tile(plan),
            chosen: self.chosen,
            seconds,
            best_seconds: all[0],
            submissions: all.len(),
            runs_per_submission,
            gflop_per_second: if seconds > 0.0 { work.flops as f64 / seconds / 1e9 } else { 0.0 },
            roofline: Roofline::new(work, settings.rates, seconds),
        })
    }
}
