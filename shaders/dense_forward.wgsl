// Forward pass of a dense layer with bias, activation and dropout in one pass.
//
// output[r, o] = drop(f(Σᵢ input[r, i]·weight[o, i] + bias[o])). Symbols: r a row of the batch, i an input, o an
// output; f from the prelude, drop as in shared/dropout.wgsl.
//
// | binding | view   | shape          | access |
// |---------|--------|----------------|--------|
// | 2       | input  | rows×inputs    | read   |
// | 3       | weight | outputs×inputs | read   |
// | 4       | bias   | 1×outputs      | read   |
// | 5       | output | rows×outputs   | write  |
// | 6       | kept   | rows×outputs   | write, in the build with shared/kept.wgsl: the argument of f |
//
// Rows at or beyond step.rows are neither read nor written.

struct Params {
    inputs: u32,
    outputs: u32,
    function: u32,
    alpha: f32,
    beta: f32,
    layer: u32,
    threshold: u32,
    scale: f32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read> input: array<ElementA>;
@group(0) @binding(3) var<storage, read> weight: array<ElementB>;
@group(0) @binding(4) var<storage, read> bias: array<Element>;
@group(0) @binding(5) var<storage, read_write> output: array<Element>;

const A_ALONG_TERMS = true;
const B_ALONG_TERMS = true;
const SUM_ROWS = false;

fn rows(params: Params) -> u32 {
    return step.rows;
}

fn columns(params: Params) -> u32 {
    return params.outputs;
}

fn terms(params: Params) -> u32 {
    return params.inputs;
}

fn a_at(i: u32) -> ElementA {
    return input[i];
}

fn b_at(i: u32) -> ElementB {
    return weight[i];
}

fn second_at(i: u32) -> Element {
    return bias[i];
}

fn store(params: Params, part: u32, row: u32, column: u32, sums: vec4<f32>) {
    let x = sums + four_of_second(params, 0u, column);
    keep_four(params, row * params.outputs, column, x);
    var values = params.scale * activate_four(FUNCTION, vec2(params.alpha, params.beta), x);
    if DROPS {
        values = select(vec4(0.0), values, keeps_four(params.threshold, params.layer, row, column / 4u));
    }
    put_four(params, row * params.outputs, column, values);
}

fn store_row_sums(params: Params, part: u32, row: u32, sums: vec4<f32>) {}
