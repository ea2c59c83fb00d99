//! Applies an activation function to each element.
//!
//! Formula: output = f(input). f by code:
//!
//! | code | f(x) | f′ from y = f(x) |
//! |---|---|---|
//! | 0 identity | x | 1 |
//! | 1 step | 1 for x > 0, else 0 | 0 |
//! | 2 sigmoid | 1 / (1 + e⁻ˣ), as e⁻|ˣ| so that nothing overflows | y·(1 − y) |
//! | 3 tanh | tanh x | (1 − y)·(1 + y) |
//! | 4 relu | max(x, 0) | 1 for y > 0, else 0 |
//! | 5 leaky_relu | x for x > 0, else slope·x | 1 for y > 0, else slope |
//!
//! Every derivative can be computed from the output, so the input need not be kept.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | input | rows×columns | read |
//! | 3 | output | rows×columns | write |
//!
//! Derivative: `activation_grad`.
//! Rounding: exact for step, relu, identity; one multiplication for leaky_relu. The others are relative, with the unit
//! 2⁻²⁴; shaders use their own functions (`shaders/shared/functions.wgsl`, `numeric::rounding`). Near 0 the tanh is x +
//! x³·p(x²) with |x²·p| ≤ 0.12: one unit from the last sum, half a unit from the rest, one from p. Elsewhere it is (1 −
//! e)/(1 + e) with e ≤ 0.29 known to 4 units: 2.6 units for 1 − e, 1.9 for 1 + e, 5 for the quotient. The reference is
//! within 4 units, so the two differ by at most 16. The sigmoid, e/(1 + e) or 1/(1 + e), has 6 units besides those of
//! e, and the reference 4.

use crate::kernels::{activation_prelude, line, line_prelude, shared};
use crate::network::Activation;
use crate::numeric::{EXPONENTIAL_ERROR, UNIT_ROUNDOFF, or_flushed, sigmoid, tanh, widest};
use crate::plan::{Binding, Call, Kernel, Op, Plan, Shader, StepUse, Tolerance, ViewId, WorkItem, words};
use crate::shape::Dtype;

words! {
    /// Kernel parameters.
    pub struct Params {
        /// Number of columns.
        columns: u32,
        /// Code of the function.
        function: u32,
        /// Slope of leaky_relu.
        slope: f32,
    }
}

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "activation",
    bindings: &[Binding::read("input", Dtype::F32).cut(), Binding::write("output", Dtype::F32)],
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::BatchRow,
    flops: |_, s| s[0].elements() as u64,
    reference: |call| {
        let (p, rows) = (*call.params::<Params>(), call.items.len());
        let [input, output] = call.args();
        reference(&p, rows, input.f32(), output.f32_mut());
    },
    fast: Some(|call| {
        let p = *call.params::<Params>();
        let [input, output] = call.args();
        let output = output.f32_mut();
        output.copy_from_slice(&input.f32()[..output.len()]);
        apply_all(p.function, p.slope, output);
    }),
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/activation.wgsl"),
        shared: &[shared::STEP, shared::LINE, shared::FINITE, shared::FUNCTIONS, shared::ACTIVATION],
        prelude: |op| line_prelude(op) + &activation_prelude(op),
        grid: |_, shapes| line(shapes[0].elements()),
        rounds: None,
        tiles: None,
    },
};

/// output = f(input).
pub fn op(plan: &Plan, function: impl Into<Function>, input: ViewId, output: ViewId) -> Op {
    let shape = plan.shape(input);
    let Function { code, slope } = function.into();
    Op::new(&KERNEL, &[input, output], &Params { columns: shape.columns as u32, function: code, slope }, shape.rows)
}

/// The reference implementation.
pub fn reference(p: &Params, rows: usize, input: &[f32], output: &mut [f32]) {
    for i in 0..rows * p.columns as usize {
        output[i] = apply(p.function, p.slope, input[i]);
    }
}

/// An activation function as its code, the form that kernels take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Function {
    /// Code; see the module documentation.
    pub code: u32,
    /// Slope of leaky_relu, else 0.
    pub slope: f32,
}

impl From<Activation> for Function {
    fn from(activation: Activation) -> Self {
        let (code, slope) = match activation {
            Activation::Identity => (0, 0.0),
            Activation::Step => (1, 0.0),
            Activation::Sigmoid => (2, 0.0),
            Activation::Tanh => (3, 0.0),
            Activation::Relu => (4, 0.0),
            Activation::LeakyRelu { slope } => (5, slope),
        };
        Self { code, slope }
    }
}

/// f(x); `activate` in `shaders/shared/activation.wgsl`.
#[inline(always)]
pub fn apply(function: u32, slope: f32, x: f32) -> f32 {
    match function {
        1 => {
            // A NaN is neither, and must stay NaN.
            if x.is_nan() { x } else { f32::from(x > 0.0) }
        }
        2 => {
            let e = (-x.abs()).exp();
            if x >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) }
        }
        3 => x.tanh(),
        // Not f32::max, which would turn a NaN into 0.
        4 => {
            if x <= 0.0 {
                0.0
            } else {
                x
            }
        }
        5 => {
            if x <= 0.0 {
                slope * x
            } else {
                x
            }
        }
        _ => x,
    }
}

widest! {
    /// Replaces each x by f(x). Like [`apply`], but with vectorizable exponentials.
    pub fn apply_all(function: u32, slope: f32, values: &mut [f32]) {
        match function {
            1 => values.iter_mut().for_each(|x| *x = apply(1, slope, *x)),
            2 => values.iter_mut().for_each(|x| *x = sigmoid(*x)),
            3 => values.iter_mut().for_each(|x| *x = tanh(*x)),
            4 => values.iter_mut().for_each(|x| *x = apply(4, slope, *x)),
            5 => values.iter_mut().for_each(|x| *x = apply(5, slope, *x)),
            _ => {}
        }
    }

    /// Multiplies each gradient g by f′, from y = f(x)/keep.
    pub fn times_derivative(function: u32, slope: f32, keep: f32, outputs: &[f32], gradients: &mut [f32]) {
        let pairs = gradients.iter_mut().zip(outputs);
        match function {
            1 => pairs.for_each(|(g, y)| *g *= derivative(1, slope, y * keep)),
            2 => pairs.for_each(|(g, y)| *g *= derivative(2, slope, y * keep)),
            3 => pairs.for_each(|(g, y)| *g *= derivative(3, slope, y * keep)),
            4 => pairs.for_each(|(g, y)| *g *= derivative(4, slope, y * keep)),
            5 => pairs.for_each(|(g, y)| *g *= derivative(5, slope, y * keep)),
            _ => {}
        }
    }
}

/// f′ from y = f(x); `derivative` in `shaders/shared/activation.wgsl`.
#[inline(always)]
pub fn derivative(function: u32, slope: f32, y: f32) -> f32 {
    match function {
        1 => 0.0,
        2 => y * (1.0 - y),
        3 => (1.0 - y) * (1.0 + y),
        4 => f32::from(y > 0.0),
        5 => {
            if y > 0.0 {
                1.0
            } else {
                slope
            }
        }
        _ => 1.0,
    }
}

/// Returns the largest error of f(x) on either side, where x may have the error `error`.
pub fn error(function: u32, slope: f32, x: f64, error: f64) -> f64 {
    let y = f64::from(apply(function, slope, x as f32));
    match function {
        // At the jump, rounding decides on which side x lies; either value is correct. An exact x decides by itself.
        1 => {
            if error > 0.0 && x.abs() <= error {
                1.0
            } else {
                0.0
            }
        }
        // σ′(x) is at most 1/4 and at most e⁻|ˣ|. Both sides take e⁻|ˣ|, whatever the sign of x.
        2 => {
            let slope = (error - x.abs()).exp().min(0.25);
            let exponential = (1.0 - y) * EXPONENTIAL_ERROR;
            // One side alone may flush the exponential of a large x to 0, also where the other has reached 0.
            error * slope + y * (12.0 * UNIT_ROUNDOFF + exponential) + f64::from(f32::MIN_POSITIVE)
        }
        // tanh′ is at most 1.
        3 => or_flushed(error + 16.0 * UNIT_ROUNDOFF * (y.abs() + error)),
        // A value that is certainly below the kink is 0 on both sides.
        4 if x < -error => 0.0,
        5 => {
            let steepest = if x < -error { f64::from(slope) } else { f64::from(slope.max(1.0)) };
            or_flushed(error * steepest + if x <= error { 4.0 * UNIT_ROUNDOFF * y.abs() } else { 0.0 })
        }
        _ => error,
    }
}

/// Returns the error of f′ = `derivative` on both sides together, from the same y. It is relative, since 1 − y is
/// rounded relative to itself. It is absolute where y is itself a product (with the `keep` of dropout), which a device
/// may leave unrounded.
pub fn derivative_error(function: u32, derivative: f64, keep: f32) -> f64 {
    match function {
        2 | 3 => 8.0 * UNIT_ROUNDOFF * if keep == 1.0 { derivative.abs() } else { 1.0 },
        _ => 0.0,
    }
}

fn tolerance(before: &Call<'_>, after: &Call<'_>) -> Vec<Tolerance> {
    let p = before.params::<Params>();
    let mut tolerances = vec![0.0; after.f32(1).len()];
    for i in 0..before.items.len() * p.columns as usize {
        tolerances[i] = error(p.function, p.slope, f64::from(before.f32(0)[i]), 0.0);
    }
    vec![Tolerance::Each(tolerances)]
}
