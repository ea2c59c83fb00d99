//! Code shared by several kernels: WGSL sources from `shaders/shared`, grids, common parts of losses, and tiling of
//! matrix multiplications. It imports no kernel.

mod grid;
pub mod parts;
pub mod row_loss;
pub mod rows;
pub mod tiles;

pub use grid::{
    GROUP, GROUP_BYTES, activation_prelude, along_row, grid_1d, grid_1d_prelude, groups, iterations_per_workgroup,
    per_row, row_prelude,
};

/// Operand a of a matrix multiplication: scalar loads, and vec4 loads.
pub const A: [&str; 2] =
    [include_str!("../../../shaders/shared/a_scalar.wgsl"), include_str!("../../../shaders/shared/a_vector.wgsl")];
/// Operand b of a matrix multiplication: scalar loads, and vec4 loads.
pub const B: [&str; 2] =
    [include_str!("../../../shaders/shared/b_scalar.wgsl"), include_str!("../../../shaders/shared/b_vector.wgsl")];
/// Output of a matrix multiplication: scalar stores, and vec4 stores.
pub const OUT: [&str; 2] =
    [include_str!("../../../shaders/shared/out_scalar.wgsl"), include_str!("../../../shaders/shared/out_vector.wgsl")];
/// Second input with the same layout as the output: scalar loads, and vec4 loads.
pub const SECOND: [&str; 2] = [
    include_str!("../../../shaders/shared/second_scalar.wgsl"),
    include_str!("../../../shaders/shared/second_vector.wgsl"),
];
/// The function `above`, a choice by sign, which bodies of declared functions call.
pub const ABOVE: &str = include_str!("../../../shaders/shared/above.wgsl");
/// Activation functions and their derivatives. Needs [`FUNCTIONS`] and [`ABOVE`].
pub const ACTIVATION: &str = include_str!("../../../shaders/shared/activation.wgsl");
/// Files of a kernel that applies activation functions element by element.
pub const FOR_ACTIVATIONS: [&str; 6] = [STEP, LINEAR_INDEX, FINITE, FUNCTIONS, ABOVE, ACTIVATION];
/// Sums of many numbers in blocks of fixed size.
pub const BLOCKS: &str = include_str!("../../../shaders/shared/blocks.wgsl");
/// Factor of gradient clipping for a given norm.
pub const CLIP: &str = include_str!("../../../shaders/shared/clip.wgsl");
/// Dropout masks.
pub const DROPOUT: &str = include_str!("../../../shaders/shared/dropout.wgsl");
/// Random numbers of an element for masks: 1 if it is kept, else 0.
pub const MASKED: &str = include_str!("../../../shaders/shared/masked.wgsl");
/// Random numbers of an element from which a normal number is computed.
pub const NORMAL: &str = include_str!("../../../shaders/shared/normal.wgsl");
/// Checks for finite numbers.
pub const FINITE: &str = include_str!("../../../shaders/shared/finite.wgsl");
/// Math functions that replace WGSL's own, which guarantee too little accuracy. Needs [`FINITE`].
pub const FUNCTIONS: &str = include_str!("../../../shaders/shared/functions.wgsl");
/// Settings of an update that differ between groups of parameters. Needs [`STEP`], [`CLIP`] and [`ABOVE`].
pub const GROUPED: &str = include_str!("../../../shaders/shared/grouped.wgsl");
/// Settings of an update that are the same for all parameters. Needs [`STEP`] and [`CLIP`].
pub const UNGROUPED: &str = include_str!("../../../shaders/shared/ungrouped.wgsl");
/// Linear invocation index in a 1-D grid that may be folded into rows.
pub const LINEAR_INDEX: &str = include_str!("../../../shaders/shared/linear_index.wgsl");
/// Sums over the parts of split matrix multiplications.
pub const PARTS: &str = include_str!("../../../shaders/shared/parts.wgsl");
/// Stores of a forward pass that also writes the argument of the activation.
pub const KEPT: &str = include_str!("../../../shaders/shared/kept.wgsl");
/// Stores of a forward pass that writes only its output.
pub const UNKEPT: &str = include_str!("../../../shaders/shared/unkept.wgsl");
/// Like [`KEPT`], for a kernel that adds the parts of a split matrix multiplication.
pub const SUM_KEPT: &str = include_str!("../../../shaders/shared/sum_kept.wgsl");
/// Like [`UNKEPT`], for a kernel that adds the parts of a split matrix multiplication.
pub const SUM_UNKEPT: &str = include_str!("../../../shaders/shared/sum_unkept.wgsl");
/// Philox random numbers.
pub const PHILOX: &str = include_str!("../../../shaders/shared/philox.wgsl");
/// Code that all matmul cores share.
pub const MATMUL: &str = include_str!("../../../shaders/shared/matmul.wgsl");
/// Matmul core that keeps tiles in registers; each invocation loads its own operands.
pub const REGISTERS: &str = include_str!("../../../shaders/shared/registers.wgsl");
/// Sums and maxima of rows that several invocations process together.
pub const ROW: &str = include_str!("../../../shaders/shared/row.wgsl");
/// Code that all losses share.
pub const ROW_LOSS: &str = include_str!("../../../shaders/shared/row_loss.wgsl");
/// Power-of-two scale factors for sums of squares.
pub const SCALE: &str = include_str!("../../../shaders/shared/scale.wgsl");
/// Matrix multiplication whose terms are split into parts (split-K).
pub const SPLIT: &str = include_str!("../../../shaders/shared/split.wgsl");
/// Record of the current step.
pub const STEP: &str =
    concat!(include_str!("../../../shaders/shared/record.wgsl"), include_str!("../../../shaders/shared/step.wgsl"));
/// Records of all steps of a submission.
pub const STEPS: &str =
    concat!(include_str!("../../../shaders/shared/record.wgsl"), include_str!("../../../shaders/shared/steps.wgsl"));
/// Matmul core that shares operands within a subgroup.
pub const SUBGROUPS: &str = include_str!("../../../shaders/shared/subgroups.wgsl");
/// Matmul core that shares operands in workgroup memory.
pub const TILES: &str = include_str!("../../../shaders/shared/tiles.wgsl");
/// Fused step that writes the outputs of its stages to a trace.
pub const TRACED: &str = include_str!("../../../shaders/shared/traced.wgsl");
/// Sums and maxima over a workgroup.
pub const TREE: &str = include_str!("../../../shaders/shared/tree.wgsl");
/// Code that all optimizers share.
pub const UPDATE: &str = include_str!("../../../shaders/shared/update.wgsl");
/// Fused step without a trace.
pub const UNTRACED: &str = include_str!("../../../shaders/shared/untraced.wgsl");
/// Matrix multiplication over all terms at once (no split).
pub const WHOLE: &str = include_str!("../../../shaders/shared/whole.wgsl");
