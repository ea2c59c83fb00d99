//! Free runs: complete submissions, without the reads between ops that lockstep makes and that could hide errors.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::exec::{Executor, Run, Ticket};
use crate::plan::{AllocationId, Contents, Plan, Step};
use crate::verify::Make;
use crate::verify::case::{Case, PlanKind, STEPS_PER_SUBMISSION};
use crate::verify::inputs::{self, Numbers};
use crate::verify::passes;

/// Number of submissions that are made before results are read.
const SUBMISSIONS: usize = 2;

/// Numbers of steps per submission.
const STEPS: [usize; 3] = [1, 2, STEPS_PER_SUBMISSION];

/// Result of a successful free run. Its steps ran without reads between ops, and gave the same bits as the same ops run
/// one by one.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FreeRun {
    /// Kind of plan.
    pub plan: PlanKind,
    /// Number of steps per submission.
    pub steps: usize,
    /// Number of submissions that were made before results were read.
    pub submissions: usize,
    /// Number of 32-bit words compared: the losses, and all memory that persists between steps.
    pub words: usize,
    /// Number of parameters that the steps changed. If it is 0, the run proves nothing.
    pub changed: usize,
}

/// Makes a free run with each number of steps. Each run continues where the one before stopped. A fused step runs as in
/// training. It is compared with the traced build, which lockstep has checked, and which runs op by op.
pub(super) fn all(
    case: &Case,
    kind: PlanKind,
    seed: u64,
    make: &mut Make<'_>,
    on_run: &mut dyn FnMut(FreeRun),
) -> Result<()> {
    let mut ready = || {
        let mut executor = make(case.plan(kind)?)?;
        let start = case.start(seed, Numbers::Real);
        inputs::fill(executor.as_mut(), &case.spec, &start, seed, Numbers::Real)?;
        Ok::<_, Error>(executor)
    };
    let (mut free, mut stepped, mut first) = (ready()?, passes::traced(ready()?)?, 0);
    for steps in STEPS {
        let before = read(free.as_mut(), "parameters")?;
        let losses = [(free.as_mut(), false), (stepped.as_mut(), true)]
            .map(|(executor, op_by_op)| run(case, executor, seed, first, steps, op_by_op));
        let [found, wanted] = losses;
        let place = format!("free run of {SUBMISSIONS} × {steps} steps ({})", kind.name());
        let mut words = compare(&place, "loss", &found?, &wanted?)?;
        for (id, name) in persistent(free.plan()) {
            words += compare(&place, &name, &free.read_allocation(id)?, &stepped.read_allocation(id)?)?;
        }
        check_finite(free.as_mut(), &place)?;
        let after = read(free.as_mut(), "parameters")?;
        let changed = before.iter().zip(&after).filter(|(before, after)| before != after).count();
        on_run(FreeRun { plan: kind, steps, submissions: SUBMISSIONS, words, changed });
        first += (SUBMISSIONS * steps) as u64;
    }
    Ok(())
}

/// Submits all steps, several at once or op by op, and then waits for their losses.
fn run(
    case: &Case,
    executor: &mut dyn Executor,
    seed: u64,
    first: u64,
    steps: usize,
    op_by_op: bool,
) -> Result<Vec<u32>> {
    let [full, short] = case.rows();
    let rows: Vec<usize> = (1..=steps).map(|step| if step == steps { short } else { full }).collect();
    let loss = executor.plan().named("loss")?;
    let mut tickets: Vec<Ticket> = Vec::new();
    for number in 0..SUBMISSIONS {
        let first = first + (number * steps) as u64;
        let records = inputs::choose(executor, &case.spec, seed, first, &rows)?;
        if op_by_op {
            submit_ops(executor, &records)?
        } else {
            executor.submit(&records, &Run::submission(&records))?
        }
        tickets.push(executor.read(loss, 0)?);
    }
    let mut losses = Vec::new();
    for ticket in tickets {
        losses.extend_from_slice(&ticket.wait()?[..steps]);
    }
    Ok(losses)
}

fn submit_ops(executor: &mut dyn Executor, records: &[Step]) -> Result<()> {
    for run in Run::submission(records) {
        for op in 0..executor.plan().ops(run.section).len() {
            executor.submit_op(records, run, op)?;
        }
    }
    Ok(())
}

/// Checks that all words are equal and returns their number.
fn compare(place: &str, view: &str, found: &[u32], wanted: &[u32]) -> Result<usize> {
    let number = |word: u32| f64::from(f32::from_bits(word));
    match (0..found.len()).find(|at| Some(&found[*at]) != wanted.get(*at)) {
        None => Ok(found.len()),
        Some(at) => Err(Error::Mismatch {
            op: place.into(),
            view: view.into(),
            row: 0,
            column: at,
            device: number(found[at]),
            reference: wanted.get(at).map_or(f64::NAN, |word| number(*word)),
            tolerance: 0.0,
        }),
    }
}

/// Checks that no step with a bad number was recorded. After such a step nothing changes, so the run would prove
/// nothing.
fn check_finite(executor: &mut dyn Executor, place: &str) -> Result<()> {
    match read(executor, "flag")?[..] {
        [u32::MAX] => Ok(()),
        _ => Err(Error::conflict(
            place,
            "a loss or gradient was not finite, so the steps after it changed nothing",
            "verify with a lower learning rate",
        )),
    }
}

/// Returns the allocations that persist between steps, with their names.
fn persistent(plan: &Plan) -> Vec<(AllocationId, String)> {
    let persistent =
        plan.allocations().iter().enumerate().filter(|(_, a)| matches!(a.contents, Contents::Persistent(_)));
    persistent.map(|(id, allocation)| (AllocationId(id), allocation.name.clone())).collect()
}

fn read(executor: &mut dyn Executor, name: &str) -> Result<Vec<u32>> {
    executor.read(executor.plan().named(name)?, 0)?.wait()
}
