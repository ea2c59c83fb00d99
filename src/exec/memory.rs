//! Memory of a plan on the host. Only this file makes slices of the memory that belongs to a view.

use std::cell::UnsafeCell;
use std::ops::Range;
use std::sync::atomic::AtomicU32;

use crate::error::{Result, copied, try_with_capacity};
use crate::exec::check;
use crate::numeric::{Line, MatrixMut};
use crate::plan::{
    Access, Allocation, AllocationId, Binding, BufferArg, Call, Contents, Op, POISON, Plan, Step, StepUse, View,
    ViewId, WorkItem,
};

/// Words of one allocation. They are in `UnsafeCell`s because several threads use disjoint parts while an op runs.
#[derive(Default)]
struct Words {
    lines: Box<[UnsafeCell<Line>]>,
    count: usize,
}

// SAFETY: the words are plain data; all access from several threads goes through `Memory::call`, whose callers promise
// that written parts are disjoint.
unsafe impl Sync for Words {}

/// All allocations of a plan.
pub(super) struct Memory {
    words: Vec<Words>,
}

impl Memory {
    /// Allocates memory with the initial contents that the plan specifies.
    pub(super) fn new(plan: &Plan) -> Result<Self> {
        Ok(Self { words: plan.allocations().iter().map(Words::new).collect::<Result<_>>()? })
    }

    /// Replaces the plan by another. Allocations of the same name, type and size keep their contents. If there is too
    /// little memory, nothing changes.
    pub(super) fn adopt(&mut self, old: &Plan, new: &Plan) -> Result<()> {
        let kept: Vec<Option<usize>> = new.allocations().iter().map(|a| Some(old.find_allocation(a)?.0)).collect();
        let fresh = |(allocation, kept): (&Allocation, &Option<usize>)| match kept {
            Some(_) => Ok(Words::default()),
            None => Words::new(allocation),
        };
        let mut words = new.allocations().iter().zip(&kept).map(fresh).collect::<Result<Vec<_>>>()?;
        for (words, kept) in words.iter_mut().zip(kept) {
            if let Some(index) = kept {
                std::mem::swap(words, &mut self.words[index]);
            }
        }
        self.words = words;
        Ok(())
    }

    /// Returns the words of an allocation.
    pub(super) fn words(&mut self, allocation: AllocationId) -> &mut [u32] {
        self.words[allocation.0].all()
    }

    /// Copies an allocation.
    pub(super) fn copy(&mut self, plan: &Plan, allocation: AllocationId) -> Result<Vec<u32>> {
        copied(&plan.allocations()[allocation.0].name, self.words(allocation))
    }

    /// Copies `words` to the beginning of a view.
    pub(super) fn write(&mut self, plan: &Plan, view: ViewId, batch_index: usize, words: &[u32]) -> Result<()> {
        let range = check::writable_range(plan, view, batch_index, words)?;
        self.words(plan.get(view).allocation)[range].copy_from_slice(words);
        Ok(())
    }

    /// Copies a view.
    pub(super) fn read(&mut self, plan: &Plan, view: ViewId, batch_index: usize) -> Result<Vec<u32>> {
        check::ensure_batch(plan, view, batch_index)?;
        let view = plan.get(view);
        copied(&view.name, &self.words(view.allocation)[view.range(batch_index)])
    }

    /// Returns the arguments of a CPU kernel that computes the [items in use](items_in_use) among `items`. `None` if no
    /// item is in use. With `columns`, the call is for the fast kernel and computes only these columns of views that
    /// can be split by columns.
    ///
    /// # Safety
    /// While the returned call lives, no other call may write memory that it accesses, or access memory that it writes.
    /// Two kinds of calls satisfy this: calls of the same op with other items or other columns, and calls of another op
    /// if neither op writes memory that the other accesses. (Written views of one op do not overlap, and none is also
    /// read: `Plan::push` checks that.)
    pub(super) unsafe fn call<'a>(
        &'a self,
        plan: &Plan,
        op: &'a Op,
        items: Range<usize>,
        columns: Option<&Range<usize>>,
        steps: &'a [Step],
        batch_index: usize,
    ) -> Option<Call<'a>> {
        let step = &steps[batch_index];
        let items = items_in_use(op, items, steps, step)?;
        let mut call =
            Call { params: &op.params, step, steps, items: items.clone(), args: Default::default(), trace: None };
        // If a call computes all columns, its argument is the whole view, as one slice.
        let own_columns = (op.kernel.item == WorkItem::Column && items.len() < op.items).then_some(&items);
        for ((binding, view), arg) in op.kernel.bindings.iter().zip(&op.views).zip(&mut call.args) {
            let view = plan.get(*view);
            let columns = own_columns.filter(|_| binding.per_item).or(columns.filter(|_| binding.by_columns));
            let (words, part) = (&self.words[view.allocation.0], part(view, binding, op, &items, batch_index));
            assert!(part.start <= part.end && part.end <= words.count, "a view is within its allocation");
            let len = part.len();
            // SAFETY: the assertion above shows that the words are allocated; they live as long as self; the caller
            // promises that no other call aliases them. AtomicU32 has the layout of u32.
            *arg = unsafe {
                let start = words.start().add(part.start);
                match (binding.access, columns) {
                    (access, Some(columns)) if access.writes_parts() => {
                        assert!(
                            columns.start <= columns.end && columns.end <= view.shape.columns,
                            "columns are within the view"
                        );
                        let rows = len / view.shape.columns.max(1);
                        BufferArg::Columns(MatrixMut::from_raw(start.cast(), rows, columns.clone(), view.shape.columns))
                    }
                    (Access::Read, _) => BufferArg::Read(std::slice::from_raw_parts(start, len)),
                    (Access::Write | Access::Fill | Access::ReadWrite | Access::Accumulate, _) => {
                        BufferArg::Write(std::slice::from_raw_parts_mut(start, len))
                    }
                    (Access::Atomic, _) => {
                        BufferArg::Atomic(std::slice::from_raw_parts(start.cast::<AtomicU32>(), len))
                    }
                }
            };
        }
        Some(call)
    }

    /// Like [`Memory::call`] for all items, but every argument can be read. Tolerances are computed from such a call.
    pub(super) fn inspect<'a>(
        &'a mut self,
        plan: &Plan,
        op: &'a Op,
        steps: &'a [Step],
        batch_index: usize,
    ) -> Option<Call<'a>> {
        // SAFETY: the exclusive borrow of self leaves no other call alive.
        let mut call = unsafe { self.call(plan, op, 0..op.items, None, steps, batch_index)? };
        for arg in &mut call.args {
            *arg = match std::mem::take(arg) {
                BufferArg::Write(words) => BufferArg::Read(words),
                BufferArg::Atomic(words) => BufferArg::Read(bytemuck::cast_slice(atomic_words(words))),
                other => other,
            };
        }
        Some(call)
    }
}

/// Returns atomic words as plain ones. No kernel changes the words while a tolerance is computed.
fn atomic_words(words: &[AtomicU32]) -> &[u32] {
    // SAFETY: same layout; `inspect` borrows the memory exclusively, so nothing changes them.
    unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), words.len()) }
}

impl Words {
    fn new(allocation: &Allocation) -> Result<Self> {
        let fill = match &allocation.contents {
            Contents::Persistent(word) => *word,
            Contents::Host | Contents::Computed | Contents::Constant(_) => POISON,
        };
        let count = allocation.elements;
        let mut lines = try_with_capacity(&format!("allocation {}", allocation.name), count.div_ceil(Line::WORDS))?;
        lines.resize_with(count.div_ceil(Line::WORDS), || UnsafeCell::new(Line::filled(fill)));
        let mut words = Self { lines: lines.into_boxed_slice(), count };
        if let Contents::Constant(constant) = &allocation.contents {
            words.all().copy_from_slice(constant);
        }
        Ok(words)
    }

    /// Returns all words.
    fn all(&mut self) -> &mut [u32] {
        // SAFETY: `count` words are allocated, and the exclusive borrow of self covers all of them.
        unsafe { std::slice::from_raw_parts_mut(self.start(), self.count) }
    }

    /// Returns a pointer to the first of `count` words.
    fn start(&self) -> *mut u32 {
        // A line consists of words alone, and a cell has the layout of its content.
        UnsafeCell::raw_get(self.lines.as_ptr()).cast()
    }
}

/// Returns the items in use of the range `items`; `None` if no item is in use. Rows of the batch are in use up to the
/// number of rows of the step. Step records are in use up to the number of records of the submission. All other items
/// are in use.
fn items_in_use(op: &Op, items: Range<usize>, steps: &[Step], step: &Step) -> Option<Range<usize>> {
    let in_use = match (op.kernel.item, op.kernel.step) {
        (WorkItem::BatchRow, _) => step.rows as usize,
        (_, StepUse::All) => steps.len(),
        (_, StepUse::One) => items.end,
    };
    let end = items.end.min(in_use);
    (items.start < end).then_some(items.start..end)
}

/// Returns the elements of a view's allocation that a range of items may access.
fn part(view: &View, binding: &Binding, op: &Op, items: &Range<usize>, batch_index: usize) -> Range<usize> {
    let whole = view.range(batch_index);
    if *items == (0..op.items) {
        return whole;
    }
    let each = match (binding.per_item, op.kernel.item) {
        (true, WorkItem::Column) => return whole,
        (true, _) => view.shape.elements() / op.items,
        (false, WorkItem::Slice) => view.shape.columns * op.rows_per_item().unwrap_or(1),
        (false, _) => return whole,
    };
    whole.start + items.start * each..whole.end.min(whole.start + items.end * each)
}
