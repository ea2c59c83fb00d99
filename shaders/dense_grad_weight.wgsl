// Backward pass of a dense layer: the gradients of its weight and bias, with a check that they are finite.
//
// grad_weight[o, i] = Σᵣ grad_output[r, o]·input[r, i], grad_bias[o] = Σᵣ grad_output[r, o]. Symbols: r a row in use
// of the batch, i an input, o an output.
//
// | binding | view        | shape          | access                                                      |
// |---------|-------------|----------------|-------------------------------------------------------------|
// | 2       | grad_output | rows×outputs   | read                                                        |
// | 3       | input       | rows×inputs    | read                                                        |
// | 4       | grad_weight | outputs×inputs | write                                                       |
// | 5       | grad_bias   | 1×outputs      | write                                                       |
// | 6       | flag        | 1              | atomic min with the step's index where one is not finite    |

struct Params {
    inputs: u32,
    outputs: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read> grad_output: array<ElementA>;
@group(0) @binding(3) var<storage, read> input: array<ElementB>;
@group(0) @binding(4) var<storage, read_write> grad_weight: array<Element>;
@group(0) @binding(5) var<storage, read_write> grad_bias: array<f32>;
@group(0) @binding(6) var<storage, read_write> flag: array<atomic<u32>>;

const A_ALONG_TERMS = false;
const B_ALONG_TERMS = false;
const SUM_ROWS = true;

fn rows(params: Params) -> u32 {
    return params.outputs;
}

fn columns(params: Params) -> u32 {
    return params.inputs;
}

fn terms(params: Params) -> u32 {
    return step.rows;
}

fn a_at(i: u32) -> ElementA {
    return grad_output[i];
}

fn b_at(i: u32) -> ElementB {
    return input[i];
}

fn put(i: u32, values: Element) {
    var sums = values;
    if again {
        sums += grad_weight[i];
    }
    check(vec4<f32>(sums));
    grad_weight[i] = sums;
}

fn check(sums: vec4<f32>) {
    if !all_finite(sums) {
        atomicMin(&flag[0], step.index);
    }
}

fn store(params: Params, part: u32, row: u32, column: u32, sums: vec4<f32>) {
    put_four(params, row * params.inputs, column, sums);
}

fn store_row_sums(params: Params, part: u32, row: u32, sums: vec4<f32>) {
    store_bias(params, row, sums.x);
    store_bias(params, row + 1u, sums.y);
    store_bias(params, row + 2u, sums.z);
    store_bias(params, row + 3u, sums.w);
}

fn store_bias(params: Params, row: u32, sum: f32) {
    if row < params.outputs {
        var bias = sum;
        if again {
            bias += grad_bias[row];
        }
        check(vec4(bias));
        grad_bias[row] = bias;
    }
}
