//! Measurement of one matrix multiplication on a device: checks and times one tile after another.

use std::time::Instant;

use crate::device::Device;
use crate::error::{Error, Result};
use crate::exec::{Executor, Run};
use crate::lower::TrainingSpec;
use crate::plan::{Access, Contents, Op, POISON, Plan, Section, Step, Tile};
use crate::schedule::Schedule;
use crate::shape::{Dtype, Shape, padded};
use crate::tune::{Plans, Subject};
use crate::verify::{Make, whole_numbers};

/// Number of guard elements after each view and its padding. No kernel may write them.
const GUARD: usize = 64;

/// Longest time of a submission with several runs, in seconds. Some drivers consider a device hung after two seconds.
const LONGEST: f64 = 0.1;

/// Largest number of runs per submission.
const MOST_RUNS: usize = 256;

const RUN: Run = Run { section: Section::Gradients, batch_index: 0 };

/// Matrix multiplication on a device, and its expected results.
pub(super) struct Trial<'a> {
    plans: &'a Plans,
    /// Index of the op in the section `gradients`.
    op: usize,
    executor: Box<dyn Executor>,
    /// Step records of a full batch and a short one.
    steps: [Step; 2],
    /// Contents of the op's allocations before it runs (`before`), and expected contents after each of the two steps
    /// (`after`), one vector per binding.
    before: Vec<Vec<u32>>,
    after: [Vec<Vec<u32>>; 2],
    clock: bool,
}

impl<'a> Trial<'a> {
    /// Creates a trial on an executor that `make` creates; `clock` is `true` if the executor has timestamps of its own.
    pub(super) fn new(
        plans: &'a Plans,
        matmul: &Subject,
        spec: &TrainingSpec,
        clock: bool,
        make: &mut Make<'_>,
    ) -> Result<Self> {
        let op = matmul.ops[0];
        let first = single_op_plan(&plans.whole_numbers, op, Some(matmul.tiles[0]))?;
        let before = before(&first);
        let rows = [spec.micro_batch, ((spec.micro_batch * 2 / 3) | 1).min(spec.micro_batch)];
        let steps = rows.map(|rows| spec.record(&Schedule::Constant, 0, 0, 0, rows));
        let mut cpu = Device::cpu().executor(single_op_plan(&plans.whole_numbers, op, None)?)?;
        let [full, short] = steps.map(|step| computed(cpu.as_mut(), &before, step));
        Ok(Self { plans, op, executor: make(first)?, steps, before, after: [full?, short?], clock })
    }

    /// Returns `true` if the device's clock measures the times, and `false` if the host's clock does.
    pub(super) fn has_clock(&self) -> bool {
        self.clock
    }

    /// Checks that a tile computes the right result.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for the first element that differs; an error if the device rejects the tile.
    pub(super) fn test(&mut self, tile: Tile) -> Result<()> {
        self.executor.adopt(single_op_plan(&self.plans.whole_numbers, self.op, Some(tile))?)?;
        for (step, wanted) in self.steps.into_iter().zip(&self.after) {
            let found = computed(self.executor.as_mut(), &self.before, step)?;
            self.difference(&found, wanted).map_or(Ok(()), Err)?;
        }
        Ok(())
    }

    /// Returns an error for the first element that differs. Zeros may have either sign, since the sign depends on
    /// whether a sum begins or ends with the bias.
    fn difference(&self, found: &[Vec<u32>], wanted: &[Vec<u32>]) -> Option<Error> {
        let (plan, op) = (&self.plans.real, self.plans.op(self.op));
        op.views.iter().zip(found.iter().zip(wanted)).find_map(|(view, (found, wanted))| {
            let number = |word: u32| match plan.allocation_of(*view).dtype {
                Dtype::F32 => f64::from(f32::from_bits(word)),
                Dtype::U32 => f64::from(word),
            };
            let differs = |at: &usize| found[*at] != wanted[*at] && number(found[*at]) != number(wanted[*at]);
            let at = (0..wanted.len()).find(differs)?;
            let columns = plan.shape(*view).columns.max(1);
            Some(Error::Mismatch {
                op: plan.op_name(Section::Gradients, self.op),
                view: plan.get(*view).name.clone(),
                row: at / columns,
                column: at % columns,
                device: number(found[at]),
                reference: number(wanted[at]),
                tolerance: 0.0,
            })
        })
    }

    /// Returns the shortest time of a run in seconds. It makes about as many runs as fit into `secs` seconds. If the
    /// first run after the warm-up takes `hopeless` seconds or more, there are no further runs.
    pub(super) fn time(&mut self, tile: Tile, secs: f64, hopeless: f64) -> Result<f64> {
        self.executor.adopt(single_op_plan(&self.plans.real, self.op, Some(tile))?)?;
        // Warm-up: the first run may include other work.
        self.runs(1)?;
        let mut least = self.runs(1)?;
        if self.clock && least == 0.0 && self.runs(MOST_RUNS)? == 0.0 {
            log::info!("tune: the device's clock stands still: the host's is taken");
            self.clock = false;
            least = self.runs(1)?;
        }
        let (began, mut done) = (Instant::now(), 1);
        while least < hopeless && (done < 3 || began.elapsed().as_secs_f64() < secs) {
            let fitting = secs.min(LONGEST) / least.max(1e-6);
            let runs = (fitting as usize).clamp(1, MOST_RUNS);
            least = least.min(self.runs(runs)?);
            done += runs;
        }
        Ok(least)
    }

    /// Returns the mean seconds per run of `runs` runs in one submission: by the device's clock, or by the host's
    /// clock, whose times include the launch overhead.
    fn runs(&mut self, runs: usize) -> Result<f64> {
        let (began, ops) = (Instant::now(), self.executor.plan().ops(RUN.section).len());
        let by_device = self.executor.submit_repeated(&self.steps[..1], RUN, 0..ops, runs)?;
        Ok(if self.clock { by_device } else { began.elapsed().as_secs_f64() } / runs as f64)
    }
}

/// Returns a plan with a single op: op number `op` of the section `gradients`, with tile `tile`. Its views keep their
/// names and shapes.
pub(super) fn single_op_plan(plan: &Plan, op: usize, tile: Option<Tile>) -> Result<Plan> {
    let op = &plan.ops(Section::Gradients)[op];
    let mut single = Plan::new();
    let bound = op.kernel.bindings.iter().zip(&op.views).map(|(binding, view)| {
        let (view, dtype) = (plan.get(*view), plan.allocation_of(*view).dtype);
        let contents = match binding.access {
            Access::Read => Contents::Host,
            Access::Atomic => Contents::Persistent(u32::MAX),
            _ => Contents::Computed,
        };
        let elements = padded(view.shape.elements()) + GUARD;
        let allocation = single.allocate(&view.name, dtype, elements, contents);
        single.view(all_of(&view.name), allocation, 0, Shape::vector(elements));
        single.view(&view.name, allocation, 0, view.shape)
    });
    let views = bound.collect();
    single.push(Section::Gradients, Op { views, tile, ..op.clone() })?;
    // The shader stays within its views here as in the original plan.
    Ok(single.with_trusted(plan.is_trusted()))
}

/// Returns the name of the view of the whole allocation of the view called `view`.
fn all_of(view: &str) -> String {
    format!("{view}.all")
}

/// Returns the initial contents of the op's allocations: whole numbers in views that are read, and poison in views that
/// are written and outside the views.
fn before(plan: &Plan) -> Vec<Vec<u32>> {
    let op = &plan.ops(Section::Gradients)[0];
    let numbers = whole_numbers(plan, op, 0);
    let bound = op.kernel.bindings.iter().zip(&op.views).map(|(binding, view)| {
        let fresh = if binding.access == Access::Atomic { u32::MAX } else { POISON };
        let mut words = vec![fresh; plan.allocation_of(*view).elements];
        if let Some((_, numbers)) = numbers.iter().find(|(drawn, _)| drawn == view) {
            words[..numbers.len()].copy_from_slice(numbers);
        }
        words
    });
    bound.collect()
}

/// Writes `before` to the op's allocations, runs the op, and returns the contents of the allocations afterwards.
fn computed(executor: &mut dyn Executor, before: &[Vec<u32>], step: Step) -> Result<Vec<Vec<u32>>> {
    let plan = executor.plan();
    // `single_op_plan` adds the views of whole allocations at even indices. Later views, if any, are of parts that were
    // added when the plan was fitted to the device.
    let all: Vec<_> = (0..).map_while(|at| plan.views().get(2 * at)).take(before.len()).collect();
    let views = all.iter().map(|view| plan.named(&view.name)).collect::<Result<Vec<_>>>()?;
    for (view, words) in views.iter().zip(before) {
        executor.write(*view, 0, words)?;
    }
    executor.submit(&[step], &[RUN])?;
    views.into_iter().map(|view| executor.read(view, 0)?.wait()).collect()
}
