// Normalizes each column by its running statistics: batch normalization in evaluation.
//
// output[r, c] = (input[r, c] − running_mean[c]) / √(running_var[c] + 10⁻⁵)·weight[c] + bias[c]. Symbols: r a row of
// the batch, c a column.
//
// | binding | view         | shape        | access |
// |---------|--------------|--------------|--------|
// | 2       | input        | rows×columns | read   |
// | 3       | weight       | 1×columns    | read   |
// | 4       | bias         | 1×columns    | read   |
// | 5       | running_mean | 1×columns    | read   |
// | 6       | running_var  | 1×columns    | read   |
// | 7       | output       | rows×columns | write  |
//
// One invocation computes one element. Rows at or beyond step.rows are neither read nor written.

struct Params {
    columns: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read> input: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> running_mean: array<f32>;
@group(0) @binding(6) var<storage, read> running_var: array<f32>;
@group(0) @binding(7) var<storage, read_write> output: array<f32>;

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
    let c = i % params.columns;
    output[i] = (input[i] - running_mean[c]) * (1.0 / sqrt(running_var[c] + 1e-5)) * weight[c] + bias[c];
}
