//! Backward pass of a dense layer: the gradients of its weight and bias, with a check that they are finite.
//!
//! Formula: `grad_weight[o, i] = Σᵣ grad_output[r, o]·input[r, i]`, `grad_bias[o] = Σᵣ grad_output[r, o]`;
//! flag = min(flag, index of the step) if any gradient is not finite.
//! Symbols: r a row in use, i an input, o an output.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | grad_output | rows×outputs | read |
//! | 3 | input | rows×inputs | read |
//! | 4 | grad_weight | outputs×inputs | write |
//! | 5 | grad_bias | 1×outputs | write |
//! | 6 | flag | 1 | atomic |
//!
//! Replaces `matmul_tn`, `column_sum` and, for this layer, `check_finite`.
//! Rounding: [`Sum`] in blocks, one term per row.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::kernels::dense_grad_weight_sum;
use crate::kernels::matmul_split::{self, Transpose};
use crate::kernels::shared::{self, tiles};
use crate::numeric::{Matrix, MatrixMut, Sum, all_finite, column_sum, matmul_over_rows};
use crate::plan::{Binding, Call, Kernel, Op, Plan, Shader, Step, StepUse, Tiles, Tolerance, ViewId, WorkItem, words};
use crate::shape::{Dtype, Shape};

words! {
    /// Kernel parameters.
    pub struct Params {
        /// Number of columns of the input.
        inputs: u32,
        /// Number of columns of `grad_output`.
        outputs: u32,
    }
}

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "dense_grad_weight",
    bindings: &[
        Binding::read("grad_output", Dtype::F32),
        Binding::read("input", Dtype::F32),
        Binding::write("grad_weight", Dtype::F32),
        Binding::write("grad_bias", Dtype::F32),
        Binding::atomic("flag"),
    ],
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::Part,
    flops: |_, s| 2 * s[0].rows as u64 * (s[2].elements() + s[3].elements()) as u64,
    reference: |call| {
        let (p, step, items) = (*call.params::<Params>(), *call.step, call.items.clone());
        let [grad_output, input, grad_weight, grad_bias, flag] = call.args();
        let (grad_weight, grad_bias) = (grad_weight.f32_mut(), grad_bias.f32_mut());
        reference(&p, &step, items, grad_output.f32(), input.f32(), grad_weight, grad_bias, flag.atomic());
    },
    fast: Some(fast),
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/dense_grad_weight.wgsl"),
        shared: &[shared::STEP, shared::FINITE, shared::WHOLE],
        prelude: tiles::prelude,
        grid: |op, shapes| tiles::grid(op, size(shapes)),
        rounds: Some(|op, shapes| tiles::rounds(&op.tile(), size(shapes))),
        tiles: Some(Tiles {
            candidates: |_, shapes, limits| tiles::candidates_with_parts(size(shapes), limits),
            core: tiles::core,
            split: Some(split),
        }),
    },
};

fn size(shapes: &[Shape]) -> tiles::Matmul {
    let [grad_output, grad_weight] = [shapes[0], shapes[2]];
    let aligned = [grad_output, grad_weight, grad_weight].map(|shape| shape.columns.is_multiple_of(4));
    tiles::Matmul {
        rows: grad_weight.rows,
        columns: grad_weight.columns,
        terms: grad_output.rows,
        aligned,
        over_rows: true,
        may_drop: false,
    }
}

/// grad_weight = grad_outputᵀ · input, grad_bias = the column sums of grad_output.
pub fn op(plan: &Plan, grad_output: ViewId, input: ViewId, grad_weight: ViewId, grad_bias: ViewId, flag: ViewId) -> Op {
    let (outputs, inputs) = (plan.shape(grad_weight).rows, plan.shape(grad_weight).columns);
    let params = Params { inputs: inputs as u32, outputs: outputs as u32 };
    Op::new(&KERNEL, &[grad_output, input, grad_weight, grad_bias, flag], &params, outputs)
}

/// Returns the two ops that replace `op` if its sums are split into parts. The second op adds the parts.
fn split(plan: &mut Plan, op: &Op) -> [Op; 2] {
    let [grad_output, input, grad_weight, grad_bias, flag] = [0, 1, 2, 3, 4].map(|binding| op.views[binding]);
    let (first, partial) = matmul_split::op(plan, Transpose::Tn, op.tile(), grad_output, input, grad_weight);
    [first, dense_grad_weight_sum::op(plan, partial, grad_weight, grad_bias, flag)]
}

/// The reference implementation; grad_weight and grad_bias begin at output `items.start`.
#[expect(clippy::too_many_arguments, reason = "one for each binding")]
pub fn reference(
    p: &Params,
    step: &Step,
    items: Range<usize>,
    grad_output: &[f32],
    input: &[f32],
    grad_weight: &mut [f32],
    grad_bias: &mut [f32],
    flag: &AtomicU32,
) {
    let (inputs, outputs) = (p.inputs as usize, p.outputs as usize);
    for o in items.clone() {
        let item = o - items.start;
        let mut bias = 0.0;
        for r in 0..step.rows as usize {
            bias += f64::from(grad_output[r * outputs + o]);
        }
        let bias = bias as f32;
        grad_bias[item] = bias;
        let mut finite = bias.is_finite();
        for i in 0..inputs {
            let mut sum = 0.0;
            for r in 0..step.rows as usize {
                sum += f64::from(grad_output[r * outputs + o]) * f64::from(input[r * inputs + i]);
            }
            let sum = sum as f32;
            grad_weight[item * inputs + i] = sum;
            finite = finite && sum.is_finite();
        }
        if !finite {
            flag.fetch_min(step.index, Ordering::Relaxed);
        }
    }
}

/// Multiplies the matrices. Sums the bias gradient row by row, so that memory is read in order.
fn fast(call: Call<'_>) {
    let (p, step, items) = (*call.params::<Params>(), *call.step, call.items.clone());
    let [grad_output, input, grad_weight, grad_bias, flag] = call.args();
    let (grad_weight, grad_bias) = (grad_weight.f32_mut(), grad_bias.f32_mut());
    let (inputs, outputs, rows) = (p.inputs as usize, p.outputs as usize, step.rows as usize);
    let gradient = Matrix::new(grad_output.f32(), rows, outputs).columns(items);
    let input = Matrix::new(input.f32(), rows, inputs);
    matmul_over_rows(gradient.transposed(), input, MatrixMut::new(grad_weight, grad_bias.len(), inputs));
    column_sum(gradient, grad_bias);
    if !(all_finite(grad_weight) && all_finite(grad_bias)) {
        flag.atomic().fetch_min(step.index, Ordering::Relaxed);
    }
}

fn tolerance(before: &Call<'_>, after: &Call<'_>) -> Vec<Tolerance> {
    let p = before.params::<Params>();
    let (inputs, outputs, rows) = (p.inputs as usize, p.outputs as usize, before.step.rows as usize);
    let (grad_output, input) = (before.f32(0), before.f32(1));
    let depth = tiles::depth(tiles::unsplit_terms(outputs, inputs, rows));
    let mut weights = vec![0.0; after.f32(2).len()];
    let mut biases = vec![0.0; outputs];
    for o in 0..outputs {
        for i in 0..inputs {
            let mut sum = Sum::default();
            (0..rows).for_each(|r| sum.add(grad_output[r * outputs + o], input[r * inputs + i]));
            weights[o * inputs + i] = sum.in_blocks(depth).tolerance();
        }
        let mut sum = Sum::default();
        (0..rows).for_each(|r| sum.add(grad_output[r * outputs + o], 1.0));
        biases[o] = sum.in_blocks(depth).tolerance();
    }
    vec![Tolerance::Each(weights), Tolerance::Each(biases), Tolerance::Exact]
}
