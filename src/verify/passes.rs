//! Lockstep over all sections of a plan, on real and on whole numbers.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::error::{Error, Result};
use crate::exec::lockstep::{Lockstep, OpCheck};
use crate::exec::{Executor, Run};
use crate::plan::{Plan, Section, Step};
use crate::specialize::{self, DeviceLimits};
use crate::verify::Make;
use crate::verify::case::{Case, PlanKind};
use crate::verify::inputs::{self, Numbers};

/// Lockstep results of each op of a plan, merged over its runs.
pub(super) type OpChecks = BTreeMap<(Section, usize), OpCheck>;

/// Runs both passes. Returns the results up to the end, or up to the first element outside its tolerance. `on_op`
/// receives the name of each op before it runs.
pub(super) fn both(
    case: &Case,
    kind: PlanKind,
    seed: u64,
    make: &mut Make<'_>,
    on_op: &mut dyn FnMut(&str),
) -> Result<(OpChecks, Result<()>)> {
    let executor = make(case.plan(kind)?)?;
    // The plan for whole numbers must have a fused step only if the plan for real numbers has one.
    let whole = case.plan_of_whole_numbers(kind, executor.plan())?;
    let (mut executor, mut whole) = (traced(executor)?, Some(whole));
    let mut found = OpChecks::new();
    for numbers in [Numbers::Real, Numbers::Whole] {
        if let Some(whole) = whole.take_if(|_| numbers == Numbers::Whole) {
            executor.adopt(whole)?;
            executor = traced(executor)?;
        }
        if let Err(error) = pass(case, numbers, seed, executor.as_mut(), on_op, &mut found) {
            return Ok((found, Err(error)));
        }
    }
    Ok((found, Ok(())))
}

/// Adopts the traced build if the plan has a fused step. The traced build writes the results of each stage to memory,
/// so that each can be checked alone. Free runs check that the build for training has the same bits.
pub(super) fn traced(mut executor: Box<dyn Executor>) -> Result<Box<dyn Executor>> {
    if let Some(plan) = specialize::traced(executor.plan())? {
        executor.adopt(plan)?;
    }
    Ok(executor)
}

fn pass(
    case: &Case,
    numbers: Numbers,
    seed: u64,
    executor: &mut dyn Executor,
    on_op: &mut dyn FnMut(&str),
    found: &mut OpChecks,
) -> Result<()> {
    let start = case.start(seed, numbers);
    inputs::fill(executor, &case.spec, &start, seed, numbers)?;
    let steps = inputs::choose(executor, &case.spec, seed, 0, &case.rows())?;
    // The plan as fitted to the device, which may split ops.
    let plan = executor.plan().clone();
    let evaluation = [evaluation(&plan, steps[1])?];
    let mut lockstep = Lockstep::new(&plan)?;
    let runs = Run::submission(&steps).into_iter().map(|run| (run, &steps[..]));
    let last = [Section::Evaluate, Section::Score].map(|section| (Run { section, batch_index: 0 }, &evaluation[..]));
    for (run, steps) in runs.chain(last) {
        // Each step begins with the same parameters. A learning rate that makes them overflow is no error of the
        // device, and free runs compare the results of several steps.
        if matches!(run.section, Section::Gradients | Section::Evaluate) {
            for tensor in &start {
                let view = plan.named(&tensor.name)?;
                lockstep.write(executor, view, 0, bytemuck::cast_slice(&tensor.values))?;
            }
        }
        for (index, op) in plan.ops(run.section).iter().enumerate() {
            on_op(&format!("{} numbers, {}", numbers.name(), plan.op_name(run.section, index)));
            if numbers == Numbers::Whole {
                for (view, words) in inputs::refill(&plan, op, seed + index as u64) {
                    lockstep.write(executor, view, run.batch_index, &words)?;
                }
            }
            let checked = lockstep.op(executor, steps, run, index)?;
            match found.entry((run.section, index)) {
                Entry::Vacant(place) => drop(place.insert(checked)),
                Entry::Occupied(known) if (&known.get().op, &known.get().shapes) != (&checked.op, &checked.shapes) => {
                    let problem =
                        format!("its place belongs to {}, so the results of two ops would be merged", known.get().op);
                    return Err(Error::conflict(checked.op, problem, "report this as a bug in wgrad"));
                }
                Entry::Occupied(mut known) => known.get_mut().merge(&checked),
            }
        }
    }
    Ok(())
}

/// Returns the record of an evaluation in which most rows are used and the rest are padding.
fn evaluation(plan: &Plan, step: Step) -> Result<Step> {
    let rows = plan.shape(plan.named("evaluate.input")?).rows;
    let rows = ((rows - rows / 8) | 1).min(rows);
    Ok(Step { batch_index: 0, rows: rows as u32, loss_scale: (1.0 / rows as f64) as f32, ..step })
}

/// Returns the number of op runs of both passes.
pub(super) fn work(case: &Case, kind: PlanKind, target: &DeviceLimits) -> Result<usize> {
    let plan = case.fitted(kind, target)?;
    let steps = case.rows();
    let batches: usize = steps.iter().map(|rows| rows.div_ceil(case.spec.micro_batch)).sum();
    let times = |section| match section {
        Section::Gradients => 2 * batches,
        Section::Update => 2 * steps.len(),
        _ => 2,
    };
    Ok(Section::ALL.iter().map(|section| times(*section) * plan.ops(*section).len()).sum())
}
