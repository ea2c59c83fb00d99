// Output of a matrix multiplication, with scalar stores: for rows of any length. See also out_vector.wgsl.

alias Element = f32;

// Writes up to four elements of a row of the output, starting at element `start + column`.
fn put_four(params: Params, start: u32, column: u32, values: vec4<f32>) {
    put_one(start, column, columns(params), values.x);
    put_one(start, column + 1u, columns(params), values.y);
    put_one(start, column + 2u, columns(params), values.z);
    put_one(start, column + 3u, columns(params), values.w);
}

// Writes the sums of up to four rows of a, starting at element `start + row`.
fn put_row_sums(params: Params, start: u32, row: u32, values: vec4<f32>) {
    put_one(start, row, rows(params), values.x);
    put_one(start, row + 1u, rows(params), values.y);
    put_one(start, row + 2u, rows(params), values.z);
    put_one(start, row + 3u, rows(params), values.w);
}

fn put_one(start: u32, place: u32, end: u32, value: f32) {
    if place < end {
        put(start + place, value);
    }
}
