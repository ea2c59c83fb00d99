// Returns b if x ≤ 0, else a. If x is NaN, returns a.
fn above(x: f32, a: f32, b: f32) -> f32 {
    return select(a, b, x <= 0.0);
}
