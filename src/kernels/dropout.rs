//! Noise that layers add in training, one kernel for each of `elementwise::noises`: dropout, which also drops the
//! gradient in the backward pass, alpha dropout, and additive normal noise.
//!
//! Formula, for each element x with its two random numbers, and with the factors scale, offset and dropped:
//!
//! ```text
//! dropout           x·scale if kept, else 0
//! dropout_alpha     x·scale + offset if kept, else dropped
//! dropout_additive  x + scale·√(−2·ln share)·cos(2π·turns)
//! ```
//!
//! Random words come from Philox at (layer, step, first_row + r, c / 4), four for four neighboring columns. Symbols: r
//! a row of the batch, first_row the index in the step of the batch's first row, c a column. An element is kept if its
//! word is at least `threshold`. A pair of columns has two normal numbers (Box and Muller 1958): share and turns are
//! the upper 24 bits of its two words, and a quarter less for the second column makes a sine of the cosine.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | input | rows×columns | read |
//! | 3 | output | rows×columns | write |
//!
//! Derivative: of both forms of dropout, `dropout` with the same random words; of additive noise, 1.
//! Rounding: random numbers are exact; running error analysis of the declared formula.

use crate::elementwise::numbers::Rounded;
use crate::elementwise::{Noise, noises};
use crate::kernels::shared::{self, grid_1d, grid_1d_prelude};
use crate::numeric::{MatrixMut, widest};
use crate::plan::{Binding, Call, Kernel, Op, Plan, Shader, Step, StepUse, Tolerance, ViewId, WorkItem, words};
use crate::rng::{PHILOX_ROUNDS, Stream, philox, philox_lanes};
use crate::shape::Dtype;

words! {
    /// Kernel parameters.
    pub struct Params {
        /// Number of columns.
        columns: u32,
        /// Index of the layer; gives each layer its own noise.
        layer: u32,
        /// Threshold: elements with a smaller random word are dropped.
        threshold: u32,
        /// Factor for kept elements; standard deviation of additive noise.
        scale: f32,
        /// Number added to kept elements by alpha dropout.
        offset: f32,
        /// Number in place of dropped elements in alpha dropout.
        dropped: f32,
    }
}

impl Params {
    fn factors(&self) -> [f32; 3] {
        [self.scale, self.offset, self.dropped]
    }
}

/// Expands to the kernel of declared noise, whose random numbers a function makes of words, here and in shared files.
macro_rules! kernel {
    ($name:literal, $noise:ident, $random:ident, $shared:expr) => {
        Kernel {
            name: $name,
            bindings: &[Binding::read("input", Dtype::F32).per_item(), Binding::write("output", Dtype::F32)],
            params: Params::FIELDS,
            step: StepUse::One,
            item: WorkItem::BatchRow,
            flops: |_, s| noises::$noise.flops * s[0].elements() as u64,
            reference: |call| {
                let (p, step, first) = (*call.params::<Params>(), *call.step, call.items.start);
                let [input, output] = call.args();
                reference(&noises::$noise, $random, &p, (&step, first), input.f32(), output.f32_mut());
            },
            fast: Some(|call| {
                let (p, step, first) = (*call.params::<Params>(), *call.step, call.items.start);
                let [input, output] = call.args();
                fast(&noises::$noise, $random, &p, (&step, first), input.f32(), output.f32_mut());
            }),
            tolerance: |before, after| tolerance(&noises::$noise, $random, before, after),
            shader: Shader {
                source: include_str!("../../shaders/dropout.wgsl"),
                shared: $shared,
                prelude: |op| grid_1d_prelude(op) + noises::$noise.wgsl,
                grid: |_, shapes| grid_1d(shapes[0].rows * shapes[0].columns.div_ceil(4)),
                rounds: Some(|_, _| (4 + PHILOX_ROUNDS) as u64),
                tiles: None,
            },
        }
    };
}

const MASKED: &[&str] =
    &[shared::STEP, shared::LINEAR_INDEX, shared::PHILOX, shared::DROPOUT, shared::ABOVE, shared::MASKED];
const NORMAL: &[&str] = &[
    shared::STEP,
    shared::LINEAR_INDEX,
    shared::PHILOX,
    shared::DROPOUT,
    shared::FINITE,
    shared::FUNCTIONS,
    shared::NORMAL,
];

/// Dropout; see the module documentation.
pub static KERNEL: Kernel = kernel!("dropout", DROPOUT, masked, MASKED);

/// Alpha dropout.
pub static ALPHA: Kernel = kernel!("dropout_alpha", ALPHA, masked, MASKED);

/// Additive normal noise.
pub static ADDITIVE: Kernel = kernel!("dropout_additive", ADDITIVE, normal, NORMAL);

/// Lowest value of SELU.
const LEAST_SELU: f64 = -1.758_099_340_847_376_6;

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

    /// Creates the mask of the alpha dropout layer with index `layer`, for a rate p in [0, 1). The factor, that of
    /// gradients too, is 1 / √((α²·p + 1)·(1 − p)) with α = 1.758, as in PyTorch.
    pub fn alpha(layer: usize, rate: f32) -> Self {
        let p = f64::from(rate);
        let scale = 1.0 / ((LEAST_SELU * LEAST_SELU * p + 1.0) * (1.0 - p)).sqrt();
        Self { scale: scale as f32, ..Self::new(layer, rate) }
    }

    /// Creates the mask of the dropout layer with index `layer`, for a rate in [0, 1).
    pub fn new(layer: usize, rate: f32) -> Self {
        let threshold = (f64::from(rate) * 4_294_967_296.0).round().min(4_294_967_295.0) as u32;
        Self { layer: layer as u32, threshold, scale: 1.0 / (1.0 - rate) }
    }
}

/// output = input with the dropout `mask` applied.
pub fn op(plan: &Plan, mask: Mask, input: ViewId, output: ViewId) -> Op {
    noisy(plan, &KERNEL, mask, [0.0; 2], input, output)
}

/// output = input with alpha dropout of layer `layer`, for a rate in [0, 1).
pub fn alpha_op(plan: &Plan, layer: usize, rate: f32, input: ViewId, output: ViewId) -> Op {
    let (mask, p) = (Mask::alpha(layer, rate), f64::from(rate));
    let change = LEAST_SELU * f64::from(mask.scale);
    noisy(plan, &ALPHA, mask, [-change * p, change * (1.0 - p)].map(|number| number as f32), input, output)
}

/// output = input plus normal noise of layer `layer` with this standard deviation.
pub fn additive_op(plan: &Plan, layer: usize, std: f32, input: ViewId, output: ViewId) -> Op {
    noisy(plan, &ADDITIVE, Mask { scale: std, ..Mask::new(layer, 0.0) }, [0.0; 2], input, output)
}

fn noisy(plan: &Plan, kernel: &'static Kernel, mask: Mask, others: [f32; 2], input: ViewId, output: ViewId) -> Op {
    let (shape, [offset, dropped]) = (plan.shape(input), others);
    let Mask { layer, threshold, scale } = mask;
    let params = Params { columns: shape.columns as u32, layer, threshold, scale, offset, dropped };
    Op::new(kernel, &[input, output], &params, shape.rows)
}

/// Random numbers of element k of four, from their words.
type Random = fn(&Params, [u32; 4], usize) -> [f32; 2];

/// The reference implementation; the views begin at row `first` of the batch.
pub fn reference(
    noise: &Noise,
    random: Random,
    p: &Params,
    (step, first): (&Step, usize),
    input: &[f32],
    output: &mut [f32],
) {
    let columns = p.columns as usize;
    for (i, x) in input.iter().enumerate() {
        let (row, column) = (i / columns, i % columns);
        let words = four_words(step, p.layer, first + row, column / 4);
        output[i] = (noise.single)(*x, random(p, words, column % 4), p.factors());
    }
}

/// Returns 1 if an element is kept, else 0.
#[inline(always)]
pub fn masked(p: &Params, words: [u32; 4], k: usize) -> [f32; 2] {
    [if words[k] >= p.threshold { 1.0 } else { 0.0 }, 0.0]
}

/// Distance of neighboring shares, 2⁻²⁴.
const UNIT: f32 = 1.0 / (1 << 24) as f32;

/// Returns the share and the turns of a normal number.
#[inline(always)]
pub fn normal(_: &Params, words: [u32; 4], k: usize) -> [f32; 2] {
    let [share, turns] = [words[k & 2], words[(k & 2) + 1]].map(|word| (word >> 8) as i32);
    let quarter = if k % 2 == 1 { 0.25 } else { 0.0 };
    [(share + 1) as f32 * UNIT, turns as f32 * UNIT - quarter]
}

/// Same computation as [`reference`], for whole draws together.
fn fast(
    noise: &Noise,
    random: impl Fn(&Params, [u32; 4], usize) -> [f32; 2],
    p: &Params,
    (step, first): (&Step, usize),
    input: &[f32],
    output: &mut [f32],
) {
    output.copy_from_slice(input);
    for (r, row) in output.chunks_exact_mut(p.columns as usize).enumerate() {
        for (group, values) in row.chunks_mut(4 * DRAWS).enumerate() {
            let words = draws(step, counter(step, p.layer, first + r, group * DRAWS));
            let [mut firsts, mut seconds] = [[0.0; 4 * DRAWS]; 2];
            for i in 0..4 * DRAWS {
                [firsts[i], seconds[i]] = random(p, words.map(|words| words[i / 4]), i % 4);
            }
            (noise.fast)(values, &firsts, &seconds, p.factors());
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
    /// Returns word k of draw d of a row as `[k][d]`. `counter` is the Philox counter of the first draw.
    fn draws(step: &Step, counter: [u32; 4]) -> [[u32; DRAWS]; 4] {
        let mut counters = counter.map(|word| [word; DRAWS]);
        (0..DRAWS).for_each(|draw| counters[0][draw] += draw as u32);
        philox_lanes(counters, [step.seed_low, step.seed_high])
    }

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

fn tolerance(noise: &Noise, random: Random, before: &Call<'_>, after: &Call<'_>) -> Vec<Tolerance> {
    let (p, columns) = (before.params::<Params>(), before.params::<Params>().columns as usize);
    let factors = p.factors().map(Rounded::exact_f32);
    let mut tolerances = vec![0.0; after.f32(1).len()];
    for (i, tolerance) in tolerances[..before.items.len() * columns].iter_mut().enumerate() {
        let words = four_words(before.step, p.layer, before.items.start + i / columns, i % columns / 4);
        let random = random(p, words, i % columns % 4).map(Rounded::exact_f32);
        *tolerance = (noise.rounded)(Rounded::exact_f32(before.f32(0)[i]), random, factors).error();
    }
    vec![Tolerance::Each(tolerances)]
}
