//! Mixes each row of the batch with the row at its place from the other end: inputs and losses of mixup and CutMix.
//!
//! Formulas, with the other row s = rows − 1 − r of the rows in use:
//!
//! ```text
//! blend    output[r, c] = λ·own[r, c] + (1 − λ)·other[s, c]
//! cut      output[r, c] = other[s, c] in the step's run of columns, else own[r, c]
//! reverse  output[r, c] = other[s, c]
//! ```
//!
//! Symbols: r a row of the batch, c a column, λ the step's `mix_own`. The run has `mix_columns` columns from
//! `mix_first` on; behind the last column comes the first. `own` and `other` may be views of the same memory.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | own | rows×columns | read |
//! | 3 | other | rows×columns | read |
//! | 4 | output | rows×columns | write |
//!
//! Sources: Zhang et al. 2018, "mixup: beyond empirical risk minimization"; Yun et al. 2019, "CutMix".
//! Derivative: none; inputs and losses are leaves. Rounding: [`Rounded`]; without λ nothing is rounded.

use crate::elementwise::numbers::Rounded;
use crate::kernels::shared::{self, grid_1d, grid_1d_prelude};
use crate::numeric::widest;
use crate::plan::{Binding, Call, Kernel, Op, Plan, Shader, Step, StepUse, Tolerance, ViewId, WorkItem, words};
use crate::shape::Dtype;

words! {
    /// Kernel parameters.
    pub struct Params {
        /// Number of columns.
        columns: u32,
        /// A [`Kind`].
        kind: u32,
    }
}

/// Way of mixing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// By the share λ.
    Blend,
    /// By columns.
    Cut,
    /// The other row takes the place of the own one.
    Reverse,
}

impl Kind {
    /// All kinds, by their numbers.
    pub const ALL: [Self; 3] = [Self::Blend, Self::Cut, Self::Reverse];
}

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "mix_rows",
    bindings: &[
        Binding::read("own", Dtype::F32).per_item(),
        Binding::read("other", Dtype::F32),
        Binding::write("output", Dtype::F32),
    ],
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::BatchRow,
    flops: |_, s| 3 * s[2].elements() as u64,
    reference,
    fast: Some(fast),
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/mix_rows.wgsl"),
        shared: &[shared::STEP, shared::LINEAR_INDEX],
        prelude: |op| format!("{}const KIND = {}u;\n", grid_1d_prelude(op), op.params[1]),
        grid: |_, shapes| grid_1d(shapes[2].elements()),
        rounds: None,
        tiles: None,
    },
};

/// output = each row of `own`, mixed with the row of `other` at its place from the other end.
pub fn op(plan: &Plan, kind: Kind, [own, other, output]: [ViewId; 3]) -> Op {
    let shape = plan.shape(output);
    let params = Params { columns: shape.columns as u32, kind: kind as u32 };
    Op::new(&KERNEL, &[own, other, output], &params, shape.rows)
}

/// Returns `true` if CutMix takes this column from the second row of the mix.
pub fn is_cut(step: &Step, columns: usize, column: usize) -> bool {
    (column + columns - step.mix_first as usize) % columns < step.mix_columns as usize
}

/// The reference implementation.
pub fn reference(call: Call<'_>) {
    let (p, step, items) = (*call.params::<Params>(), *call.step, call.items.clone());
    let [own, other, output] = call.args();
    let (own, other, output) = (own.f32(), other.f32(), output.f32_mut());
    let (rows, columns) = (step.rows as usize, p.columns as usize);
    for r in items.clone() {
        for c in 0..columns {
            let i = (r - items.start) * columns + c;
            let x = other[(rows - 1 - r) * columns + c];
            output[i] = match Kind::ALL[p.kind as usize] {
                Kind::Blend => step.mix_own * own[i] + (1.0 - step.mix_own) * x,
                Kind::Cut if !is_cut(&step, columns, c) => own[i],
                Kind::Cut | Kind::Reverse => x,
            };
        }
    }
}

/// Same computation as [`reference`], by whole rows.
fn fast(call: Call<'_>) {
    let (p, step, items) = (*call.params::<Params>(), *call.step, call.items.clone());
    let [own, other, output] = call.args();
    let (own, other, columns) = (own.f32(), other.f32(), p.columns as usize);
    let rows = own.chunks_exact(columns).zip(output.f32_mut().chunks_exact_mut(columns));
    for (r, (own, output)) in items.zip(rows) {
        let other = &other[(step.rows as usize - 1 - r) * columns..][..columns];
        match Kind::ALL[p.kind as usize] {
            Kind::Blend => blend(step.mix_own, own, other, output),
            Kind::Reverse => output.copy_from_slice(other),
            Kind::Cut => {
                output.copy_from_slice(own);
                let (first, end) = (step.mix_first as usize, (step.mix_first + step.mix_columns) as usize);
                let (last, behind) = (end.min(columns), end.saturating_sub(columns));
                output[first..last].copy_from_slice(&other[first..last]);
                output[..behind].copy_from_slice(&other[..behind]);
            }
        }
    }
}

widest! {
    fn blend(share: f32, own: &[f32], other: &[f32], output: &mut [f32]) {
        let pairs = own.iter().zip(other);
        output.iter_mut().zip(pairs).for_each(|(y, (a, b))| *y = share * a + (1.0 - share) * b);
    }
}

fn tolerance(before: &Call<'_>, after: &Call<'_>) -> Vec<Tolerance> {
    let (p, step) = (before.params::<Params>(), before.step);
    if Kind::ALL[p.kind as usize] != Kind::Blend {
        return vec![Tolerance::Exact];
    }
    let columns = p.columns as usize;
    let share = Rounded::exact_f32(step.mix_own);
    let mut tolerances = vec![0.0; after.f32(2).len()];
    for r in before.items.clone() {
        for c in 0..columns {
            let i = (r - before.items.start) * columns + c;
            let [own, other] = [before.f32(0)[i], before.f32(1)[(step.rows as usize - 1 - r) * columns + c]];
            let mixed = share * Rounded::exact_f32(own) + (1.0 - share) * Rounded::exact_f32(other);
            tolerances[i] = mixed.error();
        }
    }
    vec![Tolerance::Each(tolerances)]
}
