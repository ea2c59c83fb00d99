// Global norm of the gradients, from the norms of their blocks.
//
// norm = √(Σ_b partial[b]²).
//
// | binding | view    | shape    | access                                                        |
// |---------|---------|----------|---------------------------------------------------------------|
// | 2       | partial | 1×blocks | read                                                          |
// | 3       | norm    | 1×1      | write                                                         |
// | 4       | flag    | 1        | atomic min with the step's index if the norm is not finite    |
//
// A single workgroup sums all blocks, with each invocation taking a part of them. Values are scaled, since squares
// overflow long before the norm does.

@group(0) @binding(2) var<storage, read> partial: array<f32>;
@group(0) @binding(3) var<storage, read_write> norm: array<f32>;
@group(0) @binding(4) var<storage, read_write> flag: array<atomic<u32>>;

@compute @workgroup_size(GROUP)
fn main(@builtin(local_invocation_index) local: u32) {
    var four = vec4(0.0);
    for (var b = local; b < arrayLength(&partial); b += 4u * GROUP) {
        four = max(four, four_at(b));
    }
    let scale = scale_of(tree_max(max(max(four.x, four.y), max(four.z, four.w)), local));
    var sum = no_blocks();
    for (var b = local; b < arrayLength(&partial); b += 4u * GROUP) {
        let scaled = four_at(b) * scale.x;
        sum = added(sum, dot(scaled, scaled));
    }
    let root = sqrt(tree_sum(sum_of_blocks(sum), local)) * scale.y;
    if local == 0u {
        norm[0] = root;
        if !is_finite(root) {
            atomicMin(&flag[0], step.index);
        }
    }
}

// Loads four values at once, to hide memory latency in a single workgroup.
fn four_at(b: u32) -> vec4<f32> {
    return vec4(at(b), at(b + GROUP), at(b + 2u * GROUP), at(b + 3u * GROUP));
}

// Returns the norm of a block, or 0 beyond the last one.
fn at(b: u32) -> f32 {
    if b < arrayLength(&partial) {
        return partial[b];
    }
    return 0.0;
}
