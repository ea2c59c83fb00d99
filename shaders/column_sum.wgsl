// Sums each column over the rows in use: the gradient of a bias.
//
// sums[c] = Σᵣ input[r, c]. Symbols: r a row in use of the batch, c a column.
//
// | binding | view  | shape        | access |
// |---------|-------|--------------|--------|
// | 2       | input | rows×columns | read   |
// | 3       | sums  | 1×columns    | write  |
//
// One workgroup sums one column, with each invocation taking a part of the rows. Rows at or beyond step.rows are not
// read.

struct Params {
    columns: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read> input: array<f32>;
@group(0) @binding(3) var<storage, read_write> sums: array<f32>;

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
        let pairs = vec2(at(params, r, c), at(params, r + 2u * GROUP, c))
            + vec2(at(params, r + GROUP, c), at(params, r + 3u * GROUP, c));
        sum = added(sum, pairs.x + pairs.y);
    }
    let all = tree_sum(sum_of_blocks(sum), local);
    if local == 0u {
        sums[c] = all;
    }
}

// Returns an element of a row in use, or 0 beyond the last one.
fn at(params: Params, r: u32, c: u32) -> f32 {
    if r < step.rows {
        return input[r * params.columns + c];
    }
    return 0.0;
}
