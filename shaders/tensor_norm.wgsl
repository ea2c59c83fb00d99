// Norm of each tensor, from the norms of its blocks of 64 elements.
//
// norm[t] = √(Σ_b partial[b]²), with the sum over the blocks b of tensor t; at most the largest f32.
//
// | binding | view                                                         | shape     | access |
// |---------|--------------------------------------------------------------|-----------|--------|
// | 2       | partial                                                      | 1×blocks  | read   |
// | 3       | tensors: the first block of each, and the one after its last | tensors×2 | read   |
// | 4       | norm                                                         | 1×tensors | write  |
//
// One workgroup sums one tensor, with each invocation taking a part of its blocks. Values are scaled, since squares
// overflow long before the norm does.

@group(0) @binding(2) var<storage, read> partial: array<f32>;
@group(0) @binding(3) var<storage, read> tensors: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read_write> norm: array<f32>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let t = linear_index(group, groups, 1u, 0u);
    if t >= arrayLength(&norm) {
        return;
    }
    let begin = tensors[t].x + local;
    let end = tensors[t].y;
    var largest = 0.0;
    for (var b = begin; b < end; b += GROUP) {
        largest = larger(largest, partial[b]);
    }
    let scale = scale_of(tree_max(largest, local));
    var sum = no_blocks();
    for (var b = begin; b < end; b += GROUP) {
        let scaled = partial[b] * scale.x;
        sum = added(sum, scaled * scaled);
    }
    let root = sqrt(tree_sum(sum_of_blocks(sum), local)) * scale.y;
    if local == 0u {
        norm[t] = select(3.4028234e38, root, is_finite(root));
    }
}
