//! Gated linear units: the first half of the columns, multiplied by an activation function of the second half.
//!
//! Formula: `output[r, c] = input[r, c]·f(input[r, n + c])`. Symbols: r a row of the batch, c one of n output columns.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | input | rows×2·columns | read |
//! | 3 | output | rows×columns | write |
//!
//! Source: Dauphin et al. 2017; Shazeer 2020, "GLU variants improve transformer".
//! Derivative: `gated_grad`. Tolerance: rounding errors as [`Rounded`] computes them.

use crate::elementwise::numbers::Rounded;
use crate::kernels::shared::{self, activation_prelude, grid_1d, grid_1d_prelude};
use crate::network::Activation;
use crate::plan::{Binding, Call, Kernel, Op, Plan, Shader, StepUse, Tolerance, ViewId, WorkItem, words};
use crate::shape::Dtype;

words! {
    /// Kernel parameters.
    pub struct Params {
        /// Number of output columns.
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
    name: "gated",
    bindings: &[Binding::read("input", Dtype::F32).per_item(), Binding::write("output", Dtype::F32)],
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::BatchRow,
    flops: |_, s| 2 * s[1].elements() as u64,
    reference: |call| {
        let (p, rows) = (*call.params::<Params>(), call.items.len());
        let [input, output] = call.args();
        reference(&p, rows, input.f32(), output.f32_mut());
    },
    fast: Some(fast),
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/gated.wgsl"),
        shared: &[shared::STEP, shared::LINEAR_INDEX, shared::FINITE, shared::FUNCTIONS, shared::ABOVE],
        prelude: |op| grid_1d_prelude(op) + &activation_prelude(op),
        grid: |_, shapes| grid_1d(shapes[1].elements()),
        rounds: None,
        tiles: None,
    },
};

impl Params {
    /// Creates the parameters for `columns` output columns.
    pub fn new(function: Activation, columns: usize) -> Self {
        let [alpha, beta] = function.parameters();
        Self { columns: columns as u32, function: function.number(), alpha, beta }
    }

    /// Returns the activation function f.
    pub fn activation(&self) -> Activation {
        Activation::new(self.function, [self.alpha, self.beta])
    }
}

/// output = the first half of input's columns, multiplied by the function of the second half.
pub fn op(plan: &Plan, function: Activation, input: ViewId, output: ViewId) -> Op {
    let shape = plan.shape(output);
    Op::new(&KERNEL, &[input, output], &Params::new(function, shape.columns), shape.rows)
}

/// The reference implementation.
pub fn reference(p: &Params, rows: usize, input: &[f32], output: &mut [f32]) {
    let columns = p.columns as usize;
    for r in 0..rows {
        for c in 0..columns {
            let [a, b] = [c, columns + c].map(|c| input[r * 2 * columns + c]);
            output[r * columns + c] = a * p.activation().apply(b);
        }
    }
}

/// Same computation as [`reference`], vectorized.
fn fast(call: Call<'_>) {
    let p = *call.params::<Params>();
    let [input, output] = call.args();
    let columns = p.columns as usize;
    for (input, output) in input.f32().chunks_exact(2 * columns).zip(output.f32_mut().chunks_exact_mut(columns)) {
        let (a, b) = input.split_at(columns);
        output.copy_from_slice(b);
        p.activation().apply_all(output);
        output.iter_mut().zip(a).for_each(|(output, a)| *output *= a);
    }
}

fn tolerance(before: &Call<'_>, _after: &Call<'_>) -> Vec<Tolerance> {
    let p = before.params::<Params>();
    let columns = p.columns as usize;
    let error = |i: usize| {
        let [a, b] = [0, columns].map(|half| before.f32(0)[i / columns * 2 * columns + half + i % columns]);
        (Rounded::exact_f32(a) * p.activation().rounded(Rounded::exact_f32(b))).error()
    };
    vec![Tolerance::Each((0..before.items.len() * columns).map(error).collect())]
}
