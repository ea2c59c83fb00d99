// Multiplies each element by a trained slope: PReLU, or scaling.
//
// output[r, c] = weight[c]·input[r, c]; if keeps_positive = 1, output[r, c] = input[r, c] where it is above 0. All
// columns may share one weight. Symbols: r a row of the batch, c a column.
//
// | binding | view   | shape            | access |
// |---------|--------|------------------|--------|
// | 2       | input  | rows×columns     | read   |
// | 3       | weight | 1×columns or 1×1 | read   |
// | 4       | output | rows×columns     | write  |
//
// One invocation computes one element. Rows at or beyond step.rows are neither read nor written.

struct Params {
    columns: u32,
    weights: u32,
    keeps_positive: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read> input: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

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
    let slope = weight[i % params.columns % params.weights];
    output[i] = select(slope * input[i], input[i], params.keeps_positive == 1u && input[i] > 0.0);
}
