//! Second half of a dense layer whose matrix multiplication was split into parts: sum, bias, activation, dropout.
//!
//! Formula: `output[r, o] = drop(f(Σₚ partial[p, r, o] + bias[o]))`, with f as in `activation` and drop as in
//! `dropout`. Symbols: p a part, r a row of the batch, o an output.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | partial | parts×(rows·outputs) | read |
//! | 3 | bias | 1×outputs | read |
//! | 4 | output | rows×outputs | write |
//! | 5 | kept | rows×outputs | write, only in [`KEPT`]: the argument of f |
//!
//! Together with `matmul_split_nt`, it replaces `dense_forward`, or `dense_forward_kept` if there is a view `kept`.
//! Rounding: [`Sum`](crate::numeric::Sum) of parts + 1 terms, propagated through f and the dropout factor.

use crate::elementwise::numbers::Rounded;
use crate::kernels::dropout::{self, Mask};
use crate::kernels::shared::parts;
use crate::kernels::shared::{self, activation_prelude, grid_1d, grid_1d_prelude};
use crate::network::Activation;
use crate::numeric::Sum;
use crate::plan::{
    Binding, BufferArg, Call, Kernel, Op, Plan, Shader, Step, StepUse, Tolerance, ViewId, WorkItem, words,
};
use crate::rng::PHILOX_ROUNDS;
use crate::shape::Dtype;

words! {
    /// Kernel parameters: sizes, activation, dropout.
    pub struct Params {
        /// Number of parts of each sum.
        parts: u32,
        /// Number of elements per part.
        part_size: u32,
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

const BINDINGS: [Binding; 4] = [
    Binding::read("partial", Dtype::F32),
    Binding::read("bias", Dtype::F32),
    Binding::write("output", Dtype::F32),
    Binding::write("kept", Dtype::F32),
];

const fn kernel(name: &'static str, bindings: &'static [Binding], shared: &'static [&'static str]) -> Kernel {
    Kernel {
        name,
        bindings,
        params: Params::FIELDS,
        step: StepUse::One,
        item: WorkItem::BatchRow,
        flops: |p, s| s[2].elements() as u64 * (u64::from(p[0]) + 1),
        reference: |call| {
            let (p, step, first, rows) = (*call.params::<Params>(), *call.step, call.items.start, call.items.len());
            let [partial, bias, output, kept] = call.args();
            let kept = kept.present().map(BufferArg::f32_mut);
            reference(&p, &step, first, rows, partial.f32(), bias.f32(), output.f32_mut(), kept);
        },
        fast: None,
        tolerance,
        shader: Shader {
            source: include_str!("../../shaders/dense_forward_sum.wgsl"),
            shared,
            prelude: |op| grid_1d_prelude(op) + &activation_prelude(op),
            grid: |_, shapes| grid_1d(shapes[2].elements()),
            rounds: Some(|_, shapes| (shapes[0].rows + PHILOX_ROUNDS) as u64),
            tiles: None,
        },
    }
}

/// WGSL sources that both kernels need. The last one, `$kept`, differs between them.
macro_rules! shared {
    ($kept:ident) => {
        &[
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
            shared::$kept,
        ]
    };
}

/// Kernel that does not keep the argument of f; see the module documentation.
pub static KERNEL: Kernel = kernel("dense_forward_sum", BINDINGS.split_at(3).0, shared!(SUM_UNKEPT));

/// Kernel that also writes the argument of f; see the module documentation.
pub static KEPT: Kernel = kernel("dense_forward_sum_kept", &BINDINGS, shared!(SUM_KEPT));

/// output = drop(f(the sum of the parts of partial + bias)).
pub fn op(
    plan: &Plan,
    activation: Activation,
    mask: Mask,
    partial: ViewId,
    bias: ViewId,
    output: ViewId,
    kept: Option<ViewId>,
) -> Op {
    let (parts, output_shape) = (plan.shape(partial), plan.shape(output));
    let [alpha, beta] = activation.parameters();
    let params = Params {
        parts: parts.rows as u32,
        part_size: parts.columns as u32,
        outputs: output_shape.columns as u32,
        function: activation.number(),
        alpha,
        beta,
        layer: mask.layer,
        threshold: mask.threshold,
        scale: mask.scale,
    };
    let views: Vec<ViewId> = [partial, bias, output].into_iter().chain(kept).collect();
    Op::new(if kept.is_some() { &KEPT } else { &KERNEL }, &views, &params, output_shape.rows)
}

impl Params {
    /// Returns the activation function.
    pub fn activation(&self) -> Activation {
        Activation::new(self.function, [self.alpha, self.beta])
    }
}

#[expect(clippy::too_many_arguments, reason = "one for each binding")]
/// The reference implementation; `output` begins at row `first` of the batch.
pub fn reference(
    p: &Params,
    step: &Step,
    first: usize,
    rows: usize,
    partial: &[f32],
    bias: &[f32],
    output: &mut [f32],
    mut kept: Option<&mut [f32]>,
) {
    let (outputs, part_size) = (p.outputs as usize, p.part_size as usize);
    for r in 0..rows {
        for o in 0..outputs {
            let sum = parts::sum(partial, p.parts, part_size, (first + r) * outputs + o);
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

fn tolerance(before: &Call<'_>, after: &Call<'_>) -> Vec<Tolerance> {
    let p = before.params::<Params>();
    let (outputs, part_size) = (p.outputs as usize, p.part_size as usize);
    let (partial, bias) = (before.f32(0), before.f32(1));
    let mut tolerances = vec![0.0; after.f32(2).len()];
    let mut tolerances_kept = tolerances.clone();
    for i in 0..before.items.len() * outputs {
        let mut sum = parts::bounded(partial, p.parts, part_size, i);
        sum.add(bias[i % outputs], 1.0);
        tolerances_kept[i] = sum.tolerance();
        if dropout::keeps(p.threshold, before.step, p.layer, i / outputs, i % outputs) {
            tolerances[i] = rounding(p.activation(), p.scale, &sum);
        }
    }
    let written = [tolerances, tolerances_kept].map(Tolerance::Each);
    written.into_iter().take(if matches!(after.args[3], BufferArg::None) { 1 } else { 2 }).collect()
}

/// Returns the tolerance of a kept element f(sum)·scale.
pub fn rounding(activation: Activation, scale: f32, sum: &Sum) -> f64 {
    (activation.rounded(Rounded::sum(sum)) * Rounded::exact_f32(scale)).error()
}
