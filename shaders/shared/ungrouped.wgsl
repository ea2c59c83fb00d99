// Settings of an update that are the same for all parameters.
// Needs step.wgsl, clip.wgsl, and the bindings of update.wgsl.

fn is_fixed(_i: u32) -> bool {
    return false;
}

// Returns the gradient after clipping, plus the gradient of the L2 penalty.
fn gradient_of(i: u32, p: f32, params: Params) -> f32 {
    return gradient[i] * clip(norm[0], params.max_norm) + params.l2 * p;
}

fn rate_of(_i: u32) -> f32 {
    return step.learning_rate;
}

fn decay_of(_i: u32, params: Params) -> f32 {
    return params.decay;
}
