// Gradients of batch_norm with respect to weight, bias and input, with a check that the first two are finite.
//
// With the statistics m, s and f = s·weight of the column, and x[r, c] = (input[r, c] − m)·s:
//
//     grad_weight[c] = Σᵣ grad_output[r, c]·x[r, c]
//     grad_bias[c] = Σᵣ grad_output[r, c]
//     grad_input[r, c] = f·(grad_output[r, c] − grad_bias[c]/n − x[r, c]·grad_weight[c]/n)
//     flag = min(flag, index of the step) if grad_weight or grad_bias is not finite
//
// Symbols: r one of the n rows in use of the batch, c a column.
//
// | binding | view        | shape        | access |
// |---------|-------------|--------------|--------|
// | 2       | grad_output | rows×columns | read   |
// | 3       | input       | rows×columns | read   |
// | 4       | statistics  | 3×columns    | read   |
// | 5       | grad_weight | 1×columns    | write  |
// | 6       | grad_bias   | 1×columns    | write  |
// | 7       | grad_input  | rows×columns | write  |
// | 8       | flag        | 1            | atomic |
//
// One workgroup computes one column, with each invocation taking a part of the rows. Rows at or beyond step.rows are
// neither read nor written.

struct Params {
    columns: u32,
    batch: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read> grad_output: array<f32>;
@group(0) @binding(3) var<storage, read> input: array<f32>;
@group(0) @binding(4) var<storage, read> statistics: array<f32>;
@group(0) @binding(5) var<storage, read_write> grad_weight: array<f32>;
@group(0) @binding(6) var<storage, read_write> grad_bias: array<f32>;
@group(0) @binding(7) var<storage, read_write> grad_input: array<f32>;
@group(0) @binding(8) var<storage, read_write> flag: array<atomic<u32>>;

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
    let mean = statistics[c];
    let scale = statistics[params.columns + c];
    let factor = statistics[2u * params.columns + c];
    var weights = no_blocks();
    var biases = no_blocks();
    for (var r = local; r < step.rows; r += 4u * GROUP) {
        let four = (terms(params, r, c, mean, scale) + terms(params, r + GROUP, c, mean, scale))
            + (terms(params, r + 2u * GROUP, c, mean, scale) + terms(params, r + 3u * GROUP, c, mean, scale));
        weights = added(weights, four.x);
        biases = added(biases, four.y);
    }
    let of_weight = tree_sum(sum_of_blocks(weights), local);
    let of_bias = tree_sum(sum_of_blocks(biases), local);
    let count = f32(max(step.rows, 1u));
    for (var r = local; r < step.rows; r += GROUP) {
        let i = r * params.columns + c;
        let normal = (input[i] - mean) * scale;
        grad_input[i] = factor * (grad_output[i] - of_bias / count - normal * (of_weight / count));
    }
    if local == 0u {
        grad_weight[c] = of_weight;
        grad_bias[c] = of_bias;
        if !(is_finite(of_weight) && is_finite(of_bias)) {
            atomicMin(&flag[0], step.index);
        }
    }
}

// Returns a row's terms of the gradients of weight and bias, or 0 beyond the last row in use.
fn terms(params: Params, r: u32, c: u32, mean: f32, scale: f32) -> vec2<f32> {
    if r < step.rows {
        let grad = grad_output[r * params.columns + c];
        return vec2(grad * ((input[r * params.columns + c] - mean) * scale), grad);
    }
    return vec2(0.0);
}
