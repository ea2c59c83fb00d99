// Settings of an update per block of 64 parameters: a row of eight numbers in `groups`, with the fields of `Group` in
// src/kernels/update.rs. Needs step.wgsl, clip.wgsl, above.wgsl, and the bindings of update.wgsl.

fn setting(i: u32, column: u32) -> f32 {
    return groups[i / 64u * 8u + column];
}

// Returns true if a parameter is frozen: it and its states keep their bits.
fn is_fixed(i: u32) -> bool {
    return setting(i, 0u) != 0.0;
}

fn rate_of(i: u32) -> f32 {
    return step.learning_rate * setting(i, 1u);
}

fn decay_of(i: u32, _params: Params) -> f32 {
    return setting(i, 2u);
}

// Returns the gradient after clipping, plus the gradients of the penalties.
fn gradient_of(i: u32, p: f32, params: Params) -> f32 {
    let g = clamp(gradient[i] * clip(norm[u32(setting(i, 5u))], params.max_norm), -params.max_value, params.max_value);
    return g + setting(i, 3u) * p + setting(i, 4u) * above(p, 1.0, above(-p, -1.0, 0.0));
}
