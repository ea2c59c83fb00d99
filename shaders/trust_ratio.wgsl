// Moves each tensor along a direction, by a distance in proportion to the tensor's own norm.
//
// For each element p of a tensor with direction d:
//
//     p ← p − η·‖p‖·(d / ‖d‖)      where both norms are above 0
//     p ← p − η·d                   otherwise
//
// η is the learning rate of the step times the factor of the tensor's group. A frozen tensor keeps its bits. From the
// flag's step on, nothing changes. Where a number becomes infinite or NaN, the flag records the next step.
//
// | binding | view                                             | shape         | access     |
// |---------|--------------------------------------------------|---------------|------------|
// | 2       | parameter                                        | 1×(64·blocks) | read-write |
// | 3       | direction                                        | 1×(64·blocks) | read       |
// | 4       | parameter_norm                                   | 1×tensors     | read       |
// | 5       | direction_norm                                   | 1×tensors     | read       |
// | 6       | groups, as `Group` in src/kernels/update.rs      | blocks×8      | read       |
// | 7       | flag                                             | 1             | atomic     |
//
// One invocation moves one element.

@group(0) @binding(2) var<storage, read_write> parameter: array<f32>;
@group(0) @binding(3) var<storage, read> direction: array<f32>;
@group(0) @binding(4) var<storage, read> parameter_norm: array<f32>;
@group(0) @binding(5) var<storage, read> direction_norm: array<f32>;
@group(0) @binding(6) var<storage, read> groups: array<f32>;
@group(0) @binding(7) var<storage, read_write> flag: array<atomic<u32>>;

const SMALLEST = 1.17549435e-38;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = linear_index(group, workgroups, GROUP, local);
    let settings = i / 64u * 8u;
    if i >= arrayLength(&parameter) || is_frozen() || groups[settings] != 0.0 {
        return;
    }
    let tensor = u32(groups[settings + 6u]);
    let norm = parameter_norm[tensor];
    let length = direction_norm[tensor];
    var d = direction[i];
    if norm >= SMALLEST && length >= SMALLEST {
        d = norm * (d / length);
    }
    let after = normal(parameter[i] - step.learning_rate * groups[settings + 1u] * d);
    parameter[i] = after;
    watch(is_finite(after));
}
