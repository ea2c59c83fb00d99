// Adds the gradients of a step's batches, one batch a run.
//
// For each element with gradient g and sum s:
//
//     s ← g          for the first batch of a step, whose first_row is 0
//     s ← s + g      for the others
//     flag = min(flag, index of the step) if any s is not finite
//
// | binding | view     | shape         | access                     |
// |---------|----------|---------------|----------------------------|
// | 2       | gradient | 1×(64·blocks) | read, four at a time       |
// | 3       | sum      | 1×(64·blocks) | accumulate, four at a time |
// | 4       | flag     | 1             | atomic                     |
//
// One invocation adds four elements.

@group(0) @binding(2) var<storage, read> gradient: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> sum: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> flag: array<atomic<u32>>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = line(group, groups, GROUP, local);
    if i >= arrayLength(&sum) {
        return;
    }
    let total = select(sum[i] + gradient[i], gradient[i], step.first_row == 0u);
    sum[i] = total;
    if !all_finite(total) {
        atomicMin(&flag[0], step.index);
    }
}
