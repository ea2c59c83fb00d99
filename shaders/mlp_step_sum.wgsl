// Gradients of a fused step: the sums over its workgroups, with a check that they are finite.
//
// gradients[i] = Σₚ partial[p, i]. Symbols: p a workgroup of the step, i an element of the parameters.
//
// | binding | view      | shape            | access                                                      |
// |---------|-----------|------------------|-------------------------------------------------------------|
// | 2       | partial   | parts×parameters | read                                                        |
// | 3       | gradients | 1×parameters     | write                                                       |
// | 4       | flag      | 1                | atomic min with the step's index where one is not finite    |
//
// One invocation computes one element.

struct Params {
    parts: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read> partial: array<f32>;
@group(0) @binding(3) var<storage, read_write> gradients: array<f32>;
@group(0) @binding(4) var<storage, read_write> flag: array<atomic<u32>>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let params = params;
    let i = linear_index(group, groups, GROUP, local);
    let count = arrayLength(&gradients);
    if i >= count {
        return;
    }
    let sum = sum_of_parts(params, count, i);
    if !is_finite(sum) {
        atomicMin(&flag[0], step.index);
    }
    gradients[i] = sum;
}
