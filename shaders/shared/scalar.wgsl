// Operands and output of a product, number by number: for rows of any length. `vector.wgsl` is the other way.

alias Element = f32;

// Up to four numbers of a line of a, from `first` on; zeros behind its end, and in lines that are not there.
fn four_of_a(params: Params, line: u32, first: u32) -> vec4<f32> {
    let width = select(rows(params), terms(params), A_ALONG_TERMS);
    let end = select(0u, width, line < select(terms(params), rows(params), A_ALONG_TERMS));
    let start = line * width;
    return vec4(
        one_of_a(start, first, end),
        one_of_a(start, first + 1u, end),
        one_of_a(start, first + 2u, end),
        one_of_a(start, first + 3u, end),
    );
}

fn one_of_a(start: u32, place: u32, end: u32) -> f32 {
    let there = place < end;
    return select(0.0, a_at(select(0u, start + place, there)), there);
}

// The same of b, with columns for rows.
fn four_of_b(params: Params, line: u32, first: u32) -> vec4<f32> {
    let width = select(columns(params), terms(params), B_ALONG_TERMS);
    let end = select(0u, width, line < select(terms(params), columns(params), B_ALONG_TERMS));
    let start = line * width;
    return vec4(
        one_of_b(start, first, end),
        one_of_b(start, first + 1u, end),
        one_of_b(start, first + 2u, end),
        one_of_b(start, first + 3u, end),
    );
}

fn one_of_b(start: u32, place: u32, end: u32) -> f32 {
    let there = place < end;
    return select(0.0, b_at(select(0u, start + place, there)), there);
}

// Writes up to four numbers of a row of the output, from element `start + column` on.
fn put_four(params: Params, start: u32, column: u32, values: vec4<f32>) {
    put_one(start, column, columns(params), values.x);
    put_one(start, column + 1u, columns(params), values.y);
    put_one(start, column + 2u, columns(params), values.z);
    put_one(start, column + 3u, columns(params), values.w);
}

// Writes the sums of up to four rows of a, from element `start + row` on.
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
