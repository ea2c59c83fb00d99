//! Multiplies each element by a trained slope: PReLU, or scaling.
//!
//! Formula: `output[r, c] = weight[c]·input[r, c]`; if keeps_positive = 1, `output[r, c] = input[r, c]` where it is
//! above 0. All columns may share one weight. Symbols: r a row of the batch, c a column.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | input | rows×columns | read |
//! | 3 | weight | 1×columns or 1×1 | read |
//! | 4 | output | rows×columns | write |
//!
//! Source: He et al. 2015, "Delving deep into rectifiers".
//! Derivative: `slope_grad`. Rounding: one multiplication.

use crate::elementwise::numbers::Rounded;
use crate::kernels::shared::{self, grid_1d, grid_1d_prelude};
use crate::numeric::widest;
use crate::plan::{Binding, Call, Kernel, Op, Plan, Shader, StepUse, Tolerance, ViewId, WorkItem, words};
use crate::shape::Dtype;

words! {
    /// Kernel parameters.
    pub struct Params {
        /// Number of columns.
        columns: u32,
        /// Number of weights: 1, or one per column.
        weights: u32,
        /// 1 if positive elements are copied unchanged, else 0.
        keeps_positive: u32,
    }
}

impl Params {
    /// Creates the parameters for views of input and weight.
    pub fn new(plan: &Plan, keeps_positive: bool, input: ViewId, weight: ViewId) -> Self {
        let [columns, weights] = [input, weight].map(|view| plan.shape(view).columns as u32);
        Self { columns, weights, keeps_positive: keeps_positive.into() }
    }

    /// Returns the index of the weight of a column.
    pub fn place(&self, column: usize) -> usize {
        if self.weights == 1 { 0 } else { column }
    }

    /// Returns `true` if element `x` of the input is copied unchanged.
    pub fn keeps(&self, x: f32) -> bool {
        self.keeps_positive == 1 && x > 0.0
    }
}

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "slope",
    bindings: &[
        Binding::read("input", Dtype::F32).per_item(),
        Binding::read("weight", Dtype::F32),
        Binding::write("output", Dtype::F32),
    ],
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::BatchRow,
    flops: |_, s| s[0].elements() as u64,
    reference: |call| {
        let (p, rows) = (*call.params::<Params>(), call.items.len());
        let [input, weight, output] = call.args();
        reference(&p, rows, input.f32(), weight.f32(), output.f32_mut());
    },
    fast: Some(|call| {
        let p = *call.params::<Params>();
        let [input, weight, output] = call.args();
        fast(&p, input.f32(), weight.f32(), output.f32_mut());
    }),
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/slope.wgsl"),
        shared: &[shared::STEP, shared::LINEAR_INDEX],
        prelude: grid_1d_prelude,
        grid: |_, shapes| grid_1d(shapes[0].elements()),
        rounds: None,
        tiles: None,
    },
};

/// output = input, multiplied by the slopes.
pub fn op(plan: &Plan, keeps_positive: bool, [input, weight, output]: [ViewId; 3]) -> Op {
    let params = Params::new(plan, keeps_positive, input, weight);
    Op::new(&KERNEL, &[input, weight, output], &params, plan.shape(input).rows)
}

/// The reference implementation.
pub fn reference(p: &Params, rows: usize, input: &[f32], weight: &[f32], output: &mut [f32]) {
    let columns = p.columns as usize;
    for i in 0..rows * columns {
        let slope = weight[p.place(i % columns)];
        output[i] = if p.keeps(input[i]) { input[i] } else { slope * input[i] };
    }
}

widest! {
    /// Same computation as [`reference`], vectorized.
    fn fast(p: &Params, input: &[f32], weight: &[f32], output: &mut [f32]) {
        let columns = p.columns as usize;
        for (input, output) in input.chunks_exact(columns).zip(output.chunks_exact_mut(columns)) {
            let pairs = output.iter_mut().zip(input);
            match weight {
                [one] => pairs.for_each(|(y, x)| *y = if p.keeps(*x) { *x } else { one * x }),
                _ => pairs.zip(weight).for_each(|((y, x), w)| *y = if p.keeps(*x) { *x } else { w * x }),
            }
        }
    }
}

fn tolerance(before: &Call<'_>, _after: &Call<'_>) -> Vec<Tolerance> {
    let p = before.params::<Params>();
    let columns = p.columns as usize;
    let error = |i: usize| {
        let (x, slope) = (before.f32(0)[i], before.f32(1)[p.place(i % columns)]);
        if p.keeps(x) { 0.0 } else { (Rounded::exact_f32(slope) * Rounded::exact_f32(x)).error() }
    };
    vec![Tolerance::Each((0..before.items.len() * columns).map(error).collect())]
}
