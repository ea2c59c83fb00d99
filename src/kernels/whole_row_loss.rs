//! Loss of a whole row: a function of maxima and sums over its columns, with its gradient.
//!
//! Formulas: `row_loss[r] = l(maxima, sums, n)`, `grad[r, c] = d(column c, maxima, sums, n) · scale`, with maxima,
//! sums, l and its derivative d from `src/elementwise/losses.rs`. Symbols: r a row of the batch, c one of n columns,
//! scale = 1 / number of rows of the step. [`Row`] defines the numbers of a column.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | output | rows×columns | read |
//! | 3 | targets | rows×columns / outputs per target, or rows×1 for classes | read |
//! | 4 | row_loss | rows×1 | write |
//! | 5 | grad | rows×columns | write |
//! | 6 | flag | 1 | atomic min with the step's index if the loss of a row is not finite |
//!
//! Derivative: written to `grad` along with the loss.
//! Tolerance: [`Rounded`] computes the rounding errors from the declaration.

use crate::elementwise::numbers::Rounded;
use crate::elementwise::{Row, RowLoss, Targets};
use crate::kernels::shared::row_loss::{self, Params};
use crate::kernels::shared::{self, row_prelude};
use crate::loss::TargetKind;
use crate::plan::{Call, Kernel, Op, Shader, StepUse, Tolerance, WorkItem};

/// Kernel of losses whose targets are numbers; see the module documentation.
pub static NUMBERS: Kernel = Kernel {
    name: "whole_row_loss",
    bindings: row_loss::NUMBERS,
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::BatchRow,
    flops: |words, shapes| {
        let p: &Params = bytemuck::from_bytes(bytemuck::cast_slice(words));
        function(p).flops * shapes[0].elements() as u64
    },
    reference,
    fast: None,
    tolerance,
    shader: Shader {
        prelude,
        ..row_loss::shader(
            include_str!("../../shaders/whole_row_loss.wgsl"),
            &[
                shared::STEP,
                shared::LINEAR_INDEX,
                shared::FINITE,
                shared::FUNCTIONS,
                shared::ABOVE,
                shared::TREE,
                shared::ROW,
                shared::ROW_LOSS,
            ],
        )
    },
};

/// Kernel of losses whose targets are classes; see the module documentation.
pub static CLASSES: Kernel = Kernel { name: "whole_row_loss_of_classes", bindings: row_loss::CLASSES, ..NUMBERS };

/// Returns the WGSL prelude: the layout of rows, the type of targets, and the op's own loss function.
fn prelude(op: &Op) -> String {
    let (loss, is_class) = (op.params::<Params>().loss(), op.kernel.name == CLASSES.name);
    let target = if is_class { "u32" } else { "f32" };
    let constants = format!("alias Target = {target};\nconst CLASSES = {is_class};\n");
    row_prelude(op) + &constants + &loss.function().row_wgsl(loss.outputs_per_target())
}

/// Returns the loss of whole rows. `kernels::loss::kernel` chooses this kernel only for losses that have one.
fn function(p: &Params) -> &'static RowLoss {
    p.loss().function().row().unwrap_or_else(|| panic!("{} is no loss of whole rows", p.loss()))
}

/// Returns the targets of row `r`, from the words of the view.
fn targets<'a>(p: &Params, words: &'a [u32], r: usize) -> Targets<'a, f32> {
    let each = p.loss().target_columns(p.columns as usize);
    match p.loss().target_kind() {
        TargetKind::Class => Targets::Class(words[r] as usize),
        TargetKind::Numbers => Targets::Numbers(bytemuck::cast_slice(&words[r * each..(r + 1) * each])),
    }
}

/// The reference implementation.
pub fn reference(call: Call<'_>) {
    let (p, step, rows) = (*call.params::<Params>(), *call.step, call.items.len());
    let [output, target, row_loss, grad, flag] = call.args();
    let (output, target, row_loss, grad) = (output.f32(), target.words(), row_loss.f32_mut(), grad.f32_mut());
    let (loss, columns, flag) = (p.loss(), p.columns as usize, flag.atomic());
    for r in 0..rows {
        let all = r * columns..(r + 1) * columns;
        let row = Row {
            meaning: loss.function().output,
            parameters: loss.parameters(),
            outputs: &output[all.clone()],
            targets: targets(&p, target, r),
        };
        let found = (function(&p).single)(&row, &mut grad[all.clone()]);
        grad[all].iter_mut().for_each(|derivative| *derivative *= step.loss_scale);
        row_loss::write(&mut row_loss[r], found, &step, flag);
    }
}

fn tolerance(before: &Call<'_>, after: &Call<'_>) -> Vec<Tolerance> {
    let p = before.params::<Params>();
    let (loss, columns, scale) = (p.loss(), p.columns as usize, Rounded::exact_f32(before.step.loss_scale));
    let mut losses = vec![0.0; after.f32(2).len()];
    let mut gradients = vec![0.0; after.f32(3).len()];
    let rounded = |numbers: &[f32]| numbers.iter().map(|number| Rounded::exact_f32(*number)).collect::<Vec<_>>();
    for r in 0..before.items.len() {
        let all = r * columns..(r + 1) * columns;
        let (outputs, numbers);
        outputs = rounded(&before.f32(0)[all.clone()]);
        let row = Row {
            meaning: loss.function().output,
            parameters: loss.parameters().map(Rounded::exact_f32),
            outputs: &outputs,
            targets: match targets(p, before.words(1), r) {
                Targets::Class(class) => Targets::Class(class),
                Targets::Numbers(targets) => {
                    numbers = rounded(targets);
                    Targets::Numbers(&numbers)
                }
            },
        };
        let mut found = outputs.clone();
        losses[r] = (function(p).rounded)(&row, &mut found).error();
        gradients[all].iter_mut().zip(found).for_each(|(gradient, found)| *gradient = (found * scale).error());
    }
    vec![Tolerance::Each(losses), Tolerance::Each(gradients), Tolerance::Exact]
}
