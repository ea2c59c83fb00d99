// Second input with the same layout as the output, with vec4 loads. The kernel defines `second_at`.

// Returns four elements, starting at element `start + column`.
fn four_of_second(params: Params, start: u32, column: u32) -> vec4<f32> {
    return second_at((start + column) / 4u);
}
