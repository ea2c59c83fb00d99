// Index of the largest element of each row, or of the first of several equal ones. A row with a NaN has no index.
//
// index[r] = min { c : input[r, c] = maxⱼ input[r, j] }, or 2³² − 1 if an element of the row is NaN. Symbols: r a row
// of the batch, c and j columns.
//
// | binding | view  | shape        | access |
// |---------|-------|--------------|--------|
// | 2       | input | rows×columns | read   |
// | 3       | index | rows×1       | write  |
//
// PER_ROW invocations process a row together, each taking every PER_ROW-th column. Rows at or beyond step.rows are
// neither read nor written.

struct Params {
    columns: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read> input: array<f32>;
@group(0) @binding(3) var<storage, read_write> index: array<u32>;

var<workgroup> first: atomic<u32>;
var<workgroup> nans: atomic<u32>;

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
    let live = row < step.rows;
    var largest = 0.0;
    var column = 0u;
    // 1 if there is a NaN. Checks its bits, since compilers may give comparisons with NaN any result.
    var nan = 0u;
    if live {
        largest = input[row * params.columns];
        for (var c = lane; c < params.columns; c += PER_ROW) {
            let x = input[row * params.columns + c];
            if x > largest {
                largest = x;
                column = c;
            }
            nan |= select(0u, 1u, (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u);
        }
    }
    if PER_ROW > 1u {
        if local == 0u {
            // A valid column, even where comparisons with NaN give any result.
            atomicStore(&first, params.columns - 1u);
            atomicStore(&nans, 0u);
        }
        // The barriers of tree_max also order the initial stores to the atomics before the updates.
        let row_largest = tree_max(largest, local);
        if !(largest < row_largest) {
            atomicMin(&first, column);
        }
        atomicOr(&nans, nan);
        workgroupBarrier();
        column = atomicLoad(&first);
        nan = atomicLoad(&nans);
    }
    if live && lane == 0u {
        index[row] = select(column, 0xffffffffu, nan > 0u);
    }
}
