// A dense layer, its bias, its activation and its dropout in one pass.
//
// output[r, o] = drop(f(Σᵢ input[r, i]·weight[o, i] + bias[o])). Letters: r a row of the batch, i an input, o an
// output; f as in shared/activation.wgsl, drop as in shared/dropout.wgsl.
//
// | binding | view   | shape          | access |
// |---------|--------|----------------|--------|
// | 2       | input  | rows×inputs    | read   |
// | 3       | weight | outputs×inputs | read   |
// | 4       | bias   | 1×outputs      | read   |
// | 5       | output | rows×outputs   | write  |
//
// One invocation computes 4×4 outputs in registers; the grid's x axis runs over columns, y over rows. Rows from
// step.rows on are neither read nor written.

struct Params {
    inputs: u32,
    outputs: u32,
    function: u32,
    slope: f32,
    layer: u32,
    threshold: u32,
    scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> input: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(GROUP, GROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let first_row = 4u * id.y;
    let first_column = 4u * id.x;
    if first_row >= step.rows || first_column >= params.outputs {
        return;
    }
    // Beyond the edges the last row and output are read again, and the sums thrown away.
    var input_row: array<u32, 4>;
    var weight_row: array<u32, 4>;
    for (var j = 0u; j < 4u; j++) {
        input_row[j] = min(first_row + j, step.rows - 1u) * params.inputs;
        weight_row[j] = min(first_column + j, params.outputs - 1u) * params.inputs;
    }
    var sums: array<vec4<f32>, 4>;
    for (var i = 0u; i < params.inputs; i++) {
        let weights = vec4(
            weight[weight_row[0] + i],
            weight[weight_row[1] + i],
            weight[weight_row[2] + i],
            weight[weight_row[3] + i],
        );
        for (var j = 0u; j < 4u; j++) {
            sums[j] += input[input_row[j] + i] * weights;
        }
    }
    let rows = min(4u, step.rows - first_row);
    let columns = min(4u, params.outputs - first_column);
    for (var j = 0u; j < rows; j++) {
        let row = first_row + j;
        let kept = keeps_four(params.threshold, params.layer, row, id.x);
        for (var k = 0u; k < columns; k++) {
            let column = first_column + k;
            let y = activate(params.function, params.slope, sums[j][k] + bias[column]);
            output[row * params.outputs + column] = select(0.0, y * params.scale, kept[k]);
        }
    }
}
