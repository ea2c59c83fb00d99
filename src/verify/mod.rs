//! Verification of a network on a device: each element of each op at the network's own shapes, and complete
//! submissions.
//!
//! **Lockstep** ([`lockstep`]) runs the ops one by one and compares all their results with the reference, in two
//! passes. On real numbers, results must lie within tolerances that are derived from the inputs of the op. On small
//! whole numbers, matrix multiplications are exact for any order of their terms, so the device must have the bits of
//! the reference. Each pass has a full batch and a short one.
//!
//! **Free runs** find errors that the reads between ops can hide. They send 1, 2 and 7 steps at a time to the device,
//! each group as one submission, and two submissions before any result is read. The results must have the bits of the
//! same ops run one by one.
//!
//! If a device uses a fused step, lockstep checks a traced build that writes the results of each stage to memory, stage
//! by stage. Free runs check that the build for training has the same bits.
//!
//! # Examples
//! ```
//! use wgrad::TrainingSpec;
//! use wgrad::verify::Verify;
//! use wgrad::{Adam, Device, Loss, Network};
//! let network = Network::input(8).dense(16).relu().dense(3);
//! let spec = TrainingSpec::new(network, Loss::softmax_cross_entropy(), Adam::new(1e-3), 12);
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

pub use case::PlanKind;
pub(crate) use case::whole_number_network;
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
use case::Case;
use report::Collected;

/// Function that creates an executor for a plan: that of a device, or in tests one with a deliberate error.
pub type Make<'a> = dyn FnMut(Plan) -> Result<Box<dyn Executor>> + 'a;

/// Verification of one network, a model, or the standard set of networks.
///
/// # Examples
/// ```
/// use wgrad::TrainingSpec;
/// use wgrad::verify::Verify;
/// use wgrad::{Adam, Device, Loss, Network};
/// let network = Network::input(2).dense(3).relu().dense(1);
/// let spec = TrainingSpec::new(network, Loss::mean_squared_error(), Adam::new(1e-3), 4);
/// let report = Verify::network(&spec)?.seed(7).run(&Device::cpu(), |_| ())?;
/// assert!(report.passed());
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Verify {
    cases: Vec<Case>,
    plan_kinds: Vec<PlanKind>,
    seed: u64,
    /// True if all ops of a kernel are reported together, since there are too many ops for one row each.
    by_kernel: bool,
    tuning: TuningPolicy,
}

impl Verify {
    /// Creates the verification of all ops for training and evaluating a network. The data are random, and up to 7
    /// steps are sent to the device at once, whatever the spec says.
    ///
    /// # Errors
    /// As [`TrainingSpec::check`].
    ///
    /// # Examples
    /// ```
    /// # use wgrad::TrainingSpec;
    /// # use wgrad::verify::Verify;
    /// # use wgrad::{Adam, Device, Loss, Network};
    /// # let network = Network::input(2).dense(3).relu().dense(1);
    /// # let spec = TrainingSpec::new(network, Loss::mean_squared_error(), Adam::new(1e-3), 4);
    /// assert!(Verify::network(&spec)?.run(&Device::cpu(), |_| ())?.passed());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
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

    /// Creates the verification of all ops for training and evaluating a model with this optimizer and batch size. Ops
    /// are checked twice: on small whole numbers, for which matrix multiplications must be exact, and on real numbers.
    /// The check on real numbers begins with the parameters of the model.
    ///
    /// # Errors
    /// As [`Model::check`] and [`TrainingSpec::check`].
    ///
    /// # Examples
    /// ```
    /// use wgrad::verify::Verify;
    /// use wgrad::{Adam, Device, Loss, Network, Trainer};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::mean_squared_error());
    /// # let model = builder.build(&Device::cpu())?.into_model()?;
    /// let report = Verify::model(&model, Adam::new(1e-3), 4)?.run(&Device::cpu(), |_| ())?;
    /// assert!(report.passed());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn model(model: &Model, optimizer: impl Into<Optimizer>, batch: usize) -> Result<Self> {
        model.check()?;
        let spec = TrainingSpec::new(model.metadata.network.clone(), model.metadata.loss, optimizer, batch);
        let mut verify = Self::network(&spec)?;
        verify.cases[0].parameters = Some(model.parameters.clone());
        Ok(verify)
    }

    /// Creates the verification of a set of networks that together run each kernel, with each activation, loss function
    /// and optimizer, in the fused and the primitive plan. Some of their sizes are multiples of the tile sizes, and
    /// others are not.
    ///
    /// # Errors
    /// None are expected: the networks are fixed, and tests run them.
    ///
    /// # Examples
    /// ```no_run
    /// use wgrad::{Device, verify::Verify};
    /// let report = Verify::standard()?.run(&Device::auto()?, |_| ())?;
    /// println!("{report}");
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn standard() -> Result<Self> {
        let plan_kinds = vec![PlanKind::Fused, PlanKind::Primitive];
        Ok(Self { cases: standard::cases()?, plan_kinds, seed: 0, by_kernel: true, tuning: TuningPolicy::Nothing })
    }

    /// Sets the seed of parameters, inputs, targets and dropout; default 0.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::TrainingSpec;
    /// # use wgrad::verify::Verify;
    /// # use wgrad::{Adam, Device, Loss, Network};
    /// # let network = Network::input(2).dense(3).relu().dense(1);
    /// # let spec = TrainingSpec::new(network, Loss::mean_squared_error(), Adam::new(1e-3), 4);
    /// let report = Verify::network(&spec)?.seed(7).run(&Device::cpu(), |_| ())?;
    /// assert_eq!(report.header.seed, 7);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Uses the tile sizes of a tuning for the network's matrix multiplications. As in
    /// [`Builder::tuning`](crate::trainer::Builder::tuning), an entry that does not apply is an error, here of
    /// [`Verify::run`].
    ///
    /// # Examples
    /// ```
    /// # use wgrad::TrainingSpec;
    /// # use wgrad::verify::Verify;
    /// # use wgrad::{Adam, Device, Loss, Network};
    /// # let network = Network::input(2).dense(3).relu().dense(1);
    /// # let spec = TrainingSpec::new(network, Loss::mean_squared_error(), Adam::new(1e-3), 4);
    /// use wgrad::tune::Tuning;
    /// let verify = Verify::network(&spec)?.tuning(Tuning::default());
    /// assert!(verify.run(&Device::cpu(), |_| ())?.passed());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn tuning(mut self, tuning: Tuning) -> Self {
        self.tuning = TuningPolicy::Pinned(tuning);
        self
    }

    /// Uses the tile sizes of a tuning if the device and the shapes allow them. On a GPU, [`Header::ignored`] lists the
    /// entries that are ignored.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::TrainingSpec;
    /// # use wgrad::verify::Verify;
    /// # use wgrad::{Adam, Device, Loss, Network};
    /// # let network = Network::input(2).dense(3).relu().dense(1);
    /// # let spec = TrainingSpec::new(network, Loss::mean_squared_error(), Adam::new(1e-3), 4);
    /// use wgrad::tune::Tuning;
    /// let verify = Verify::network(&spec)?.suggest_tuning(Tuning::default());
    /// assert!(verify.run(&Device::cpu(), |_| ())?.passed());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn suggest_tuning(mut self, tuning: Tuning) -> Self {
        self.tuning = TuningPolicy::Suggested(tuning);
        self
    }

    /// Verifies the primitive plan, too, which training does not use by default.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::TrainingSpec;
    /// # use wgrad::verify::Verify;
    /// # use wgrad::{Adam, Device, Loss, Network};
    /// # let network = Network::input(2).dense(3).relu().dense(1);
    /// # let spec = TrainingSpec::new(network, Loss::mean_squared_error(), Adam::new(1e-3), 4);
    /// let report = Verify::network(&spec)?.and_primitive().run(&Device::cpu(), |_| ())?;
    /// assert_eq!(report.free_runs.len(), 2 * 3);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn and_primitive(mut self) -> Self {
        self.plan_kinds = vec![PlanKind::Fused, PlanKind::Primitive];
        self
    }

    /// Runs the verification on a device. `on_event` receives its progress.
    ///
    /// # Errors
    /// The device cannot hold or run a plan, or fails; a tuning does not apply. A wrong result is not an error of this
    /// function, but is in [`Report::failure`]; see [`Report::into_result`].
    ///
    /// # Examples
    /// ```
    /// # use wgrad::TrainingSpec;
    /// # use wgrad::verify::Verify;
    /// # use wgrad::{Adam, Device, Loss, Network};
    /// # let network = Network::input(2).dense(3).relu().dense(1);
    /// # let spec = TrainingSpec::new(network, Loss::mean_squared_error(), Adam::new(1e-3), 4);
    /// let mut ops = 0;
    /// let report = Verify::network(&spec)?.run(&Device::cpu(), |event| {
    ///     ops += usize::from(matches!(event, wgrad::verify::Event::Op(_)));
    /// })?;
    /// assert!(report.passed() && ops == report.ops.len());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn run(&self, device: &Device, on_event: impl FnMut(&Event<'_>)) -> Result<Report> {
        let mut verify = self.clone();
        for case in verify.cases.iter_mut().filter(|_| !self.by_kernel) {
            case.spec.evaluate_rows = evaluate_rows(&case.spec.network, device);
        }
        verify.run_on(&mut |plan| device.executor(plan), on_event)
    }

    /// Runs the verification on executors that `make` creates.
    ///
    /// # Errors
    /// As [`Verify::run`].
    ///
    /// # Examples
    /// ```
    /// # use wgrad::TrainingSpec;
    /// # use wgrad::verify::Verify;
    /// # use wgrad::{Adam, Device, Loss, Network};
    /// # let network = Network::input(2).dense(3).relu().dense(1);
    /// # let spec = TrainingSpec::new(network, Loss::mean_squared_error(), Adam::new(1e-3), 4);
    /// let report = Verify::network(&spec)?.run_on(&mut |plan| Device::reference().executor(plan), |_| ())?;
    /// assert!(report.passed());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn run_on(&self, make: &mut Make<'_>, mut on_event: impl FnMut(&Event<'_>)) -> Result<Report> {
        let first = make(self.cases[0].plan(self.plan_kinds[0])?)?;
        let (target, mut cases, mut ignored) = (first.limits(), self.cases.clone(), Vec::new());
        if self.by_kernel {
            cases.extend(standard::tiles(&target, &self.plan_kinds)?);
        } else {
            let tuning;
            (tuning, ignored) = self.tuning.clone().resolve(&cases[0].plan(PlanKind::Fused)?, &target);
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
            match self.verify_case(case, kind, make, &mut collected) {
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

    /// Verifies one network in one of its plans.
    fn verify_case(
        &self,
        case: &Case,
        kind: PlanKind,
        make: &mut Make<'_>,
        collected: &mut Collected<'_>,
    ) -> Result<()> {
        let (checks, result) = passes::both(case, kind, self.seed, make, &mut |op| collected.progress(op))?;
        collected.ops(kind, checks);
        result?;
        // Free runs check what happens between ops, on which tile sizes have no effect.
        if case.tiles.is_some() {
            return Ok(());
        }
        free_run::all(case, kind, self.seed, make, &mut |run| collected.free_run(run))
    }

    /// Returns the device, subject and inputs of the verification.
    fn header(&self, first: &dyn Executor, parts: &[(&Case, PlanKind)]) -> Result<Header> {
        let target = first.limits();
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
