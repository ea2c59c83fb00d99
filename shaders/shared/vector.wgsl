// Operands and output of a product, four numbers at a time: for rows of a multiple of four. `scalar.wgsl` is the
// other way.

alias Element = vec4<f32>;

// Four numbers of a line of `width`, from `first` on; zeros behind its end, and in lines that are not there.
fn four_of_a(line: u32, first: u32) -> vec4<f32> {
    let width = select(rows(), terms(), A_ALONG_TERMS);
    if line < select(terms(), rows(), A_ALONG_TERMS) && first < width {
        return a_at((line * width + first) / 4u);
    }
    return vec4(0.0);
}

fn four_of_b(line: u32, first: u32) -> vec4<f32> {
    let width = select(columns(), terms(), B_ALONG_TERMS);
    if line < select(terms(), columns(), B_ALONG_TERMS) && first < width {
        return b_at((line * width + first) / 4u);
    }
    return vec4(0.0);
}

// Writes four numbers of a row of the output, from element `start + column` on.
fn put_four(start: u32, column: u32, values: vec4<f32>) {
    put((start + column) / 4u, values);
}

// Writes the sums of four rows of a, from element `start + row` on.
fn put_row_sums(start: u32, row: u32, values: vec4<f32>) {
    put((start + row) / 4u, values);
}
