// Reduces the values of all GROUP invocations of a workgroup to one, always in the same order. GROUP must be a power of
// 2. Every invocation must call it, and gets the result.

var<workgroup> tree: array<f32, GROUP>;

fn tree_sum(value: f32, local: u32) -> f32 {
    tree[local] = value;
    for (var half = GROUP / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if local < half {
            tree[local] += tree[local + half];
        }
    }
    // Waits before the read, and again before the memory may be used for the next reduction.
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

// Not `max`, for which drivers may return either argument where one is NaN.
fn larger(a: f32, b: f32) -> f32 {
    return select(b, a, b <= a);
}
