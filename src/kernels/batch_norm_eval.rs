//! Normalizes each column by its running statistics: batch normalization in evaluation.
//!
//! Formula: `output[r, c] = (input[r, c] − running_mean[c]) / √(running_var[c] + 10⁻⁵)·weight[c] + bias[c]`.
//! Symbols: r a row of the batch, c a column.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | input | rows×columns | read |
//! | 3 | weight | 1×columns | read |
//! | 4 | bias | 1×columns | read |
//! | 5 | running_mean | 1×columns | read |
//! | 6 | running_var | 1×columns | read |
//! | 7 | output | rows×columns | write |
//!
//! Tolerance: rounding errors as [`Rounded`] computes them.

use crate::elementwise::numbers::Rounded;
use crate::elementwise::numbers::rounded::inverse_root;
use crate::kernels::row_norm::EPSILON;
use crate::kernels::shared::{self, grid_1d, grid_1d_prelude};
use crate::numeric::widest;
use crate::plan::{Binding, Call, Kernel, Op, Plan, Shader, StepUse, Tolerance, ViewId, WorkItem, words};
use crate::shape::Dtype;

words! {
    /// Kernel parameters.
    pub struct Params {
        /// Number of columns.
        columns: u32,
    }
}

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "batch_norm_eval",
    bindings: &[
        Binding::read("input", Dtype::F32).per_item(),
        Binding::read("weight", Dtype::F32),
        Binding::read("bias", Dtype::F32),
        Binding::read("running_mean", Dtype::F32),
        Binding::read("running_var", Dtype::F32),
        Binding::write("output", Dtype::F32),
    ],
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::BatchRow,
    flops: |_, s| 7 * s[0].elements() as u64,
    reference: |call| {
        let (p, rows) = (*call.params::<Params>(), call.items.len());
        let [input, weight, bias, mean, var, output] = call.args();
        reference(&p, rows, input.f32(), [weight, bias, mean, var].map(|view| view.f32()), output.f32_mut());
    },
    fast: Some(|call| {
        let (columns, rows) = (call.params::<Params>().columns as usize, call.items.len());
        let [input, weight, bias, mean, var, output] = call.args();
        let vectors = [weight, bias, mean, var].map(|view| view.f32());
        fast(&input.f32()[..rows * columns], vectors, &mut output.f32_mut()[..rows * columns]);
    }),
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/batch_norm_eval.wgsl"),
        shared: &[shared::STEP, shared::LINEAR_INDEX],
        prelude: grid_1d_prelude,
        grid: |_, shapes| grid_1d(shapes[0].elements()),
        rounds: None,
        tiles: None,
    },
};

/// output = input, normalized by the running statistics.
pub fn op(plan: &Plan, views: [ViewId; 6]) -> Op {
    let shape = plan.shape(views[0]);
    Op::new(&KERNEL, &views, &Params { columns: shape.columns as u32 }, shape.rows)
}

/// The reference implementation; `vectors` are weight, bias, running_mean and running_var.
pub fn reference(p: &Params, rows: usize, input: &[f32], vectors: [&[f32]; 4], output: &mut [f32]) {
    let columns = p.columns as usize;
    for r in 0..rows {
        for c in 0..columns {
            let [weight, bias, mean, var] = vectors.map(|vector| f64::from(vector[c]));
            let normal = (f64::from(input[r * columns + c]) - mean) / (var + EPSILON).sqrt();
            output[r * columns + c] = (normal * weight + bias) as f32;
        }
    }
}

widest! {
    /// Same computation as [`reference`], in f32.
    fn fast(input: &[f32], vectors: [&[f32]; 4], output: &mut [f32]) {
        let columns = vectors[0].len();
        let [weight, bias, mean, var] = vectors.map(|vector| &vector[..columns]);
        for (input, output) in input.chunks_exact(columns).zip(output.chunks_exact_mut(columns)) {
            for c in 0..columns {
                let scale = 1.0 / (var[c] + EPSILON as f32).sqrt();
                output[c] = (input[c] - mean[c]) * scale * weight[c] + bias[c];
            }
        }
    }
}

fn tolerance(before: &Call<'_>, _after: &Call<'_>) -> Vec<Tolerance> {
    let columns = before.params::<Params>().columns as usize;
    let error = |i: usize| {
        let input = Rounded::exact_f32(before.f32(0)[i]);
        let [weight, bias, mean, var] =
            [1, 2, 3, 4].map(|binding| Rounded::exact_f32(before.f32(binding)[i % columns]));
        ((input - mean) * inverse_root(var + Rounded::from(EPSILON)) * weight + bias).error()
    };
    vec![Tolerance::Each((0..before.items.len() * columns).map(error).collect())]
}
