// Matrix multiplication, in the three forms that a dense layer needs.
//
// | form | formula                    | A_ALONG_TERMS | B_ALONG_TERMS |
// |------|----------------------------|---------------|---------------|
// | NT   | out[i, j] = Σₗ a[i, l]·b[j, l] | true      | true          |
// | NN   | out[i, j] = Σₗ a[i, l]·b[l, j] | true      | false         |
// | TN   | out[i, j] = Σₗ a[l, i]·b[l, j] | false     | false         |
//
// Symbols: i a row and j a column of out, l a term. The rows of NT and NN, and the terms of TN, are rows in use of the
// batch.
//
// | binding | view | shape (NT · NN · TN) | access |
// |---------|------|----------------------|--------|
// | 2       | a    | m×k · m×k · k×m      | read   |
// | 3       | b    | n×k · k×n · k×n      | read   |
// | 4       | out  | m×n                  | write  |

struct Params {
    n: u32,
    k: u32,
    m: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read> a: array<ElementA>;
@group(0) @binding(3) var<storage, read> b: array<ElementB>;
@group(0) @binding(4) var<storage, read_write> out: array<Element>;

const SUM_ROWS = false;

fn rows(params: Params) -> u32 {
    return select(params.m, step.rows, A_ALONG_TERMS);
}

fn columns(params: Params) -> u32 {
    return params.n;
}

fn terms(params: Params) -> u32 {
    return select(step.rows, params.k, A_ALONG_TERMS);
}

fn a_at(i: u32) -> ElementA {
    return a[i];
}

fn b_at(i: u32) -> ElementB {
    return b[i];
}

fn put(i: u32, values: Element) {
    var sums = values;
    if again {
        sums += out[i];
    }
    out[i] = sums;
}

fn store(params: Params, part: u32, row: u32, column: u32, sums: vec4<f32>) {
    put_four(params, row * columns(params), column, sums);
}

fn store_row_sums(params: Params, part: u32, row: u32, sums: vec4<f32>) {}
