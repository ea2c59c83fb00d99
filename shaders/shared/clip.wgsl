// Returns the factor of gradient clipping for a global norm, like `clip` in src/kernels/norm.rs.

fn clip(gradient_norm: f32, max_norm: f32) -> f32 {
    return select(1.0, max_norm / (gradient_norm + 1e-6), gradient_norm + 1e-6 > max_norm);
}
