// Adds two views, element by element.
//
// output[r, c] = first[r, c] + second[r, c]. Symbols: r a row of the batch, c a column.
//
// | binding | view   | shape        | access |
// |---------|--------|--------------|--------|
// | 2       | first  | rows×columns | read   |
// | 3       | second | rows×columns | read   |
// | 4       | output | rows×columns | write  |
//
// One invocation computes one element. Rows at or beyond step.rows are neither read nor written.

struct Params {
    columns: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read> first: array<f32>;
@group(0) @binding(3) var<storage, read> second: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = linear_index(group, groups, GROUP, local);
    if i < step.rows * params.columns {
        output[i] = first[i] + second[i];
    }
}
