//! Checks of an executor's arguments, the same for all executors.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::exec::Run;
use crate::plan::{Plan, Step, View, ViewId};

/// Returns the number of batches of a submission for which a view has a part; `None` if all batches share the whole
/// view.
pub(super) fn batch_count(plan: &Plan, view: &View) -> Option<usize> {
    let elements = plan.allocations()[view.allocation.0].elements;
    let behind_the_first = elements.checked_sub(view.offset + view.shape.elements());
    (view.batch_stride > 0).then(|| behind_the_first.map_or(0, |rest| rest / view.batch_stride + 1))
}

/// Checks that a view has a part for batch `batch_index` of the submission, or is shared by all batches.
pub(super) fn ensure_batch(plan: &Plan, view: ViewId, batch_index: usize) -> Result<()> {
    let view = plan.get(view);
    match batch_count(plan, view) {
        Some(batches) if batch_index >= batches => {
            Err(Error::value(&view.name, "batch of the submission", batch_index, &format!("below {batches}")))
        }
        _ => Ok(()),
    }
}

/// Checks that words can be written to the beginning of a view, in batch `at` of the submission. Returns the range of
/// elements of the allocation that the words will occupy.
pub(super) fn writable_range(plan: &Plan, view: ViewId, at: usize, words: &[u32]) -> Result<Range<usize>> {
    ensure_batch(plan, view, at)?;
    let view = plan.get(view);
    if words.len() > view.shape.elements() {
        return Err(Error::Shape {
            place: view.name.clone(),
            found_what: "words to write are".into(),
            found: words.len(),
            wanted_what: "the view holds".into(),
            wanted: view.shape.elements(),
            remedy: "write at most that many".into(),
        });
    }
    let start = view.range(at).start;
    Ok(start..start + words.len())
}

/// Checks each run of a submission: the batch must have a step record and a part of each view, and the record must not
/// have more rows than the ops support.
pub(super) fn ensure_submission(plan: &Plan, steps: &[Step], runs: &[Run]) -> Result<()> {
    for run in runs {
        let place = || format!("section {}", run.section.name());
        let Some(step) = steps.get(run.batch_index) else {
            let wanted = format!("below {}, the steps of the submission", steps.len());
            return Err(Error::value(place(), "batch of the submission", run.batch_index, &wanted));
        };
        for op in plan.ops(run.section) {
            op.views.iter().try_for_each(|view| ensure_batch(plan, *view, run.batch_index))?;
            if let Some(most) = op.most_rows().filter(|most| step.rows as usize > *most) {
                return Err(Error::value(place(), "rows of a step", step.rows, &format!("at most {most}")));
            }
        }
    }
    Ok(())
}
