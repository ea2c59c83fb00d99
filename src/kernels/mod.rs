//! The kernels, each in a file of its own, or with its variants. `NAME.rs` here, `shaders/NAME.wgsl` and
//! `tests/kernels/NAME.rs` share a file stem.
//!
//! A kernel's file holds its documentation (formula, symbols, bindings, derivative, rounding tolerance), `Params`, the
//! static [`Kernel`], functions that create an [`Op`] of it, and `reference`, the reference implementation. Some also
//! have `fast`, a faster CPU kernel. Kernels use plan types; they know nothing of networks or devices.
//!
//! Rows in use: views have room for the rows of a full batch, but a step may have fewer, such as the last of an epoch.
//! Its [`Step::rows`](crate::plan::Step::rows) first rows are in use. Kernels neither read nor write the others. The
//! elements of a row in use are in use, too.

use crate::elementwise::Function;
use crate::plan::{Kernel, Op};

pub mod accumulate;
pub mod activation;
pub mod activation_grad;
pub mod add;
pub mod argmax;
pub mod bias_add;
pub mod check_finite;
pub mod column_sum;
pub mod count_correct;
pub mod dense_forward;
pub mod dense_forward_sum;
pub mod dense_grad_input;
pub mod dense_grad_input_sum;
pub mod dense_grad_weight;
pub mod dense_grad_weight_sum;
pub mod dropout;
pub mod element_loss;
pub mod gather;
pub mod gather_bytes;
pub mod matmul;
pub mod matmul_split;
pub mod mean_loss;
pub mod mlp_step_fused;
pub mod mlp_step_sum;
pub mod norm;
pub mod row_norm;
pub mod row_norm_grad;
pub mod row_norm_grad_weight;
pub mod softmax_cross_entropy;
pub mod square_sum;
pub mod update;

/// All kernels.
pub static ALL: [&Kernel; DIFFERENT.len() + update::kernels().len()] = {
    let mut all = [DIFFERENT[0]; DIFFERENT.len() + update::kernels().len()];
    let mut place = 1;
    while place < all.len() {
        let of_updates = place.checked_sub(DIFFERENT.len());
        all[place] = if let Some(update) = of_updates { &update::kernels()[update] } else { DIFFERENT[place] };
        place += 1;
    }
    all
};

/// Kernels that are not of a family.
static DIFFERENT: [&Kernel; 37] = [
    &accumulate::KERNEL,
    &activation::KERNEL,
    &activation_grad::KERNEL,
    &add::KERNEL,
    &argmax::KERNEL,
    &bias_add::KERNEL,
    &check_finite::KERNEL,
    &column_sum::KERNEL,
    &count_correct::KERNEL,
    &dense_forward::KERNEL,
    &dense_forward::KEPT,
    &dense_forward_sum::KERNEL,
    &dense_forward_sum::KEPT,
    &dense_grad_input::KERNEL,
    &dense_grad_input_sum::KERNEL,
    &dense_grad_weight::KERNEL,
    &dense_grad_weight_sum::KERNEL,
    &dropout::KERNEL,
    &element_loss::KERNEL,
    &gather::KERNEL,
    &gather_bytes::KERNEL,
    &matmul::NN,
    &matmul::NT,
    &matmul::TN,
    &matmul_split::NN,
    &matmul_split::NT,
    &matmul_split::TN,
    &mean_loss::KERNEL,
    &mlp_step_fused::KERNEL,
    &mlp_step_fused::TRACED,
    &mlp_step_sum::KERNEL,
    &norm::KERNEL,
    &row_norm::KERNEL,
    &row_norm_grad::KERNEL,
    &row_norm_grad_weight::KERNEL,
    &softmax_cross_entropy::KERNEL,
    &square_sum::KERNEL,
];

/// Code shared by several kernels: WGSL sources from `shaders/shared`, common parts of losses and optimizers, tiling of
/// matrix multiplications, and tolerances of the fused step.
pub mod shared {
    pub mod parts;
    pub mod row_loss;
    pub mod rows;
    pub mod step_tolerance;
    pub mod tiles;

    /// Operand a of a matrix multiplication: scalar loads, and vec4 loads.
    pub const A: [&str; 2] =
        [include_str!("../../shaders/shared/a_scalar.wgsl"), include_str!("../../shaders/shared/a_vector.wgsl")];
    /// Operand b of a matrix multiplication: scalar loads, and vec4 loads.
    pub const B: [&str; 2] =
        [include_str!("../../shaders/shared/b_scalar.wgsl"), include_str!("../../shaders/shared/b_vector.wgsl")];
    /// Output of a matrix multiplication: scalar stores, and vec4 stores.
    pub const OUT: [&str; 2] =
        [include_str!("../../shaders/shared/out_scalar.wgsl"), include_str!("../../shaders/shared/out_vector.wgsl")];
    /// Second input with the same layout as the output: scalar loads, and vec4 loads.
    pub const BESIDE: [&str; 2] = [
        include_str!("../../shaders/shared/beside_scalar.wgsl"),
        include_str!("../../shaders/shared/beside_vector.wgsl"),
    ];
    /// A choice by sign, for declared functions.
    pub const ABOVE: &str = include_str!("../../shaders/shared/above.wgsl");
    /// Activation functions and their derivatives. Needs [`FUNCTIONS`] and [`ABOVE`].
    pub const ACTIVATION: &str = include_str!("../../shaders/shared/activation.wgsl");
    /// Sums of many numbers in blocks of fixed size.
    pub const BLOCKS: &str = include_str!("../../shaders/shared/blocks.wgsl");
    /// Gradient clipping: the factor for a given norm.
    pub const CLIP: &str = include_str!("../../shaders/shared/clip.wgsl");
    /// Dropout masks.
    pub const DROPOUT: &str = include_str!("../../shaders/shared/dropout.wgsl");
    /// Checks for finite numbers.
    pub const FINITE: &str = include_str!("../../shaders/shared/finite.wgsl");
    /// Math functions, where WGSL guarantees too little accuracy. Needs [`FINITE`].
    pub const FUNCTIONS: &str = include_str!("../../shaders/shared/functions.wgsl");
    /// Linear invocation index in a 1-D grid that may be folded into rows.
    pub const LINE: &str = include_str!("../../shaders/shared/linear_index.wgsl");
    /// Sums over the parts of split matrix multiplications.
    pub const PARTS: &str = include_str!("../../shaders/shared/parts.wgsl");
    /// Forward pass that also writes the argument of the activation.
    pub const KEPT: &str = include_str!("../../shaders/shared/kept.wgsl");
    /// Forward pass that writes only its output.
    pub const UNKEPT: &str = include_str!("../../shaders/shared/unkept.wgsl");
    /// Like [`KEPT`], for the sum of parts.
    pub const SUM_KEPT: &str = include_str!("../../shaders/shared/sum_kept.wgsl");
    /// Like [`UNKEPT`], for the sum of parts.
    pub const SUM_UNKEPT: &str = include_str!("../../shaders/shared/sum_unkept.wgsl");
    /// Philox random numbers.
    pub const PHILOX: &str = include_str!("../../shaders/shared/philox.wgsl");
    /// Code that all matmul cores share.
    pub const MATMUL: &str = include_str!("../../shaders/shared/matmul.wgsl");
    /// Matmul core that keeps tiles in registers; each invocation loads its own operands.
    pub const REGISTERS: &str = include_str!("../../shaders/shared/registers.wgsl");
    /// Sums and maxima of rows that several invocations process together.
    pub const ROW: &str = include_str!("../../shaders/shared/row.wgsl");
    /// Code that all losses share.
    pub const ROW_LOSS: &str = include_str!("../../shaders/shared/row_loss.wgsl");
    /// Power-of-two scale factors for sums of squares.
    pub const SCALE: &str = include_str!("../../shaders/shared/scale.wgsl");
    /// Matrix multiplication whose terms are split into parts (split-K).
    pub const SPLIT: &str = include_str!("../../shaders/shared/split.wgsl");
    /// Record of the current step.
    pub const STEP: &str =
        concat!(include_str!("../../shaders/shared/record.wgsl"), include_str!("../../shaders/shared/step.wgsl"));
    /// Records of all steps.
    pub const STEPS: &str =
        concat!(include_str!("../../shaders/shared/record.wgsl"), include_str!("../../shaders/shared/steps.wgsl"));
    /// Matmul core that shares operands within a subgroup.
    pub const SUBGROUPS: &str = include_str!("../../shaders/shared/subgroups.wgsl");
    /// Matmul core that shares operands in workgroup memory.
    pub const TILES: &str = include_str!("../../shaders/shared/tiles.wgsl");
    /// Fused step that writes the outputs of its stages to a trace.
    pub const TRACED: &str = include_str!("../../shaders/shared/traced.wgsl");
    /// Sums and maxima over a workgroup.
    pub const TREE: &str = include_str!("../../shaders/shared/tree.wgsl");
    /// Code that all optimizers share.
    pub const UPDATE: &str = include_str!("../../shaders/shared/update.wgsl");
    /// Fused step without a trace.
    pub const UNTRACED: &str = include_str!("../../shaders/shared/untraced.wgsl");
    /// Matrix multiplication over all terms at once (no split).
    pub const WHOLE: &str = include_str!("../../shaders/shared/whole.wgsl");
}

/// Workgroup size of kernels with a 1-D grid.
pub const GROUP: usize = 64;

/// Workgroup memory, in bytes, of kernels that are not matrix multiplications: a reduction tree and one more word.
pub const GROUP_BYTES: usize = 4 * (GROUP + 1);

/// WGSL prelude of kernels with a 1-D grid: their workgroup size.
pub fn line_prelude(_: &Op) -> String {
    format!("const GROUP = {GROUP}u;\n")
}

/// WGSL prelude of kernels with an activation and optional dropout: the op's own function, its derivative, and a constant, so
/// that the shader has no code, and no branch, that its op does not need.
pub fn activation_prelude(op: &Op) -> String {
    // `Plan::push` rejects an op that lacks a parameter of its kernel. `tests/contract` compiles every kernel and so
    // checks that the parameter exists.
    let function = op.param("function").expect("a kernel with an activation has its number");
    let drops = op.param("threshold").is_some_and(|threshold| threshold > 0);
    format!("const FUNCTION = {function}u;\nconst DROPS = {drops};\n") + &Function::wgsl(&[function])
}

/// Number of invocations per row of `columns` elements: a whole workgroup for long rows, else one.
pub fn per_row(columns: usize) -> usize {
    if columns > GROUP { GROUP } else { 1 }
}

/// WGSL prelude of kernels with one or more invocations per row. Their first parameter must be the number of columns.
pub fn row_prelude(op: &Op) -> String {
    format!("{}const PER_ROW = {}u;\n", line_prelude(op), per_row(op.params[0] as usize))
}

/// Maximum number of loop iterations of one invocation when a workgroup processes `count` elements together, four per
/// iteration. Includes the reduction tree.
pub fn taking_turns(count: usize) -> u64 {
    (count.div_ceil(4 * GROUP) + GROUP) as u64
}

/// Maximum number of loop iterations of one invocation that processes a row of `columns` elements, alone or with
/// others. Includes the reduction tree.
pub fn along_row(columns: usize) -> u64 {
    (columns.div_ceil(per_row(columns)) + GROUP) as u64
}

/// 1-D grid with one invocation for each of `count` elements.
pub fn line(count: usize) -> [u32; 3] {
    groups(count.div_ceil(GROUP))
}

/// Grid of `count` workgroups in one dimension, folded into rows where one axis cannot hold them. `line` in
/// `shaders/shared/linear_index.wgsl` computes the linear index.
pub fn groups(count: usize) -> [u32; 3] {
    // The limit per axis that WebGPU guarantees.
    const AXIS: usize = 65_535;
    let rows = count.div_ceil(AXIS);
    [count.div_ceil(rows.max(1)) as u32, rows as u32, 1]
}

#[cfg(test)]
mod tests {
    use super::groups;

    #[test]
    fn lines_are_folded_where_an_axis_ends() {
        assert_eq!([0, 1, 65_535, 65_536].map(groups), [[0, 0, 1], [1, 1, 1], [65_535, 1, 1], [32_768, 2, 1]]);
        for count in [65_537, 131_070, 131_071, 4_000_037] {
            let [x, y, _] = groups(count).map(|axis| axis as usize);
            assert!(x <= 65_535 && y <= 65_535 && (count..count + y).contains(&(x * y)), "{count}: {x}×{y}");
        }
    }
}
