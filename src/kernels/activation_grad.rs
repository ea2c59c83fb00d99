//! Backward pass of an activation: the gradient of its input from the gradient of its output.
//!
//! Formula: grad_input = grad_output · f′(output), with f′ as in `activation`.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | grad_output | rows×columns | read |
//! | 3 | output (of the activation) | rows×columns | read |
//! | 4 | grad_input | rows×columns | write |
//!
//! Rounding: exact where f′ is 0 or 1, else f′ and one multiplication.

use crate::kernels::activation::{self, Function};
use crate::kernels::{activation_prelude, line, line_prelude, shared};
use crate::numeric::{UNIT_ROUNDOFF, or_flushed};
use crate::plan::{Binding, Call, Kernel, Op, Plan, Shader, StepUse, Tolerance, ViewId, WorkItem, words};
use crate::shape::Dtype;

words! {
    /// Kernel parameters.
    pub struct Params {
        /// Number of columns.
        columns: u32,
        /// Code of the function; see `activation`.
        function: u32,
        /// Slope of leaky_relu.
        slope: f32,
    }
}

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "activation_grad",
    bindings: &[
        Binding::read("grad_output", Dtype::F32).cut(),
        Binding::read("output", Dtype::F32).cut(),
        Binding::write("grad_input", Dtype::F32),
    ],
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::BatchRow,
    flops: |_, s| 2 * s[0].elements() as u64,
    reference: |call| {
        let (p, rows) = (*call.params::<Params>(), call.items.len());
        let [grad_output, output, grad_input] = call.args();
        reference(&p, rows, grad_output.f32(), output.f32(), grad_input.f32_mut());
    },
    fast: None,
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/activation_grad.wgsl"),
        shared: &[shared::STEP, shared::LINE, shared::FINITE, shared::FUNCTIONS, shared::ACTIVATION],
        prelude: |op| line_prelude(op) + &activation_prelude(op),
        grid: |_, shapes| line(shapes[0].elements()),
        rounds: None,
        tiles: None,
    },
};

/// grad_input = grad_output · f′(output).
pub fn op(plan: &Plan, function: impl Into<Function>, grad_output: ViewId, output: ViewId, grad_input: ViewId) -> Op {
    let shape = plan.shape(output);
    let Function { code, slope } = function.into();
    let params = Params { columns: shape.columns as u32, function: code, slope };
    Op::new(&KERNEL, &[grad_output, output, grad_input], &params, shape.rows)
}

/// The reference implementation.
pub fn reference(p: &Params, rows: usize, grad_output: &[f32], output: &[f32], grad_input: &mut [f32]) {
    for i in 0..rows * p.columns as usize {
        grad_input[i] = grad_output[i] * activation::derivative(p.function, p.slope, output[i]);
    }
}

fn tolerance(before: &Call<'_>, after: &Call<'_>) -> Vec<Tolerance> {
    let p = before.params::<Params>();
    let (grad_output, output) = (before.f32(0), before.f32(1));
    let mut tolerances = vec![0.0; after.f32(2).len()];
    for i in 0..before.items.len() * p.columns as usize {
        let gradient = f64::from(grad_output[i]).abs();
        let derivative = f64::from(activation::derivative(p.function, p.slope, output[i])).abs();
        let rounding = if derivative == 0.0 || derivative == 1.0 { 0.0 } else { 4.0 * UNIT_ROUNDOFF * derivative };
        tolerances[i] = or_flushed(gradient * (rounding + activation::derivative_error(p.function, derivative, 1.0)));
    }
    vec![Tolerance::Each(tolerances)]
}
