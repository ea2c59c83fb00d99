// The output of a product, four numbers at a time: for rows of a multiple of four. out_scalar.wgsl is the other way.

alias Element = vec4<f32>;

// Writes four numbers of a row of the output, from element `start + column` on.
fn put_four(params: Params, start: u32, column: u32, values: vec4<f32>) {
    put((start + column) / 4u, values);
}

// Writes the sums of four rows of a, from element `start + row` on.
fn put_row_sums(params: Params, start: u32, row: u32, values: vec4<f32>) {
    put((start + row) / 4u, values);
}
