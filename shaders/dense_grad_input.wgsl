// Backward pass of a dense layer: the gradient of its input, through the dropout and the activation of the layer below.
//
// grad_input[r, i] = drop(Σₒ grad_output[r, o]·weight[o, i]) · f′(lower[r, i]·keep), where f and drop belong to the
// layer below: lower = drop(f(x)) and keep = 1 / scale, or lower = x and keep = 1. Symbols: r a row of the batch, i an
// input, o an output; f′ from the prelude, drop as in shared/dropout.wgsl.
//
// | binding | view        | shape          | access |
// |---------|-------------|----------------|--------|
// | 2       | grad_output | rows×outputs   | read   |
// | 3       | weight      | outputs×inputs | read   |
// | 4       | lower       | rows×inputs    | read   |
// | 5       | grad_input  | rows×inputs    | write  |
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
    keep: f32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read> grad_output: array<ElementA>;
@group(0) @binding(3) var<storage, read> weight: array<ElementB>;
@group(0) @binding(4) var<storage, read> lower: array<Element>;
@group(0) @binding(5) var<storage, read_write> grad_input: array<Element>;

const A_ALONG_TERMS = true;
const B_ALONG_TERMS = false;
const SUM_ROWS = false;

fn rows(params: Params) -> u32 {
    return step.rows;
}

fn columns(params: Params) -> u32 {
    return params.inputs;
}

fn terms(params: Params) -> u32 {
    return params.outputs;
}

fn a_at(i: u32) -> ElementA {
    return grad_output[i];
}

fn b_at(i: u32) -> ElementB {
    return weight[i];
}

fn put(i: u32, values: Element) {
    grad_input[i] = values;
}

fn second_at(i: u32) -> Element {
    return lower[i];
}

fn store(params: Params, part: u32, row: u32, column: u32, sums: vec4<f32>) {
    let y = four_of_second(params, row * params.inputs, column) * params.keep;
    var values = sums * params.scale * derivative_four(FUNCTION, vec2(params.alpha, params.beta), y);
    if DROPS {
        values = select(vec4(0.0), values, keeps_four(params.threshold, params.layer, row, column / 4u));
    }
    put_four(params, row * params.inputs, column, values);
}

fn store_row_sums(params: Params, part: u32, row: u32, sums: vec4<f32>) {}
