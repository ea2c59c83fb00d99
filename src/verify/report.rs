//! What was found, as data.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::error::{Error, Result};
use crate::exec::lockstep::OpCheck;
use crate::plan::{Plan, Section};
use crate::specialize::{Choice, DeviceLimits};
use crate::verify::FreeRun;
use crate::verify::case::PlanKind;
use crate::verify::passes::Found;

/// Who was verified, with what, on which numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Header {
    /// The device.
    pub device: String,
    /// Its driver, where there is one.
    pub driver: Option<String>,
    /// This crate's version.
    pub wgrad: &'static str,
    /// A hash of all WGSL that was compiled, or `CPU kernels` where the host's own CPU kernels ran.
    pub shaders: String,
    /// Network, loss, optimizer and batch.
    pub subject: String,
    /// What numbers were drawn from.
    pub inputs: &'static str,
    /// The seed that they were drawn with.
    pub seed: u64,
    /// Different products of a step.
    pub matmuls: usize,
    /// Those that a tuning says something of.
    pub tuned: usize,
    /// What a suggested tuning says, and was not followed in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<String>,
    /// The tiles of all products of the network on a GPU, whoever chose them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tiles: Vec<Choice>,
    /// Whether a step is one op, of which lockstep judges the build that writes down what lies between its stages, and
    /// free runs hold the one that trains to the bits of that.
    pub fused_step: bool,
}

/// What lockstep found of one op, or of all ops of one kernel.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OpReport {
    /// Which of the two plans; none for a kernel that both have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanKind>,
    /// Section and number, or how many ops stand together here.
    pub op: String,
    /// The kernel.
    pub kernel: &'static str,
    /// How a product was cut, on a GPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tile: Option<String>,
    /// Shapes of the first view read and the first written, or how many different ones.
    pub shape: String,
    /// Elements compared.
    pub elements: usize,
    /// Elements that had to have the reference's bits.
    pub exact: usize,
    /// Largest difference as a share of its tolerance, from 0 to 1.
    pub worst: f64,
    /// How large tolerances are beside the results: [`OpCheck::tightness`].
    pub tolerance: f64,
    /// Largest tolerance as a share of its result.
    pub largest: f64,
    /// Elements whose tolerance exceeds 1 % of the result.
    pub weak: usize,
    /// `ok`: what is not has no row, but is the failure.
    pub verdict: &'static str,
}

/// The first result that is wrong.
#[derive(Debug)]
pub struct Failure {
    /// Which network, in which plan.
    pub during: String,
    /// Op, view, row and column, both values and the tolerance.
    pub error: Error,
}

/// The figures under the line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Whether all was right.
    pub passed: bool,
    /// Op runs in lockstep.
    pub runs: usize,
    /// Elements compared.
    pub elements: usize,
    /// Of these, elements that had to have the reference's bits.
    pub exact: usize,
    /// Different kernels that ran.
    pub kernels: usize,
    /// Words compared after free runs.
    pub words: usize,
    /// The first result that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// News of a verification under way.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event<'a> {
    /// It begins.
    Start(&'a Header),
    /// An op is about to run.
    Progress {
        /// The op.
        what: &'a str,
        /// Op runs that are done.
        done: usize,
        /// Op runs in all.
        total: usize,
    },
    /// An op, or a kernel, is right in all its runs.
    Op(&'a OpReport),
    /// A free run left the right bits.
    FreeRun(&'a FreeRun),
    /// It ends.
    Summary(&'a Summary),
}

/// What was found.
#[derive(Debug)]
#[must_use = "a wrong result stands in the report, and is no error of the function that returns it"]
pub struct Report {
    /// Who was verified, with what, on which numbers.
    pub header: Header,
    /// Ops that are right.
    pub ops: Vec<OpReport>,
    /// Free runs that are right.
    pub free_runs: Vec<FreeRun>,
    /// The figures under the line.
    pub summary: Summary,
    /// The first result that is wrong, where the verification ended.
    pub failure: Option<Failure>,
}

impl Report {
    /// Whether all was right.
    pub fn passed(&self) -> bool {
        self.failure.is_none()
    }

    /// Elements compared with the reference.
    pub fn elements(&self) -> usize {
        self.summary.elements
    }

    /// The report, if all was right.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for the first result that is wrong.
    pub fn into_result(self) -> Result<Self> {
        match self.failure {
            Some(failure) => Err(failure.error),
            None => Ok(self),
        }
    }
}

/// A report in the making.
pub(super) struct Collected<'a> {
    header: Header,
    ops: Vec<OpReport>,
    free_runs: Vec<FreeRun>,
    by_kernel: Option<BTreeMap<(&'static str, Option<String>), Together>>,
    kernels: BTreeSet<&'static str>,
    on_event: &'a mut dyn FnMut(&Event<'_>),
    done: usize,
    total: usize,
}

/// Ops of one kernel.
struct Together {
    judged: OpCheck,
    ops: usize,
    shapes: BTreeSet<String>,
}

impl<'a> Collected<'a> {
    pub(super) fn new(header: Header, total: usize, by_kernel: bool, on_event: &'a mut dyn FnMut(&Event<'_>)) -> Self {
        let by_kernel = by_kernel.then(BTreeMap::new);
        let (ops, free_runs, kernels) = Default::default();
        Self { header, ops, free_runs, by_kernel, kernels, on_event, done: 0, total }
    }

    pub(super) fn tell(&mut self, what: &str) {
        (self.on_event)(&Event::Progress { what, done: self.done, total: self.total });
        self.done += 1;
    }

    pub(super) fn free_run(&mut self, run: FreeRun) {
        (self.on_event)(&Event::FreeRun(&run));
        self.free_runs.push(run);
    }

    pub(super) fn ops(&mut self, kind: PlanKind, found: Found) {
        for ((section, index), judged) in found {
            self.kernels.insert(judged.kernel);
            let tile = judged.tile.map(|tile| tile.to_string());
            match &mut self.by_kernel {
                None => self.row(row(Some(kind), format!("{} {index}", section.name()), tile, shape(&judged), &judged)),
                Some(kernels) => {
                    let shape = shape(&judged);
                    match kernels.get_mut(&(judged.kernel, tile.clone())) {
                        Some(together) => together.add(&judged, shape),
                        None => drop(kernels.insert((judged.kernel, tile), Together::new(judged, shape))),
                    }
                }
            }
        }
    }

    fn row(&mut self, row: OpReport) {
        (self.on_event)(&Event::Op(&row));
        self.ops.push(row);
    }

    pub(super) fn finish(mut self, failure: Option<Failure>) -> Report {
        for ((_, tile), together) in self.by_kernel.take().unwrap_or_default() {
            let Together { judged, ops, shapes } = together;
            self.row(row(None, format!("{ops} ops"), tile, format!("{} shapes", shapes.len()), &judged));
        }
        let summary = Summary {
            passed: failure.is_none(),
            runs: self.done,
            elements: self.ops.iter().map(|op| op.elements).sum(),
            exact: self.ops.iter().map(|op| op.exact).sum(),
            kernels: self.kernels.len(),
            words: self.free_runs.iter().map(|run| run.words).sum(),
            failure: failure.as_ref().map(|failure| failure.to_string()),
        };
        (self.on_event)(&Event::Summary(&summary));
        Report { header: self.header, ops: self.ops, free_runs: self.free_runs, summary, failure }
    }
}

impl Together {
    fn new(judged: OpCheck, shape: String) -> Self {
        Self { judged, ops: 1, shapes: [shape].into() }
    }

    fn add(&mut self, judged: &OpCheck, shape: String) {
        self.judged.merge(judged);
        self.ops += 1;
        self.shapes.insert(shape);
    }
}

/// `64×64 → 64×128`
fn shape(judged: &OpCheck) -> String {
    judged.shapes.first().map(|first| format!("{first} → {}", judged.written)).unwrap_or_default()
}

fn row(plan: Option<PlanKind>, op: String, tile: Option<String>, shape: String, judged: &OpCheck) -> OpReport {
    OpReport {
        plan,
        op,
        kernel: judged.kernel,
        tile,
        shape,
        elements: judged.elements,
        exact: judged.exact,
        worst: judged.worst,
        tolerance: judged.tightness(),
        largest: judged.relative,
        weak: judged.weak,
        verdict: "ok",
    }
}

const CPU_KERNELS: &str = "CPU kernels";

/// A hash of all different shaders of plans that were fitted to the target.
pub(super) fn shaders(target: &DeviceLimits, plans: &[Plan]) -> String {
    if *target == DeviceLimits::Cpu {
        return CPU_KERNELS.into();
    }
    let ops = plans.iter().flat_map(|plan| Section::ALL.into_iter().flat_map(|section| plan.ops(section)));
    let texts: BTreeSet<String> = ops.map(|op| op.kernel.shader.wgsl(op)).collect();
    // FNV-1a, which is the same in every build; a byte that no text holds separates them.
    let bytes = texts.iter().flat_map(|text| text.bytes().chain([0xFF]));
    let hash = bytes
        .fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3));
    format!("{hash:016x} ({} texts)", texts.len())
}
