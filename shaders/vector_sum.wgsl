// Sums a vector, with a check that the sum is finite: the gradient of a weight that all columns share.
//
// sum = Σᵢ input[i]; flag = min(flag, index of the step) if the sum is not finite.
//
// | binding | view  | shape     | access |
// |---------|-------|-----------|--------|
// | 2       | input | 1×columns | read   |
// | 3       | sum   | 1×1       | write  |
// | 4       | flag  | 1         | atomic |
//
// One workgroup sums all elements.

@group(0) @binding(2) var<storage, read> input: array<f32>;
@group(0) @binding(3) var<storage, read_write> sum: array<f32>;
@group(0) @binding(4) var<storage, read_write> flag: array<atomic<u32>>;

@compute @workgroup_size(GROUP)
fn main(@builtin(local_invocation_index) local: u32) {
    var blocks = no_blocks();
    for (var i = local; i < arrayLength(&input); i += 4u * GROUP) {
        blocks = added(blocks, (at(i) + at(i + GROUP)) + (at(i + 2u * GROUP) + at(i + 3u * GROUP)));
    }
    let total = tree_sum(sum_of_blocks(blocks), local);
    if local == 0u {
        sum[0] = total;
        if !is_finite(total) {
            atomicMin(&flag[0], step.index);
        }
    }
}

// Returns an element, or 0 beyond the last one.
fn at(i: u32) -> f32 {
    if i < arrayLength(&input) {
        return input[i];
    }
    return 0.0;
}
