//! What every loss has: its columns as the one parameter, five bindings, and a flag that the loss of a row may lower.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::kernels::{along_row, line, per_row, row_prelude, shared};
use crate::plan::{Binding, Kernel, Op, Plan, Shader, Step, ViewId, words};
use crate::shape::{Dtype, Shape};

words! {
    /// Sizes.
    pub struct Params {
        /// Columns.
        columns: u32,
    }
}

/// Bindings of a loss whose targets are numbers, one for each output.
pub const NUMBERS: &[Binding] = &bindings(Dtype::F32);

/// Bindings of a loss whose targets are classes, one for each row.
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

/// What the shader of a loss needs that is a mean over columns: its own file has only `element`, of an output and a
/// target.
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

/// The shader of a loss, whose invocations share rows.
pub const fn shader(source: &'static str, shared: &'static [&'static str]) -> Shader {
    // A softmax goes along its row three times.
    let rounds = |_: &Op, shapes: &[Shape]| 3 * along_row(shapes[0].columns);
    let grid = |_: &Op, shapes: &[Shape]| line(shapes[0].rows * per_row(shapes[0].columns));
    Shader { source, shared, prelude: row_prelude, grid, rounds: Some(rounds), tiles: None }
}

/// row_loss and grad of output against target, by the kernel of a loss.
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

/// Keeps the loss of a row; one that is not finite lowers the flag to the step's index.
pub fn write(row_loss: &mut f32, loss: f32, step: &Step, flag: &AtomicU32) {
    *row_loss = loss;
    if !loss.is_finite() {
        flag.fetch_min(step.index, Ordering::Relaxed);
    }
}
