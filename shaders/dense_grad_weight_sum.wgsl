// Second half of a weight gradient whose matrix multiplication was split into parts: sums, with a check that they are
// finite.
//
// grad_weight[o, i] = Σₚ partial[p, o·inputs + i], grad_bias[o] = Σₚ partial[p, outputs·inputs + o]. Symbols: p a part,
// i an input, o an output.
//
// | binding | view        | shape                              | access                                      |
// |---------|-------------|------------------------------------|---------------------------------------------|
// | 2       | partial     | parts×(outputs·inputs + outputs)   | read                                        |
// | 3       | grad_weight | outputs×inputs                     | write                                       |
// | 4       | grad_bias   | 1×outputs                          | write                                       |
// | 5       | flag        | 1                                  | atomic min where a sum is not finite        |
//
// One invocation computes one element.

struct Params {
    parts: u32,
    inputs: u32,
    outputs: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read> partial: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad_weight: array<f32>;
@group(0) @binding(4) var<storage, read_write> grad_bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> flag: array<atomic<u32>>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let params = params;
    let i = linear_index(group, groups, GROUP, local);
    let weights = params.outputs * params.inputs;
    let part_size = weights + params.outputs;
    if i >= part_size {
        return;
    }
    let sum = sum_of_parts(params, part_size, i);
    if !is_finite(sum) {
        atomicMin(&flag[0], step.index);
    }
    if i < weights {
        grad_weight[i] = sum;
    } else {
        grad_bias[i - weights] = sum;
    }
}
