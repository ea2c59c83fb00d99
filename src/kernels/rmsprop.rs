//! RMSprop update of all parameters.
//!
//! Formula, for each element p with gradient g (scaled by the norm's clip factor):
//!
//! ```text
//! g ← g·clip + l2·p
//! square ← α·square + (1 − α)·g²
//! p ← p − η·(g / (√square + ε))
//! ```
//!
//! Symbols: η the learning rate of the step. p and square below the smallest normal number become 0. From the flag's
//! step on, nothing changes. Where p or square becomes infinite or NaN, the flag records the next step
//! (`shared::update`).
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | parameter | 1×(64·blocks) | read-write |
//! | 3 | gradient | 1×(64·blocks) | read |
//! | 4 | square | 1×(64·blocks) | read-write |
//! | 5 | norm | 1×1 | read |
//! | 6 | flag | 1 | atomic |
//!
//! Source: Tieleman and Hinton 2012; `torch.optim.RMSprop`.
//! Rounding: as `adamw`.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::kernels::shared::update::{INFINITY, flushed, is_frozen, magnitude_bits, normal, watch};
use crate::kernels::{line, line_prelude, norm, shared};
use crate::numeric::{UNIT_ROUNDOFF, widest};
use crate::plan::{Binding, Call, Kernel, Op, Plan, Shader, Step, StepUse, Tolerance, ViewId, WorkItem, words};
use crate::shape::{Dtype, TENSOR_ALIGNMENT};

words! {
    /// Hyperparameters; see `optim::RmsProp`.
    pub struct Params {
        /// α.
        alpha: f32,
        /// 1 − α, rounded once.
        one_minus_alpha: f32,
        /// ε.
        epsilon: f32,
        /// Weight decay, added to the gradient.
        l2: f32,
        /// Maximum norm of the gradients (gradient clipping).
        max_norm: f32,
    }
}

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "rmsprop",
    bindings: &[
        Binding::update("parameter", Dtype::F32),
        Binding::read("gradient", Dtype::F32).cut(),
        Binding::update("square", Dtype::F32),
        Binding::read("norm", Dtype::F32),
        Binding::atomic("flag"),
    ],
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::Block,
    flops: |_, s| 10 * s[0].elements() as u64,
    reference: |call| {
        let (p, step) = (*call.params::<Params>(), *call.step);
        let [parameter, gradient, square, norm, flag] = call.args();
        reference(&p, &step, parameter.f32_mut(), gradient.f32(), square.f32_mut(), norm.f32(), flag.atomic());
    },
    fast: Some(|call| {
        let (p, step) = (*call.params::<Params>(), *call.step);
        let [parameter, gradient, square, norm, flag] = call.args();
        let flag = flag.atomic();
        if !is_frozen(&step, flag.load(Ordering::Relaxed)) {
            let (clip, parameter) = (norm::clip(norm.f32()[0], p.max_norm), parameter.f32_mut());
            let largest = update(&p, step.learning_rate, clip, parameter, gradient.f32(), square.f32_mut());
            watch(&step, flag, largest < INFINITY);
        }
    }),
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/rmsprop.wgsl"),
        shared: &[shared::STEP, shared::LINE, shared::CLIP, shared::FINITE, shared::UPDATE],
        prelude: line_prelude,
        grid: |_, shapes| line(shapes[0].elements()),
        rounds: None,
        tiles: None,
    },
};

/// Op that updates all parameters.
pub fn op(
    plan: &Plan,
    params: &Params,
    parameter: ViewId,
    gradient: ViewId,
    square: ViewId,
    norm: ViewId,
    flag: ViewId,
) -> Op {
    let blocks = plan.shape(parameter).elements() / TENSOR_ALIGNMENT;
    Op::new(&KERNEL, &[parameter, gradient, square, norm, flag], params, blocks)
}

/// The reference implementation.
pub fn reference(
    p: &Params,
    step: &Step,
    parameter: &mut [f32],
    gradient: &[f32],
    square: &mut [f32],
    norm: &[f32],
    flag: &AtomicU32,
) {
    if is_frozen(step, flag.load(Ordering::Relaxed)) {
        return;
    }
    let clip = norm::clip(norm[0], p.max_norm);
    for i in 0..parameter.len() {
        let g = gradient[i] * clip + p.l2 * parameter[i];
        square[i] = normal(p.alpha * square[i] + p.one_minus_alpha * g * g);
        parameter[i] = normal(parameter[i] - step.learning_rate * (g / (square[i].sqrt() + p.epsilon)));
        watch(step, flag, parameter[i].is_finite() && square[i].is_finite());
    }
}

widest! {
    /// Updates one range of elements; the caller has checked that the step is not frozen. Returns the bits of the
    /// largest magnitude written.
    fn update(p: &Params, rate: f32, clip: f32, parameter: &mut [f32], gradient: &[f32], square: &mut [f32]) -> u32 {
        let mut largest = 0;
        let (l2, alpha, one_minus_alpha, epsilon) = (p.l2, p.alpha, p.one_minus_alpha, p.epsilon);
        for ((parameter, gradient), square) in parameter.iter_mut().zip(gradient).zip(square) {
            let g = gradient * clip + l2 * *parameter;
            *square = normal(alpha * *square + one_minus_alpha * g * g);
            *parameter = normal(*parameter - rate * (g / (square.sqrt() + epsilon)));
            largest = magnitude_bits(*parameter).max(magnitude_bits(*square)).max(largest);
        }
        largest
    }
}

fn tolerance(before: &Call<'_>, after: &Call<'_>) -> Vec<Tolerance> {
    let (p, step) = (before.params::<Params>(), before.step);
    let count = before.f32(0).len();
    if is_frozen(step, before.words(4)[0]) {
        return vec![Tolerance::Exact; 3];
    }
    let clip = f64::from(norm::clip(before.f32(3)[0], p.max_norm));
    let mut tolerances = [vec![0.0; count], vec![0.0; count]];
    for i in 0..count {
        let at = |argument: usize| f64::from(before.f32(argument)[i].abs());
        let g = at(1) * clip + f64::from(p.l2) * at(0);
        let mean = f64::from(p.alpha) * at(2) + f64::from(p.one_minus_alpha) * g * g;
        let square_error = flushed(32.0 * UNIT_ROUNDOFF * mean, mean);
        let root = f64::from(after.f32(2)[i]).sqrt();
        let root_error = if root > 0.0 { (square_error / root).min(square_error.sqrt()) } else { square_error.sqrt() };
        let (rate, divisor) = (f64::from(step.learning_rate), root + f64::from(p.epsilon));
        let change = rate * g / divisor;
        // Gradient and weight decay may be flushed to 0 below the normal range.
        let quotient = change * (root_error / divisor).min(1.0) + 2.0 * rate * f64::from(f32::MIN_POSITIVE) / divisor;
        let error = quotient + 40.0 * UNIT_ROUNDOFF * change + 8.0 * UNIT_ROUNDOFF * at(0);
        tolerances[0][i] = flushed(error, quotient + change + at(0));
        tolerances[1][i] = square_error;
    }
    tolerances.into_iter().map(Tolerance::Each).chain([Tolerance::Exact]).collect()
}
