// Gradient of gated with respect to its input.
//
// With a = input[r, c] and b = input[r, n + c]: grad_input[r, c] = grad_output[r, c]·f(b) and grad_input[r, n + c] =
// grad_output[r, c]·a·f′(b), f and f′ from the prelude. Symbols: r a row of the batch, c one of n columns of the
// output.
//
// | binding | view        | shape          | access |
// |---------|-------------|----------------|--------|
// | 2       | grad_output | rows×columns   | read   |
// | 3       | input       | rows×2·columns | read   |
// | 4       | grad_input  | rows×2·columns | write  |
//
// One invocation computes both gradients of one output. Rows at or beyond step.rows are neither read nor written.

struct Params {
    columns: u32,
    function: u32,
    alpha: f32,
    beta: f32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read> grad_output: array<f32>;
@group(0) @binding(3) var<storage, read> input: array<f32>;
@group(0) @binding(4) var<storage, read_write> grad_input: array<f32>;

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
    let b = a + params.columns;
    let parameters = vec2(params.alpha, params.beta);
    let grad = grad_output[i];
    let gate = activate(FUNCTION, parameters, input[b]);
    grad_input[a] = grad * gate;
    let argument = select(gate, input[b], KEEPS_INPUT);
    grad_input[b] = grad * input[a] * derivative(FUNCTION, parameters, argument);
}
