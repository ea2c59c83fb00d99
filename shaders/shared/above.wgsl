// b if x ≤ 0, else a; so where x is NaN, a.
fn above(x: f32, a: f32, b: f32) -> f32 {
    return select(a, b, x <= 0.0);
}
