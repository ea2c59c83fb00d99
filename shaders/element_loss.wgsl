// Mean over columns of a loss per element, with its gradient.
//
// row_loss[r] = Σ꜀ l(z, t) / n, grad[r, c] = l′(z, t) / n · scale, with l and its derivative l′ with respect to z from
// the prelude. Symbols: r a row of the batch, c one of n columns, z the output and t the target there, scale = 1 /
// number of rows of the step.
//
// | binding | view     | shape        | access                                                      |
// |---------|----------|--------------|-------------------------------------------------------------|
// | 2       | output   | rows×columns | read                                                        |
// | 3       | targets  | rows×columns | read                                                        |
// | 4       | row_loss | rows×1       | write                                                       |
// | 5       | grad     | rows×columns | write                                                       |
// | 6       | flag     | 1            | atomic min with the step's index if a loss is not finite    |
//
// PER_ROW invocations process a row together, each taking every PER_ROW-th column. Rows at or beyond step.rows are
// neither read nor written.

@group(0) @binding(3) var<storage, read> targets: array<f32>;

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
    let columns = select(0u, params.columns, live);
    let n = f32(params.columns);
    let parameters = vec2(params.alpha, params.beta);
    var loss = 0.0;
    for (var c = lane; c < columns; c += PER_ROW) {
        let i = row * columns + c;
        let z = output[i];
        let t = targets[i];
        loss += element_loss(parameters, z, t);
        grad[i] = element_derivative(parameters, z, t) / n * step.loss_scale;
    }
    loss = row_sum(loss, local) / n;
    if live && lane == 0u {
        write_row_loss(row, loss);
    }
}
