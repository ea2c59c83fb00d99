//! Invariants of a plan. They are checked as ops are pushed, so that executors may rely on them:
//!
//! 1. Views match the kernel's bindings in number and type, and lie within their allocations.
//! 2. In one op, a view appears at most once, an allocation is either only read or only written, and views that are
//!    written do not overlap.
//! 3. Single assignment: in one section a computed view is written by one op, before any op reads it. A view with
//!    `fill` access may be written by several ops of one kernel that read different rows.
//! 4. Only `update` changes memory in place, and only persistent memory can be changed in place or atomically. Ops of
//!    different kernels may change the same memory, one after the other: an optimizer, then a constraint.
//!    Accumulators are views to which `gradients` adds the results of each batch of a step. No other op of this section
//!    uses them, since they are complete only after the last batch.
//! 5. Written views, except atomic words, are split along the items. Split views have the same number of elements for
//!    each item; for batch rows, one row per item, and for columns, one column. So different items never write the same
//!    element.

use crate::error::{Error, Result};
use crate::plan::{Access, Binding, Contents, MAX_BINDINGS, Op, Plan, Section, Segments, View, ViewId, WorkItem};

/// Elements that the ops of a section use, so that an op is checked against all earlier ops by lookups.
#[derive(Clone, Debug, Default)]
pub(super) struct Touched {
    /// Elements used in any way.
    all: Segments<()>,
    /// Written elements, except atomic words.
    written: Segments<()>,
    /// Accumulated elements.
    added: Segments<()>,
}

impl Touched {
    /// Records the views of a checked op.
    pub(super) fn note(&mut self, views: &[View], op: &Op) {
        for (binding, view) in op.kernel.bindings.iter().zip(&op.views) {
            let view = &views[view.0];
            self.all.note(view, |()| ());
            if binding.access.writes_parts() {
                self.written.note(view, |()| ());
            }
            if binding.access == Access::Accumulate {
                self.added.note(view, |()| ());
            }
        }
    }
}

/// Checks an op before it is pushed.
pub(super) fn op(plan: &Plan, section: Section, op: &Op) -> Result<()> {
    let place = format!("{} op {} ({})", section.name(), plan.ops(section).len(), op.kernel.name);
    let fail =
        |problem: String| Err(Error::conflict(place.clone(), problem, "this is a mistake in how the plan was built"));
    if op.views.len() != op.kernel.bindings.len() {
        return fail(format!(
            "{} views are given, but the kernel has {} bindings",
            op.views.len(),
            op.kernel.bindings.len()
        ));
    }
    if op.views.len() > MAX_BINDINGS {
        return fail(format!("the kernel has {} bindings, but {MAX_BINDINGS} is the most", op.views.len()));
    }
    if op.params.len() != op.kernel.params.len() {
        return fail(format!(
            "{} parameters are given, but the kernel has {}",
            op.params.len(),
            op.kernel.params.len()
        ));
    }
    let bound: Vec<BoundView> = op
        .kernel
        .bindings
        .iter()
        .zip(&op.views)
        .map(|(binding, id)| BoundView { binding, id: *id, view: plan.get(*id) })
        .collect();
    for (index, b) in bound.iter().enumerate() {
        let problem = view_problem(plan, op, b)
            .or_else(|| access_problem(plan, section, op, b))
            .or_else(|| bound[..index].iter().find_map(|other| pair_problem(other, b)));
        if let Some(problem) = problem {
            return fail(format!("{} (binding `{}`) {problem}", b.view.name, b.binding.name));
        }
    }
    Ok(())
}

/// Binding of an op with its view.
struct BoundView<'a> {
    binding: &'a Binding,
    id: ViewId,
    view: &'a View,
}

/// Checks invariants 1 and 5 for one view. Returns the problem, if there is one. The following functions do the same
/// for other invariants.
fn view_problem(plan: &Plan, op: &Op, b: &BoundView<'_>) -> Option<String> {
    let allocation = &plan.allocations()[b.view.allocation.0];
    let (elements, shape) = (b.view.shape.elements(), b.view.shape);
    if b.binding.dtype.is_some_and(|dtype| dtype != allocation.dtype) {
        return Some(format!("holds {}, but the kernel works on another type", allocation.dtype));
    }
    if b.view.range(0).end > allocation.elements {
        return Some(format!(
            "ends at element {}, but its allocation has {}",
            b.view.range(0).end,
            allocation.elements
        ));
    }
    if !b.binding.per_item {
        return b.binding.access.writes_parts().then(|| "is written, but not split by item".into());
    }
    let counted = match op.kernel.item {
        WorkItem::BatchRow => Some(("rows", shape.rows)),
        WorkItem::Column => Some(("columns", shape.columns)),
        WorkItem::Slice | WorkItem::Part | WorkItem::Block => None,
    };
    if let Some((what, count)) = counted.filter(|(_, count)| *count != op.items) {
        return Some(format!("has {count} {what}, but the op has {} items", op.items));
    }
    (op.items == 0 && elements > 0 || op.items > 0 && elements % op.items != 0)
        .then(|| format!("has {elements} elements, which {} items cannot share evenly", op.items))
}

/// Checks invariants 3 and 4.
fn access_problem(plan: &Plan, section: Section, op: &Op, b: &BoundView<'_>) -> Option<String> {
    let contents = &plan.allocations()[b.view.allocation.0].contents;
    let persistent = matches!(contents, Contents::Persistent(_));
    if touches_a_sum(plan, section, b) {
        return Some("is not whole before the last batch of a step, but two ops of one section use it".into());
    }
    match b.binding.access {
        Access::Read if *contents == Contents::Computed && !plan.touched.iter().any(|t| t.written.covers(b.view)) => {
            Some("is read before any op writes it".into())
        }
        access if access.writes() && matches!(contents, Contents::Constant(_)) => {
            Some("is written, but is constant".into())
        }
        Access::Write if plan.touched[section as usize].written.covers(b.view) => {
            Some("is written by two ops of one section".into())
        }
        Access::ReadWrite if changed(plan, section, op, b) => Some("is written by two ops of one section".into()),
        Access::Fill => fill_problem(plan, section, op, b),
        Access::ReadWrite if section != Section::Update => Some("is changed in place outside `update`".into()),
        Access::Accumulate if section != Section::Gradients => Some("is added to outside `gradients`".into()),
        access if !persistent && (access.is_in_place() || access == Access::Atomic) => {
            Some("is changed in place, but does not persist".into())
        }
        _ => None,
    }
}

/// Returns `true` if an op of the same kernel has changed a view in place. An op of another kernel may change it
/// further.
fn changed(plan: &Plan, section: Section, op: &Op, b: &BoundView<'_>) -> bool {
    let same = |other: &&Op| std::ptr::eq(other.kernel, op.kernel);
    let writes = |other: &Op| {
        let mut views = other.kernel.bindings.iter().zip(&other.views);
        views.any(|(binding, view)| binding.access.writes_parts() && plan.get(*view).overlaps(b.view))
    };
    plan.touched[section as usize].written.covers(b.view) && plan.ops(section).iter().filter(same).any(writes)
}

/// Returns `true` if an op violates invariant 4 for accumulators: another op of the section adds to a view that this op
/// uses, or uses a view that this op adds to.
fn touches_a_sum(plan: &Plan, section: Section, b: &BoundView<'_>) -> bool {
    let Touched { all, added, .. } = &plan.touched[section as usize];
    if b.binding.access == Access::Accumulate { all.covers(b.view) } else { added.covers(b.view) }
}

/// Checks invariant 3 for views with `fill` access: other ops of the section that write there must fill the same view,
/// from rows that this op does not read.
fn fill_problem(plan: &Plan, section: Section, op: &Op, b: &BoundView<'_>) -> Option<String> {
    let writes = |other: &&Op| {
        let mut views = other.kernel.bindings.iter().zip(&other.views);
        views.any(|(binding, view)| binding.access.writes() && plan.get(*view).overlaps(b.view))
    };
    let rows = |op: &Op| {
        let (first, count) = (u64::from(op.param("first_row")?), u64::from(op.param("rows")?));
        Some(first..first + count)
    };
    let apart = |other: &Op| match (rows(op), rows(other)) {
        (Some(own), Some(theirs)) => own.end <= theirs.start || theirs.end <= own.start,
        _ => false,
    };
    let allowed = |other: &Op| std::ptr::eq(op.kernel, other.kernel) && other.views.contains(&b.id) && apart(other);
    // Usually no other op uses these elements. Several ops fill one view only if a data set exceeds the binding limit:
    // one op for each part of the data set.
    let others = if plan.touched[section as usize].all.covers(b.view) { plan.ops(section) } else { &[] };
    let refused = others.iter().filter(writes).any(|other| !allowed(other));
    refused.then(|| "is written by two ops of one section, which do not fill it from different rows".into())
}

/// Checks invariant 2.
fn pair_problem(first: &BoundView<'_>, second: &BoundView<'_>) -> Option<String> {
    if first.id == second.id {
        return Some(format!("appears again as binding `{}`", first.binding.name));
    }
    if first.view.allocation != second.view.allocation {
        return None;
    }
    if first.binding.access.writes() != second.binding.access.writes() {
        return Some(format!("is in one allocation with {}, and only one of them is written", first.view.name));
    }
    (first.binding.access.writes() && first.view.overlaps(second.view)).then(|| format!("overlaps {}", first.view.name))
}
