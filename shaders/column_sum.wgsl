// Sums each column over the live rows: the gradient of a bias.
//
// sums[c] = Σᵣ input[r, c]. Letters: r a live row of the batch, c a column.
//
// | binding | view  | shape        | access |
// |---------|-------|--------------|--------|
// | 2       | input | rows×columns | read   |
// | 3       | sums  | 1×columns    | write  |
//
// One invocation sums one column; neighbours read neighbouring elements. Rows from step.rows on are not read.

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
    let c = line(group, groups, GROUP, local);
    if c >= params.columns {
        return;
    }
    var sum = 0.0;
    for (var r = 0u; r < step.rows; r++) {
        sum += input[r * params.columns + c];
    }
    sums[c] = sum;
}
