//! Copies chosen rows of a data set into the window: one part of it for each step.
//!
//! Formula: window[s, r·width + w] = data[index[s, r] − first_row, w]; an index of a row that is not in data leaves its
//! row alone.
//! Letters: s a step of the submission, r a row of its batch, w a word of the row; first_row the row of the data set
//! that data begins with, where other ops see the others.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | data | rows×width | read |
//! | 3 | index | steps×batch | read |
//! | 4 | window | steps×(batch·width, padded) | fill |
//!
//! Exact: words are moved, whatever their type.

use crate::kernels::{line, line_prelude, shared};
use crate::plan::{Binding, Bound, Kernel, Lane, Op, Plan, Shader, StepUse, ViewId, words};
use crate::shape::Dtype;

words! {
    /// Sizes.
    pub struct Params {
        /// Rows of data.
        rows: u32,
        /// Row of the data set that data begins with.
        first_row: u32,
        /// Words a row.
        width: u32,
        /// Rows of a batch.
        batch: u32,
        /// Words from one step's part of the window to the next.
        stride: u32,
    }
}

/// See the module.
pub static KERNEL: Kernel = Kernel {
    name: "gather",
    bindings: &[
        Binding::read("data", Dtype::F32).any().by_rows(),
        Binding::read("index", Dtype::U32).cut(),
        Binding::fill("window", Dtype::F32).any(),
    ],
    params: Params::FIELDS,
    step: StepUse::One,
    lane: Lane::Block,
    flops: |_, _| 0,
    reference: |call| {
        let (p, steps) = (*call.params::<Params>(), call.lanes.len());
        let [data, index, window] = call.slots();
        reference(&p, steps, data.words(), index.words(), window.words_mut());
    },
    fast: None,
    bound: |_, _| vec![Bound::Exact],
    shader: Shader {
        source: include_str!("../../shaders/gather.wgsl"),
        shared: &[shared::LINE],
        prelude: line_prelude,
        grid: |_, shapes| line(shapes[1].elements() * shapes[0].columns),
        tiles: None,
    },
};

/// window = the rows of data that index names.
pub fn op(plan: &Plan, data: ViewId, index: ViewId, window: ViewId) -> Op {
    let (data_shape, index_shape) = (plan.shape(data), plan.shape(index));
    let params = Params {
        rows: data_shape.rows as u32,
        first_row: 0,
        width: data_shape.columns as u32,
        batch: index_shape.columns as u32,
        stride: plan.shape(window).columns as u32,
    };
    Op::new(&KERNEL, &[data, index, window], &params, index_shape.rows)
}

/// The plain twin.
pub fn reference(p: &Params, steps: usize, data: &[u32], index: &[u32], window: &mut [u32]) {
    let (width, batch, stride) = (p.width as usize, p.batch as usize, p.stride as usize);
    for s in 0..steps {
        for r in 0..batch {
            // A row before the first becomes one beyond the last.
            let row = index[s * batch + r].wrapping_sub(p.first_row);
            if row < p.rows {
                for w in 0..width {
                    window[s * stride + r * width + w] = data[row as usize * width + w];
                }
            }
        }
    }
}
