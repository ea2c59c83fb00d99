//! Verifies a network on a device: every element of every op at the network's real shapes, and whole runs of steps.
//!
//! **Lockstep** ([`lockstep`]) runs the ops one by one and judges all that each writes, twice: on real numbers, within
//! tolerances derived from the op's own inputs, and on small whole numbers, on which products are exact whatever the order
//! of their terms, so that the device must give the reference's bits. A full batch is followed by a short one.
//! **Free runs** then catch what reading between ops would hide: 1, 2 and 7 steps to a submission, two submissions in
//! flight, nothing read between, must leave the same bits as the same ops one by one.
//! Where a device takes a narrow network's step as one op, lockstep judges the build that writes down what lies between
//! its stages, stage by stage, and free runs hold the one that trains to the bits of that.
//!
//! ```
//! use wgrad::lower::TrainingSpec;
//! use wgrad::verify::Verify;
//! use wgrad::{Adam, Device, Loss, Network};
//! let network = Network::input(8).dense(16).relu().dense(3);
//! let spec = TrainingSpec::new(network, Loss::SoftmaxCrossEntropy, Adam::new(1e-3), 12);
//! let report = Verify::network(&spec)?.run(&Device::cpu(), |_| ())?;
//! assert!(report.passed() && report.elements() > 20_000, "{report}");
//! # Ok::<(), wgrad::Error>(())
//! ```

mod case;
mod free_run;
mod inputs;
mod passes;
mod report;
mod standard;
mod table;

pub(crate) use case::whole;
pub use free_run::FreeRun;
pub(crate) use inputs::refill as whole_numbers;
pub use report::{Event, Failure, Header, OpReport, Report, Summary};

use crate::device::Device;
use crate::error::{Error, Result};
use crate::exec::Executor;
#[cfg(doc)]
use crate::exec::lockstep;
use crate::lower::TrainingSpec;
use crate::model::{Model, evaluate_rows};
use crate::optim::Optimizer;
use crate::plan::Plan;
use crate::specialize::{Tuning, TuningPolicy, traced};
use case::{Case, PlanKind};
use report::Collected;

/// Makes executors for plans: what a device does, or a test that puts something wrong in.
pub type Make<'a> = dyn FnMut(Plan) -> Result<Box<dyn Executor>> + 'a;

/// What is verified.
#[derive(Clone, Debug)]
pub struct Verify {
    cases: Vec<Case>,
    plan_kinds: Vec<PlanKind>,
    seed: u64,
    /// Whether ops of one kernel are told together, since there are too many to be told one by one.
    by_kernel: bool,
    tuning: TuningPolicy,
}

impl Verify {
    /// All ops that training and evaluating the described network takes. Of the spec, what belongs to a
    /// particular data set does not count: a small random one stands for it.
    ///
    /// # Errors
    /// Whatever [`TrainingSpec::check`] finds.
    pub fn network(spec: &TrainingSpec) -> Result<Self> {
        let case = Case::new(spec.clone())?;
        Ok(Self {
            cases: vec![case],
            plan_kinds: vec![PlanKind::Fused],
            seed: 0,
            by_kernel: false,
            tuning: TuningPolicy::Nothing,
        })
    }

    /// The same for a model, which starts from its own parameters.
    ///
    /// # Errors
    /// A model whose parts do not fit each other; whatever [`TrainingSpec::check`] finds.
    pub fn model(model: &Model, optimizer: impl Into<Optimizer>, batch: usize) -> Result<Self> {
        model.check()?;
        let spec = TrainingSpec::new(model.metadata.network.clone(), model.metadata.loss, optimizer, batch);
        let mut verify = Self::network(&spec)?;
        verify.cases[0].parameters = Some(model.parameters.clone());
        Ok(verify)
    }

    /// Networks that together run every kernel, with every activation, loss and optimizer, at sizes that no tile
    /// divides and at some that tiles do; fused and primitive.
    ///
    /// # Errors
    /// None that a test would not find.
    pub fn standard() -> Result<Self> {
        let plan_kinds = vec![PlanKind::Fused, PlanKind::Primitive];
        Ok(Self { cases: standard::cases()?, plan_kinds, seed: 0, by_kernel: true, tuning: TuningPolicy::Nothing })
    }

    /// Sets the seed of parameters, inputs, targets and dropout, default 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Cuts the network's products as a tuning says, as a training does that it is
    /// [pinned](crate::trainer::Builder::tuning) to.
    pub fn tuning(mut self, tuning: Tuning) -> Self {
        self.tuning = TuningPolicy::Pinned(tuning);
        self
    }

    /// The same where the device and the shapes allow it.
    pub fn suggest_tuning(mut self, tuning: Tuning) -> Self {
        self.tuning = TuningPolicy::Suggested(tuning);
        self
    }

    /// Verifies the primitive ops too, which training does not use unless it is told to.
    pub fn and_primitive(mut self) -> Self {
        self.plan_kinds = vec![PlanKind::Fused, PlanKind::Primitive];
        self
    }

    /// Verifies on a device; `on_event` is told of each part as it is done.
    ///
    /// # Errors
    /// A device that cannot hold or run a plan, or stops answering. A wrong result is no error of this function's,
    /// but what [`Report::failure`] tells; see [`Report::into_result`].
    pub fn run(&self, device: &Device, on_event: impl FnMut(&Event<'_>)) -> Result<Report> {
        let mut verify = self.clone();
        for case in verify.cases.iter_mut().filter(|_| !self.by_kernel) {
            case.spec.evaluate_rows = evaluate_rows(&case.spec.network, device);
        }
        verify.run_on(&mut |plan| device.executor(plan), on_event)
    }

    /// [`Verify::run`] on executors that `make` makes.
    ///
    /// # Errors
    /// As [`Verify::run`].
    pub fn run_on(&self, make: &mut Make<'_>, mut on_event: impl FnMut(&Event<'_>)) -> Result<Report> {
        let first = make(self.cases[0].plan(self.plan_kinds[0])?)?;
        let (target, mut cases, mut ignored) = (first.target(), self.cases.clone(), Vec::new());
        if self.by_kernel {
            cases.extend(standard::tiles(&target, &self.plan_kinds)?);
        } else {
            let tuning;
            (tuning, ignored) = self.tuning.clone().granted(&cases[0].plan(PlanKind::Fused)?, &target);
            cases[0].tuning = Some((tuning, target.clone()));
        }
        let parts: Vec<_> =
            cases.iter().flat_map(|case| self.plan_kinds.iter().map(move |kind| (case, *kind))).collect();
        let header = Header { ignored, ..self.header(first.as_ref(), &parts)? };
        drop(first);
        on_event(&Event::Start(&header));
        let work = parts.iter().map(|(case, kind)| passes::work(case, *kind, &target)).sum::<Result<usize>>()?;
        let mut collected = Collected::new(header, work, self.by_kernel, &mut on_event);
        for (case, kind) in parts {
            match self.part(case, kind, make, &mut collected) {
                Ok(()) => {}
                Err(error @ Error::Mismatch { .. }) => {
                    let during = format!("{case}, {} plan", kind.name());
                    return Ok(collected.finish(Some(Failure { during, error })));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(collected.finish(None))
    }

    /// One network in one of its plans.
    fn part(&self, case: &Case, kind: PlanKind, make: &mut Make<'_>, collected: &mut Collected<'_>) -> Result<()> {
        let (found, result) = passes::both(case, kind, self.seed, make, &mut |op| collected.tell(op))?;
        collected.ops(kind, found);
        result?;
        // How products are cut is nothing to what happens between ops.
        if case.tiles.is_some() {
            return Ok(());
        }
        free_run::all(case, kind, self.seed, make, &mut |run| collected.free_run(run))
    }

    /// Who is verified, with what, on which numbers.
    fn header(&self, first: &dyn Executor, parts: &[(&Case, PlanKind)]) -> Result<Header> {
        let target = first.target();
        let tiles = match parts {
            [(case, kind), ..] if !self.by_kernel => Tuning::of(&case.plan(*kind)?, &target),
            _ => Tuning::default(),
        };
        let [matmuls, tuned] = match parts {
            [(case, kind), ..] => case.tuned(*kind)?,
            [] => [0; 2],
        };
        let mut plans = parts.iter().map(|(case, kind)| case.fitted(*kind, &target)).collect::<Result<Vec<_>>>()?;
        let traced = plans.iter().filter_map(|plan| traced(plan).transpose()).collect::<Result<Vec<_>>>()?;
        let fused_step = !traced.is_empty();
        plans.extend(traced);
        let subject = match self.cases.as_slice() {
            [case] => case.to_string(),
            cases => format!("{} networks that together run every kernel", cases.len()),
        };
        Ok(Header {
            device: first.name(),
            driver: first.driver(),
            wgrad: env!("CARGO_PKG_VERSION"),
            shaders: report::shaders(&target, &plans),
            subject,
            inputs: inputs::DISTRIBUTION,
            seed: self.seed,
            matmuls,
            tuned,
            ignored: Vec::new(),
            tiles: tiles.choices().to_vec(),
            fused_step,
        })
    }
}
