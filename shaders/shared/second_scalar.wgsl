// Second input with the same layout as the output, with scalar loads. The kernel defines `second_at`.

// Returns up to four elements, starting at element `start + column`; 0 beyond the last column.
fn four_of_second(params: Params, start: u32, column: u32) -> vec4<f32> {
    return vec4(
        one_of_second(params, start, column),
        one_of_second(params, start, column + 1u),
        one_of_second(params, start, column + 2u),
        one_of_second(params, start, column + 3u),
    );
}

fn one_of_second(params: Params, start: u32, column: u32) -> f32 {
    let there = column < columns(params);
    return select(0.0, second_at(select(0u, start + column, there)), there);
}
