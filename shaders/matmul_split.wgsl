// Matrix multiplications whose terms are split into parts (split-K), for outputs too small to fill a GPU. Each part
// writes its own sums.
//
// | form | formula                                     | A_ALONG_TERMS | B_ALONG_TERMS |
// |------|---------------------------------------------|---------------|---------------|
// | NT   | partial[p, i, j] = Σₗ a[i, l]·b[j, l]       | true          | true          |
// | NN   | partial[p, i, j] = Σₗ a[i, l]·b[l, j]       | true          | false         |
// | TN   | partial[p, i, j] = Σₗ a[l, i]·b[l, j]       | false         | false         |
//
// Symbols: p a part, i a row and j a column of the output, l one of the part's terms. The rows of NT and NN, and the
// terms of TN, are rows in use of the batch. For TN the sums of a's columns, Σₗ a[l, i], follow the sums of each part.
//
// | binding | view    | shape (NT · NN · TN)           | access |
// |---------|---------|--------------------------------|--------|
// | 2       | a       | m×k · m×k · k×m                | read   |
// | 3       | b       | n×k · k×n · k×n                | read   |
// | 4       | partial | parts×(m·n · m·n · m·n + m)    | write  |

struct Params {
    n: u32,
    k: u32,
    m: u32,
    chunk: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read> a: array<ElementA>;
@group(0) @binding(3) var<storage, read> b: array<ElementB>;
@group(0) @binding(4) var<storage, read_write> partial: array<Element>;

const SUM_ROWS = !A_ALONG_TERMS;

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
        sums += partial[i];
    }
    partial[i] = sums;
}

// Returns the number of elements of one part of the output.
fn part_size(params: Params) -> u32 {
    return params.m * (params.n + u32(SUM_ROWS));
}

fn store(params: Params, part: u32, row: u32, column: u32, sums: vec4<f32>) {
    put_four(params, part * part_size(params) + row * params.n, column, sums);
}

fn store_row_sums(params: Params, part: u32, row: u32, sums: vec4<f32>) {
    put_row_sums(params, part * part_size(params) + params.m * params.n, row, sums);
}
