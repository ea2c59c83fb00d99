//! Dropout; the same op also drops the gradient in the backward pass.
//!
//! Formula: output[r, c] = input[r, c]·scale if the random word of (layer, step, first_row + r, c) is at least
//! `threshold`, else 0. Symbols: r a row of the batch, first_row the index in the step of the batch's first row, c a
//! column; scale = 1 / (1 − rate), threshold = rate·2³².
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | input | rows×columns | read |
//! | 3 | output | rows×columns | write |
//!
//! Derivative: the same op with the same random words. Rounding: the mask is exact; one rounded multiplication.

use crate::kernels::shared::{self, grid_1d, grid_1d_prelude};
use crate::numeric::{MatrixMut, UNIT_ROUNDOFF, or_flushed, widest};
use crate::plan::{Binding, Call, Kernel, Op, Plan, Shader, Step, StepUse, Tolerance, ViewId, WorkItem, words};
use crate::rng::{PHILOX_ROUNDS, Stream, philox, philox_lanes};
use crate::shape::Dtype;

words! {
    /// Kernel parameters.
    pub struct Params {
        /// Number of columns.
        columns: u32,
        /// Index of the dropout layer; gives each layer its own mask.
        layer: u32,
        /// Threshold: elements with a smaller random word are dropped.
        threshold: u32,
        /// Factor for kept elements.
        scale: f32,
    }
}

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "dropout",
    bindings: &[Binding::read("input", Dtype::F32).cut(), Binding::write("output", Dtype::F32)],
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::BatchRow,
    flops: |_, s| s[0].elements() as u64,
    reference: |call| {
        let (p, step, first, rows) = (*call.params::<Params>(), *call.step, call.items.start, call.items.len());
        let [input, output] = call.args();
        reference(&p, &step, first, rows, input.f32(), output.f32_mut());
    },
    fast: None,
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/dropout.wgsl"),
        shared: &[shared::STEP, shared::LINE, shared::PHILOX, shared::DROPOUT],
        prelude: grid_1d_prelude,
        grid: |_, shapes| grid_1d(shapes[0].rows * shapes[0].columns.div_ceil(4)),
        rounds: Some(|_, _| (4 + PHILOX_ROUNDS) as u64),
        tiles: None,
    },
};

/// Parameters of a dropout mask, in the form that kernels take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mask {
    /// Index of the dropout layer.
    pub layer: u32,
    /// Threshold: elements with a smaller random word are dropped. Equals rate·2³².
    pub threshold: u32,
    /// Factor for kept elements: 1 / (1 − rate).
    pub scale: f32,
}

impl Mask {
    /// Mask that keeps everything.
    pub const NONE: Self = Self { layer: 0, threshold: 0, scale: 1.0 };

    /// Creates the mask of the dropout layer with index `layer`, for a rate in [0, 1).
    pub fn new(layer: usize, rate: f32) -> Self {
        let threshold = (f64::from(rate) * 4_294_967_296.0).round().min(4_294_967_295.0) as u32;
        Self { layer: layer as u32, threshold, scale: 1.0 / (1.0 - rate) }
    }
}

/// output = input with the dropout `mask` applied.
pub fn op(plan: &Plan, mask: Mask, input: ViewId, output: ViewId) -> Op {
    let shape = plan.shape(input);
    let params =
        Params { columns: shape.columns as u32, layer: mask.layer, threshold: mask.threshold, scale: mask.scale };
    Op::new(&KERNEL, &[input, output], &params, shape.rows)
}

/// The reference implementation; the views begin at row `first` of the batch.
pub fn reference(p: &Params, step: &Step, first: usize, rows: usize, input: &[f32], output: &mut [f32]) {
    let columns = p.columns as usize;
    for r in 0..rows {
        for c in 0..columns {
            let kept = keeps(p.threshold, step, p.layer, first + r, c);
            output[r * columns + c] = if kept { input[r * columns + c] * p.scale } else { 0.0 };
        }
    }
}

/// Returns `true` if element (row, column) of the batch is kept, like `keeps` in `shaders/shared/dropout.wgsl`.
pub fn keeps(threshold: u32, step: &Step, layer: u32, row: usize, column: usize) -> bool {
    threshold == 0 || four_words(step, layer, row, column / 4)[column % 4] >= threshold
}

/// Returns the random words of four neighboring columns, from column 4·`quarter` on.
fn four_words(step: &Step, layer: u32, row: usize, quarter: usize) -> [u32; 4] {
    philox(counter(step, layer, row, quarter), [step.seed_low, step.seed_high])
}

fn counter(step: &Step, layer: u32, row: usize, quarter: usize) -> [u32; 4] {
    [quarter as u32, step.first_row + row as u32, step.index, layer << 8 | Stream::Dropout as u32]
}

/// Applies dropout to some columns of rows that begin at row `first` of the batch; for fast CPU kernels. The first
/// column must be a multiple of four.
pub fn drop_all(threshold: u32, scale: f32, step: &Step, layer: u32, first: usize, values: &mut MatrixMut<'_>) {
    let start = values.columns().start;
    assert_eq!(start % 4, 0, "four columns hang on one draw");
    for r in 0..values.row_count() {
        drop_row(threshold, scale, step, counter(step, layer, first + r, start / 4), values.row(r));
    }
}

/// Number of Philox draws computed together.
const DRAWS: usize = 16;

widest! {
    /// Applies dropout to one row. `counter` is the Philox counter of the first four elements of the row.
    fn drop_row(threshold: u32, scale: f32, step: &Step, counter: [u32; 4], row: &mut [f32]) {
        let drop = |group: usize, values: &mut [f32; 4 * DRAWS]| {
            let mut counters = counter.map(|word| [word; DRAWS]);
            (0..DRAWS).for_each(|draw| counters[0][draw] += (group * DRAWS + draw) as u32);
            let words = philox_lanes(counters, [step.seed_low, step.seed_high]);
            for draw in 0..DRAWS {
                for word in 0..4 {
                    let value = &mut values[4 * draw + word];
                    *value = if words[word][draw] >= threshold { *value * scale } else { 0.0 };
                }
            }
        };
        let (whole, rest) = row.as_chunks_mut();
        let groups = whole.len();
        whole.iter_mut().enumerate().for_each(|(group, values)| drop(group, values));
        if !rest.is_empty() {
            let mut values = [0.0; 4 * DRAWS];
            values[..rest.len()].copy_from_slice(rest);
            drop(groups, &mut values);
            rest.copy_from_slice(&values[..rest.len()]);
        }
    }
}

fn tolerance(before: &Call<'_>, after: &Call<'_>) -> Vec<Tolerance> {
    let live = before.items.len() * before.params::<Params>().columns as usize;
    let mut tolerances = vec![0.0; after.f32(1).len()];
    if before.params::<Params>().scale != 1.0 {
        let rounding = |y: f32| or_flushed(2.0 * UNIT_ROUNDOFF * f64::from(y.abs()));
        tolerances[..live].iter_mut().zip(after.f32(1)).for_each(|(tolerance, y)| *tolerance = rounding(*y));
    }
    vec![Tolerance::Each(tolerances)]
}
