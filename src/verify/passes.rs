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

/// What was found of each op of a plan, over all its runs.
pub(super) type Found = BTreeMap<(Section, usize), OpCheck>;

/// Both passes: what was found up to the end, or up to the first element that its tolerance does not explain. `tell` is
/// told the name of each op before it runs.
pub(super) fn both(
    case: &Case,
    kind: PlanKind,
    seed: u64,
    make: &mut Make<'_>,
    tell: &mut dyn FnMut(&str),
) -> Result<(Found, Result<()>)> {
    let executor = make(case.plan(kind)?)?;
    // The network of whole numbers could have a fused step where the real one has none.
    let whole = case.plan_of_whole_numbers(kind, executor.plan())?;
    let (mut executor, mut whole) = (traced(executor)?, Some(whole));
    let mut found = Found::new();
    for numbers in [Numbers::Real, Numbers::Whole] {
        if let Some(whole) = whole.take_if(|_| numbers == Numbers::Whole) {
            executor.adopt(whole)?;
            executor = traced(executor)?;
        }
        if let Err(error) = pass(case, numbers, seed, executor.as_mut(), tell, &mut found) {
            return Ok((found, Err(error)));
        }
    }
    Ok((found, Ok(())))
}

/// The same executor; where its plan has a fused step, with the build that writes down what lies between the stages, so
/// that each can be judged alone. Free runs hold the other build to the bits of this one.
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
    tell: &mut dyn FnMut(&str),
    found: &mut Found,
) -> Result<()> {
    let start = case.start(seed, numbers);
    inputs::fill(executor, &case.spec, &start, seed, numbers)?;
    let steps = inputs::choose(executor, &case.spec, seed, 0, &case.rows())?;
    // The device's own plan: how it was fitted to the device is its business, what it computes is not.
    let plan = executor.plan().clone();
    let evaluation = [evaluation(&plan, steps[1])?];
    let mut lockstep = Lockstep::new(&plan)?;
    let runs = Run::submission(&steps).into_iter().map(|run| (run, &steps[..]));
    let last = [Section::Evaluate, Section::Score].map(|section| (Run { section, batch_index: 0 }, &evaluation[..]));
    for (run, steps) in runs.chain(last) {
        // Each step begins with these parameters: a learning rate that leads beyond what an f32 can hold is no error of
        // the device's, and what comes of many steps is for free runs to compare.
        if matches!(run.section, Section::Gradients | Section::Evaluate) {
            for tensor in &start {
                let view = plan.named(&tensor.name)?;
                lockstep.write(executor, view, 0, bytemuck::cast_slice(&tensor.values))?;
            }
        }
        for (index, op) in plan.ops(run.section).iter().enumerate() {
            tell(&format!("{} numbers, {}", numbers.name(), plan.op_name(run.section, index)));
            if numbers == Numbers::Whole {
                for (view, words) in inputs::refill(&plan, op, seed + index as u64) {
                    lockstep.write(executor, view, run.batch_index, &words)?;
                }
            }
            let judged = lockstep.op(executor, steps, run, index)?;
            match found.entry((run.section, index)) {
                Entry::Vacant(place) => drop(place.insert(judged)),
                Entry::Occupied(known) if (&known.get().op, &known.get().shapes) != (&judged.op, &judged.shapes) => {
                    let problem = format!("it was {} before: figures of two ops would be one's", known.get().op);
                    return Err(Error::conflict(judged.op, problem, "report this as an error of wgrad's"));
                }
                Entry::Occupied(mut known) => known.get_mut().merge(&judged),
            }
        }
    }
    Ok(())
}

/// An evaluation of most of its rows: the rest are dead.
fn evaluation(plan: &Plan, step: Step) -> Result<Step> {
    let rows = plan.shape(plan.named("evaluate.input")?).rows;
    let rows = ((rows - rows / 8) | 1).min(rows);
    Ok(Step { batch_index: 0, rows: rows as u32, loss_scale: (1.0 / rows as f64) as f32, ..step })
}

/// Number of op runs of both passes.
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
