//! The kernels, one a file. `NAME.rs` here, `shaders/NAME.wgsl` and `tests/kernels/NAME.rs` carry one stem.
//!
//! A kernel's file holds its documentation (formula, letters, bindings, derivative, rounding tolerance), `Params`,
//! the static [`Kernel`], functions that make an [`Op`] of it, and `reference`, the reference implementation.
//! A `fast` CPU kernel stands beside it where one pays. Kernels know plan types; they know no network and no device.

use crate::plan::{Kernel, Op};

pub mod accumulate;
pub mod activation;
pub mod activation_grad;
pub mod adamw;
pub mod argmax;
pub mod bias_add;
pub mod binary_cross_entropy;
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
pub mod gather;
pub mod gather_bytes;
pub mod matmul;
pub mod matmul_split;
pub mod mean_loss;
pub mod mean_squared_error;
pub mod mlp_step_fused;
pub mod mlp_step_sum;
pub mod norm;
pub mod perceptron;
pub mod rmsprop;
pub mod sgd;
pub mod softmax_cross_entropy;
pub mod square_sum;

/// Every kernel.
pub static ALL: [&Kernel; 37] = [
    &accumulate::KERNEL,
    &activation::KERNEL,
    &activation_grad::KERNEL,
    &adamw::KERNEL,
    &argmax::KERNEL,
    &bias_add::KERNEL,
    &binary_cross_entropy::KERNEL,
    &check_finite::KERNEL,
    &column_sum::KERNEL,
    &count_correct::KERNEL,
    &dense_forward::KERNEL,
    &dense_forward_sum::KERNEL,
    &dense_grad_input::KERNEL,
    &dense_grad_input_sum::KERNEL,
    &dense_grad_weight::KERNEL,
    &dense_grad_weight_sum::KERNEL,
    &dropout::KERNEL,
    &gather::KERNEL,
    &gather_bytes::KERNEL,
    &matmul::NN,
    &matmul::NT,
    &matmul::TN,
    &matmul_split::NN,
    &matmul_split::NT,
    &matmul_split::TN,
    &mean_loss::KERNEL,
    &mean_squared_error::KERNEL,
    &mlp_step_fused::KERNEL,
    &mlp_step_fused::TRACED,
    &mlp_step_sum::KERNEL,
    &norm::KERNEL,
    &perceptron::KERNEL,
    &rmsprop::KERNEL,
    &sgd::KERNEL,
    &sgd::MOMENTUM,
    &softmax_cross_entropy::KERNEL,
    &square_sum::KERNEL,
];

/// What kernels sharing: texts of `shaders/shared`, which shaders are joined from, what losses have in common, how
/// products are cut, what optimizers have in common, and tolerances of a fused step.
pub mod shared {
    pub mod parts;
    pub mod row_loss;
    pub mod rows;
    pub mod step_tolerance;
    pub mod tiles;
    pub mod update;

    /// Operand a of a product, number by number and four at a time.
    pub const A: [&str; 2] =
        [include_str!("../../shaders/shared/a_scalar.wgsl"), include_str!("../../shaders/shared/a_vector.wgsl")];
    /// Operand b of a product, likewise.
    pub const B: [&str; 2] =
        [include_str!("../../shaders/shared/b_scalar.wgsl"), include_str!("../../shaders/shared/b_vector.wgsl")];
    /// The output of a product, likewise.
    pub const OUT: [&str; 2] =
        [include_str!("../../shaders/shared/out_scalar.wgsl"), include_str!("../../shaders/shared/out_vector.wgsl")];
    /// What lies as the output does, likewise.
    pub const BESIDE: [&str; 2] = [
        include_str!("../../shaders/shared/beside_scalar.wgsl"),
        include_str!("../../shaders/shared/beside_vector.wgsl"),
    ];
    /// Activations and their derivatives. Needs [`FUNCTIONS`].
    pub const ACTIVATION: &str = include_str!("../../shaders/shared/activation.wgsl");
    /// Sums of many numbers in blocks of fixed size.
    pub const BLOCKS: &str = include_str!("../../shaders/shared/blocks.wgsl");
    /// The clip factor of a norm.
    pub const CLIP: &str = include_str!("../../shaders/shared/clip.wgsl");
    /// Dropout's masks.
    pub const DROPOUT: &str = include_str!("../../shaders/shared/dropout.wgsl");
    /// A loss that is a mean over columns.
    pub const ELEMENT_LOSS: &str = include_str!("../../shaders/shared/element_loss.wgsl");
    /// Whether numbers are finite.
    pub const FINITE: &str = include_str!("../../shaders/shared/finite.wgsl");
    /// Functions of which WGSL promises too little. Needs [`FINITE`].
    pub const FUNCTIONS: &str = include_str!("../../shaders/shared/functions.wgsl");
    /// The invocation's place in a folded line of workgroups.
    pub const LINE: &str = include_str!("../../shaders/shared/linear_index.wgsl");
    /// Sums of parts of products.
    pub const PARTS: &str = include_str!("../../shaders/shared/parts.wgsl");
    /// Random words.
    pub const PHILOX: &str = include_str!("../../shaders/shared/philox.wgsl");
    /// What the cores of a product have in common.
    pub const PRODUCT: &str = include_str!("../../shaders/shared/product.wgsl");
    /// The core of a product, each invocation for itself.
    pub const REGISTERS: &str = include_str!("../../shaders/shared/registers.wgsl");
    /// Sums and maxima of rows that invocations sharing.
    pub const ROW: &str = include_str!("../../shaders/shared/row.wgsl");
    /// What every loss has.
    pub const ROW_LOSS: &str = include_str!("../../shaders/shared/row_loss.wgsl");
    /// Powers of two for sums of squares.
    pub const SCALE: &str = include_str!("../../shaders/shared/scale.wgsl");
    /// A product whose terms are cut into parts.
    pub const SPLIT: &str = include_str!("../../shaders/shared/split.wgsl");
    /// The record of the current step.
    pub const STEP: &str =
        concat!(include_str!("../../shaders/shared/record.wgsl"), include_str!("../../shaders/shared/step.wgsl"));
    /// The records of all steps.
    pub const STEPS: &str =
        concat!(include_str!("../../shaders/shared/record.wgsl"), include_str!("../../shaders/shared/steps.wgsl"));
    /// The core of a product, by subgroups.
    pub const SUBGROUPS: &str = include_str!("../../shaders/shared/subgroups.wgsl");
    /// The core of a product, with workgroup memory.
    pub const TILES: &str = include_str!("../../shaders/shared/tiles.wgsl");
    /// What the stages of a fused step put out is written down.
    pub const TRACED: &str = include_str!("../../shaders/shared/traced.wgsl");
    /// Sums and maxima over a workgroup.
    pub const TREE: &str = include_str!("../../shaders/shared/tree.wgsl");
    /// What optimizers have in common.
    pub const UPDATE: &str = include_str!("../../shaders/shared/update.wgsl");
    /// What the stages of a fused step put out is not kept.
    pub const UNTRACED: &str = include_str!("../../shaders/shared/untraced.wgsl");
    /// A product over all terms at once.
    pub const WHOLE: &str = include_str!("../../shaders/shared/whole.wgsl");
}

/// Invocations of a workgroup of kernels that work along a line.
pub const GROUP: usize = 64;

/// Workgroup memory of kernels that are no products, in bytes: a tree, and a word beside it.
pub const GROUP_BYTES: usize = 4 * (GROUP + 1);

/// The prelude of kernels that work along a line: the size of their workgroups.
pub fn line_prelude(_: &Op) -> String {
    format!("const GROUP = {GROUP}u;\n")
}

/// The prelude of kernels with an activation and perhaps a dropout: which ones, so that no shader has code, and no
/// invocation a choice, that its op never needs.
pub fn activation_prelude(op: &Op) -> String {
    // `Plan::push` refuses an op that lacks a parameter of its kernel; that the kernel has one of this name, `tests/contract`
    // sees when it compiles them all.
    let function = op.param("function").expect("a kernel with an activation has its code");
    let drops = op.param("threshold").is_some_and(|threshold| threshold > 0);
    format!("const FUNCTION = {function}u;\nconst DROPS = {drops};\n")
}

/// Invocations that sharing a row of so many columns: all of a workgroup where it is long, else one.
pub fn per_row(columns: usize) -> usize {
    if columns > GROUP { GROUP } else { 1 }
}

/// The prelude of kernels whose invocations sharing rows; the first of their parameters is the number of columns.
pub fn row_prelude(op: &Op) -> String {
    format!("{}const PER_ROW = {}u;\n", line_prelude(op), per_row(op.params[0] as usize))
}

/// Most rounds of the loops of an invocation that takes turns at so many elements with the others of its workgroup, four in a
/// round; a tree comes behind.
pub fn taking_turns(count: usize) -> u64 {
    (count.div_ceil(4 * GROUP) + GROUP) as u64
}

/// Most rounds of the loops of an invocation that goes along a row of so many columns, perhaps with others; a tree comes behind.
pub fn along_row(columns: usize) -> u64 {
    (columns.div_ceil(per_row(columns)) + GROUP) as u64
}

/// A grid with an invocation for each of `count` elements.
pub fn line(count: usize) -> [u32; 3] {
    groups(count.div_ceil(GROUP))
}

/// A grid of `count` workgroups in a line, folded into rows where one axis would not hold them; `line` in
/// `shaders/shared/linear_index.wgsl` unfolds it.
pub fn groups(count: usize) -> [u32; 3] {
    // What WebGPU guarantees for one axis.
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
