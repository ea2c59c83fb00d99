// Records the first step with an infinite or NaN gradient in the flag.
//
// flag = min(flag, index of the step) if any element is not finite.
//
// | binding | view     | shape         | access |
// |---------|----------|---------------|--------|
// | 2       | gradient | 1×(64·blocks) | read   |
// | 3       | flag     | 1             | atomic |
//
// One invocation checks one element.

@group(0) @binding(2) var<storage, read> gradient: array<f32>;
@group(0) @binding(3) var<storage, read_write> flag: array<atomic<u32>>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = linear_index(group, groups, GROUP, local);
    if i < arrayLength(&gradient) && !is_finite(gradient[i]) {
        atomicMin(&flag[0], step.index);
    }
}
