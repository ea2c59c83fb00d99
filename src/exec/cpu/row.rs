//! Executor for single rows: runs a plan's `evaluate` section on the calling thread, without allocation.
//!
//! A matrix multiplication of one row reads the weight once, which takes nearly all of its time. The kernel computes a
//! vector of outputs at a time. The weights that it needs for one input are not contiguous in a weight [outputs,
//! inputs]. So [`RowExecutor::write`] stores weights transposed: [inputs, outputs].

use crate::error::Result;
use crate::exec::memory::Memory;
use crate::kernels::dense_forward;
use crate::numeric::{Matrix, MatrixMut, copy};
use crate::plan::{CpuKernel, Op, Plan, Section, Step, ViewId};
use crate::shape::Shape;
use crate::specialize::{DeviceLimits, specialize};

/// Kernels that can use a transposed matrix: name, index of the matrix's binding, and CPU kernel for the transposed
/// matrix.
const TRANSPOSED: [(&str, usize, CpuKernel); 1] =
    [(dense_forward::KERNEL.name, 1, dense_forward::fast_with_transposed_weight)];

/// Executor for single rows, which runs on the calling thread and does not allocate memory per row.
pub struct RowExecutor {
    plan: Plan,
    memory: Memory,
    /// CPU kernel of each op.
    calls: Vec<CpuKernel>,
    input: ViewId,
    output: ViewId,
}

impl RowExecutor {
    /// Creates an executor for a plan with an `evaluate` section for one row, such as [`Plan::for_inference`] makes.
    ///
    /// # Errors
    /// Returns an error if the plan has no `evaluate` section, or if there is too little memory.
    pub fn new(plan: Plan) -> Result<Self> {
        let plan = specialize(plan, &DeviceLimits::Cpu)?;
        let memory = Memory::new(&plan)?;
        let call = |op: &Op| transposed(op).map_or(op.kernel.fast.unwrap_or(op.kernel.reference), |(_, call)| call);
        let calls = plan.ops(Section::Evaluate).iter().map(call).collect();
        let (input, output) = (plan.named("evaluate.input")?, plan.named("evaluate.output")?);
        Ok(Self { plan, memory, calls, input, output })
    }

    /// Writes the tensor `name`, such as `layer0.weight`, in row-major order. A dense weight is [outputs, inputs]; if
    /// the executor needs its transpose, it transposes the weight.
    ///
    /// # Errors
    /// Returns an error if the plan has no such view.
    ///
    /// # Panics
    /// Panics if the number of values is wrong.
    pub fn write(&mut self, name: &str, values: &[f32]) -> Result<()> {
        let view = self.plan.named(name)?;
        let Shape { rows, columns } = self.plan.shape(view);
        let mut ops = self.plan.ops(Section::Evaluate).iter();
        if ops.any(|op| transposed(op).is_some_and(|(binding, _)| op.views[binding] == view)) {
            copy(Matrix::new(values, rows, columns).transposed(), MatrixMut::new(self.view(view), columns, rows));
        } else {
            self.view(view).copy_from_slice(values);
        }
        Ok(())
    }

    /// Returns the memory of the row's inputs, which the caller fills before [`RowExecutor::run`].
    pub fn input(&mut self) -> &mut [f32] {
        self.view(self.input)
    }

    /// Computes the outputs of the network's last layer for the row, and returns them.
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

fn transposed(op: &Op) -> Option<(usize, CpuKernel)> {
    let found = TRANSPOSED.iter().find(|(kernel, ..)| *kernel == op.kernel.name);
    found.map(|(_, binding, call)| (*binding, *call))
}
