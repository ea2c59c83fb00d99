//! Lockstep: runs a plan on a device op by op, and judges every element of every op's outputs.
//!
//! Before each op the reference is given the device's own inputs, so that only this op is judged, and errors of
//! earlier ops neither hide nor add up. The device's outputs must lie within the kernel's derived tolerance of the
//! reference's, and whatever else lies in the allocations that the op writes must keep its bits: rows beyond the
//! live ones, padding, and other tensors.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};
use crate::exec::memory::Memory;
pub use crate::exec::op_check::{OpCheck, Report};
use crate::exec::{Executor, Run};
use crate::plan::{Access, AllocationId, Call, Op, POISON, Plan, Step, Tolerance, View, ViewId};
use crate::shape::Dtype;

/// Runs `runs` on `device`, each op judged by the CPU kernels of `plan`: the device's own plan, or the honest one
/// where the device's was tampered with.
///
/// # Errors
/// [`Error::Mismatch`] for the first element that its tolerance does not explain; errors of the device.
pub fn run(plan: &Plan, device: &mut dyn Executor, steps: &[Step], runs: &[Run]) -> Result<Report> {
    let mut lockstep = Lockstep::new(plan)?;
    let mut report = Report::default();
    for run in runs {
        for index in 0..plan.ops(run.section).len() {
            report.ops.push(lockstep.op(device, steps, *run, index)?);
        }
    }
    Ok(report)
}

/// Judges ops one by one. What the device holds is read once and then followed: after an op, only the allocations
/// that it writes are read again. A change that an op makes anywhere else is thus not taken over, and is a mismatch
/// in the next op that reads it.
pub struct Lockstep<'a> {
    plan: &'a Plan,
    /// What the device is known to hold.
    before: Memory,
    /// The same with the reference's outputs of the current op.
    after: Memory,
    /// Whether `before` holds an allocation's contents.
    known: Vec<bool>,
}

impl<'a> Lockstep<'a> {
    /// For a device that runs `plan`.
    ///
    /// # Errors
    /// Too little memory for two copies of the plan's.
    pub fn new(plan: &'a Plan) -> Result<Self> {
        let known = vec![false; plan.allocations().len()];
        Ok(Self { plan, before: Memory::new(plan)?, after: Memory::new(plan)?, known })
    }

    /// Writes to the device between ops; without this, writes of the host's would be taken for errors of the device.
    ///
    /// # Errors
    /// As [`Executor::write`].
    pub fn write(&mut self, device: &mut dyn Executor, view: ViewId, batch_index: usize, words: &[u32]) -> Result<()> {
        device.write(view, batch_index, words)?;
        self.before.write(self.plan, view, batch_index, words)
    }

    /// Runs an op on the device and judges it.
    ///
    /// # Errors
    /// As [`run`].
    pub fn op(&mut self, device: &mut dyn Executor, steps: &[Step], run: Run, index: usize) -> Result<OpCheck> {
        let op = &self.plan.ops(run.section)[index];
        let judge = Judge {
            plan: self.plan,
            op,
            name: self.plan.op_name(run.section, index),
            steps,
            batch_index: run.batch_index,
        };
        // Few ops fill anything.
        let fills_any = op.kernel.bindings.iter().any(|binding| binding.access == Access::Fill);
        let first = !fills_any || !self.plan.ops(run.section)[..index].iter().any(|earlier| fills(earlier, op));
        self.load(device, &judge, first)?;
        device.submit_op(steps, run, index)?;
        let trace = judge.trace(device)?;
        self.reference(&judge, trace.as_deref());
        judge.judge(device, &mut self.before, &mut self.after, trace.as_deref())
    }

    /// Runs the reference; where the op has stages, on what the device had in each.
    fn reference(&mut self, judge: &Judge<'_>, trace: Option<&[f32]>) {
        // SAFETY: one call at a time, under an exclusive borrow.
        let call =
            unsafe { self.after.call(self.plan, judge.op, 0..judge.op.items, None, judge.steps, judge.batch_index) };
        if let Some(call) = call {
            (judge.op.kernel.reference)(Call { trace, ..call });
        }
    }

    /// Poisons what the op must write, and gives both memories the device's own contents. Without the poison an element
    /// that is left out would pass where an earlier step had filled it, and `+=` for `=` where the memory began as zeros.
    /// What several ops fill is poisoned before the first of them, and what the batches of a step are added to before the
    /// first batch.
    fn load(&mut self, device: &mut dyn Executor, judge: &Judge<'_>, first: bool) -> Result<()> {
        for (binding, view) in judge.op.kernel.bindings.iter().zip(&judge.op.views) {
            let poisoned = match binding.access {
                Access::Write => true,
                Access::Fill => first,
                Access::Accumulate => judge.steps[judge.batch_index].first_row == 0,
                Access::Read | Access::ReadWrite | Access::Atomic => false,
            };
            if poisoned {
                let poison = vec![POISON; self.plan.shape(*view).elements()];
                self.write(device, *view, judge.batch_index, &poison)?;
            }
        }
        let allocations: BTreeSet<_> = judge.op.views.iter().map(|view| self.plan.get(*view).allocation).collect();
        for allocation in allocations {
            if !self.known[allocation.0] {
                self.before.words(allocation).copy_from_slice(&device.read_allocation(allocation)?);
                self.known[allocation.0] = true;
            }
            self.after.words(allocation).copy_from_slice(self.before.words(allocation));
        }
        Ok(())
    }
}

/// Whether two ops fill the same view.
fn fills(earlier: &Op, later: &Op) -> bool {
    let filled = |op: &Op| {
        let all = op.kernel.bindings.iter().zip(op.views.clone());
        all.filter(|(binding, _)| binding.access == Access::Fill).map(|(_, view)| view).collect::<Vec<_>>()
    };
    filled(earlier).iter().any(|view| filled(later).contains(view))
}

/// One op under judgement.
struct Judge<'a> {
    plan: &'a Plan,
    op: &'a Op,
    name: String,
    steps: &'a [Step],
    batch_index: usize,
}

impl Judge<'_> {
    /// What the device has put out in the op's stages, where it has some.
    fn trace(&self, device: &mut dyn Executor) -> Result<Option<Vec<f32>>> {
        let Some(binding) = self.op.kernel.bindings.iter().position(|binding| binding.trace) else { return Ok(None) };
        let view = self.plan.get(self.op.views[binding]);
        let words = &device.read_allocation(view.allocation)?[view.range(self.batch_index)];
        Ok(Some(bytemuck::cast_slice(words).to_vec()))
    }

    /// Compares all that the device has changed, and keeps it as what the device holds.
    fn judge(
        &self,
        device: &mut dyn Executor,
        before: &mut Memory,
        after: &mut Memory,
        trace: Option<&[f32]>,
    ) -> Result<OpCheck> {
        let shapes = self.op.views.iter().map(|v| self.plan.shape(*v)).collect();
        let mut judged = OpCheck::new(self.op, self.name.clone(), shapes);
        let tolerances = self.tolerances(before, after, trace);
        let written = self.op.kernel.bindings.iter().zip(&self.op.views).filter(|(b, _)| b.access.writes());
        let views: Vec<&View> = written.map(|(_, id)| self.plan.get(*id)).collect();
        let mut found: BTreeMap<AllocationId, Vec<u32>> = BTreeMap::new();
        for (number, view) in views.iter().enumerate() {
            let first = !found.contains_key(&view.allocation);
            if first {
                found.insert(view.allocation, device.read_allocation(view.allocation)?);
            }
            let words = &found[&view.allocation];
            let tolerance = tolerances.get(number).unwrap_or(&Tolerance::Exact);
            self.compare(view, words, after.words(view.allocation), tolerance, &mut judged)?;
            if first {
                self.untouched(&views, view.allocation, words, before.words(view.allocation))?;
            }
        }
        for (allocation, words) in found {
            before.words(allocation).copy_from_slice(&words);
        }
        Ok(judged)
    }

    /// The kernel's tolerances for its written views; none where no item was live.
    fn tolerances(&self, before: &mut Memory, after: &mut Memory, trace: Option<&[f32]>) -> Vec<Tolerance> {
        let calls = before.inspect(self.plan, self.op, self.steps, self.batch_index).zip(after.inspect(
            self.plan,
            self.op,
            self.steps,
            self.batch_index,
        ));
        calls.map(|(before, after)| (self.op.kernel.tolerance)(&Call { trace, ..before }, &after)).unwrap_or_default()
    }

    /// Judges one written view; elements beyond the tolerances' length are those of dead rows, and must keep their bits.
    fn compare(
        &self,
        view: &View,
        device: &[u32],
        expected: &[u32],
        tolerance: &Tolerance,
        judged: &mut OpCheck,
    ) -> Result<()> {
        let range = view.range(self.batch_index);
        let float = self.plan.allocations()[view.allocation.0].dtype == Dtype::F32;
        for (i, (device, reference)) in device[range.clone()].iter().zip(&expected[range]).enumerate() {
            let allowed = match tolerance {
                Tolerance::Exact => 0.0,
                Tolerance::Each(tolerances) => tolerances.get(i).copied().unwrap_or(0.0),
            };
            judged.count(allowed, number(float, *reference));
            if device == reference {
                continue;
            }
            let difference = difference(float, *device, *reference);
            // A tolerance that overflowed would allow anything.
            if *tolerance == Tolerance::Exact || !(difference <= allowed && allowed.is_finite()) {
                return Err(self.mismatch(view, i, float, *device, *reference, allowed));
            }
            if allowed > 0.0 {
                judged.worst = judged.worst.max(difference / allowed);
            }
        }
        Ok(())
    }

    /// Checks that the rest of a written allocation kept its bits.
    fn untouched(&self, written: &[&View], id: AllocationId, device: &[u32], before: &[u32]) -> Result<()> {
        let ranges: Vec<_> = written.iter().filter(|w| w.allocation == id).map(|w| w.range(self.batch_index)).collect();
        let inside = |at: usize| ranges.iter().any(|range| range.contains(&at));
        let changed = (0..device.len()).find(|at| device[*at] != before[*at] && !inside(*at));
        let Some(at) = changed else { return Ok(()) };
        let allocation = &self.plan.allocations()[id.0];
        let float = allocation.dtype == Dtype::F32;
        Err(Error::Mismatch {
            op: self.name.clone(),
            view: format!("{} (element outside the views that this op writes)", allocation.name),
            row: 0,
            column: at,
            device: number(float, device[at]),
            reference: number(float, before[at]),
            tolerance: 0.0,
        })
    }

    fn mismatch(&self, view: &View, index: usize, float: bool, device: u32, reference: u32, tolerance: f64) -> Error {
        let (view, row, column) = self.plan.element(view, index);
        Error::Mismatch {
            op: self.name.clone(),
            view: view.name.clone(),
            row,
            column,
            device: number(float, device),
            reference: number(float, reference),
            tolerance,
        }
    }
}

/// The one comparator's distance: NaN where either side is NaN, so that `!(difference <= tolerance)` fails closed.
fn difference(float: bool, device: u32, reference: u32) -> f64 {
    (number(float, device) - number(float, reference)).abs()
}

fn number(float: bool, word: u32) -> f64 {
    if float { f64::from(f32::from_bits(word)) } else { f64::from(word) }
}
