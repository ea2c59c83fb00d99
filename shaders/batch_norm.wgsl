// Normalizes each column over the rows in use: batch normalization in training.
//
// output[r, c] = (input[r, c] − m)·s·weight[c] + bias[c], with the mean m of the column over the n rows in use, and s =
// 1/√(v + 10⁻⁵), where v is the mean of (input[r, c] − m)². The statistics of the column are m, s and s·weight[c]. The
// op adds m and v to the pending running statistics, with k = 0 for the first micro-batch of a step, else 0.9, and n/(n
// − 1) = 1 for a single row:
//
//     pending_mean[c] ← k·pending_mean[c] + 0.1·m
//     pending_var[c] ← k·pending_var[c] + 0.1·v·n/(n − 1)
//
// Symbols: r a row in use of the batch, c a column.
//
// | binding | view         | shape        | access     |
// |---------|--------------|--------------|------------|
// | 2       | input        | rows×columns | read       |
// | 3       | weight       | 1×columns    | read       |
// | 4       | bias         | 1×columns    | read       |
// | 5       | output       | rows×columns | write      |
// | 6       | statistics   | 3×columns    | write      |
// | 7       | pending_mean | 1×columns    | accumulate |
// | 8       | pending_var  | 1×columns    | accumulate |
//
// One workgroup normalizes one column, with each invocation taking a part of the rows. Rows at or beyond step.rows are
// neither read nor written.

struct Params {
    columns: u32,
    batch: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read> input: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;
@group(0) @binding(6) var<storage, read_write> statistics: array<f32>;
@group(0) @binding(7) var<storage, read_write> pending_mean: array<f32>;
@group(0) @binding(8) var<storage, read_write> pending_var: array<f32>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let params = params;
    let c = linear_index(group, groups, 1u, 0u);
    if c >= params.columns {
        return;
    }
    let count = f32(max(step.rows, 1u));
    var sum = no_blocks();
    for (var r = local; r < step.rows; r += 4u * GROUP) {
        sum = added(
            sum,
            (at(params, r, c) + at(params, r + GROUP, c))
                + (at(params, r + 2u * GROUP, c) + at(params, r + 3u * GROUP, c)),
        );
    }
    let mean = tree_sum(sum_of_blocks(sum), local) / count;
    var squares = no_blocks();
    for (var r = local; r < step.rows; r += 4u * GROUP) {
        squares = added(
            squares,
            (square(params, r, c, mean) + square(params, r + GROUP, c, mean))
                + (square(params, r + 2u * GROUP, c, mean) + square(params, r + 3u * GROUP, c, mean)),
        );
    }
    let variance = tree_sum(sum_of_blocks(squares), local) / count;
    // A variance that overflows makes the output infinite or NaN, not small.
    let scale = select(variance, 1.0 / sqrt(variance + 1e-5), is_finite(variance));
    for (var r = local; r < step.rows; r += GROUP) {
        let i = r * params.columns + c;
        output[i] = (input[i] - mean) * scale * weight[c] + bias[c];
    }
    if local == 0u {
        statistics[c] = mean;
        statistics[params.columns + c] = scale;
        statistics[2u * params.columns + c] = scale * weight[c];
        let first = step.first_row == 0u;
        let unbiased = variance * count / max(count - 1.0, 1.0);
        pending_mean[c] = select(0.9 * pending_mean[c], 0.0, first) + 0.1 * mean;
        pending_var[c] = select(0.9 * pending_var[c], 0.0, first) + 0.1 * unbiased;
    }
}

// Returns an element of a row in use, or 0 beyond the last one.
fn at(params: Params, r: u32, c: u32) -> f32 {
    if r < step.rows {
        return input[r * params.columns + c];
    }
    return 0.0;
}

// Returns the squared distance of an element from the mean, or 0 beyond the last row in use.
fn square(params: Params, r: u32, c: u32, mean: f32) -> f32 {
    if r < step.rows {
        let distance = input[r * params.columns + c] - mean;
        return distance * distance;
    }
    return 0.0;
}
