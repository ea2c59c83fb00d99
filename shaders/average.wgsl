// Average of the parameters over training steps.
//
// average ← parameter if the step's weight is 1, else average + weight·(parameter − average).
//
// The average does not change from the flag's step on, nor in the step before it, whose update wrote a number that is
// not finite.
//
// | binding | view      | shape         | access     |
// |---------|-----------|---------------|------------|
// | 2       | parameter | 1×(64·blocks) | read       |
// | 3       | average   | 1×(64·blocks) | read-write |
// | 4       | flag      | 1             | atomic     |
//
// One invocation updates one element.

@group(0) @binding(2) var<storage, read> parameter: array<f32>;
@group(0) @binding(3) var<storage, read_write> average: array<f32>;
@group(0) @binding(4) var<storage, read_write> flag: array<atomic<u32>>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = linear_index(group, groups, GROUP, local);
    if i >= arrayLength(&average) || atomicLoad(&flag[0]) <= step.index + 1u {
        return;
    }
    let weighted = normal(average[i] + step.average * (parameter[i] - average[i]));
    average[i] = select(weighted, parameter[i], step.average >= 1.0);
}
