// Operands and output of a product, four numbers at a time: for rows of a multiple of four. `scalar.wgsl` is the
// other way.

alias Element = vec4<f32>;

// Four numbers of a line of a, from `first` on. Terms that are not there are 0; rows that are not there repeat the last
// ones, whose sums nobody stores: that costs less than to ask.
fn four_of_a(params: Params, line: u32, first: u32) -> vec4<f32> {
    if A_ALONG_TERMS {
        if STAGED && first >= terms(params) {
            return vec4(0.0);
        }
        return a_at((min(line, rows(params) - 1u) * terms(params) + first) / 4u);
    }
    if line >= terms(params) {
        return vec4(0.0);
    }
    return a_at((line * rows(params) + min(first, rows(params) - 4u)) / 4u);
}

// The same of b, with columns for rows.
fn four_of_b(params: Params, line: u32, first: u32) -> vec4<f32> {
    if B_ALONG_TERMS {
        if STAGED && first >= terms(params) {
            return vec4(0.0);
        }
        return b_at((min(line, columns(params) - 1u) * terms(params) + first) / 4u);
    }
    if line >= terms(params) {
        return vec4(0.0);
    }
    return b_at((line * columns(params) + min(first, columns(params) - 4u)) / 4u);
}

// Writes four numbers of a row of the output, from element `start + column` on.
fn put_four(params: Params, start: u32, column: u32, values: vec4<f32>) {
    put((start + column) / 4u, values);
}

// Writes the sums of four rows of a, from element `start + row` on.
fn put_row_sums(params: Params, start: u32, row: u32, values: vec4<f32>) {
    put((start + row) / 4u, values);
}
