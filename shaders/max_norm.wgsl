// Limits the Euclidean norm of each row of a weight matrix.
//
// weight[r, c] ← weight[r, c]·max_norm / (n + 10⁻⁷) if n > max_norm, where n is the norm of row r.
//
// The weight does not change from the flag's step on, nor in the step before it, whose update wrote a number that is
// not finite.
//
// | binding | view   | shape        | access     |
// |---------|--------|--------------|------------|
// | 2       | weight | rows×columns | read-write |
// | 3       | flag   | 1            | atomic     |
//
// PER_ROW invocations process a row together, each taking every PER_ROW-th column. Values are scaled, since squares
// overflow long before the norm does.

struct Params {
    columns: u32,
    rows: u32,
    max_norm: f32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read_write> weight: array<f32>;
@group(0) @binding(3) var<storage, read_write> flag: array<atomic<u32>>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let params = params;
    let place = linear_index(group, groups, GROUP, local);
    let row = place / PER_ROW;
    let lane = place % PER_ROW;
    let live = row < params.rows && atomicLoad(&flag[0]) > step.index + 1u;
    let columns = select(0u, params.columns, live);
    let begin = row * params.columns;
    var largest = 0.0;
    for (var c = lane; c < columns; c += PER_ROW) {
        largest = larger(largest, abs(weight[begin + c]));
    }
    let scale = scale_of(row_max(largest, local));
    var squares = 0.0;
    for (var c = lane; c < columns; c += PER_ROW) {
        let scaled = weight[begin + c] * scale.x;
        squares += scaled * scaled;
    }
    let norm = sqrt(row_sum(squares, local)) * scale.y;
    if norm > params.max_norm {
        for (var c = lane; c < columns; c += PER_ROW) {
            weight[begin + c] *= params.max_norm / (norm + 1e-7);
        }
    }
}
