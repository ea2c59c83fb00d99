// Operand b of a product, number by number: for rows of any length. b_vector.wgsl is the other way.

alias ElementB = f32;

// Up to four numbers of a line of b, from `first` on; zeros behind its end, and in lines that are not there.
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
