// Multiplies the loss of each row, and its gradient, by the weight of the row.
//
// row_loss[r] = weight[r] · loss[r], grad[r, c] = weight[r] · unweighted[r, c]. Symbols: r a row of the batch, c a
// column.
//
// | binding | view       | shape        | access                                                             |
// |---------|------------|--------------|--------------------------------------------------------------------|
// | 2       | weight     | rows×1       | read                                                               |
// | 3       | loss       | rows×1       | read                                                               |
// | 4       | unweighted | rows×columns | read                                                               |
// | 5       | row_loss   | rows×1       | write                                                              |
// | 6       | grad       | rows×columns | write                                                              |
// | 7       | flag       | 1            | atomic min with the step's index if a weighted loss is not finite  |
//
// One invocation computes one element of grad. The invocation of the first element of a row also computes the row's
// loss. Rows at or beyond step.rows are neither read nor written.

struct Params {
    columns: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> loss: array<f32>;
@group(0) @binding(4) var<storage, read> unweighted: array<f32>;
@group(0) @binding(5) var<storage, read_write> row_loss: array<f32>;
@group(0) @binding(6) var<storage, read_write> grad: array<f32>;
@group(0) @binding(7) var<storage, read_write> flag: array<atomic<u32>>;

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
    let row = i / params.columns;
    grad[i] = weight[row] * unweighted[i];
    if i % params.columns == 0u {
        let weighted = weight[row] * loss[row];
        row_loss[row] = weighted;
        if !is_finite(weighted) {
            atomicMin(&flag[0], step.index);
        }
    }
}
