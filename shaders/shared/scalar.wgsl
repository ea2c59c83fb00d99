// Operands and output of a product, number by number: for rows of any length. `vector.wgsl` is the other way.

alias Element = f32;

// Up to four numbers of a line of `width`, from `first` on; zeros behind its end, and in lines that are not there.
fn four_of_a(line: u32, first: u32) -> vec4<f32> {
    let width = select(rows(), terms(), A_ALONG_TERMS);
    var four = vec4(0.0);
    if line < select(terms(), rows(), A_ALONG_TERMS) {
        let start = line * width;
        for (var i = 0u; i < 4u; i++) {
            if first + i < width {
                four[i] = a_at(start + first + i);
            }
        }
    }
    return four;
}

fn four_of_b(line: u32, first: u32) -> vec4<f32> {
    let width = select(columns(), terms(), B_ALONG_TERMS);
    var four = vec4(0.0);
    if line < select(terms(), columns(), B_ALONG_TERMS) {
        let start = line * width;
        for (var i = 0u; i < 4u; i++) {
            if first + i < width {
                four[i] = b_at(start + first + i);
            }
        }
    }
    return four;
}

// Writes up to four numbers of a row of the output, from element `start + column` on.
fn put_four(start: u32, column: u32, values: vec4<f32>) {
    for (var i = 0u; i < 4u; i++) {
        if column + i < columns() {
            put(start + column + i, values[i]);
        }
    }
}

// Writes the sums of up to four rows of a, from element `start + row` on.
fn put_row_sums(start: u32, row: u32, values: vec4<f32>) {
    for (var i = 0u; i < 4u; i++) {
        if row + i < rows() {
            put(start + row + i, values[i]);
        }
    }
}
