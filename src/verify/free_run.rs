//! Free runs: what lockstep's readings between ops would hide.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::exec::{Executor, Run, Ticket};
use crate::plan::{AllocationId, Contents, Plan, Step};
use crate::verify::Make;
use crate::verify::case::{Case, PlanKind, STEPS_PER_SUBMISSION};
use crate::verify::inputs::{self, Numbers};
use crate::verify::passes;

/// Submissions in flight before anything is read.
const SUBMISSIONS: usize = 2;

/// Steps of a submission.
const STEPS: [usize; 3] = [1, 2, STEPS_PER_SUBMISSION];

/// Steps without any reading between them that left the bits of the same ops run one by one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FreeRun {
    /// Which of the two plans.
    pub plan: PlanKind,
    /// Steps of a submission.
    pub steps: usize,
    /// Submissions in flight.
    pub submissions: usize,
    /// Words compared: losses, and all that lives from step to step.
    pub words: usize,
    /// Parameters that these steps changed: where it is 0, nothing was shown.
    pub changed: usize,
}

/// Free runs of every number of steps; the ones continue where the others stopped. A fused step is run as training does
/// it, and singly as lockstep has judged it.
pub(super) fn all(
    case: &Case,
    kind: PlanKind,
    seed: u64,
    make: &mut Make<'_>,
    tell: &mut dyn FnMut(FreeRun),
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
            .map(|(executor, singly)| run(case, executor, seed, first, steps, singly));
        let [found, wanted] = losses;
        let place = format!("free run of {SUBMISSIONS} × {steps} steps ({})", kind.name());
        let mut words = compare(&place, "loss", &found?, &wanted?)?;
        for (id, name) in kept(free.plan()) {
            words += compare(&place, &name, &free.read_allocation(id)?, &stepped.read_allocation(id)?)?;
        }
        finite(free.as_mut(), &place)?;
        let after = read(free.as_mut(), "parameters")?;
        let changed = before.iter().zip(&after).filter(|(before, after)| before != after).count();
        tell(FreeRun { plan: kind, steps, submissions: SUBMISSIONS, words, changed });
        first += (SUBMISSIONS * steps) as u64;
    }
    Ok(())
}

/// Submits all steps, as a whole or op by op, and only then waits for their losses.
fn run(
    case: &Case,
    executor: &mut dyn Executor,
    seed: u64,
    first: u64,
    steps: usize,
    singly: bool,
) -> Result<Vec<u32>> {
    let [full, short] = case.rows();
    let rows: Vec<usize> = (1..=steps).map(|step| if step == steps { short } else { full }).collect();
    let loss = executor.plan().named("loss")?;
    let mut tickets: Vec<Ticket> = Vec::new();
    for number in 0..SUBMISSIONS {
        let first = first + (number * steps) as u64;
        let records = inputs::choose(executor, &case.spec, seed, first, &rows)?;
        if singly {
            one_by_one(executor, &records)?
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

fn one_by_one(executor: &mut dyn Executor, records: &[Step]) -> Result<()> {
    for run in Run::submission(records) {
        for op in 0..executor.plan().ops(run.section).len() {
            executor.submit_op(records, run, op)?;
        }
    }
    Ok(())
}

/// Number of words, all of which are the same.
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

/// Checks that the flag was never lowered: a frozen state proves nothing.
fn finite(executor: &mut dyn Executor, place: &str) -> Result<()> {
    match read(executor, "flag")?[..] {
        [u32::MAX] => Ok(()),
        _ => Err(Error::conflict(
            place,
            "a loss or gradient was not finite, so that the steps behind it changed nothing",
            "verify with a lower learning rate",
        )),
    }
}

fn kept(plan: &Plan) -> Vec<(AllocationId, String)> {
    let kept = plan.allocations().iter().enumerate().filter(|(_, a)| matches!(a.contents, Contents::Persistent(_)));
    kept.map(|(id, allocation)| (AllocationId(id), allocation.name.clone())).collect()
}

fn read(executor: &mut dyn Executor, name: &str) -> Result<Vec<u32>> {
    executor.read(executor.plan().named(name)?, 0)?.wait()
}
