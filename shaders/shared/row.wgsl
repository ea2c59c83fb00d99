// PER_ROW invocations process a row of the batch together: one, or all of a workgroup. All of a workgroup combine their
// sums or maxima in a reduction tree. Needs tree.wgsl.

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
