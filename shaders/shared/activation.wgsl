// Activation functions by code, as in src/kernels/activation.rs. Needs functions.wgsl.
//
// A NaN must be propagated. Hence `select` with comparisons, which are false for NaN, and never `max`, `min` or
// `clamp`, which may return their other argument.

// f(x); `apply` in src/kernels/activation.rs.
fn activate(function: u32, slope: f32, x: f32) -> f32 {
    switch function {
        case 1u: {
            return select(select(x, 0.0, x <= 0.0), 1.0, x > 0.0);
        }
        case 2u: {
            let e = exponential(-abs(x));
            return select(e, 1.0, x >= 0.0) / (1.0 + e);
        }
        case 3u: {
            return tanh_of(x);
        }
        case 4u: {
            return select(x, 0.0, x <= 0.0);
        }
        case 5u: {
            return select(x, slope * x, x <= 0.0);
        }
        default: {
            return x;
        }
    }
}

// f′ from y = f(x); `derivative` in src/kernels/activation.rs.
fn derivative(function: u32, slope: f32, y: f32) -> f32 {
    switch function {
        case 1u: {
            return 0.0;
        }
        case 2u: {
            return y * (1.0 - y);
        }
        case 3u: {
            return (1.0 - y) * (1.0 + y);
        }
        case 4u: {
            return select(0.0, 1.0, y > 0.0);
        }
        case 5u: {
            return select(slope, 1.0, y > 0.0);
        }
        default: {
            return 1.0;
        }
    }
}

fn activate_four(function: u32, slope: f32, x: vec4<f32>) -> vec4<f32> {
    return vec4(
        activate(function, slope, x.x),
        activate(function, slope, x.y),
        activate(function, slope, x.z),
        activate(function, slope, x.w),
    );
}

fn derivative_four(function: u32, slope: f32, y: vec4<f32>) -> vec4<f32> {
    return vec4(
        derivative(function, slope, y.x),
        derivative(function, slope, y.y),
        derivative(function, slope, y.z),
        derivative(function, slope, y.w),
    );
}
