// Gradient of row_norm with respect to its input.
//
// grad_input[r, c] = s·(d[r, c] − a − x[r, c]·b), with the statistics m and s of the row, x[r, c] = (input[r, c] −
// m)·s, and d[r, c] = grad_output[r, c]·weight[c]. a is the mean of d over the row, or 0 without centering. b is the
// mean of d·x. Symbols: r a row of the batch, c one of its columns.
//
// | binding | view        | shape        | access |
// |---------|-------------|--------------|--------|
// | 2       | grad_output | rows×columns | read   |
// | 3       | input       | rows×columns | read   |
// | 4       | statistics  | rows×2       | read   |
// | 5       | weight      | 1×columns    | read   |
// | 6       | grad_input  | rows×columns | write  |
//
// PER_ROW invocations process a row together, each taking every PER_ROW-th column. Rows at or beyond step.rows are
// neither read nor written.

struct Params {
    columns: u32,
    centered: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read> grad_output: array<f32>;
@group(0) @binding(3) var<storage, read> input: array<f32>;
@group(0) @binding(4) var<storage, read> statistics: array<f32>;
@group(0) @binding(5) var<storage, read> weight: array<f32>;
@group(0) @binding(6) var<storage, read_write> grad_input: array<f32>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let params = params;
    let place = linear_index(group, groups, GROUP, local);
    let row = place / PER_ROW;
    let lane = place % PER_ROW;
    let live = row < step.rows;
    let columns = select(0u, params.columns, live);
    let count = f32(params.columns);
    let begin = row * params.columns;
    var mean = 0.0;
    var scale = 0.0;
    if live {
        mean = statistics[2u * row];
        scale = statistics[2u * row + 1u];
    }
    var sum = 0.0;
    var products = 0.0;
    for (var c = lane; c < columns; c += PER_ROW) {
        let weighted = grad_output[begin + c] * weight[c];
        sum += weighted;
        products += weighted * ((input[begin + c] - mean) * scale);
    }
    let a = select(0.0, row_sum(sum, local) / count, params.centered == 1u);
    let b = row_sum(products, local) / count;
    for (var c = lane; c < columns; c += PER_ROW) {
        let normal = (input[begin + c] - mean) * scale;
        grad_input[begin + c] = scale * (grad_output[begin + c] * weight[c] - a - normal * b);
    }
}
