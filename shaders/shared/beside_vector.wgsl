// What lies as the output does and is read along with it, four numbers at a time; its kernel has `beside_at`.

// Four numbers from element `start + column` on.
fn four_beside(params: Params, start: u32, column: u32) -> vec4<f32> {
    return beside_at((start + column) / 4u);
}
