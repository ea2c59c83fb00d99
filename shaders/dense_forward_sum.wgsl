// Second half of a dense layer whose matrix multiplication was split into parts: sum, bias, activation, dropout.
//
// output[r, o] = drop(f(Σₚ partial[p, r, o] + bias[o])). Symbols: p a part, r a row of the batch, o an output; f from
// the prelude, drop as in shared/dropout.wgsl.
//
// | binding | view    | shape                | access |
// |---------|---------|----------------------|--------|
// | 2       | partial | parts×(rows·outputs) | read   |
// | 3       | bias    | 1×outputs            | read   |
// | 4       | output  | rows×outputs         | write  |
// | 5       | kept    | rows×outputs         | write, in the build with shared/sum_kept.wgsl: the argument of f |
//
// One invocation computes one element. Rows at or beyond step.rows are neither read nor written.

struct Params {
    parts: u32,
    part_size: u32,
    outputs: u32,
    function: u32,
    alpha: f32,
    beta: f32,
    layer: u32,
    threshold: u32,
    scale: f32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read> partial: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let params = params;
    let i = linear_index(group, groups, GROUP, local);
    if i >= step.rows * params.outputs {
        return;
    }
    let sum = sum_of_parts(params, params.part_size, i);
    let column = i % params.outputs;
    let x = sum + bias[column];
    keep(i, x);
    var y = params.scale * activate(FUNCTION, vec2(params.alpha, params.beta), x);
    if DROPS {
        y = select(0.0, y, keeps(params.threshold, params.layer, i / params.outputs, column));
    }
    output[i] = y;
}
