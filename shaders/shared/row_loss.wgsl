// Code that all losses share; each loss declares its own targets. Needs step.wgsl and finite.wgsl.

struct Params {
    columns: u32,
    loss: u32,
    alpha: f32,
    beta: f32,
    gamma: f32,
    delta: f32,
    epsilon: f32,
    zeta: f32,
    eta: f32,
    theta: f32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read> output: array<f32>;
@group(0) @binding(4) var<storage, read_write> row_loss: array<f32>;
@group(0) @binding(5) var<storage, read_write> grad: array<f32>;
@group(0) @binding(6) var<storage, read_write> flag: array<atomic<u32>>;

fn write_row_loss(row: u32, loss: f32) {
    row_loss[row] = loss;
    if !is_finite(loss) {
        atomicMin(&flag[0], step.index);
    }
}
