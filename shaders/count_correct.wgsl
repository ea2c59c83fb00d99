// Counts the correct predictions among the rows in use.
//
// count = #{ i : predicted[i] = target[i] }. Elements are compared as 32-bit words: class indices, or 0.0 and 1.0.
//
// | binding | view      | shape        | access |
// |---------|-----------|--------------|--------|
// | 2       | predicted | rows×columns | read   |
// | 3       | targets   | rows×columns | read   |
// | 4       | count     | 1×1          | write  |
//
// A single workgroup counts everything, with each invocation taking a part of the elements. Integer sums do not depend
// on their order, so the counts may be added atomically. Rows at or beyond step.rows are not read.

struct Params {
    columns: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read> predicted: array<u32>;
@group(0) @binding(3) var<storage, read> targets: array<u32>;
@group(0) @binding(4) var<storage, read_write> count: array<u32>;

var<workgroup> total: atomic<u32>;

@compute @workgroup_size(GROUP)
fn main(@builtin(local_invocation_index) local: u32) {
    let params = params;
    var correct = 0u;
    let live = step.rows * params.columns;
    for (var i = local; i < live; i += 4u * GROUP) {
        correct += correct_at(i, live) + correct_at(i + GROUP, live);
        correct += correct_at(i + 2u * GROUP, live) + correct_at(i + 3u * GROUP, live);
    }
    if local == 0u {
        atomicStore(&total, 0u);
    }
    workgroupBarrier();
    atomicAdd(&total, correct);
    workgroupBarrier();
    if local == 0u {
        count[0] = atomicLoad(&total);
    }
}

fn correct_at(i: u32, live: u32) -> u32 {
    if i < live {
        return select(0u, 1u, predicted[i] == targets[i]);
    }
    return 0u;
}
