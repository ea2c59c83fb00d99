//! Gradient of `gated` with respect to its input.
//!
//! Formula, with a = input[r, c] and b = input[r, n + c]: `grad_input[r, c] = grad_output[r, c]·f(b)` and
//! `grad_input[r, n + c] = grad_output[r, c]·a·f′(b)`. Symbols: r a row of the batch, c one of n columns of the output.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | grad_output | rows×columns | read |
//! | 3 | input | rows×2·columns | read |
//! | 4 | grad_input | rows×2·columns | write |
//!
//! f′ is computed from b or from f(b); see [`Side`](crate::elementwise::Side). Tolerance: rounding errors as
//! [`Rounded`] computes them.

use crate::elementwise::numbers::Rounded;
use crate::kernels::gated::Params;
use crate::kernels::shared::{self, activation_prelude, grid_1d, grid_1d_prelude};
use crate::network::Activation;
use crate::plan::{Binding, Call, Kernel, Op, Plan, Shader, StepUse, Tolerance, ViewId, WorkItem};
use crate::shape::Dtype;

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "gated_grad",
    bindings: &[
        Binding::read("grad_output", Dtype::F32).per_item(),
        Binding::read("input", Dtype::F32).per_item(),
        Binding::write("grad_input", Dtype::F32),
    ],
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::BatchRow,
    flops: |_, s| 5 * s[0].elements() as u64,
    reference: |call| {
        let (p, rows) = (*call.params::<Params>(), call.items.len());
        let [grad_output, input, grad_input] = call.args();
        reference(&p, rows, grad_output.f32(), input.f32(), grad_input.f32_mut());
    },
    fast: Some(fast),
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/gated_grad.wgsl"),
        shared: &[shared::STEP, shared::LINEAR_INDEX, shared::FINITE, shared::FUNCTIONS, shared::ABOVE],
        prelude: |op| {
            let keeps_input = op.params::<Params>().activation().keeps_input();
            format!("{}{}const KEEPS_INPUT = {keeps_input};\n", grid_1d_prelude(op), activation_prelude(op))
        },
        grid: |_, shapes| grid_1d(shapes[0].elements()),
        rounds: None,
        tiles: None,
    },
};

/// grad_input = the gradient with respect to input, computed from grad_output.
pub fn op(plan: &Plan, function: Activation, views: [ViewId; 3]) -> Op {
    let shape = plan.shape(views[0]);
    Op::new(&KERNEL, &views, &Params::new(function, shape.columns), shape.rows)
}

/// The reference implementation.
pub fn reference(p: &Params, rows: usize, grad_output: &[f32], input: &[f32], grad_input: &mut [f32]) {
    let (columns, function) = (p.columns as usize, p.activation());
    for r in 0..rows {
        for c in 0..columns {
            let places = [c, columns + c].map(|c| r * 2 * columns + c);
            let [a, b] = places.map(|place| input[place]);
            let grad = grad_output[r * columns + c];
            let gate = function.apply(b);
            grad_input[places[0]] = grad * gate;
            grad_input[places[1]] = grad * a * function.derivative(if function.keeps_input() { b } else { gate });
        }
    }
}

/// Same computation as [`reference`], vectorized.
fn fast(call: Call<'_>) {
    let p = *call.params::<Params>();
    let [grad_output, input, grad_input] = call.args();
    let (columns, function) = (p.columns as usize, p.activation());
    let rows = grad_output.f32().chunks_exact(columns).zip(input.f32().chunks_exact(2 * columns));
    for ((grad, input), grad_input) in rows.zip(grad_input.f32_mut().chunks_exact_mut(2 * columns)) {
        let ((a, b), (of_a, of_b)) = (input.split_at(columns), grad_input.split_at_mut(columns));
        of_a.copy_from_slice(b);
        function.apply_all(of_a);
        for ((of_b, grad), a) in of_b.iter_mut().zip(grad).zip(a) {
            *of_b = grad * a;
        }
        function.times_derivative(if function.keeps_input() { b } else { of_a }, 1.0, of_b);
        of_a.iter_mut().zip(grad).for_each(|(of_a, grad)| *of_a *= grad);
    }
}

fn tolerance(before: &Call<'_>, _after: &Call<'_>) -> Vec<Tolerance> {
    let p = before.params::<Params>();
    let (columns, function) = (p.columns as usize, p.activation());
    let error = |i: usize| {
        let (r, c) = (i / (2 * columns), i % columns);
        let [a, b] = [c, columns + c].map(|c| Rounded::exact_f32(before.f32(1)[r * 2 * columns + c]));
        let (grad, gate) = (Rounded::exact_f32(before.f32(0)[r * columns + c]), function.rounded(b));
        if i % (2 * columns) < columns {
            return (grad * gate).error();
        }
        let derivative = function.rounded_derivative(if function.keeps_input() { b } else { gate });
        (grad * a * derivative).error()
    };
    vec![Tolerance::Each((0..before.items.len() * 2 * columns).map(error).collect())]
}
