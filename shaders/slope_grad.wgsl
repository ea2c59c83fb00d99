// Gradients of slope with respect to weight and input, with a check that those of the weights are finite.
//
// With k = 1 if keeps_positive = 1 and input[r, c] > 0, else 0:
//
//     grad_weight[c] = Σᵣ (1 − k)·grad_output[r, c]·input[r, c]
//     grad_input[r, c] = grad_output[r, c]·(k + (1 − k)·weight[c])
//     flag = min(flag, index of the step) if any grad_weight is not finite
//
// Symbols: r a row in use of the batch, c a column.
//
// | binding | view        | shape            | access |
// |---------|-------------|------------------|--------|
// | 2       | grad_output | rows×columns     | read   |
// | 3       | input       | rows×columns     | read   |
// | 4       | weight      | 1×columns or 1×1 | read   |
// | 5       | grad_weight | 1×columns        | write  |
// | 6       | grad_input  | rows×columns     | write  |
// | 7       | flag        | 1                | atomic |
//
// One workgroup computes one column, with each invocation taking a part of the rows. Rows at or beyond step.rows are
// neither read nor written.

struct Params {
    columns: u32,
    weights: u32,
    keeps_positive: u32,
    batch: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read> grad_output: array<f32>;
@group(0) @binding(3) var<storage, read> input: array<f32>;
@group(0) @binding(4) var<storage, read> weight: array<f32>;
@group(0) @binding(5) var<storage, read_write> grad_weight: array<f32>;
@group(0) @binding(6) var<storage, read_write> grad_input: array<f32>;
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
    var sum = no_blocks();
    for (var r = local; r < step.rows; r += 4u * GROUP) {
        let pairs = vec2(term(params, r, c), term(params, r + 2u * GROUP, c))
            + vec2(term(params, r + GROUP, c), term(params, r + 3u * GROUP, c));
        sum = added(sum, pairs.x + pairs.y);
    }
    let total = tree_sum(sum_of_blocks(sum), local);
    let slope = weight[c % params.weights];
    for (var r = local; r < step.rows; r += GROUP) {
        let i = r * params.columns + c;
        grad_input[i] = grad_output[i] * select(slope, 1.0, keeps(params, input[i]));
    }
    if local == 0u {
        grad_weight[c] = total;
        if !is_finite(total) {
            atomicMin(&flag[0], step.index);
        }
    }
}

// Returns true if element x of the input is copied unchanged.
fn keeps(params: Params, x: f32) -> bool {
    return params.keeps_positive == 1u && x > 0.0;
}

// Returns a row's term of the gradient of the weight, or 0 beyond the last row in use.
fn term(params: Params, r: u32, c: u32) -> f32 {
    if r < step.rows {
        let i = r * params.columns + c;
        return select(grad_output[i] * input[i], 0.0, keeps(params, input[i]));
    }
    return 0.0;
}
