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
// Rows from step.rows on are neither read nor written.

struct Params {
    inputs: u32,
    outputs: u32,
    function: u32,
    slope: f32,
    layer: u32,
    threshold: u32,
    scale: f32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read> input: array<Element>;
@group(0) @binding(3) var<storage, read> weight: array<Element>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<Element>;

const A_ALONG_TERMS = true;
const B_ALONG_TERMS = true;
const SUM_ROWS = false;

fn rows() -> u32 {
    return step.rows;
}

fn columns() -> u32 {
    return params.outputs;
}

fn terms() -> u32 {
    return params.inputs;
}

fn a_at(i: u32) -> Element {
    return input[i];
}

fn b_at(i: u32) -> Element {
    return weight[i];
}

fn put(i: u32, values: Element) {
    output[i] = values;
}

fn store(part: u32, row: u32, column: u32, sums: vec4<f32>) {
    var values: vec4<f32>;
    for (var k = 0u; k < min(4u, params.outputs - column); k++) {
        values[k] = params.scale * activate(params.function, params.slope, sums[k] + bias[column + k]);
    }
    let kept = keeps_four(params.threshold, params.layer, row, column / 4u);
    put_four(row * params.outputs, column, select(vec4(0.0), values, kept));
}

fn store_row_sums(part: u32, row: u32, sums: vec4<f32>) {}
