//! Backward pass of a dense layer: the gradient of its input, through the dropout and the activation of the layer
//! below.
//!
//! Formula: grad_input[r, i] = drop(Σₒ grad_output[r, o]·weight[o, i]) · f′(lower[r, i]·keep), where f and drop belong
//! to the layer below. If f′ is computed from the output, `lower` = drop(f(x)), and keep = 1 / scale cancels the
//! dropout factor; otherwise `lower` = x, and keep = 1. Symbols: r a row of the batch, i an input, o an output.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | grad_output | rows×outputs | read |
//! | 3 | weight | outputs×inputs | read |
//! | 4 | lower: the input of this layer, or the argument of f | rows×inputs | read |
//! | 5 | grad_input | rows×inputs | write |
//!
//! Replaces `matmul_nn`, `dropout`, `activation_grad`.
//! Rounding: [`Sum`] of `outputs` terms, times f′ with its own error.

use crate::elementwise::numbers::Rounded;
use crate::kernels::shared::{self, activation_prelude, tiles};
use crate::kernels::{
    dense_grad_input_sum,
    dropout::{self, Mask},
    matmul_split::{self, Transpose},
};
use crate::network::Activation;
use crate::numeric::{Matrix, Sum, matmul};
use crate::plan::{Binding, Call, Kernel, Op, Plan, Shader, Step, StepUse, Tiles, Tolerance, ViewId, WorkItem, words};
use crate::shape::{Dtype, Shape};

words! {
    /// Kernel parameters: sizes; activation and dropout of the layer below.
    pub struct Params {
        /// Number of columns of `grad_input`.
        inputs: u32,
        /// Number of columns of `grad_output`.
        outputs: u32,
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
    name: "dense_grad_input",
    bindings: &[
        Binding::read("grad_output", Dtype::F32).per_item(),
        Binding::read("weight", Dtype::F32),
        Binding::read("lower", Dtype::F32).per_item(),
        Binding::write("grad_input", Dtype::F32).by_columns(),
    ],
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::BatchRow,
    flops: |p, s| 2 * s[3].elements() as u64 * (u64::from(p[1]) + 1),
    reference: |call| {
        let (p, step, first, rows) = (*call.params::<Params>(), *call.step, call.items.start, call.items.len());
        let [grad_output, weight, lower, grad_input] = call.args();
        reference(&p, &step, first, rows, grad_output.f32(), weight.f32(), lower.f32(), grad_input.f32_mut());
    },
    fast: Some(fast),
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/dense_grad_input.wgsl"),
        shared: &[
            shared::STEP,
            shared::PHILOX,
            shared::DROPOUT,
            shared::FINITE,
            shared::FUNCTIONS,
            shared::ABOVE,
            shared::ACTIVATION,
            shared::WHOLE,
        ],
        prelude: |op| tiles::prelude(op) + &activation_prelude(op),
        grid: |op, shapes| tiles::grid(op, size(shapes)),
        rounds: Some(|op, shapes| tiles::rounds(&op.tile(), size(shapes))),
        tiles: Some(Tiles {
            candidates: |_, shapes, limits| tiles::candidates_with_parts(size(shapes), limits),
            core: tiles::core_with_second,
            split: Some(split),
        }),
    },
};

fn size(shapes: &[Shape]) -> tiles::Matmul {
    let [grad_output, grad_input] = [shapes[0], shapes[3]];
    let aligned = [grad_output, grad_input, grad_input].map(|shape| shape.columns.is_multiple_of(4));
    tiles::Matmul {
        rows: grad_input.rows,
        columns: grad_input.columns,
        terms: grad_output.columns,
        aligned,
        over_rows: false,
        may_drop: true,
    }
}

/// grad_input = the gradient with respect to the layer's input, computed from grad_output. `lower` is that input,
/// drop(f(x)), or x if f′ is computed from x.
pub fn op(
    plan: &Plan,
    activation: Activation,
    mask: Mask,
    grad_output: ViewId,
    weight: ViewId,
    lower: ViewId,
    grad_input: ViewId,
) -> Op {
    let (rows, outputs, inputs) = (plan.shape(lower).rows, plan.shape(grad_output).columns, plan.shape(lower).columns);
    let [alpha, beta] = activation.parameters();
    let params = Params {
        inputs: inputs as u32,
        outputs: outputs as u32,
        function: activation.number(),
        alpha,
        beta,
        layer: mask.layer,
        threshold: mask.threshold,
        scale: mask.scale,
        keep: dense_grad_input_sum::keep(activation, mask),
    };
    Op::new(&KERNEL, &[grad_output, weight, lower, grad_input], &params, rows)
}

impl Params {
    /// Returns the activation function of the layer below.
    pub fn activation(&self) -> Activation {
        Activation::new(self.function, [self.alpha, self.beta])
    }
}

/// Returns the two ops that replace `op` if its sums are split into parts. The second op adds the parts.
fn split(plan: &mut Plan, op: &Op) -> [Op; 2] {
    let [grad_output, weight, lower, grad_input] = [0, 1, 2, 3].map(|binding| op.views[binding]);
    let (first, partial) = matmul_split::op(plan, Transpose::Nn, op.tile(), grad_output, weight, grad_input);
    let p = op.params::<Params>();
    let mask = Mask { layer: p.layer, threshold: p.threshold, scale: p.scale };
    [first, dense_grad_input_sum::op(plan, p.activation(), mask, partial, lower, grad_input)]
}

/// The reference implementation; all views but weight begin at row `first` of the batch.
#[expect(clippy::too_many_arguments, reason = "one for each binding")]
pub fn reference(
    p: &Params,
    step: &Step,
    first: usize,
    rows: usize,
    grad_output: &[f32],
    weight: &[f32],
    lower: &[f32],
    grad_input: &mut [f32],
) {
    let (inputs, outputs) = (p.inputs as usize, p.outputs as usize);
    for r in 0..rows {
        for i in 0..inputs {
            let mut sum = 0.0;
            for o in 0..outputs {
                sum += grad_output[r * outputs + o] * weight[o * inputs + i];
            }
            let derivative = p.activation().derivative(lower[r * inputs + i] * p.keep);
            let kept = dropout::keeps(p.threshold, step, p.layer, first + r, i);
            grad_input[r * inputs + i] = if kept { sum * p.scale * derivative } else { 0.0 };
        }
    }
}

/// Multiplies the matrices. Then multiplies all elements by the derivative as one vector, while they are in cache.
fn fast(call: Call<'_>) {
    let (p, step, first, rows) = (*call.params::<Params>(), *call.step, call.items.start, call.items.len());
    let [grad_output, weight, lower, grad_input] = call.args();
    let (inputs, outputs) = (p.inputs as usize, p.outputs as usize);
    let mut grad_input = grad_input.matrix_mut(rows, inputs);
    let columns = grad_input.columns();
    let weight = Matrix::new(weight.f32(), outputs, inputs).columns(columns.clone());
    matmul(Matrix::new(grad_output.f32(), rows, outputs), weight, None, grad_input.reborrow());
    if p.threshold > 0 {
        dropout::drop_all(p.threshold, p.scale, &step, p.layer, first, &mut grad_input);
    }
    let lower = Matrix::new(lower.f32(), rows, inputs).columns(columns);
    for (values, lower) in grad_input.slices().zip(lower.slices()) {
        p.activation().times_derivative(lower, p.keep, values);
    }
}

fn tolerance(before: &Call<'_>, after: &Call<'_>) -> Vec<Tolerance> {
    let p = before.params::<Params>();
    let (inputs, outputs) = (p.inputs as usize, p.outputs as usize);
    let (grad_output, weight, lower) = (before.f32(0), before.f32(1), before.f32(2));
    let mut tolerances = vec![0.0; after.f32(3).len()];
    for r in 0..before.items.len() {
        for i in 0..inputs {
            if !dropout::keeps(p.threshold, before.step, p.layer, r, i) {
                continue;
            }
            let mut sum = Sum::default();
            (0..outputs).for_each(|o| sum.add(grad_output[r * outputs + o], weight[o * inputs + i]));
            tolerances[r * inputs + i] = dense_grad_input_sum::rounding(
                p.activation(),
                [p.scale, p.keep],
                Rounded::sum(&sum),
                Rounded::exact_f32(lower[r * inputs + i]),
            );
        }
    }
    vec![Tolerance::Each(tolerances)]
}
