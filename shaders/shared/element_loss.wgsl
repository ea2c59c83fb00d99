// Main function of a loss that is the mean over columns of a loss per element. The kernel's own file defines `element`.
// Needs step.wgsl, linear_index.wgsl, row.wgsl and row_loss.wgsl.

@group(0) @binding(3) var<storage, read> targets: array<f32>;

struct Element {
    loss: f32,
    // With respect to the output.
    derivative: f32,
}

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let params = params;
    let place = line(group, groups, GROUP, local);
    let row = place / PER_ROW;
    let lane = place % PER_ROW;
    let live = row < step.rows;
    let columns = select(0u, params.columns, live);
    let n = f32(params.columns);
    var loss = 0.0;
    for (var c = lane; c < columns; c += PER_ROW) {
        let i = row * columns + c;
        let found = element(output[i], targets[i]);
        loss += found.loss;
        grad[i] = found.derivative / n * step.loss_scale;
    }
    loss = row_sum(loss, local) / n;
    if live && lane == 0u {
        write_row_loss(row, loss);
    }
}
