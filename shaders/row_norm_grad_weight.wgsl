// Gradients of row_norm with respect to weight and bias, with a check that they are finite.
//
// grad_weight[c] = Σᵣ grad_output[r, c]·(input[r, c] − m[r])·s[r], grad_bias[c] = Σᵣ grad_output[r, c], with the
// statistics m and s of each row; flag = min(flag, index of the step) if any gradient is not finite. Symbols: r an
// active row of the batch, c a column.
//
// | binding | view        | shape        | access |
// |---------|-------------|--------------|--------|
// | 2       | grad_output | rows×columns | read   |
// | 3       | input       | rows×columns | read   |
// | 4       | statistics  | rows×2       | read   |
// | 5       | grad_weight | 1×columns    | write  |
// | 6       | grad_bias   | 1×columns    | write  |
// | 7       | flag        | 1            | atomic |
//
// One workgroup sums one column, with each invocation taking a part of the rows. Rows at or beyond step.rows are not
// read.

struct Params {
    columns: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read> grad_output: array<f32>;
@group(0) @binding(3) var<storage, read> input: array<f32>;
@group(0) @binding(4) var<storage, read> statistics: array<f32>;
@group(0) @binding(5) var<storage, read_write> grad_weight: array<f32>;
@group(0) @binding(6) var<storage, read_write> grad_bias: array<f32>;
@group(0) @binding(7) var<storage, read_write> flag: array<atomic<u32>>;

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
    var weights = no_blocks();
    var biases = no_blocks();
    for (var r = local; r < step.rows; r += 4u * GROUP) {
        let four = (terms(params, r, c) + terms(params, r + GROUP, c))
            + (terms(params, r + 2u * GROUP, c) + terms(params, r + 3u * GROUP, c));
        weights = added(weights, four.x);
        biases = added(biases, four.y);
    }
    let weight = tree_sum(sum_of_blocks(weights), local);
    let bias = tree_sum(sum_of_blocks(biases), local);
    if local == 0u {
        grad_weight[c] = weight;
        grad_bias[c] = bias;
        if !(is_finite(weight) && is_finite(bias)) {
            atomicMin(&flag[0], step.index);
        }
    }
}

// Returns a row's terms of the gradients of weight and bias, or 0 beyond the last row in use.
fn terms(params: Params, r: u32, c: u32) -> vec2<f32> {
    if r < step.rows {
        let grad = grad_output[r * params.columns + c];
        return vec2(grad * ((input[r * params.columns + c] - statistics[2u * r]) * statistics[2u * r + 1u]), grad);
    }
    return vec2(0.0);
}
