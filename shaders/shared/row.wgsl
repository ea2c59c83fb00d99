// A row of the batch is shared by PER_ROW invocations: 1, or all of a workgroup, which then have the row's sum or
// maximum from a tree. Needs tree.wgsl.

fn row_sum(value: f32, local: u32) -> f32 {
    if PER_ROW > 1u {
        return tree_sum(value, local);
    }
    return value;
}

fn row_max(value: f32, local: u32) -> f32 {
    if PER_ROW > 1u {
        return tree_max(value, local);
    }
    return value;
}
