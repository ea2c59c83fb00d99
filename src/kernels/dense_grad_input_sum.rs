//! Second half of an input gradient whose matrix multiplication was split into parts: sum, dropout, derivative.
//!
//! Formula: grad_input[r, i] = drop(Σₚ partial[p, r, i]) · f′(lower[r, i]·keep), where f and drop belong to the layer
//! below: `lower` = drop(f(x)) and keep = 1 / scale, or `lower` = x and keep = 1. Symbols: p a part, r a row of the
//! batch, i an input.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | partial | parts×(rows·inputs) | read |
//! | 3 | lower | rows×inputs | read |
//! | 4 | grad_input | rows×inputs | write |
//!
//! With `matmul_split_nn` it replaces `dense_grad_input`.
//! Rounding: [`Sum`](crate::numeric::Sum) of one term per part, times f′ with its own error.

use crate::elementwise::numbers::Rounded;
use crate::kernels::dropout::{self, Mask};
use crate::kernels::shared::parts;
use crate::kernels::shared::{self, activation_prelude, grid_1d, grid_1d_prelude};
use crate::network::Activation;
use crate::plan::{Binding, Call, Kernel, Op, Plan, Shader, Step, StepUse, Tolerance, ViewId, WorkItem, words};
use crate::rng::PHILOX_ROUNDS;
use crate::shape::Dtype;

words! {
    /// Kernel parameters: sizes; activation and dropout of the layer below.
    pub struct Params {
        /// Number of parts of each sum.
        parts: u32,
        /// Number of elements per part.
        part_size: u32,
        /// Number of columns of `grad_input`.
        inputs: u32,
        /// Index of the activation function in `Function::ALL`.
        function: u32,
        /// First parameter of the activation function.
        alpha: f32,
        /// Second parameter of the activation function.
        beta: f32,
        /// Index of the dropout layer.
        layer: u32,
        /// Threshold: elements with a smaller random word are dropped.
        threshold: u32,
        /// Factor for kept elements: 1 / (1 − rate).
        scale: f32,
        /// Factor of `lower`: 1 / scale, or 1.
        keep: f32,
    }
}

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "dense_grad_input_sum",
    bindings: &[
        Binding::read("partial", Dtype::F32),
        Binding::read("lower", Dtype::F32).per_item(),
        Binding::write("grad_input", Dtype::F32),
    ],
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::BatchRow,
    flops: |p, s| s[2].elements() as u64 * (u64::from(p[0]) + 1),
    reference: |call| {
        let (p, step, first, rows) = (*call.params::<Params>(), *call.step, call.items.start, call.items.len());
        let [partial, lower, grad_input] = call.args();
        reference(&p, &step, first, rows, partial.f32(), lower.f32(), grad_input.f32_mut());
    },
    fast: None,
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/dense_grad_input_sum.wgsl"),
        shared: &[
            shared::STEP,
            shared::LINEAR_INDEX,
            shared::BLOCKS,
            shared::PARTS,
            shared::PHILOX,
            shared::DROPOUT,
            shared::FINITE,
            shared::FUNCTIONS,
            shared::ABOVE,
            shared::ACTIVATION,
        ],
        prelude: |op| grid_1d_prelude(op) + &activation_prelude(op),
        grid: |_, shapes| grid_1d(shapes[2].elements()),
        rounds: Some(|_, shapes| (shapes[0].rows + PHILOX_ROUNDS) as u64),
        tiles: None,
    },
};

/// grad_input = the gradient with respect to the layer's input, computed from partial. `lower` is that input,
/// drop(f(x)), or x if f′ is computed from x.
pub fn op(plan: &Plan, activation: Activation, mask: Mask, partial: ViewId, lower: ViewId, grad_input: ViewId) -> Op {
    let (parts, shape) = (plan.shape(partial), plan.shape(grad_input));
    let [alpha, beta] = activation.parameters();
    let params = Params {
        parts: parts.rows as u32,
        part_size: parts.columns as u32,
        inputs: shape.columns as u32,
        function: activation.number(),
        alpha,
        beta,
        layer: mask.layer,
        threshold: mask.threshold,
        scale: mask.scale,
        keep: keep(activation, mask),
    };
    Op::new(&KERNEL, &[partial, lower, grad_input], &params, shape.rows)
}

impl Params {
    /// Returns the activation function.
    pub fn activation(&self) -> Activation {
        Activation::new(self.function, [self.alpha, self.beta])
    }
}

/// The reference implementation; lower and grad_input begin at row `first` of the batch.
pub fn reference(
    p: &Params,
    step: &Step,
    first: usize,
    rows: usize,
    partial: &[f32],
    lower: &[f32],
    grad_input: &mut [f32],
) {
    let (inputs, part_size) = (p.inputs as usize, p.part_size as usize);
    for r in 0..rows {
        for i in 0..inputs {
            let sum = parts::sum(partial, p.parts, part_size, (first + r) * inputs + i);
            let derivative = p.activation().derivative(lower[r * inputs + i] * p.keep);
            let kept = dropout::keeps(p.threshold, step, p.layer, first + r, i);
            grad_input[r * inputs + i] = if kept { sum * p.scale * derivative } else { 0.0 };
        }
    }
}

fn tolerance(before: &Call<'_>, after: &Call<'_>) -> Vec<Tolerance> {
    let p = before.params::<Params>();
    let (inputs, part_size) = (p.inputs as usize, p.part_size as usize);
    let (partial, lower) = (before.f32(0), before.f32(1));
    let mut tolerances = vec![0.0; after.f32(2).len()];
    for i in 0..before.items.len() * inputs {
        if dropout::keeps(p.threshold, before.step, p.layer, i / inputs, i % inputs) {
            let sum = parts::bounded(partial, p.parts, part_size, i);
            tolerances[i] =
                rounding(p.activation(), [p.scale, p.keep], Rounded::sum(&sum), Rounded::exact_f32(lower[i]));
        }
    }
    vec![Tolerance::Each(tolerances)]
}

/// Returns the tolerance of a kept element sum·scale·f′(lower·keep).
pub fn rounding(activation: Activation, [scale, keep]: [f32; 2], sum: Rounded, lower: Rounded) -> f64 {
    let [scale, keep] = [scale, keep].map(Rounded::exact_f32);
    (sum * scale * activation.rounded_derivative(lower * keep)).error()
}

/// Returns the factor of `lower` in the argument of f′: 1 if f′ is computed from x, else 1 / scale, which cancels the
/// dropout factor.
pub fn keep(activation: Activation, mask: Mask) -> f32 {
    if activation.keeps_input() { 1.0 } else { 1.0 / mask.scale }
}
