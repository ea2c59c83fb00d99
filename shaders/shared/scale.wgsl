// A power of two that brings numbers of up to `largest` to at most 4, whose squares then neither overflow nor vanish, and its
// inverse. Both are normal numbers, and multiplying with them rounds nothing.

fn scale_of(largest: f32) -> vec2<f32> {
    let exponent = clamp(bitcast<u32>(largest) & 0x7f800000u, 0x00800000u, 0x7e800000u);
    return vec2(bitcast<f32>(0x7f000000u - exponent), bitcast<f32>(exponent));
}
