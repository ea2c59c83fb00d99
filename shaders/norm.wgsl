// The global norm of the gradients, from those of their blocks.
//
// norm = √(Σ_b partial[b]²).
//
// | binding | view    | shape    | access                                                        |
// |---------|---------|----------|---------------------------------------------------------------|
// | 2       | partial | 1×blocks | read                                                          |
// | 3       | norm    | 1×1      | write                                                         |
// | 4       | flag    | 1        | atomic: lowered to the step's index if the norm is not finite |
//
// One workgroup sums all, scaled, since squares overflow long before the norm does; its invocations take turns.

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

// Four at once: one workgroup has little else to do while it waits for memory.
fn four_at(b: u32) -> vec4<f32> {
    return vec4(at(b), at(b + GROUP), at(b + 2u * GROUP), at(b + 3u * GROUP));
}

// A block's norm, or 0 beyond the last.
fn at(b: u32) -> f32 {
    if b < arrayLength(&partial) {
        return partial[b];
    }
    return 0.0;
}
