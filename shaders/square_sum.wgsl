// Norm of each block of the gradients: the first half of the global norm.
//
// partial[b] = √(Σ over the 64 elements of block b of gradient²).
//
// | binding | view     | shape         | access               |
// |---------|----------|---------------|----------------------|
// | 2       | gradient | 1×(64·blocks) | read, four at a time |
// | 3       | partial  | 1×blocks      | write                |
//
// One invocation sums one block. Values are scaled, since squares overflow long before the norm does.

@group(0) @binding(2) var<storage, read> gradient: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let b = linear_index(group, groups, GROUP, local);
    if b >= arrayLength(&partial) {
        return;
    }
    var four = vec4(0.0);
    for (var i = 0u; i < 16u; i++) {
        four = max(four, abs(gradient[16u * b + i]));
    }
    let scale = scale_of(max(max(four.x, four.y), max(four.z, four.w)));
    var sum = 0.0;
    for (var i = 0u; i < 16u; i++) {
        let scaled = gradient[16u * b + i] * scale.x;
        sum += dot(scaled, scaled);
    }
    partial[b] = sqrt(sum) * scale.y;
}
