//! Applies an activation function to each element.
//!
//! Formula: output = f(input), with f from `src/elementwise/activations.rs`.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | input | rows×columns | read |
//! | 3 | output | rows×columns | write |
//!
//! Derivative: `activation_grad`.
//! Tolerance: [`Rounded`] computes the rounding errors from the declaration of f.

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
    name: "activation",
    bindings: &[Binding::read("input", Dtype::F32).per_item(), Binding::write("output", Dtype::F32)],
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::BatchRow,
    flops: |_, s| s[0].elements() as u64,
    reference: |call| {
        let (p, rows) = (*call.params::<Params>(), call.items.len());
        let [input, output] = call.args();
        reference(&p, rows, input.f32(), output.f32_mut());
    },
    fast: Some(|call| {
        let p = *call.params::<Params>();
        let [input, output] = call.args();
        let output = output.f32_mut();
        output.copy_from_slice(&input.f32()[..output.len()]);
        p.activation().apply_all(output);
    }),
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/activation.wgsl"),
        shared: &shared::FOR_ACTIVATIONS,
        prelude: |op| grid_1d_prelude(op) + &activation_prelude(op),
        grid: |_, shapes| grid_1d(shapes[0].elements()),
        rounds: None,
        tiles: None,
    },
};

/// output = f(input).
pub fn op(plan: &Plan, activation: Activation, input: ViewId, output: ViewId) -> Op {
    let shape = plan.shape(input);
    let [alpha, beta] = activation.parameters();
    let params = Params { columns: shape.columns as u32, function: activation.number(), alpha, beta };
    Op::new(&KERNEL, &[input, output], &params, shape.rows)
}

impl Params {
    /// Returns the activation function.
    pub fn activation(&self) -> Activation {
        Activation::new(self.function, [self.alpha, self.beta])
    }
}

/// The reference implementation.
pub fn reference(p: &Params, rows: usize, input: &[f32], output: &mut [f32]) {
    for i in 0..rows * p.columns as usize {
        output[i] = p.activation().apply(input[i]);
    }
}

fn tolerance(before: &Call<'_>, after: &Call<'_>) -> Vec<Tolerance> {
    let p = before.params::<Params>();
    let mut tolerances = vec![0.0; after.f32(1).len()];
    for i in 0..before.items.len() * p.columns as usize {
        tolerances[i] = p.activation().rounded(Rounded::exact_f32(before.f32(0)[i])).error();
    }
    vec![Tolerance::Each(tolerances)]
}
