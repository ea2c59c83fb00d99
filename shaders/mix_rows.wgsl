// Mixes each row of the batch with the row at its place from the other end: inputs and losses of mixup and CutMix.
//
// By KIND, with the other row s = step.rows − 1 − r:
// 0  output[r, c] = λ·own[r, c] + (1 − λ)·other[s, c], with λ = step.mix_own
// 1  output[r, c] = other[s, c] in the step's run of columns, else own[r, c]
// 2  output[r, c] = other[s, c]
// Symbols: r a row of the batch, c a column.
//
// | binding | view   | shape        | access |
// |---------|--------|--------------|--------|
// | 2       | own    | rows×columns | read   |
// | 3       | other  | rows×columns | read   |
// | 4       | output | rows×columns | write  |
//
// One invocation computes one element. Rows at or beyond step.rows are neither read nor written.

struct Params {
    columns: u32,
    kind: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read> own: array<f32>;
@group(0) @binding(3) var<storage, read> other: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

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
    let column = i % params.columns;
    let x = other[(step.rows - 1u - i / params.columns) * params.columns + column];
    if KIND == 0u {
        output[i] = step.mix_own * own[i] + (1.0 - step.mix_own) * x;
    } else {
        let is_cut = (column + params.columns - step.mix_first) % params.columns < step.mix_columns;
        output[i] = select(own[i], x, is_cut || KIND == 2u);
    }
}
