// Noise of layers: dropout, which also drops the gradient in the backward pass, alpha dropout, and additive noise.
//
// output[r, c] = noisy(input[r, c], random numbers, scale, offset, dropped), where noisy is declared in
// src/elementwise/noises.rs. The random numbers come from the random words of (layer, step, global row, c). Symbols: r a
// row of the batch, c a column; for dropout scale = 1 / (1 − rate), threshold = rate·2³².
//
// | binding | view   | shape        | access |
// |---------|--------|--------------|--------|
// | 2       | input  | rows×columns | read   |
// | 3       | output | rows×columns | write  |
//
// One invocation computes four columns of a row, whose random words come from one Philox draw. Rows at or beyond
// step.rows are neither read nor written.
// Needs masked.wgsl or normal.wgsl.

struct Params {
    columns: u32,
    layer: u32,
    threshold: u32,
    scale: f32,
    offset: f32,
    dropped: f32,
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
    let words = four_words(params.layer, row, quarter);
    let columns = min(4u, params.columns - 4u * quarter);
    for (var k = 0u; k < columns; k++) {
        let i = row * params.columns + 4u * quarter + k;
        let random = random_numbers(words, params.threshold, k);
        output[i] = noisy(input[i], random.x, random.y, params.scale, params.offset, params.dropped);
    }
}
