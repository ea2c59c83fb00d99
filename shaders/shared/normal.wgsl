// Random numbers of element k of four from which a normal number is computed: a share in (0, 1], and turns. Two elements
// have one share, and turns that differ by a quarter. Numbers of 24 bits are exact on every device.
fn random_numbers(words: vec4<u32>, threshold: u32, k: u32) -> vec2<f32> {
    const UNIT = 1.0 / 16777216.0;
    let share = f32((words[k & 2u] >> 8u) + 1u) * UNIT;
    let turns = f32(words[(k & 2u) + 1u] >> 8u) * UNIT;
    return vec2(share, turns - 0.25 * f32(k & 1u));
}
