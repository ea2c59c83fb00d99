//! Code that all losses share: one parameter (the number of columns), five bindings, and the flag that records the
//! first step with a loss that is not finite.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::kernels::{along_row, line, per_row, row_prelude, shared};
use crate::plan::{Binding, Kernel, Op, Plan, Shader, Step, ViewId, words};
use crate::shape::{Dtype, Shape};

words! {
    /// Kernel parameters.
    pub struct Params {
        /// Number of columns.
        columns: u32,
    }
}

/// Bindings of a loss whose targets are numbers, one per output.
pub const NUMBERS: &[Binding] = &bindings(Dtype::F32);

/// Bindings of a loss whose targets are class indices, one per row.
pub const CLASSES: &[Binding] = &bindings(Dtype::U32);

const fn bindings(targets: Dtype) -> [Binding; 5] {
    [
        Binding::read("output", Dtype::F32).cut(),
        Binding::read("targets", targets).cut(),
        Binding::write("row_loss", Dtype::F32),
        Binding::write("grad", Dtype::F32),
        Binding::atomic("flag"),
    ]
}

/// Shared WGSL sources of a loss that is a mean over columns. Its own file holds only `element`, the loss of one output
/// and its target.
pub const ELEMENTWISE: &[&str] = &[
    shared::STEP,
    shared::LINE,
    shared::FINITE,
    shared::FUNCTIONS,
    shared::TREE,
    shared::ROW,
    shared::ROW_LOSS,
    shared::ELEMENT_LOSS,
];

/// Shader of a loss: one or more invocations per row.
pub const fn shader(source: &'static str, shared: &'static [&'static str]) -> Shader {
    // The softmax passes over its row three times.
    let rounds = |_: &Op, shapes: &[Shape]| 3 * along_row(shapes[0].columns);
    let grid = |_: &Op, shapes: &[Shape]| line(shapes[0].rows * per_row(shapes[0].columns));
    Shader { source, shared, prelude: row_prelude, grid, rounds: Some(rounds), tiles: None }
}

/// Op of a loss kernel: computes row_loss and grad from output and target.
pub fn op(
    kernel: &'static Kernel,
    plan: &Plan,
    output: ViewId,
    target: ViewId,
    row_loss: ViewId,
    grad: ViewId,
    flag: ViewId,
) -> Op {
    let shape = plan.shape(output);
    Op::new(kernel, &[output, target, row_loss, grad, flag], &Params { columns: shape.columns as u32 }, shape.rows)
}

/// Stores the loss of a row. If it is not finite, records the step in the flag (atomic min).
pub fn write(row_loss: &mut f32, loss: f32, step: &Step, flag: &AtomicU32) {
    *row_loss = loss;
    if !loss.is_finite() {
        flag.fetch_min(step.index, Ordering::Relaxed);
    }
}
