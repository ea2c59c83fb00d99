// Copies selected rows of a data set of bytes into the window. A table maps each byte to a number.
//
// window[s, r·width + w] = table[min(w, tables − 1), byte w of data[index[epoch_batch + first_item + s, r] −
// first_row]]. Nothing is written for a batch beyond the index, or for a row that is not in data. Byte w of a row is
// bits 8·(w mod 4) to 8·(w mod 4) + 7 of its word w / 4. Symbols: as in gather.wgsl; w a byte of the row, and tables
// the number of tables: one for each byte of a row, or one for all.
//
// | binding | view   | shape                         | access |
// |---------|--------|-------------------------------|--------|
// | 2       | data   | rows×words                    | read   |
// | 3       | index  | batches of an epoch×batch     | read   |
// | 4       | table  | tables×256                    | read   |
// | 5       | window | batches×(batch·width, padded) | fill   |
//
// One invocation writes one number.

struct Params {
    rows: u32,
    first_row: u32,
    words: u32,
    width: u32,
    tables: u32,
    batch: u32,
    stride: u32,
    first_item: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read> data: array<u32>;
@group(0) @binding(3) var<storage, read> index: array<u32>;
@group(0) @binding(4) var<storage, read> table: array<f32>;
@group(0) @binding(5) var<storage, read_write> window: array<f32>;

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
        let word = data[row * params.words + w / 4u];
        let byte = (word >> (8u * (w % 4u))) & 255u;
        let number = min(w, params.tables - 1u) * 256u + byte;
        window[s * params.stride + r * params.width + w] = table[number];
    }
}
