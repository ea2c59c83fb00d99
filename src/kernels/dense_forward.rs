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
//! | 6 | kept | rows×outputs | write, only in [`KEPT`]: the argument of f |
//!
//! Replaces `matmul_nt`, `bias_add`, `activation`, `dropout`. Derivative: `dense_grad_input`, `dense_grad_weight`.
//! Rounding: [`Sum`] of inputs + 1 terms, propagated through f and the dropout factor.

use std::ops::Range;

use crate::kernels::shared::{self, activation_prelude, tiles};
use crate::kernels::{
    dense_forward_sum,
    dropout::{self, Mask},
    matmul_split::{self, Transpose},
};
use crate::network::Activation;
use crate::numeric::{Matrix, Sum, matmul};
use crate::plan::{
    Binding, BufferArg, Call, Contents, Kernel, Op, Plan, Shader, Step, StepUse, Tiles, Tolerance, ViewId, WorkItem,
    words,
};
use crate::shape::{Dtype, Shape};

words! {
    /// Kernel parameters: sizes, activation, dropout.
    pub struct Params {
        /// Number of columns of the input.
        inputs: u32,
        /// Number of columns of the output.
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
        /// Factor for kept elements.
        scale: f32,
    }
}

const BINDINGS: [Binding; 5] = [
    Binding::read("input", Dtype::F32).per_item(),
    Binding::read("weight", Dtype::F32),
    Binding::read("bias", Dtype::F32),
    Binding::write("output", Dtype::F32).by_columns(),
    Binding::write("kept", Dtype::F32).by_columns(),
];

const fn kernel(name: &'static str, bindings: &'static [Binding], shared: &'static [&'static str]) -> Kernel {
    Kernel {
        name,
        bindings,
        params: Params::FIELDS,
        step: StepUse::One,
        item: WorkItem::BatchRow,
        flops: |p, s| 2 * s[3].elements() as u64 * (u64::from(p[0]) + 1),
        reference: |call| {
            let (p, step, first, rows) = (*call.params::<Params>(), *call.step, call.items.start, call.items.len());
            let [input, weight, bias, output, kept] = call.args();
            reference(
                &p,
                &step,
                first,
                rows,
                input.f32(),
                weight.f32(),
                bias.f32(),
                output.f32_mut(),
                kept.present().map(BufferArg::f32_mut),
            );
        },
        fast: Some(fast),
        tolerance,
        shader: Shader {
            source: include_str!("../../shaders/dense_forward.wgsl"),
            shared,
            prelude: |op| tiles::prelude(op) + &activation_prelude(op),
            grid: |op, shapes| tiles::grid(op, size(shapes)),
            rounds: Some(|op, shapes| tiles::rounds(&op.tile(), size(shapes))),
            tiles: Some(Tiles {
                candidates: |_, shapes, limits| tiles::candidates_with_parts(size(shapes), limits),
                core: tiles::core_with_second,
                split: Some(split),
            }),
        },
    }
}

/// WGSL sources that both kernels need. The last one, `$kept`, differs between them.
macro_rules! shared {
    ($kept:ident) => {
        &[
            shared::STEP,
            shared::PHILOX,
            shared::DROPOUT,
            shared::FINITE,
            shared::FUNCTIONS,
            shared::ABOVE,
            shared::ACTIVATION,
            shared::WHOLE,
            shared::$kept,
        ]
    };
}

/// Kernel that does not keep the argument of f; see the module documentation.
pub static KERNEL: Kernel = kernel("dense_forward", BINDINGS.split_at(4).0, shared!(UNKEPT));

/// Kernel that also writes the argument of f, from which some derivatives are computed; see the module documentation.
pub static KEPT: Kernel = kernel("dense_forward_kept", &BINDINGS, shared!(KEPT));

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

/// output = drop(f(input · weightᵀ + bias)). If there is a view `kept`, the argument of f is written to it.
#[expect(clippy::too_many_arguments, reason = "one for each binding")]
pub fn op(
    plan: &Plan,
    activation: Activation,
    mask: Mask,
    input: ViewId,
    weight: ViewId,
    bias: ViewId,
    output: ViewId,
    kept: Option<ViewId>,
) -> Op {
    let (rows, inputs, outputs) = (plan.shape(input).rows, plan.shape(input).columns, plan.shape(output).columns);
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
    };
    let views: Vec<ViewId> = [input, weight, bias, output].into_iter().chain(kept).collect();
    Op::new(if kept.is_some() { &KEPT } else { &KERNEL }, &views, &params, rows)
}

impl Params {
    /// Returns the activation function.
    pub fn activation(&self) -> Activation {
        Activation::new(self.function, [self.alpha, self.beta])
    }
}

/// Returns a view of zeros: the bias of a layer without bias.
pub fn no_bias(plan: &mut Plan, columns: usize) -> ViewId {
    let name = format!("zeros{columns}");
    plan.find(&name).unwrap_or_else(|| plan.tensor(name, Dtype::F32, Shape::vector(columns), Contents::Persistent(0)))
}

/// Returns the two ops that replace `op` if its sums are split into parts. The second op adds the parts.
fn split(plan: &mut Plan, op: &Op) -> [Op; 2] {
    let [input, weight, bias, output] = [0, 1, 2, 3].map(|binding| op.views[binding]);
    let (first, partial) = matmul_split::op(plan, Transpose::Nt, op.tile(), input, weight, output);
    let p = op.params::<Params>();
    let mask = Mask { layer: p.layer, threshold: p.threshold, scale: p.scale };
    [first, dense_forward_sum::op(plan, p.activation(), mask, partial, bias, output, op.views.get(4).copied())]
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
    mut kept: Option<&mut [f32]>,
) {
    let (inputs, outputs) = (p.inputs as usize, p.outputs as usize);
    for r in 0..rows {
        for o in 0..outputs {
            let mut sum = 0.0;
            for i in 0..inputs {
                sum += input[r * inputs + i] * weight[o * inputs + i];
            }
            let x = sum + bias[o];
            if let Some(kept) = &mut kept {
                kept[r * outputs + o] = x;
            }
            let y = p.activation().apply(x);
            let is_live = dropout::keeps(p.threshold, step, p.layer, first + r, o);
            output[r * outputs + o] = if is_live { y * p.scale } else { 0.0 };
        }
    }
}

fn fast(call: Call<'_>) {
    with_weight(call, |weight, outputs, inputs, columns| {
        Matrix::new(weight, outputs, inputs).rows(columns).transposed()
    });
}

/// Fast CPU kernel for a weight that is stored transposed: [inputs, outputs].
pub fn fast_with_transposed_weight(call: Call<'_>) {
    with_weight(call, |weight, outputs, inputs, columns| Matrix::new(weight, inputs, outputs).columns(columns));
}

/// Multiplies the matrices, starting each sum from the bias. Then applies the activation to all elements as one vector,
/// while they are in cache. `transposed` returns the weight as a matrix [inputs, columns] for a range of outputs.
fn with_weight(call: Call<'_>, transposed: impl Fn(&[f32], usize, usize, Range<usize>) -> Matrix<'_>) {
    let (p, step, first, rows) = (*call.params::<Params>(), *call.step, call.items.start, call.items.len());
    let [input, weight, bias, output, kept] = call.args();
    let (inputs, outputs) = (p.inputs as usize, p.outputs as usize);
    let mut output = output.matrix_mut(rows, outputs);
    let columns = output.columns();
    let weight = transposed(weight.f32(), outputs, inputs, columns.clone());
    let bias = &bias.f32()[columns];
    matmul(Matrix::new(input.f32(), rows, inputs), weight, Some(bias), output.reborrow());
    if let Some(mut kept) = kept.present().map(|kept| kept.matrix_mut(rows, outputs)) {
        kept.slices().zip(output.slices()).for_each(|(kept, output)| kept.copy_from_slice(output));
    }
    output.slices().for_each(|values| p.activation().apply_all(values));
    if p.threshold > 0 {
        dropout::drop_all(p.threshold, p.scale, &step, p.layer, first, &mut output);
    }
}

fn tolerance(before: &Call<'_>, after: &Call<'_>) -> Vec<Tolerance> {
    let p = before.params::<Params>();
    let (inputs, outputs) = (p.inputs as usize, p.outputs as usize);
    let (input, weight, bias) = (before.f32(0), before.f32(1), before.f32(2));
    let mut tolerances = vec![0.0; after.f32(3).len()];
    let mut tolerances_kept = tolerances.clone();
    for r in 0..before.items.len() {
        for o in 0..outputs {
            let mut sum = Sum::default();
            (0..inputs).for_each(|i| sum.add(input[r * inputs + i], weight[o * inputs + i]));
            sum.add(bias[o], 1.0);
            tolerances_kept[r * outputs + o] = sum.tolerance();
            if dropout::keeps(p.threshold, before.step, p.layer, r, o) {
                tolerances[r * outputs + o] = dense_forward_sum::rounding(p.activation(), p.scale, &sum);
            }
        }
    }
    let written = [tolerances, tolerances_kept].map(Tolerance::Each);
    written.into_iter().take(if matches!(after.args[4], BufferArg::None) { 1 } else { 2 }).collect()
}
