// Returns a power of two that scales numbers of up to `largest` to at most 4, and its inverse. Squares then neither
// overflow nor underflow. Both factors are normal numbers, and multiplying by them is exact.

fn scale_of(largest: f32) -> vec2<f32> {
    let exponent = clamp(bitcast<u32>(largest) & 0x7f800000u, 0x00800000u, 0x7e800000u);
    return vec2(bitcast<f32>(0x7f000000u - exponent), bitcast<f32>(exponent));
}
