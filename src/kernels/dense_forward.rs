//! Forward pass of a dense layer with bias, activation and dropout in one pass.
//!
//! Formula: `output[r, o] = drop(f(Σᵢ input[r, i]·weight[o, i] + bias[o]))`, with f as in `activation` and drop as
//! in `dropout` (threshold 0 keeps everything). Symbols: r a row of the batch, i an input, o an output.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | input | rows×inputs | read |
//! | 3 | weight | outputs×inputs | read |
//! | 4 | bias | 1×outputs | read |
//! | 5 | output | rows×outputs | write |
//!
//! Replaces `matmul_nt`, `bias_add`, `activation`, `dropout`. Derivative: `dense_grad_input`, `dense_grad_weight`.
//! Rounding: [`Sum`] of inputs + 1 terms, propagated through f and the dropout factor.

use std::ops::Range;

use crate::kernels::activation::{self, Function};
use crate::kernels::activation_prelude;
use crate::kernels::dense_forward_sum;
use crate::kernels::dropout::{self, Mask};
use crate::kernels::matmul_split::{self, Transpose};
use crate::kernels::shared::{self, tiles};
use crate::numeric::{Matrix, Sum, UNIT_ROUNDOFF, matmul};
use crate::plan::{
    Binding, Call, Contents, Kernel, Op, Plan, Shader, Step, StepUse, Tiles, Tolerance, ViewId, WorkItem, words,
};
use crate::shape::{Dtype, Shape};

words! {
    /// Kernel parameters: sizes, activation, dropout.
    pub struct Params {
        /// Number of columns of the input.
        inputs: u32,
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
    name: "dense_forward",
    bindings: &[
        Binding::read("input", Dtype::F32).cut(),
        Binding::read("weight", Dtype::F32),
        Binding::read("bias", Dtype::F32),
        Binding::write("output", Dtype::F32).by_columns(),
    ],
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::BatchRow,
    flops: |p, s| 2 * s[3].elements() as u64 * (u64::from(p[0]) + 1),
    reference: |call| {
        let (p, step, first, rows) = (*call.params::<Params>(), *call.step, call.items.start, call.items.len());
        let [input, weight, bias, output] = call.args();
        reference(&p, &step, first, rows, input.f32(), weight.f32(), bias.f32(), output.f32_mut());
    },
    fast: Some(fast),
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/dense_forward.wgsl"),
        shared: &[
            shared::STEP,
            shared::PHILOX,
            shared::DROPOUT,
            shared::FINITE,
            shared::FUNCTIONS,
            shared::ACTIVATION,
            shared::WHOLE,
        ],
        prelude: |op| tiles::prelude(op) + &activation_prelude(op),
        grid: |op, shapes| tiles::grid(op, size(shapes)),
        rounds: Some(|op, shapes| tiles::rounds(&op.tile(), size(shapes))),
        tiles: Some(Tiles {
            candidates: |_, shapes, limits| tiles::candidates_with_parts(size(shapes), limits),
            core: tiles::core_beside,
            split: Some(split),
        }),
    },
};

fn size(shapes: &[Shape]) -> tiles::Matmul {
    let [input, output] = [shapes[0], shapes[3]];
    let aligned = [input, input, output].map(|shape| shape.columns.is_multiple_of(4));
    tiles::Matmul {
        rows: output.rows,
        columns: output.columns,
        terms: input.columns,
        aligned,
        over_rows: false,
        may_drop: true,
    }
}

/// output = drop(f(input · weightᵀ + bias)).
pub fn op(
    plan: &Plan,
    function: Function,
    mask: Mask,
    input: ViewId,
    weight: ViewId,
    bias: ViewId,
    output: ViewId,
) -> Op {
    let (rows, inputs, outputs) = (plan.shape(input).rows, plan.shape(input).columns, plan.shape(output).columns);
    let params = Params {
        inputs: inputs as u32,
        outputs: outputs as u32,
        function: function.code,
        slope: function.slope,
        layer: mask.layer,
        threshold: mask.threshold,
        scale: mask.scale,
    };
    Op::new(&KERNEL, &[input, weight, bias, output], &params, rows)
}

/// Returns a view of zeros: the bias of a layer without bias.
pub fn no_bias(plan: &mut Plan, columns: usize) -> ViewId {
    let name = format!("zeros{columns}");
    plan.find(&name).unwrap_or_else(|| plan.tensor(name, Dtype::F32, Shape::vector(columns), Contents::Persistent(0)))
}

/// Returns the two ops that replace this op where its terms are split into parts.
fn split(plan: &mut Plan, op: &Op) -> [Op; 2] {
    let [input, weight, bias, output] = [0, 1, 2, 3].map(|binding| op.views[binding]);
    let (first, partial) = matmul_split::op(plan, Transpose::Nt, op.tile(), input, weight, output);
    [first, dense_forward_sum::op(plan, op.params(), partial, bias, output)]
}

/// The reference implementation; input and output begin at row `first` of the batch.
#[expect(clippy::too_many_arguments, reason = "one for each binding")]
pub fn reference(
    p: &Params,
    step: &Step,
    first: usize,
    rows: usize,
    input: &[f32],
    weight: &[f32],
    bias: &[f32],
    output: &mut [f32],
) {
    let (inputs, outputs) = (p.inputs as usize, p.outputs as usize);
    for r in 0..rows {
        for o in 0..outputs {
            let mut sum = 0.0;
            for i in 0..inputs {
                sum += input[r * inputs + i] * weight[o * inputs + i];
            }
            let y = activation::apply(p.function, p.slope, sum + bias[o]);
            let kept = dropout::keeps(p.threshold, step, p.layer, first + r, o);
            output[r * outputs + o] = if kept { y * p.scale } else { 0.0 };
        }
    }
}

fn fast(call: Call<'_>) {
    with_weight(call, |weight, outputs, inputs, columns| {
        Matrix::new(weight, outputs, inputs).rows(columns).transposed()
    });
}

/// Fast CPU kernel for a transposed weight: [inputs, outputs].
pub fn fast_with_turned_weight(call: Call<'_>) {
    with_weight(call, |weight, outputs, inputs, columns| Matrix::new(weight, inputs, outputs).columns(columns));
}

/// Matrix multiplication, starting from the bias; then the activation over all elements as one vector, while they are
/// in cache. `turned` returns the weight as a matrix [inputs, columns] for the given range of outputs.
fn with_weight(call: Call<'_>, turned: impl Fn(&[f32], usize, usize, Range<usize>) -> Matrix<'_>) {
    let (p, step, first, rows) = (*call.params::<Params>(), *call.step, call.items.start, call.items.len());
    let [input, weight, bias, output] = call.args();
    let (inputs, outputs) = (p.inputs as usize, p.outputs as usize);
    let mut output = output.matrix_mut(rows, outputs);
    let columns = output.columns();
    let weight = turned(weight.f32(), outputs, inputs, columns.clone());
    let bias = &bias.f32()[columns];
    matmul(Matrix::new(input.f32(), rows, inputs), weight, Some(bias), output.lend());
    output.slices().for_each(|values| activation::apply_all(p.function, p.slope, values));
    if p.threshold > 0 {
        dropout::drop_all(p.threshold, p.scale, &step, p.layer, first, &mut output);
    }
}

fn tolerance(before: &Call<'_>, after: &Call<'_>) -> Vec<Tolerance> {
    let p = before.params::<Params>();
    let (inputs, outputs) = (p.inputs as usize, p.outputs as usize);
    let (input, weight, bias, output) = (before.f32(0), before.f32(1), before.f32(2), after.f32(3));
    let mut tolerances = vec![0.0; output.len()];
    for r in 0..before.items.len() {
        for o in 0..outputs {
            if !dropout::keeps(p.threshold, before.step, p.layer, r, o) {
                continue;
            }
            let mut sum = Sum::default();
            (0..inputs).for_each(|i| sum.add(input[r * inputs + i], weight[o * inputs + i]));
            sum.add(bias[o], 1.0);
            tolerances[r * outputs + o] = rounding(p.function, p.slope, p.scale, &sum, output[r * outputs + o]);
        }
    }
    vec![Tolerance::Each(tolerances)]
}

/// Returns the tolerance of a kept element `output` = f(sum)·scale.
pub fn rounding(function: u32, slope: f32, scale: f32, sum: &Sum, output: f32) -> f64 {
    let error = activation::error(function, slope, sum.value, sum.tolerance());
    let scaling = if scale == 1.0 { 0.0 } else { 2.0 * UNIT_ROUNDOFF * f64::from(output.abs()) };
    error * f64::from(scale) + scaling
}
