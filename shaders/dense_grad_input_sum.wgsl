// Second half of an input gradient whose matrix multiplication was split into parts: sum, dropout, derivative.
//
// grad_input[r, i] = drop(Σₚ partial[p, r, i]) · f′(lower[r, i]·keep), where f and drop belong to the layer below:
// lower = drop(f(x)) and keep = 1 / scale, or lower = x and keep = 1. Symbols: p a part, r a row of the batch, i an
// input; f′ from the prelude, drop as in shared/dropout.wgsl.
//
// | binding | view       | shape               | access |
// |---------|------------|---------------------|--------|
// | 2       | partial    | parts×(rows·inputs) | read   |
// | 3       | lower      | rows×inputs         | read   |
// | 4       | grad_input | rows×inputs         | write  |
//
// One invocation computes one element. Rows at or beyond step.rows are neither read nor written.

struct Params {
    parts: u32,
    part_size: u32,
    inputs: u32,
    function: u32,
    alpha: f32,
    beta: f32,
    layer: u32,
    threshold: u32,
    scale: f32,
    keep: f32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read> partial: array<f32>;
@group(0) @binding(3) var<storage, read> lower: array<f32>;
@group(0) @binding(4) var<storage, read_write> grad_input: array<f32>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let params = params;
    let i = linear_index(group, groups, GROUP, local);
    if i >= step.rows * params.inputs {
        return;
    }
    let sum = sum_of_parts(params, params.part_size, i);
    var grad = sum * params.scale * derivative(FUNCTION, vec2(params.alpha, params.beta), lower[i] * params.keep);
    if DROPS {
        grad = select(0.0, grad, keeps(params.threshold, params.layer, i / params.inputs, i % params.inputs));
    }
    grad_input[i] = grad;
}
