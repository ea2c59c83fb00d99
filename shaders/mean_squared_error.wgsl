// Mean squared error with its gradient.
//
// row_loss[r] = Σ꜀ (output − target)² / n, grad = 2·(output − target) / n · scale.
// Letters: r a row of the batch, c one of n columns, scale = 1 / rows of the whole batch.
//
// | binding | view     | shape        | access                                                      |
// |---------|----------|--------------|-------------------------------------------------------------|
// | 2       | output   | rows×columns | read                                                        |
// | 3       | targets  | rows×columns | read                                                        |
// | 4       | row_loss | rows×1       | write                                                       |
// | 5       | grad     | rows×columns | write                                                       |
// | 6       | flag     | 1            | atomic: lowered to the step's index if a loss is not finite |
//
// PER_ROW invocations share a row, and take turns along its columns. Rows from step.rows on are neither read nor
// written.

struct Params {
    columns: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read> output: array<f32>;
@group(0) @binding(3) var<storage, read> targets: array<f32>;
@group(0) @binding(4) var<storage, read_write> row_loss: array<f32>;
@group(0) @binding(5) var<storage, read_write> grad: array<f32>;
@group(0) @binding(6) var<storage, read_write> flag: array<atomic<u32>>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let place = line(group, groups, GROUP, local);
    let row = place / PER_ROW;
    let lane = place % PER_ROW;
    let live = row < step.rows;
    let columns = select(0u, params.columns, live);
    let n = f32(params.columns);
    var loss = 0.0;
    for (var c = lane; c < columns; c += PER_ROW) {
        let i = row * columns + c;
        let difference = output[i] - targets[i];
        loss += difference * difference;
        grad[i] = 2.0 * difference / n * step.loss_scale;
    }
    loss = row_sum(loss, local) / n;
    if live && lane == 0u {
        write_row_loss(row, loss);
    }
}
