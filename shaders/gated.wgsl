// Gated linear units: the first half of the columns, multiplied by an activation function of the second half.
//
// output[r, c] = input[r, c]·f(input[r, n + c]), f from the prelude. Symbols: r a row of the batch, c one of n output
// columns.
//
// | binding | view   | shape          | access |
// |---------|--------|----------------|--------|
// | 2       | input  | rows×2·columns | read   |
// | 3       | output | rows×columns   | write  |
//
// One invocation computes one element. Rows at or beyond step.rows are neither read nor written.

struct Params {
    columns: u32,
    function: u32,
    alpha: f32,
    beta: f32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read> input: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let params = params;
    let i = linear_index(group, groups, GROUP, local);
    if i >= step.rows * params.columns {
        return;
    }
    let a = i + i / params.columns * params.columns;
    output[i] = input[a] * activate(FUNCTION, vec2(params.alpha, params.beta), input[a + params.columns]);
}
