//! Lockstep: runs a plan on a device op by op, and checks every element of every op's outputs.
//!
//! Before each op the reference gets the device's own inputs. So only this op is checked, and errors of earlier ops
//! have no influence. The device's outputs must lie within the kernel's derived tolerance of the reference's.
//! Everything else in the allocations that the op writes must keep its bits: unused rows of a batch, padding, and other
//! tensors.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};
use crate::exec::memory::Memory;
pub use crate::exec::op_check::{OpCheck, Report};
use crate::exec::{Executor, Run};
use crate::plan::{Access, AllocationId, Call, Op, POISON, Plan, Step, Tolerance, View, ViewId};
use crate::shape::Dtype;

/// Runs `runs` on `device`, and checks each op against its reference implementation. `plan` must be the device's own
/// plan. Only tests with faulty kernels on the device pass another plan: the same one with the correct kernels.
///
/// # Errors
/// Returns [`Error::Mismatch`] for the first element outside its tolerance, and the errors of the device.
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

/// Checks ops one by one. The device's memory is read once and then tracked: after an op, only the allocations that the
/// op writes are read again. If the op changes other memory, the next op that reads this memory shows a mismatch.
pub struct Lockstep<'a> {
    plan: &'a Plan,
    /// Contents of the device's memory before the current op, as far as they were read.
    before: Memory,
    /// The same contents, but with the reference's outputs of the current op.
    after: Memory,
    /// `true` for each allocation whose contents `before` holds.
    known: Vec<bool>,
}

impl<'a> Lockstep<'a> {
    /// Creates the checker of a device that runs `plan`.
    ///
    /// # Errors
    /// Returns an error if there is too little memory for two copies of the plan's memory.
    pub fn new(plan: &'a Plan) -> Result<Self> {
        let known = vec![false; plan.allocations().len()];
        Ok(Self { plan, before: Memory::new(plan)?, after: Memory::new(plan)?, known })
    }

    /// Writes words to the device between ops. Until the last op is checked, the host must write by this function
    /// alone. Other writes would be reported as errors of the device.
    ///
    /// # Errors
    /// Returns the errors of [`Executor::write`].
    pub fn write(&mut self, device: &mut dyn Executor, view: ViewId, batch_index: usize, words: &[u32]) -> Result<()> {
        device.write(view, batch_index, words)?;
        self.before.write(self.plan, view, batch_index, words)
    }

    /// Runs the op `index` of the run's section on the device, and checks it.
    ///
    /// # Errors
    /// Returns the errors of [`run`].
    pub fn op(&mut self, device: &mut dyn Executor, steps: &[Step], run: Run, index: usize) -> Result<OpCheck> {
        let op = &self.plan.ops(run.section)[index];
        let checker = Checker {
            plan: self.plan,
            op,
            name: self.plan.op_name(run.section, index),
            steps,
            batch_index: run.batch_index,
        };
        // Most ops have no `fill` access, and need no search of the earlier ops.
        let fills_any = op.kernel.bindings.iter().any(|binding| binding.access == Access::Fill);
        let first = !fills_any || !self.plan.ops(run.section)[..index].iter().any(|earlier| fills(earlier, op));
        self.load(device, &checker, first)?;
        device.submit_op(steps, run, index)?;
        let trace = checker.trace(device)?;
        self.reference(&checker, trace.as_deref());
        checker.check(device, &mut self.before, &mut self.after, trace.as_deref())
    }

    /// Runs the reference implementation. If the op has stages, each continues from the device's outputs of earlier
    /// stages, in `trace`.
    fn reference(&mut self, checker: &Checker<'_>, trace: Option<&[f32]>) {
        // SAFETY: one call at a time, under an exclusive borrow.
        let call = unsafe {
            self.after.call(self.plan, checker.op, 0..checker.op.items, None, checker.steps, checker.batch_index)
        };
        if let Some(call) = call {
            (checker.op.kernel.reference)(Call { trace, ..call });
        }
    }

    /// Poisons the elements that the op must write, and copies the device's contents to `before` and `after`. An
    /// element that the op skips could still hold the right value of an earlier step; the poison reveals this. It also
    /// reveals `+=` in place of `=`. Views that several ops fill are poisoned before the first of these ops (`first`),
    /// and accumulators before the first batch of a step.
    fn load(&mut self, device: &mut dyn Executor, checker: &Checker<'_>, first: bool) -> Result<()> {
        for (binding, view) in checker.op.kernel.bindings.iter().zip(&checker.op.views) {
            let poisoned = match binding.access {
                Access::Write => true,
                Access::Fill => first,
                Access::Accumulate => checker.steps[checker.batch_index].first_row == 0,
                Access::Read | Access::ReadWrite | Access::Atomic => false,
            };
            if poisoned {
                let poison = vec![POISON; self.plan.shape(*view).elements()];
                self.write(device, *view, checker.batch_index, &poison)?;
            }
        }
        let allocations: BTreeSet<_> = checker.op.views.iter().map(|view| self.plan.get(*view).allocation).collect();
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

/// Returns `true` if both ops fill the same view.
fn fills(earlier: &Op, later: &Op) -> bool {
    let filled = |op: &Op| {
        let all = op.kernel.bindings.iter().zip(op.views.clone());
        all.filter(|(binding, _)| binding.access == Access::Fill).map(|(_, view)| view).collect::<Vec<_>>()
    };
    filled(earlier).iter().any(|view| filled(later).contains(view))
}

/// Op that is being checked.
struct Checker<'a> {
    plan: &'a Plan,
    op: &'a Op,
    name: String,
    steps: &'a [Step],
    batch_index: usize,
}

impl Checker<'_> {
    /// Returns the device's outputs of the op's stages, if it has stages.
    fn trace(&self, device: &mut dyn Executor) -> Result<Option<Vec<f32>>> {
        let Some(binding) = self.op.kernel.bindings.iter().position(|binding| binding.trace) else { return Ok(None) };
        let view = self.plan.get(self.op.views[binding]);
        let words = &device.read_allocation(view.allocation)?[view.range(self.batch_index)];
        Ok(Some(bytemuck::cast_slice(words).to_vec()))
    }

    /// Compares all allocations that the op writes with the reference, and then copies the device's contents of these
    /// allocations to `before`.
    fn check(
        &self,
        device: &mut dyn Executor,
        before: &mut Memory,
        after: &mut Memory,
        trace: Option<&[f32]>,
    ) -> Result<OpCheck> {
        let shapes = self.op.views.iter().map(|v| self.plan.shape(*v)).collect();
        let mut op_check = OpCheck::new(self.op, self.name.clone(), shapes);
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
            self.compare(view, words, after.words(view.allocation), tolerance, &mut op_check)?;
            if first {
                self.untouched(&views, view.allocation, words, before.words(view.allocation))?;
            }
        }
        for (allocation, words) in found {
            before.words(allocation).copy_from_slice(&words);
        }
        Ok(op_check)
    }

    /// Returns the kernel's tolerances for its written views; empty if the op had nothing to compute.
    fn tolerances(&self, before: &mut Memory, after: &mut Memory, trace: Option<&[f32]>) -> Vec<Tolerance> {
        let calls = before.inspect(self.plan, self.op, self.steps, self.batch_index).zip(after.inspect(
            self.plan,
            self.op,
            self.steps,
            self.batch_index,
        ));
        calls.map(|(before, after)| (self.op.kernel.tolerance)(&Call { trace, ..before }, &after)).unwrap_or_default()
    }

    /// Checks one written view. Elements beyond the end of the list of tolerances belong to unused rows of the batch,
    /// and must keep their bits.
    fn compare(
        &self,
        view: &View,
        device: &[u32],
        expected: &[u32],
        tolerance: &Tolerance,
        op_check: &mut OpCheck,
    ) -> Result<()> {
        let range = view.range(self.batch_index);
        let float = self.plan.allocations()[view.allocation.0].dtype == Dtype::F32;
        for (i, (device, reference)) in device[range.clone()].iter().zip(&expected[range]).enumerate() {
            let allowed = match tolerance {
                Tolerance::Exact => 0.0,
                Tolerance::Each(tolerances) => tolerances.get(i).copied().unwrap_or(0.0),
            };
            op_check.count(allowed, number(float, *reference));
            // A NaN has no defined sign or payload.
            let are_nan = number(float, *device).is_nan() && number(float, *reference).is_nan();
            if device == reference || are_nan {
                continue;
            }
            let difference = difference(float, *device, *reference);
            // An infinite tolerance would allow any difference.
            if *tolerance == Tolerance::Exact || !(difference <= allowed && allowed.is_finite()) {
                return Err(self.mismatch(view, i, float, *device, *reference, allowed));
            }
            if allowed > 0.0 {
                op_check.worst = op_check.worst.max(difference / allowed);
            }
        }
        Ok(())
    }

    /// Checks that a written allocation kept its bits outside the written views.
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

/// Returns the difference of two elements: NaN if either is NaN, so that `!(difference <= tolerance)` rejects it.
fn difference(float: bool, device: u32, reference: u32) -> f64 {
    (number(float, device) - number(float, reference)).abs()
}

fn number(float: bool, word: u32) -> f64 {
    if float { f64::from(f32::from_bits(word)) } else { f64::from(word) }
}
