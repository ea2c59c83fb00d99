//! Counts the correct predictions among the rows in use.
//!
//! Formula: `count = #{ i : predicted[i] = target[i] }`. Elements are compared as 32-bit words: class indices, or 0.0
//! and 1.0.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | predicted | rows×columns | read |
//! | 3 | targets | rows×columns | read |
//! | 4 | count | 1×1 | write |
//!
//! Rounding: none, the result is exact.

use crate::kernels::shared::{self, grid_1d_prelude, iterations_per_workgroup};
use crate::plan::{Binding, Kernel, Op, Plan, Shader, StepUse, Tolerance, ViewId, WorkItem, words};
use crate::shape::Dtype;

words! {
    /// Kernel parameters.
    pub struct Params {
        /// Number of columns.
        columns: u32,
    }
}

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "count_correct",
    bindings: &[
        Binding::read("predicted", Dtype::U32).any(),
        Binding::read("targets", Dtype::U32).any(),
        Binding::write("count", Dtype::U32),
    ],
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::Part,
    flops: |_, _| 0,
    reference: |call| {
        let live = call.step.rows as usize * call.params::<Params>().columns as usize;
        let [predicted, target, count] = call.args();
        reference(live, predicted.words(), target.words(), count.words_mut());
    },
    fast: None,
    tolerance: |_, _| vec![Tolerance::Exact],
    shader: Shader {
        source: include_str!("../../shaders/count_correct.wgsl"),
        shared: &[shared::STEP],
        prelude: grid_1d_prelude,
        grid: |_, _| [1; 3],
        rounds: Some(|_, shapes| iterations_per_workgroup(shapes[0].elements())),
        tiles: None,
    },
};

/// count = the number of elements in use for which predicted and target are equal.
pub fn op(plan: &Plan, predicted: ViewId, target: ViewId, count: ViewId) -> Op {
    Op::new(&KERNEL, &[predicted, target, count], &Params { columns: plan.shape(predicted).columns as u32 }, 1)
}

/// The reference implementation.
pub fn reference(live: usize, predicted: &[u32], target: &[u32], count: &mut [u32]) {
    count[0] = 0;
    for i in 0..live {
        if predicted[i] == target[i] {
            count[0] += 1;
        }
    }
}
