//! Lockstep: runs a plan on a device op by op, and judges every element of every op's outputs.
//!
//! Before each op the reference is given the device's own inputs, so that only this op is judged, and errors of
//! earlier ops neither hide nor add up. The device's outputs must lie within the kernel's derived bound of the
//! reference's, and whatever else lies in the allocations that the op writes must keep its bits: rows beyond the
//! live ones, padding, and other tensors.

use crate::error::{Error, Result};
use crate::exec::memory::Memory;
use crate::exec::{Executor, Run};
use crate::plan::{Access, Bound, Op, POISON, Plan, Step, View};
use crate::shape::{Dtype, Shape};

/// A bound of more than this share of its result proves little: the row is reported as weak.
const WEAK: f64 = 0.01;

/// Bounds up to here only allow for flushing to zero, and are not weak.
const FLUSHED: f64 = 2.0 * f32::MIN_POSITIVE as f64;

/// What lockstep found, one entry for each op that ran.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// One entry for each op that ran, in order.
    pub ops: Vec<Judged>,
}

/// What lockstep found for one op.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Section, number and kernel.
    pub op: String,
    /// Shapes of the op's views.
    pub shapes: Vec<Shape>,
    /// Number of elements that were compared with the reference.
    pub elements: usize,
    /// Largest difference as a share of its bound, from 0 to 1.
    pub worst: f64,
    /// Number of elements whose bound exceeds 1 % of the result.
    pub weak: usize,
}

impl Report {
    /// Number of elements that were compared, over all ops.
    pub fn elements(&self) -> usize {
        self.ops.iter().map(|op| op.elements).sum()
    }
}

/// Runs `runs` on `device`, each op judged by the twins of `plan`: the device's own plan, or the honest one
/// where the device's was tampered with.
///
/// # Errors
/// [`Error::Mismatch`] for the first element that its bound does not explain; errors of the device.
pub fn run(plan: &Plan, device: &mut dyn Executor, steps: &[Step], runs: &[Run]) -> Result<Report> {
    let (mut before, mut after) = (Memory::new(plan)?, Memory::new(plan)?);
    let mut report = Report::default();
    for run in runs {
        for (index, op) in plan.ops(run.section).iter().enumerate() {
            let mut judge = Judge { plan, op, name: plan.op_name(run.section, index), steps, slot: run.slot };
            judge.load(device, &mut before, &mut after)?;
            device.submit_op(steps, *run, index)?;
            report.ops.push(judge.judge(device, &mut before, &mut after)?);
        }
    }
    Ok(report)
}

/// One op under judgement.
struct Judge<'a> {
    plan: &'a Plan,
    op: &'a Op,
    name: String,
    steps: &'a [Step],
    slot: usize,
}

impl Judge<'_> {
    /// Poisons what the op must write, gives both memories the device's own contents, and runs the reference on the
    /// second. Without the poison an element that is left out would pass where an earlier step had filled it, and
    /// `+=` for `=` where the memory began as zeros.
    fn load(&mut self, device: &mut dyn Executor, before: &mut Memory, after: &mut Memory) -> Result<()> {
        for (binding, view) in self.op.kernel.bindings.iter().zip(&self.op.views) {
            if binding.access == Access::Write {
                device.write(*view, self.slot, &vec![POISON; self.plan.shape(*view).elements()])?;
            }
        }
        for view in &self.op.views {
            let allocation = self.plan.get(*view).allocation;
            let words = device.read_allocation(allocation)?;
            before.words(allocation).copy_from_slice(&words);
            after.words(allocation).copy_from_slice(&words);
        }
        // SAFETY: one call at a time, under an exclusive borrow.
        if let Some(call) = unsafe { after.call(self.plan, self.op, 0..self.op.lanes, self.steps, self.slot) } {
            (self.op.kernel.reference)(call);
        }
        Ok(())
    }

    /// Compares all that the device has changed.
    fn judge(&self, device: &mut dyn Executor, before: &mut Memory, after: &mut Memory) -> Result<Judged> {
        let shapes = self.op.views.iter().map(|v| self.plan.shape(*v)).collect();
        let mut judged = Judged { op: self.name.clone(), shapes, elements: 0, worst: 0.0, weak: 0 };
        let mut bounds = self.bounds(before, after).into_iter();
        let written = self.op.kernel.bindings.iter().zip(&self.op.views).filter(|(b, _)| b.access.writes());
        let views: Vec<&View> = written.map(|(_, id)| self.plan.get(*id)).collect();
        for (number, view) in views.iter().enumerate() {
            let words = device.read_allocation(view.allocation)?;
            let expected = after.words(view.allocation);
            self.compare(view, &words, expected, &bounds.next().unwrap_or(Bound::Exact), &mut judged)?;
            if views[..number].iter().all(|earlier| earlier.allocation != view.allocation) {
                self.untouched(&views, view, &words, before.words(view.allocation))?;
            }
        }
        Ok(judged)
    }

    /// The kernel's bounds for its written views; none where no lane was live.
    fn bounds(&self, before: &mut Memory, after: &mut Memory) -> Vec<Bound> {
        let calls = before
            .inspect(self.plan, self.op, self.steps, self.slot)
            .zip(after.inspect(self.plan, self.op, self.steps, self.slot));
        calls.map(|(before, after)| (self.op.kernel.bound)(&before, &after)).unwrap_or_default()
    }

    /// Judges one written view; elements beyond the bounds' length are those of dead rows, and must keep their bits.
    fn compare(&self, view: &View, device: &[u32], expected: &[u32], bound: &Bound, judged: &mut Judged) -> Result<()> {
        let range = view.range(self.slot);
        let float = self.plan.allocations()[view.allocation.0].dtype == Dtype::F32;
        for (i, (device, reference)) in device[range.clone()].iter().zip(&expected[range]).enumerate() {
            let allowed = match bound {
                Bound::Exact => 0.0,
                Bound::Each(bounds) => bounds.get(i).copied().unwrap_or(0.0),
            };
            judged.elements += 1;
            judged.weak += usize::from(allowed > FLUSHED && allowed > WEAK * number(float, *reference).abs());
            if device == reference {
                continue;
            }
            let difference = difference(float, *device, *reference);
            // A bound that overflowed would allow anything.
            if *bound == Bound::Exact || !(difference <= allowed && allowed.is_finite()) {
                return Err(self.mismatch(view, i, float, *device, *reference, allowed));
            }
            if allowed > 0.0 {
                judged.worst = judged.worst.max(difference / allowed);
            }
        }
        Ok(())
    }

    /// Checks that the rest of a written allocation kept its bits.
    fn untouched(&self, written: &[&View], view: &View, device: &[u32], before: &[u32]) -> Result<()> {
        let inside =
            |at: usize| written.iter().any(|w| w.allocation == view.allocation && w.range(self.slot).contains(&at));
        let changed = (0..device.len()).find(|at| device[*at] != before[*at] && !inside(*at));
        let Some(at) = changed else { return Ok(()) };
        let allocation = &self.plan.allocations()[view.allocation.0];
        let float = allocation.dtype == Dtype::F32;
        Err(Error::Mismatch {
            op: self.name.clone(),
            view: format!("{} (element outside the views that this op writes)", allocation.name),
            row: 0,
            column: at,
            device: number(float, device[at]),
            reference: number(float, before[at]),
            bound: 0.0,
        })
    }

    fn mismatch(&self, view: &View, index: usize, float: bool, device: u32, reference: u32, bound: f64) -> Error {
        Error::Mismatch {
            op: self.name.clone(),
            view: view.name.clone(),
            row: index / view.shape.columns,
            column: index % view.shape.columns,
            device: number(float, device),
            reference: number(float, reference),
            bound,
        }
    }
}

/// The one comparator's distance: NaN where either side is NaN, so that `!(difference <= bound)` fails closed.
fn difference(float: bool, device: u32, reference: u32) -> f64 {
    (number(float, device) - number(float, reference)).abs()
}

fn number(float: bool, word: u32) -> f64 {
    if float { f64::from(f32::from_bits(word)) } else { f64::from(word) }
}
