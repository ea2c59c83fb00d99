//! Backward pass of an activation: the gradient of its input from the gradient of its output.
//!
//! Formula: grad_input = grad_output · f′(argument), with f′ from `src/elementwise/activations.rs`.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | grad_output | rows×columns | read |
//! | 3 | argument: output or input of the activation | rows×columns | read |
//! | 4 | grad_input | rows×columns | write |
//!
//! Tolerance: [`Rounded`] computes the rounding errors from the declaration of f′.

use crate::elementwise::numbers::Rounded;
use crate::kernels::shared::{self, activation_prelude, grid_1d, grid_1d_prelude};
use crate::network::Activation;
use crate::plan::{Binding, Call, Kernel, Op, Plan, Shader, StepUse, Tolerance, ViewId, WorkItem, words};
use crate::shape::Dtype;

words! {
    /// Kernel parameters.
    pub struct Params {
        /// Number of columns.
        columns: u32,
        /// Index of the activation function in `Function::ALL`.
        function: u32,
        /// First parameter of the activation function.
        alpha: f32,
        /// Second parameter of the activation function.
        beta: f32,
    }
}

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "activation_grad",
    bindings: &[
        Binding::read("grad_output", Dtype::F32).per_item(),
        Binding::read("argument", Dtype::F32).per_item(),
        Binding::write("grad_input", Dtype::F32),
    ],
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::BatchRow,
    flops: |_, s| 2 * s[0].elements() as u64,
    reference: |call| {
        let (p, rows) = (*call.params::<Params>(), call.items.len());
        let [grad_output, argument, grad_input] = call.args();
        reference(&p, rows, grad_output.f32(), argument.f32(), grad_input.f32_mut());
    },
    fast: None,
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/activation_grad.wgsl"),
        shared: &shared::FOR_ACTIVATIONS,
        prelude: |op| grid_1d_prelude(op) + &activation_prelude(op),
        grid: |_, shapes| grid_1d(shapes[0].elements()),
        rounds: None,
        tiles: None,
    },
};

/// grad_input = grad_output · f′(argument), where the argument is the output or the input of the activation; see
/// [`Side`](crate::elementwise::Side).
pub fn op(plan: &Plan, activation: Activation, grad_output: ViewId, argument: ViewId, grad_input: ViewId) -> Op {
    let shape = plan.shape(argument);
    let [alpha, beta] = activation.parameters();
    let params = Params { columns: shape.columns as u32, function: activation.number(), alpha, beta };
    Op::new(&KERNEL, &[grad_output, argument, grad_input], &params, shape.rows)
}

impl Params {
    /// Returns the activation function.
    pub fn activation(&self) -> Activation {
        Activation::new(self.function, [self.alpha, self.beta])
    }
}

/// The reference implementation.
pub fn reference(p: &Params, rows: usize, grad_output: &[f32], argument: &[f32], grad_input: &mut [f32]) {
    for i in 0..rows * p.columns as usize {
        grad_input[i] = grad_output[i] * p.activation().derivative(argument[i]);
    }
}

fn tolerance(before: &Call<'_>, after: &Call<'_>) -> Vec<Tolerance> {
    let p = before.params::<Params>();
    let [grad_output, argument] = [before.f32(0), before.f32(1)];
    let mut tolerances = vec![0.0; after.f32(2).len()];
    for i in 0..before.items.len() * p.columns as usize {
        let derivative = p.activation().rounded_derivative(Rounded::exact_f32(argument[i]));
        tolerances[i] = (Rounded::exact_f32(grad_output[i]) * derivative).error();
    }
    vec![Tolerance::Each(tolerances)]
}
