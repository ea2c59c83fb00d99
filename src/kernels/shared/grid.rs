//! Grids of workgroups, loop lengths, and the WGSL preludes that go with them.

use crate::elementwise::Function;
use crate::plan::Op;

/// Workgroup size of kernels with a 1-D grid.
pub const GROUP: usize = 64;

/// Workgroup memory, in bytes, of kernels that are not matrix multiplications: a reduction tree and one more word.
pub const GROUP_BYTES: usize = 4 * (GROUP + 1);

/// Returns the WGSL prelude of kernels with a 1-D grid: their workgroup size.
pub fn grid_1d_prelude(_: &Op) -> String {
    format!("const GROUP = {GROUP}u;\n")
}

/// Returns the WGSL prelude of kernels with an activation and optional dropout: the op's activation function, its
/// derivative, and constants. The shader then has no code and no branch that the op does not need.
pub fn activation_prelude(op: &Op) -> String {
    // `Plan::push` rejects an op that lacks a parameter of its kernel. `tests/contract` compiles every kernel and so
    // checks that the parameter exists.
    let function = op.param("function").expect("a kernel with an activation has its number");
    let drops = op.param("threshold").is_some_and(|threshold| threshold > 0);
    format!("const FUNCTION = {function}u;\nconst DROPS = {drops};\n") + &Function::wgsl(&[function])
}

/// Returns the number of invocations per row of `columns` elements: a whole workgroup for long rows, else one.
pub fn per_row(columns: usize) -> usize {
    if columns > GROUP { GROUP } else { 1 }
}

/// Returns the WGSL prelude of kernels with one or more invocations per row. Their first parameter must be the number
/// of columns.
pub fn row_prelude(op: &Op) -> String {
    format!("{}const PER_ROW = {}u;\n", grid_1d_prelude(op), per_row(op.params[0] as usize))
}

/// Returns the maximum number of loop iterations of one invocation if a workgroup processes `count` elements together,
/// four per iteration. It includes the reduction tree.
pub fn iterations_per_workgroup(count: usize) -> u64 {
    (count.div_ceil(4 * GROUP) + GROUP) as u64
}

/// Returns the maximum number of loop iterations of one invocation that processes a row of `columns` elements, alone or
/// together with other invocations. It includes the reduction tree.
pub fn along_row(columns: usize) -> u64 {
    (columns.div_ceil(per_row(columns)) + GROUP) as u64
}

/// Returns a 1-D grid with one invocation for each of `count` elements.
pub fn grid_1d(count: usize) -> [u32; 3] {
    groups(count.div_ceil(GROUP))
}

/// Returns a 1-D grid of `count` workgroups, folded into rows if one axis cannot hold them. `linear_index` in
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
