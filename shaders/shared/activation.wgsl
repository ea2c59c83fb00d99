// The activation function and its derivative for four numbers at a time. The prelude defines both for one number, from
// the declaration in src/elementwise/activations.rs. Needs functions.wgsl and above.wgsl.

fn activate_four(function: u32, parameters: vec2<f32>, x: vec4<f32>) -> vec4<f32> {
    return vec4(
        activate(function, parameters, x.x),
        activate(function, parameters, x.y),
        activate(function, parameters, x.z),
        activate(function, parameters, x.w),
    );
}

fn derivative_four(function: u32, parameters: vec2<f32>, argument: vec4<f32>) -> vec4<f32> {
    return vec4(
        derivative(function, parameters, argument.x),
        derivative(function, parameters, argument.y),
        derivative(function, parameters, argument.z),
        derivative(function, parameters, argument.w),
    );
}
