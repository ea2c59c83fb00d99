// Backward pass of an activation: the gradient of its input from the gradient of its output.
//
// grad_input = grad_output · f′(argument), f′ from the prelude.
//
// | binding | view                       | shape        | access |
// |---------|----------------------------|--------------|--------|
// | 2       | grad_output                | rows×columns | read   |
// | 3       | argument (of f′)           | rows×columns | read   |
// | 4       | grad_input                 | rows×columns | write  |
//
// One invocation computes one element. Rows at or beyond step.rows are neither read nor written.

struct Params {
    columns: u32,
    function: u32,
    alpha: f32,
    beta: f32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read> grad_output: array<f32>;
@group(0) @binding(3) var<storage, read> argument: array<f32>;
@group(0) @binding(4) var<storage, read_write> grad_input: array<f32>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let params = params;
    let i = linear_index(group, groups, GROUP, local);
    if i < step.rows * params.columns {
        grad_input[i] = grad_output[i] * derivative(FUNCTION, vec2(params.alpha, params.beta), argument[i]);
    }
}
