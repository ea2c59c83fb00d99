// Mean loss of each batch of a submission, from the losses of its rows. With gradient accumulation, this is a
// micro-batch's share of the loss of its step.
//
// loss[s] = scale_s · Σ_r row_loss[s, r]. Symbols: s a batch of the submission, r one of its rows in use, scale_s its
// loss_scale.
//
// | binding | view     | shape                   | access |
// |---------|----------|-------------------------|--------|
// | 2       | row_loss | batches×(batch, padded) | read   |
// | 3       | loss     | batches×1               | write  |
//
// One workgroup computes the loss of one batch. Rows of row_loss without a batch are neither read nor written.

struct Params {
    stride: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read> row_loss: array<f32>;
@group(0) @binding(3) var<storage, read_write> loss: array<f32>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let params = params;
    let s = linear_index(group, groups, 1u, 0u);
    if s >= min(steps.count, arrayLength(&loss)) {
        return;
    }
    var sum = no_blocks();
    let rows = min(steps.records[s].step.rows, params.stride);
    let begin = s * params.stride;
    for (var r = local; r < rows; r += 4u * GROUP) {
        let pairs = vec2(at(begin, r, rows), at(begin, r + 2u * GROUP, rows))
            + vec2(at(begin, r + GROUP, rows), at(begin, r + 3u * GROUP, rows));
        sum = added(sum, pairs.x + pairs.y);
    }
    let all = tree_sum(sum_of_blocks(sum), local);
    if local == 0u {
        loss[s] = all * steps.records[s].step.loss_scale;
    }
}

// Returns the loss of a row, or 0 beyond the last one.
fn at(begin: u32, r: u32, rows: u32) -> f32 {
    if r < rows {
        return row_loss[begin + r];
    }
    return 0.0;
}
