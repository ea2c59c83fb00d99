//! Second half of a dense layer whose matrix multiplication was split into parts: sum, bias, activation, dropout.
//!
//! Formula: `output[r, o] = drop(f(Σₚ partial[p, r, o] + bias[o]))`, with f as in `activation` and drop as in `dropout`.
//! Symbols: p a part, r a row of the batch, o an output.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | partial | parts×(rows·outputs) | read |
//! | 3 | bias | 1×outputs | read |
//! | 4 | output | rows×outputs | write |
//!
//! With `matmul_split_nt` it replaces `dense_forward`.
//! Rounding: [`Sum`](crate::numeric::Sum) of parts + 1 terms, propagated through f and the dropout factor.

use crate::kernels::shared::parts;
use crate::kernels::{activation, activation_prelude, dense_forward, dropout, line, line_prelude, shared};
use crate::plan::{Binding, Call, Kernel, Op, Plan, Shader, Step, StepUse, Tolerance, ViewId, WorkItem, words};
use crate::shape::Dtype;

words! {
    /// Kernel parameters: sizes, activation, dropout.
    pub struct Params {
        /// Number of parts of each sum.
        parts: u32,
        /// Number of elements per part.
        part_size: u32,
        /// Number of columns of the output.
        outputs: u32,
        /// Code of the activation.
        function: u32,
        /// Slope of leaky_relu.
        slope: f32,
        /// Index of the dropout layer.
        layer: u32,
        /// Threshold: elements with a smaller random word are dropped.
        threshold: u32,
        /// Factor for kept elements.
        scale: f32,
    }
}

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "dense_forward_sum",
    bindings: &[
        Binding::read("partial", Dtype::F32),
        Binding::read("bias", Dtype::F32),
        Binding::write("output", Dtype::F32),
    ],
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::BatchRow,
    flops: |p, s| s[2].elements() as u64 * (u64::from(p[0]) + 1),
    reference: |call| {
        let (p, step, first, rows) = (*call.params::<Params>(), *call.step, call.items.start, call.items.len());
        let [partial, bias, output] = call.args();
        reference(&p, &step, first, rows, partial.f32(), bias.f32(), output.f32_mut());
    },
    fast: None,
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/dense_forward_sum.wgsl"),
        shared: &[
            shared::STEP,
            shared::LINE,
            shared::BLOCKS,
            shared::PARTS,
            shared::PHILOX,
            shared::DROPOUT,
            shared::FINITE,
            shared::FUNCTIONS,
            shared::ACTIVATION,
        ],
        prelude: |op| line_prelude(op) + &activation_prelude(op),
        grid: |_, shapes| line(shapes[2].elements()),
        rounds: Some(|_, shapes| (shapes[0].rows + dropout::PHILOX_ROUNDS) as u64),
        tiles: None,
    },
};

/// output = drop(f(the sum of the parts of partial + bias)), for the dense layer with the parameters `layer`.
pub fn op(plan: &Plan, layer: &dense_forward::Params, partial: ViewId, bias: ViewId, output: ViewId) -> Op {
    let parts = plan.shape(partial);
    let params = Params {
        parts: parts.rows as u32,
        part_size: parts.columns as u32,
        outputs: layer.outputs,
        function: layer.function,
        slope: layer.slope,
        layer: layer.layer,
        threshold: layer.threshold,
        scale: layer.scale,
    };
    Op::new(&KERNEL, &[partial, bias, output], &params, plan.shape(output).rows)
}

/// The reference implementation; `output` begins at row `first` of the batch.
pub fn reference(
    p: &Params,
    step: &Step,
    first: usize,
    rows: usize,
    partial: &[f32],
    bias: &[f32],
    output: &mut [f32],
) {
    let (outputs, part_size) = (p.outputs as usize, p.part_size as usize);
    for r in 0..rows {
        for o in 0..outputs {
            let sum = parts::sum(partial, p.parts, part_size, (first + r) * outputs + o);
            let y = activation::apply(p.function, p.slope, sum + bias[o]);
            let kept = dropout::keeps(p.threshold, step, p.layer, first + r, o);
            output[r * outputs + o] = if kept { y * p.scale } else { 0.0 };
        }
    }
}

fn tolerance(before: &Call<'_>, after: &Call<'_>) -> Vec<Tolerance> {
    let p = before.params::<Params>();
    let (outputs, part_size) = (p.outputs as usize, p.part_size as usize);
    let (partial, bias, output) = (before.f32(0), before.f32(1), after.f32(2));
    let mut tolerances = vec![0.0; output.len()];
    for i in 0..before.items.len() * outputs {
        if dropout::keeps(p.threshold, before.step, p.layer, i / outputs, i % outputs) {
            let mut sum = parts::bounded(partial, p.parts, part_size, i);
            sum.add(bias[i % outputs], 1.0);
            tolerances[i] = dense_forward::rounding(p.function, p.slope, p.scale, &sum, output[i]);
        }
    }
    vec![Tolerance::Each(tolerances)]
}
