//! A single row through a plan's `evaluate` section, on the calling thread, without allocating anything.
//!
//! A product of one row reads its weight once, so that it takes as long as that takes. It is read in vectors of outputs, which
//! lie apart in a weight [outputs, inputs]: here each lies turned, [inputs, outputs], from the moment that it is written.

use crate::error::Result;
use crate::exec::memory::Memory;
use crate::kernels::dense_forward;
use crate::numeric::{Matrix, MatrixMut, copy};
use crate::plan::{CpuKernel, Op, Plan, Section, Step, ViewId};
use crate::shape::Shape;
use crate::specialize::{DeviceLimits, specialize};

/// Ops that can work with a binding's matrix turned: which binding, and what is called then.
const TURNED: [(&str, usize, CpuKernel); 1] = [(dense_forward::KERNEL.name, 1, dense_forward::fast_with_turned_weight)];

/// Runs a plan for one row.
pub struct RowExecutor {
    plan: Plan,
    memory: Memory,
    /// Function that computes each op.
    calls: Vec<CpuKernel>,
    input: ViewId,
    output: ViewId,
}

impl RowExecutor {
    /// Memory for a plan that only evaluates, and only one row at once.
    ///
    /// # Errors
    /// A plan without `evaluate`; too little memory.
    pub fn new(plan: Plan) -> Result<Self> {
        let plan = specialize(plan, &DeviceLimits::Cpu)?;
        let memory = Memory::new(&plan)?;
        let call = |op: &Op| turned(op).map_or(op.kernel.fast.unwrap_or(op.kernel.reference), |(_, call)| call);
        let calls = plan.ops(Section::Evaluate).iter().map(call).collect();
        let (input, output) = (plan.named("evaluate.input")?, plan.named("evaluate.output")?);
        Ok(Self { plan, memory, calls, input, output })
    }

    /// Writes a parameter, given as everywhere: a weight is [outputs, inputs].
    ///
    /// # Errors
    /// A name that the plan does not have.
    ///
    /// # Panics
    /// Another number of values than it has.
    pub fn write(&mut self, name: &str, values: &[f32]) -> Result<()> {
        let view = self.plan.named(name)?;
        let Shape { rows, columns } = self.plan.shape(view);
        let mut ops = self.plan.ops(Section::Evaluate).iter();
        if ops.any(|op| turned(op).is_some_and(|(binding, _)| op.views[binding] == view)) {
            copy(Matrix::new(values, rows, columns).transposed(), MatrixMut::new(self.view(view), columns, rows));
        } else {
            self.view(view).copy_from_slice(values);
        }
        Ok(())
    }

    /// The row's inputs, to be filled.
    pub fn input(&mut self) -> &mut [f32] {
        self.view(self.input)
    }

    /// Computes the row's outputs.
    pub fn run(&mut self) -> &mut [f32] {
        let steps = [Step { rows: 1, ..Step::default() }];
        for (op, kernel) in self.plan.ops(Section::Evaluate).iter().zip(&self.calls) {
            // SAFETY: the memory is borrowed exclusively, and the call ends before the next begins.
            if let Some(call) = unsafe { self.memory.call(&self.plan, op, 0..op.items, None, &steps, 0) } {
                kernel(call);
            }
        }
        self.view(self.output)
    }

    fn view(&mut self, view: ViewId) -> &mut [f32] {
        let view = self.plan.get(view);
        bytemuck::cast_slice_mut(&mut self.memory.words(view.allocation)[view.range(0)])
    }
}

fn turned(op: &Op) -> Option<(usize, CpuKernel)> {
    let found = TURNED.iter().find(|(kernel, ..)| *kernel == op.kernel.name);
    found.map(|(_, binding, call)| (*binding, *call))
}
