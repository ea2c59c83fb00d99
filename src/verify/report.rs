//! Results of a verification, as data.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::error::{Error, Result};
use crate::exec::lockstep::OpCheck;
use crate::plan::{Plan, Section};
use crate::specialize::{Choice, DeviceLimits};
use crate::verify::FreeRun;
use crate::verify::case::PlanKind;
use crate::verify::passes::OpChecks;

/// Device, subject and inputs of a verification.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Header {
    /// Name of the device.
    pub device: String,
    /// Driver of the device, if it has one.
    pub driver: Option<String>,
    /// Version of this crate.
    pub wgrad: &'static str,
    /// Hash of all compiled WGSL, or `CPU kernels` on the CPU.
    pub shaders: String,
    /// Network, loss function, optimizer and batch size.
    pub subject: String,
    /// Distributions of the random numbers.
    pub inputs: &'static str,
    /// Seed of the random numbers.
    pub seed: u64,
    /// Number of matrix multiplications per step, except those in a fused step. Matrix multiplications with the same
    /// kernel and the same shapes count once. 0 for the standard set of networks.
    pub matmuls: usize,
    /// Number of these matrix multiplications that have tile sizes of the tuning.
    pub tuned: usize,
    /// Reasons why tile sizes of a tuning from `suggest_tuning` are not used: one for each that this device cannot run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<String>,
    /// Tiles of all matrix multiplications of the network on a GPU, tuned or not. Empty on the CPU, and for the
    /// standard set of networks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tiles: Vec<Choice>,
    /// True if there is a fused step. Lockstep then checks the traced build, which writes the results of each stage to
    /// memory; free runs check that the build for training has the same bits.
    pub fused_step: bool,
}

/// Lockstep results of one op, or of all ops of one kernel.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct OpReport {
    /// Kind of plan; `None` if the ops of a kernel are reported together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanKind>,
    /// Section and number of the op, or the number of ops that are reported together.
    pub op: String,
    /// Name of the kernel.
    pub kernel: &'static str,
    /// Tile of a matrix multiplication, on a GPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tile: Option<String>,
    /// Shapes of the first view read and of the first written, or the number of different shapes.
    pub shape: String,
    /// Number of elements compared.
    pub elements: usize,
    /// Number of elements with tolerance 0, which must have the bits of the reference.
    pub exact: usize,
    /// Largest ratio of a difference to its tolerance, from 0 to 1.
    pub worst: f64,
    /// Norm of the tolerances divided by the norm of the results; see [`OpCheck::relative_tolerance`].
    pub tolerance: f64,
    /// Largest ratio of a tolerance to its result.
    #[serde(rename = "largest")]
    pub largest_tolerance: f64,
    /// Number of elements whose tolerance exceeds 1 % of the result.
    pub weak: usize,
    /// Always `ok`: a wrong op is not listed, but reported as the failure.
    pub verdict: &'static str,
}

/// First wrong result.
#[derive(Debug)]
#[non_exhaustive]
pub struct Failure {
    /// Network and kind of plan.
    pub during: String,
    /// Error with op, view, row, column, both values and the tolerance.
    pub error: Error,
}

/// Totals of a verification.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// True if all results are correct.
    pub passed: bool,
    /// Number of op runs in lockstep.
    pub runs: usize,
    /// Number of elements compared.
    pub elements: usize,
    /// Number of these elements with tolerance 0, which must have the bits of the reference.
    pub exact: usize,
    /// Number of different kernels that ran.
    pub kernels: usize,
    /// Number of 32-bit words compared after free runs.
    pub words: usize,
    /// First wrong result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// Progress of a verification.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event<'a> {
    /// The verification begins.
    Start(&'a Header),
    /// An op is about to run.
    Progress {
        /// Name of the op.
        what: &'a str,
        /// Number of op runs that are done.
        done: usize,
        /// Total number of op runs.
        total: usize,
    },
    /// An op, or a kernel, was correct in all its runs.
    Op(&'a OpReport),
    /// A free run had the correct bits.
    FreeRun(&'a FreeRun),
    /// The verification ends.
    Summary(&'a Summary),
}

/// Results of a verification.
#[derive(Debug)]
#[must_use = "a wrong result is part of the report and not an error of the function that returns it"]
#[non_exhaustive]
pub struct Report {
    /// Device, subject and inputs.
    pub header: Header,
    /// Correct ops.
    pub ops: Vec<OpReport>,
    /// Correct free runs.
    pub free_runs: Vec<FreeRun>,
    /// Totals of all ops and free runs.
    pub summary: Summary,
    /// First wrong result, which ended the verification.
    pub failure: Option<Failure>,
}

impl Report {
    /// Returns true if all results are correct.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::TrainingSpec;
    /// # use wgrad::verify::Verify;
    /// # use wgrad::{Adam, Device, Loss, Network};
    /// # let network = Network::input(2).dense(3).relu().dense(1);
    /// # let spec = TrainingSpec::new(network, Loss::mean_squared_error(), Adam::new(1e-3), 4);
    /// let report = Verify::network(&spec)?.run(&Device::cpu(), |_| ())?;
    /// assert!(report.passed());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn passed(&self) -> bool {
        self.failure.is_none()
    }

    /// Returns the number of elements that were compared with the reference.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::TrainingSpec;
    /// # use wgrad::verify::Verify;
    /// # use wgrad::{Adam, Device, Loss, Network};
    /// # let network = Network::input(2).dense(3).relu().dense(1);
    /// # let spec = TrainingSpec::new(network, Loss::mean_squared_error(), Adam::new(1e-3), 4);
    /// let report = Verify::network(&spec)?.run(&Device::cpu(), |_| ())?;
    /// assert!(report.elements() > 100);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn elements(&self) -> usize {
        self.summary.elements
    }

    /// Returns the report if all results are correct.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for the first wrong result.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::TrainingSpec;
    /// # use wgrad::verify::Verify;
    /// # use wgrad::{Adam, Device, Loss, Network};
    /// # let network = Network::input(2).dense(3).relu().dense(1);
    /// # let spec = TrainingSpec::new(network, Loss::mean_squared_error(), Adam::new(1e-3), 4);
    /// let report = Verify::network(&spec)?.run(&Device::cpu(), |_| ())?.into_result()?;
    /// assert!(report.failure.is_none());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn into_result(self) -> Result<Self> {
        match self.failure {
            Some(failure) => Err(failure.error),
            None => Ok(self),
        }
    }
}

/// Report of a running verification.
pub(super) struct Collected<'a> {
    header: Header,
    ops: Vec<OpReport>,
    free_runs: Vec<FreeRun>,
    by_kernel: Option<BTreeMap<(&'static str, Option<String>), KernelResult>>,
    kernels: BTreeSet<&'static str>,
    on_event: &'a mut dyn FnMut(&Event<'_>),
    done: usize,
    total: usize,
}

/// Results of the ops of one kernel.
struct KernelResult {
    checked: OpCheck,
    ops: usize,
    shapes: BTreeSet<String>,
}

impl<'a> Collected<'a> {
    pub(super) fn new(header: Header, total: usize, by_kernel: bool, on_event: &'a mut dyn FnMut(&Event<'_>)) -> Self {
        let by_kernel = by_kernel.then(BTreeMap::new);
        let (ops, free_runs, kernels) = Default::default();
        Self { header, ops, free_runs, by_kernel, kernels, on_event, done: 0, total }
    }

    pub(super) fn progress(&mut self, what: &str) {
        (self.on_event)(&Event::Progress { what, done: self.done, total: self.total });
        self.done += 1;
    }

    pub(super) fn free_run(&mut self, run: FreeRun) {
        (self.on_event)(&Event::FreeRun(&run));
        self.free_runs.push(run);
    }

    pub(super) fn ops(&mut self, kind: PlanKind, found: OpChecks) {
        for ((section, index), checked) in found {
            self.kernels.insert(checked.kernel);
            let tile = checked.tile.map(|tile| tile.to_string());
            match &mut self.by_kernel {
                None => {
                    let op = format!("{} {index}", section.name());
                    self.row(row(Some(kind), op, tile, shape(&checked), &checked));
                }
                Some(kernels) => {
                    let shape = shape(&checked);
                    match kernels.get_mut(&(checked.kernel, tile.clone())) {
                        Some(result) => result.add(&checked, shape),
                        None => drop(kernels.insert((checked.kernel, tile), KernelResult::new(checked, shape))),
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
        for ((_, tile), result) in self.by_kernel.take().unwrap_or_default() {
            let KernelResult { checked, ops, shapes } = result;
            self.row(row(None, format!("{ops} ops"), tile, format!("{} shapes", shapes.len()), &checked));
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

impl KernelResult {
    fn new(checked: OpCheck, shape: String) -> Self {
        Self { checked, ops: 1, shapes: [shape].into() }
    }

    fn add(&mut self, checked: &OpCheck, shape: String) {
        self.checked.merge(checked);
        self.ops += 1;
        self.shapes.insert(shape);
    }
}

/// Returns the shapes as `64×64 → 64×128`.
fn shape(checked: &OpCheck) -> String {
    checked.shapes.first().map(|first| format!("{first} → {}", checked.written)).unwrap_or_default()
}

fn row(plan: Option<PlanKind>, op: String, tile: Option<String>, shape: String, checked: &OpCheck) -> OpReport {
    OpReport {
        plan,
        op,
        kernel: checked.kernel,
        tile,
        shape,
        elements: checked.elements,
        exact: checked.exact,
        worst: checked.worst,
        tolerance: checked.relative_tolerance(),
        largest_tolerance: checked.largest_relative_tolerance,
        weak: checked.weak,
        verdict: "ok",
    }
}

const CPU_KERNELS: &str = "CPU kernels";

/// Returns a hash of all different shaders of plans that are fitted to the target.
pub(super) fn shaders(target: &DeviceLimits, plans: &[Plan]) -> String {
    if *target == DeviceLimits::Cpu {
        return CPU_KERNELS.into();
    }
    let ops = plans.iter().flat_map(|plan| Section::ALL.into_iter().flat_map(|section| plan.ops(section)));
    let texts: BTreeSet<String> = ops.map(|op| op.kernel.shader.wgsl(op)).collect();
    // FNV-1a, which is the same in every build. 0xFF, which occurs in no UTF-8 text, separates the texts.
    let bytes = texts.iter().flat_map(|text| text.bytes().chain([0xFF]));
    let hash = bytes
        .fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3));
    format!("{hash:016x} ({} texts)", texts.len())
}
