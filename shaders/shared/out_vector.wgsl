// Output of a matrix multiplication, with vec4 stores: for rows whose length is a multiple of four. See also
// out_scalar.wgsl.

alias Element = vec4<f32>;

// Writes four elements of a row of the output, starting at element `start + column`.
fn put_four(params: Params, start: u32, column: u32, values: vec4<f32>) {
    put((start + column) / 4u, values);
}

// Writes the sums of four rows of a, starting at element `start + row`.
fn put_row_sums(params: Params, start: u32, row: u32, values: vec4<f32>) {
    put((start + row) / 4u, values);
}
