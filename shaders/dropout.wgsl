// Dropout; the same op also drops the gradient in the backward pass.
//
// output[r, c] = input[r, c]·scale if the random word of (layer, step, first_row + r, c) is at least threshold, and 0
// otherwise. Symbols: r a row of the batch, first_row the index in the step of the batch's first row, c a column; scale
// = 1 / (1 − rate), threshold = rate·2³².
//
// | binding | view   | shape        | access |
// |---------|--------|--------------|--------|
// | 2       | input  | rows×columns | read   |
// | 3       | output | rows×columns | write  |
//
// One invocation computes four columns of a row, whose random words come from one Philox draw. Rows at or beyond
// step.rows are neither read nor written.

struct Params {
    columns: u32,
    layer: u32,
    threshold: u32,
    scale: f32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read> input: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let params = params;
    let place = linear_index(group, groups, GROUP, local);
    let quarters = (params.columns + 3u) / 4u;
    let row = place / quarters;
    let quarter = place % quarters;
    if row >= step.rows {
        return;
    }
    let kept = keeps_four(params.threshold, params.layer, row, quarter);
    let columns = min(4u, params.columns - 4u * quarter);
    for (var k = 0u; k < columns; k++) {
        let i = row * params.columns + 4u * quarter + k;
        output[i] = select(0.0, input[i] * params.scale, kept[k]);
    }
}
