//! Code that all losses share: parameters, five bindings, and the flag that records the first step with a loss that is
//! not finite.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::kernels::shared::{along_row, grid_1d, per_row, row_prelude};
use crate::loss::Loss;
use crate::plan::{Binding, Op, Shader, Step, words};
use crate::shape::{Dtype, Shape};

words! {
    /// Kernel parameters.
    pub struct Params {
        /// Number of columns.
        columns: u32,
        /// Index of the loss function in `LossFunction::ALL`.
        loss: u32,
        /// First parameter of the loss function, or first value of its list.
        alpha: f32,
        /// Second parameter or value.
        beta: f32,
        /// Third value.
        gamma: f32,
        /// Fourth value.
        delta: f32,
        /// Fifth value.
        epsilon: f32,
        /// Sixth value.
        zeta: f32,
        /// Seventh value.
        eta: f32,
        /// Eighth value.
        theta: f32,
    }
}

impl Params {
    /// Creates the parameters of a loss function.
    pub fn new(loss: Loss, columns: usize) -> Self {
        let [alpha, beta, gamma, delta, epsilon, zeta, eta, theta] = loss.parameters();
        let (columns, loss) = (columns as u32, loss.number());
        Self { columns, loss, alpha, beta, gamma, delta, epsilon, zeta, eta, theta }
    }

    /// Returns the loss function.
    pub fn loss(&self) -> Loss {
        let Self { alpha, beta, gamma, delta, epsilon, zeta, eta, theta, .. } = *self;
        Loss::new(self.loss, &[alpha, beta, gamma, delta, epsilon, zeta, eta, theta])
    }
}

/// Bindings of a loss whose targets are numbers, for one or more outputs each.
pub const NUMBERS: &[Binding] = &bindings(Dtype::F32);

/// Bindings of a loss whose targets are class indices, one per row.
pub const CLASSES: &[Binding] = &bindings(Dtype::U32);

const fn bindings(targets: Dtype) -> [Binding; 5] {
    [
        Binding::read("output", Dtype::F32).per_item(),
        Binding::read("targets", targets).per_item(),
        Binding::write("row_loss", Dtype::F32),
        Binding::write("grad", Dtype::F32),
        Binding::atomic("flag"),
    ]
}

/// Returns the shader of a loss, with one or more invocations per row.
pub const fn shader(source: &'static str, shared: &'static [&'static str]) -> Shader {
    // The softmax passes over its row three times.
    let rounds = |_: &Op, shapes: &[Shape]| 3 * along_row(shapes[0].columns);
    let grid = |_: &Op, shapes: &[Shape]| grid_1d(shapes[0].rows * per_row(shapes[0].columns));
    Shader { source, shared, prelude: row_prelude, grid, rounds: Some(rounds), tiles: None }
}

/// Stores the loss of a row. If it is not finite, records the step in the flag (atomic min).
pub fn write(row_loss: &mut f32, loss: f32, step: &Step, flag: &AtomicU32) {
    *row_loss = loss;
    if !loss.is_finite() {
        flag.fetch_min(step.index, Ordering::Relaxed);
    }
}
