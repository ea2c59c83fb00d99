// Random numbers of element k of four for a mask: 1 if it is kept, else 0. The second is not used.
fn random_numbers(words: vec4<u32>, threshold: u32, k: u32) -> vec2<f32> {
    return vec2(select(0.0, 1.0, words[k] >= threshold), 0.0);
}
