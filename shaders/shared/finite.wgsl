// Checks for finite numbers, by their bits. Comparisons are not reliable where a compiler assumes that there is no NaN.

fn all_finite(x: vec4<f32>) -> bool {
    return all((bitcast<vec4<u32>>(x) & vec4(0x7f800000u)) != vec4(0x7f800000u));
}

fn is_finite(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u;
}
