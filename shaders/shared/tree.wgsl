// Reduces the values of all GROUP invocations of a workgroup to one, always in the same order. GROUP must be a power of
// 2. Every invocation of the workgroup must call the function, and gets the result.

var<workgroup> tree: array<f32, GROUP>;

fn tree_sum(value: f32, local: u32) -> f32 {
    tree[local] = value;
    for (var half = GROUP / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if local < half {
            tree[local] += tree[local + half];
        }
    }
    // The load waits for all invocations before the read, and again after it, so that the next reduction may use the
    // memory.
    return workgroupUniformLoad(&tree[0]);
}

fn tree_max(value: f32, local: u32) -> f32 {
    tree[local] = value;
    for (var half = GROUP / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if local < half {
            tree[local] = larger(tree[local], tree[local + half]);
        }
    }
    return workgroupUniformLoad(&tree[0]);
}

// Returns the larger number. It does not call `max`, for which drivers may return either argument if one is NaN.
fn larger(a: f32, b: f32) -> f32 {
    return select(b, a, b <= a);
}
