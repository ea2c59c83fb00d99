//! Limits the Euclidean norm of each row of a weight matrix, that is, of the weights into each unit.
//!
//! Formula: `weight[r, c] ← weight[r, c]·max_norm / (n + 10⁻⁷)` if n > max_norm, where n is the norm of row r.
//! Symbols: r a row (unit), c a column (input).
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | weight | rows×columns | read-write |
//! | 3 | flag | 1 | atomic |
//!
//! From the flag's step on, the weight does not change. It does not change in the step before either, whose update has
//! written a number that is not finite.
//!
//! Source: `torch.renorm`; Keras's `MaxNorm`, which also multiplies shorter rows by n / (n + 10⁻⁷). Rounding:
//! [`Rounded`]; the sum of squares has columns / PER_ROW terms and a tree, and is in f64 in the reference. Where
//! rounding decides whether a row is too long, both results are within the tolerance.

use std::sync::atomic::Ordering;

use crate::elementwise::numbers::{Rounded, rounded};
use crate::kernels::row_norm::{depth, total};
use crate::kernels::shared::{self, along_row, grid_1d, per_row, row_prelude};
use crate::plan::{Binding, Call, Kernel, Op, Plan, Shader, Step, StepUse, Tolerance, ViewId, WorkItem, words};
use crate::shape::Dtype;

words! {
    /// Kernel parameters.
    pub struct Params {
        /// Number of columns.
        columns: u32,
        /// Number of rows.
        rows: u32,
        /// Largest norm of a row.
        max_norm: f32,
    }
}

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "max_norm",
    bindings: &[Binding::update("weight", Dtype::F32), Binding::atomic("flag")],
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::Part,
    flops: |_, s| 3 * s[0].elements() as u64,
    reference: |call| {
        let (p, step, [weight, flag]) = (*call.params::<Params>(), *call.step, call.args());
        if !is_left_out(&step, flag.atomic().load(Ordering::Relaxed)) {
            reference(&p, weight.f32_mut());
        }
    },
    fast: None,
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/max_norm.wgsl"),
        shared: &[shared::STEP, shared::LINEAR_INDEX, shared::TREE, shared::ROW, shared::SCALE],
        prelude: row_prelude,
        grid: |_, shapes| grid_1d(shapes[0].rows * per_row(shapes[0].columns)),
        rounds: Some(|_, shapes| 3 * along_row(shapes[0].columns)),
        tiles: None,
    },
};

/// Number that is added to the norm before a row is divided by it.
const EPSILON: f64 = 1e-7;

/// Creates the op that limits the norms of the rows of weight.
pub fn op(plan: &Plan, weight: ViewId, flag: ViewId, max_norm: f32) -> Op {
    let shape = plan.shape(weight);
    let params = Params { columns: shape.columns as u32, rows: shape.rows as u32, max_norm };
    Op::new(&KERNEL, &[weight, flag], &params, shape.rows)
}

/// Returns `true` if the weight must not change in this step.
fn is_left_out(step: &Step, flag: u32) -> bool {
    flag <= step.index.wrapping_add(1)
}

/// The reference implementation.
pub fn reference(p: &Params, weight: &mut [f32]) {
    let most = f64::from(p.max_norm);
    for row in weight.chunks_exact_mut(p.columns as usize) {
        let norm = row.iter().map(|w| f64::from(*w) * f64::from(*w)).sum::<f64>().sqrt();
        if norm > most {
            row.iter_mut().for_each(|w| *w = (f64::from(*w) * (most / (norm + EPSILON))) as f32);
        }
    }
}

fn tolerance(before: &Call<'_>, _: &Call<'_>) -> Vec<Tolerance> {
    let p = before.params::<Params>();
    if is_left_out(before.step, before.words(1)[0]) {
        return vec![Tolerance::Exact; 2];
    }
    let (columns, most) = (p.columns as usize, Rounded::exact_f32(p.max_norm));
    let mut tolerances = Vec::with_capacity(before.f32(0).len());
    for row in before.f32(0).chunks_exact(columns) {
        // The row is scaled by a power of two, as on a device. This is exact, and squares then neither overflow nor
        // underflow.
        let largest = row.iter().fold(0.0f32, |largest, w| largest.max(w.abs()));
        let scale = if largest > 0.0 { f64::from(largest).log2().floor().exp2() } else { 1.0 };
        let square = |w: &f32| Rounded::exact(f64::from(*w) / scale) * Rounded::exact(f64::from(*w) / scale);
        let norm = rounded::sqrt(total(row.iter().map(square), depth(columns))) * Rounded::exact(scale);
        let factor = rounded::above(norm - most, most / (norm + EPSILON), 1.0);
        tolerances.extend(row.iter().map(|w| (Rounded::exact_f32(*w) * factor).error()));
    }
    vec![Tolerance::Each(tolerances), Tolerance::Exact]
}
