// Copies selected rows of a data set into the window, which has one row per batch of the submission.
//
// window[s, r·width + w] = data[index[epoch_batch + first_item + s, r] − first_row, w]. Nothing is written for a batch
// beyond the index, or for a row that is not in data. Symbols: s a batch of the submission; r one of its rows; w a word
// of the row; epoch_batch the row of the index at which the submission begins. first_item is the batch at which window
// begins, and first_row the row of the data set at which data begins. They are not 0 if several ops share the work.
//
// | binding | view   | shape                         | access |
// |---------|--------|-------------------------------|--------|
// | 2       | data   | rows×width                    | read   |
// | 3       | index  | batches of an epoch×batch     | read   |
// | 4       | window | batches×(batch·width, padded) | fill   |
//
// One invocation copies one word, whatever its type.

struct Params {
    rows: u32,
    first_row: u32,
    width: u32,
    batch: u32,
    stride: u32,
    first_item: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read> data: array<u32>;
@group(0) @binding(3) var<storage, read> index: array<u32>;
@group(0) @binding(4) var<storage, read_write> window: array<u32>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let params = params;
    let i = linear_index(group, groups, GROUP, local);
    let place = i / params.width;
    let w = i % params.width;
    let s = place / params.batch;
    let r = place % params.batch;
    let at = (step.epoch_batch + params.first_item + s) * params.batch + r;
    if s * params.stride >= arrayLength(&window) || at >= arrayLength(&index) {
        return;
    }
    // An index below first_row wraps around to one beyond the last row.
    let row = index[at] - params.first_row;
    if row < params.rows {
        window[s * params.stride + r * params.width + w] = data[row * params.width + w];
    }
}
