//! Splits ops that exceed the device's binding limit into several ops, over ranges of items and over ranges of rows.
//!
//! Allocations stay whole; only views are split, and named after their range: `parameters[262144..524288]` for
//! elements, `data.input[4096..8192]` for rows. Shapes and limits alone determine the ranges: each part but the last is
//! as large as can be bound, in whole blocks of 64 elements.

use std::ops::Range;

use crate::error::Result;
use crate::plan::{Limits, Op, Plan, Section, View, ViewId, WorkItem};
use crate::shape::{Shape, TENSOR_ALIGNMENT};

/// Splits ops that exceed the limit, if they can be split. The later check of limits rejects all others.
pub(super) fn split(mut plan: Plan, limits: &Limits) -> Result<Plan> {
    let most = (limits.binding_bytes / 4) as usize;
    let mut ops = Vec::new();
    for section in Section::ALL {
        for op in plan.ops(section).to_vec() {
            for op in by_rows(&mut plan, op, most) {
                ops.extend(by_items(&mut plan, op, most).into_iter().map(|op| (section, op)));
            }
        }
    }
    plan.with_ops(ops)
}

/// Splits an op into one op per range of rows of the data set, so that no view exceeds `most` elements. Returns the op
/// alone if none of its bindings can be split by rows, or if no split is needed.
fn by_rows(plan: &mut Plan, op: Op, most: usize) -> Vec<Op> {
    let Some(binding) = op.kernel.bindings.iter().position(|binding| binding.by_rows) else { return vec![op] };
    let Shape { rows, columns } = plan.shape(op.views[binding]);
    let part = |range: Range<usize>| {
        let mut part = op.clone();
        part.views[binding] = rows_of(plan, op.views[binding], range.clone());
        part.set("first_row", op.param("first_row").unwrap_or(0) + range.start as u32);
        part.set("rows", range.len() as u32);
        part
    };
    match ranges(rows, &[columns], most) {
        Some(ranges) => ranges.into_iter().map(part).collect(),
        None => vec![op],
    }
}

/// Splits an op into one op per range of items, so that no view exceeds `most` elements. Returns the op alone if its
/// items are not blocks, or if no split is needed.
fn by_items(plan: &mut Plan, op: Op, most: usize) -> Vec<Op> {
    let views =
        || op.kernel.bindings.iter().zip(&op.views).filter(|(binding, _)| binding.per_item).map(|(_, view)| *view);
    let shapes: Vec<_> = views().map(|view| plan.shape(view)).collect();
    // An item is some columns of a single row, or whole rows.
    let even = |shape: &Shape| shape.rows == 1 || shape.rows.is_multiple_of(op.items);
    if op.kernel.item != WorkItem::Block || op.items == 0 || !shapes.iter().all(even) {
        return vec![op];
    }
    let each: Vec<_> = shapes.iter().map(|shape| shape.elements() / op.items).collect();
    let part = |range: Range<usize>| {
        let mut part = Op { items: range.len(), ..op.clone() };
        part.set("first_item", op.param("first_item").unwrap_or(0) + range.start as u32);
        for (_, view) in op.kernel.bindings.iter().zip(&mut part.views).filter(|(binding, _)| binding.per_item) {
            *view = items_of(plan, *view, op.items, range.clone());
        }
        part
    };
    match ranges(op.items, &each, most) {
        Some(ranges) => ranges.into_iter().map(part).collect(),
        None => vec![op],
    }
}

/// Splits `count` units into ranges, so that no view exceeds `most` elements and every range begins at an offset that a
/// device can bind. `each` has the number of elements per unit, for each view. `None` if no split is needed or
/// possible.
fn ranges(count: usize, each: &[usize], most: usize) -> Option<Vec<Range<usize>>> {
    let largest = each.iter().copied().max().filter(|largest| count * largest > most)?;
    // The numbers below are powers of two, so the largest is a multiple of all others.
    let together = each.iter().map(|each| TENSOR_ALIGNMENT >> each.trailing_zeros().min(6)).max().unwrap_or(1);
    let units = most / largest / together * together;
    let range = |start: usize| start..count.min(start + units);
    (units > 0).then(|| (0..count).step_by(units).map(range).collect())
}

fn items_of(plan: &mut Plan, view: ViewId, items: usize, range: Range<usize>) -> ViewId {
    let Shape { rows, columns } = plan.shape(view);
    let scaled = |each: usize| range.start * each..range.end * each;
    if rows == 1 { columns_of(plan, view, scaled(columns / items)) } else { rows_of(plan, view, scaled(rows / items)) }
}

/// Returns a view of some columns of a single row.
fn columns_of(plan: &mut Plan, view: ViewId, range: Range<usize>) -> ViewId {
    part(plan, view, &range, range.start, Shape::vector(range.len()))
}

fn rows_of(plan: &mut Plan, view: ViewId, range: Range<usize>) -> ViewId {
    let columns = plan.shape(view).columns;
    part(plan, view, &range, range.start * columns, Shape::new(range.len(), columns))
}

/// Returns a view of a part of `view`, which is created on first use and shared by all ops.
fn part(plan: &mut Plan, view: ViewId, range: &Range<usize>, start: usize, shape: Shape) -> ViewId {
    let whole = plan.get(view).clone();
    let name = format!("{}[{}..{}]", whole.name, range.start, range.end);
    match plan.find(&name) {
        Some(known) => known,
        None => plan.add_view(View { name, offset: whole.offset + start, shape, ..whole }),
    }
}
