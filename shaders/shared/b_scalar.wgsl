// Operand b of a matrix multiplication, with scalar loads: for rows of any length. See also b_vector.wgsl.

alias ElementB = f32;

// Returns up to four elements of line `line` of b, starting at `first`. A line is a row of b as it is stored. Elements
// beyond the end of the line, and lines beyond the last, are 0.
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
