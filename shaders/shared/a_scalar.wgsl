// Operand a of a matrix multiplication, with scalar loads: for rows of any length. See also a_vector.wgsl.

alias ElementA = f32;

// Returns up to four elements of line `line` of a, starting at `first`. A line is a row of a as it is stored. Elements
// beyond the end of the line, and lines beyond the last, are 0.
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
