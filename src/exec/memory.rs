//! A plan's memory on the host, and the one place where views of it are lent out.

use std::cell::UnsafeCell;
use std::ops::Range;
use std::sync::atomic::AtomicU32;

use crate::error::{Error, Result};
use crate::exec::check;
use crate::numeric::{Matrix, Panels};
use crate::plan::{
    Access, Allocation, AllocationId, Call, Contents, Lane, Op, POISON, Packs, Plan, Slot, Step, StepUse, View, ViewId,
};

/// One allocation's words. Lent out in disjoint parts while an op runs, hence the cell.
struct Piece(Box<[UnsafeCell<u32>]>);

// SAFETY: the words are plain data; all access from several threads goes through `Memory::call`, whose callers
// promise that written parts are disjoint.
unsafe impl Sync for Piece {}

/// All allocations of a plan, and room for operands that are packed.
pub(super) struct Memory {
    pieces: Vec<Piece>,
    packed: Piece,
}

impl Memory {
    /// Fresh memory: poisoned, or filled as the plan says.
    pub(super) fn new(plan: &Plan) -> Result<Self> {
        let pieces = plan.allocations().iter().map(Piece::new).collect::<Result<_>>()?;
        Ok(Self { pieces, packed: Piece(Box::default()) })
    }

    /// Memory for another plan that keeps what has the same name, type and size; unchanged where there is too little.
    pub(super) fn adopt(&mut self, old: &Plan, new: &Plan) -> Result<()> {
        let same = |allocation: &Allocation| {
            let key = |a: &Allocation| (a.name.clone(), a.dtype, a.elements);
            old.allocations().iter().position(|a| key(a) == key(allocation))
        };
        let kept: Vec<Option<usize>> = new.allocations().iter().map(same).collect();
        let fresh = |(allocation, kept): (&Allocation, &Option<usize>)| match kept {
            Some(_) => Ok(Piece(Box::default())),
            None => Piece::new(allocation),
        };
        let mut pieces = new.allocations().iter().zip(&kept).map(fresh).collect::<Result<Vec<_>>>()?;
        for (piece, kept) in pieces.iter_mut().zip(kept) {
            if let Some(index) = kept {
                std::mem::swap(piece, &mut self.pieces[index]);
            }
        }
        self.pieces = pieces;
        Ok(())
    }

    /// The words of an allocation.
    pub(super) fn words(&mut self, allocation: AllocationId) -> &mut [u32] {
        let cells = &mut *self.pieces[allocation.0].0;
        // SAFETY: the exclusive borrow of self is one of every word; the cell has its content's layout.
        unsafe { std::slice::from_raw_parts_mut(cells.as_mut_ptr().cast(), cells.len()) }
    }

    /// Copies `words` to the beginning of a view.
    pub(super) fn write(&mut self, plan: &Plan, view: ViewId, slot: usize, words: &[u32]) -> Result<()> {
        let range = check::write(plan, view, slot, words)?;
        self.words(plan.get(view).allocation)[range].copy_from_slice(words);
        Ok(())
    }

    /// A copy of a view.
    pub(super) fn read(&mut self, plan: &Plan, view: ViewId, slot: usize) -> Result<Vec<u32>> {
        check::slot(plan, view, slot)?;
        let view = plan.get(view);
        Ok(self.words(view.allocation)[view.range(slot)].to_vec())
    }

    /// What a twin is called with for the live ones of `lanes`, or `None` where there are none.
    ///
    /// # Safety
    /// While the call lives, no other call may write what it sees, or see what it writes: only calls of the
    /// same op with other lanes may live beside it. (Views of one op that are written do not overlap, and none
    /// is read too: `Plan::push` checks that.)
    pub(super) unsafe fn call<'a>(
        &'a self,
        plan: &Plan,
        op: &'a Op,
        lanes: Range<usize>,
        steps: &'a [Step],
        slot: usize,
    ) -> Option<Call<'a>> {
        let step = &steps[slot];
        let lanes = live(op, lanes, steps, step)?;
        let mut call =
            Call { params: &op.params, step, steps, lanes: lanes.clone(), slots: Default::default(), packed: &[] };
        for ((binding, view), lent) in op.kernel.bindings.iter().zip(&op.views).zip(&mut call.slots) {
            let view = plan.get(*view);
            let cells = &self.pieces[view.allocation.0].0[part(view, binding.cut, op.lanes, &lanes, slot)];
            let (start, len) = (UnsafeCell::raw_get(cells.as_ptr()), cells.len());
            // SAFETY: the words are in bounds (sliced above) and live as long as self; aliasing is the caller's
            // promise. AtomicU32 has the layout of u32.
            *lent = unsafe {
                match binding.access {
                    Access::Read => Slot::Read(std::slice::from_raw_parts(start, len)),
                    Access::Write | Access::Fill | Access::ReadWrite | Access::Accumulate => {
                        Slot::Write(std::slice::from_raw_parts_mut(start, len))
                    }
                    Access::Atomic => Slot::Atomic(std::slice::from_raw_parts(start.cast::<AtomicU32>(), len)),
                }
            };
        }
        Some(call)
    }

    /// Makes room for so many packed numbers.
    pub(super) fn make_room_for_packed(&mut self, elements: usize) -> Result<()> {
        if self.packed.0.len() < elements {
            self.packed = Piece::filled("packed operands", elements, POISON)?;
        }
        Ok(())
    }

    /// Packs panels of the operand that an op wants packed, to the room for packed numbers from `start` on.
    ///
    /// # Safety
    /// While it runs, nobody else sees the packed panels, and nobody writes the operand.
    pub(super) unsafe fn pack(&self, plan: &Plan, op: &Op, packs: Packs, panels: Range<usize>, start: usize) {
        let view = plan.get(op.views[packs.binding]);
        let cells = &self.pieces[view.allocation.0].0[view.range(0)];
        // SAFETY: in bounds, since sliced; words are as good as numbers; nobody writes them now, as the caller promises.
        let values =
            unsafe { std::slice::from_raw_parts(UnsafeCell::raw_get(cells.as_ptr()).cast_const().cast(), cells.len()) };
        let matrix = Matrix::new(values, view.shape.rows, view.shape.columns);
        let matrix = if packs.transposed { matrix.transposed() } else { matrix };
        let place = Panels::place(panels.clone(), matrix.row_count(), matrix.column_count());
        let cells = &self.packed.0[start + place.start..start + place.end];
        // SAFETY: likewise; nobody else sees them now, as the caller promises.
        let out = unsafe { std::slice::from_raw_parts_mut(UnsafeCell::raw_get(cells.as_ptr()).cast(), cells.len()) };
        Panels::pack(matrix, panels, out);
    }

    /// Packed numbers.
    ///
    /// # Safety
    /// Nobody packs these now.
    pub(super) unsafe fn packed(&self, range: Range<usize>) -> &[f32] {
        let cells = &self.packed.0[range];
        // SAFETY: in bounds, since sliced; words are as good as numbers; nobody writes them now, as the caller promises.
        unsafe { std::slice::from_raw_parts(UnsafeCell::raw_get(cells.as_ptr()).cast_const().cast(), cells.len()) }
    }

    /// The same as [`Memory::call`] for all lanes, but with every slot to read: what bounds are computed from.
    pub(super) fn inspect<'a>(
        &'a mut self,
        plan: &Plan,
        op: &'a Op,
        steps: &'a [Step],
        slot: usize,
    ) -> Option<Call<'a>> {
        // SAFETY: the exclusive borrow of self leaves no other call alive.
        let mut call = unsafe { self.call(plan, op, 0..op.lanes, steps, slot)? };
        for lent in &mut call.slots {
            *lent = match std::mem::take(lent) {
                Slot::Write(words) => Slot::Read(words),
                Slot::Atomic(words) => Slot::Read(bytemuck::cast_slice(atomic_words(words))),
                other => other,
            };
        }
        Some(call)
    }
}

/// Nobody lowers the words while a bound is computed, so they can be seen as plain ones.
fn atomic_words(words: &[AtomicU32]) -> &[u32] {
    // SAFETY: same layout; `inspect` borrows the memory exclusively, so that nothing changes them.
    unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), words.len()) }
}

impl Piece {
    fn new(allocation: &Allocation) -> Result<Self> {
        let fill = match allocation.contents {
            Contents::Persistent(word) => word,
            Contents::Host | Contents::Computed => POISON,
        };
        Self::filled(&allocation.name, allocation.elements, fill)
    }

    fn filled(name: &str, elements: usize, fill: u32) -> Result<Self> {
        let mut words = Vec::new();
        words.try_reserve_exact(elements).map_err(|_| Error::Limit {
            op: format!("allocation {name}"),
            what: "bytes",
            needed: 4 * elements as u64,
            allowed: 0,
            remedy: "the system gives no more memory: use a smaller batch or network".into(),
        })?;
        words.resize_with(elements, || UnsafeCell::new(fill));
        Ok(Self(words.into_boxed_slice()))
    }
}

/// The lanes of a range that are live; `None` where no lane is.
fn live(op: &Op, lanes: Range<usize>, steps: &[Step], step: &Step) -> Option<Range<usize>> {
    let live = match (op.kernel.lane, op.kernel.step) {
        (Lane::BatchRow, _) => step.rows as usize,
        (_, StepUse::All) => steps.len(),
        (_, StepUse::One) => lanes.end,
    };
    let end = lanes.end.min(live);
    (lanes.start < end).then_some(lanes.start..end)
}

/// The elements of a view's allocation that a range of lanes sees.
fn part(view: &View, cut: bool, all_lanes: usize, lanes: &Range<usize>, slot: usize) -> Range<usize> {
    let whole = view.range(slot);
    if !cut {
        return whole;
    }
    let each = view.shape.elements() / all_lanes;
    whole.start + lanes.start * each..whole.start + lanes.end * each
}
