// Normalizes each row: layer normalization, or root mean square normalization.
//
// output[r, c] = (input[r, c] − m)·s·weight[c] + bias[c], where m is the mean of the row, or 0 without centering, s =
// 1/√(v + 10⁻⁵), and v is the mean of (input[r, c] − m)². The statistics of the row are m and s. Symbols: r a row of
// the batch, c one of its columns.
//
// | binding | view       | shape        | access |
// |---------|------------|--------------|--------|
// | 2       | input      | rows×columns | read   |
// | 3       | weight     | 1×columns    | read   |
// | 4       | bias       | 1×columns    | read   |
// | 5       | output     | rows×columns | write  |
// | 6       | statistics | rows×2       | write  |
//
// PER_ROW invocations process a row together, each taking every PER_ROW-th column. Rows at or beyond step.rows are
// neither read nor written.

struct Params {
    columns: u32,
    centered: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read> input: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;
@group(0) @binding(6) var<storage, read_write> statistics: array<f32>;

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
    var sum = 0.0;
    for (var c = lane; c < columns; c += PER_ROW) {
        sum += input[begin + c];
    }
    let mean = select(0.0, row_sum(sum, local) / count, params.centered == 1u);
    var squares = 0.0;
    for (var c = lane; c < columns; c += PER_ROW) {
        let distance = input[begin + c] - mean;
        squares += distance * distance;
    }
    let variance = row_sum(squares, local) / count;
    if !live {
        return;
    }
    // A variance that overflows makes the output infinite or NaN, not small.
    let scale = select(variance, 1.0 / sqrt(variance + 1e-5), is_finite(variance));
    for (var c = lane; c < columns; c += PER_ROW) {
        output[begin + c] = (input[begin + c] - mean) * scale * weight[c] + bias[c];
    }
    if lane == 0u {
        statistics[2u * row] = mean;
        statistics[2u * row + 1u] = scale;
    }
}
