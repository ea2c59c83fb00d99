//! Adam and AdamW update of all parameters.
//!
//! Formula, for each element p with gradient g (scaled by the norm's clip factor):
//!
//! ```text
//! g ← g·clip + l2·p                       Adam's weight decay
//! p ← p·(1 − η·decay)                     AdamW's weight decay
//! m ← β₁·m + (1 − β₁)·g
//! v ← β₂·v + (1 − β₂)·g²
//! p ← p − η / c₁ · (m / (√v / c₂ + ε))
//! ```
//!
//! Symbols: η the learning rate of the step, c₁ = 1 − β₁ᵗ and c₂ = √(1 − β₂ᵗ) from the step record. p, m and v below
//! the smallest normal number become 0. From the flag's step on, nothing changes. Where p, m or v becomes infinite or
//! NaN, the flag records the next step (`shared::update`). The quotient is computed before its factor, which would make
//! a small m subnormal.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | parameter | 1×(64·blocks) | read-write |
//! | 3 | gradient | 1×(64·blocks) | read |
//! | 4 | m | 1×(64·blocks) | read-write |
//! | 5 | v | 1×(64·blocks) | read-write |
//! | 6 | norm | 1×1 | read |
//! | 7 | flag | 1 | atomic |
//!
//! Source: Kingma and Ba 2015; Loshchilov and Hutter 2019; `torch.optim.AdamW`.
//! Rounding: the few operations of each line, propagated through the quotient; WGSL's sqrt and division are accurate to
//! 2.5 ULP.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::kernels::shared::update::{INFINITY, flushed, is_frozen, magnitude_bits, normal, watch};
use crate::kernels::{line, line_prelude, norm, shared};
use crate::numeric::{UNIT_ROUNDOFF, widest};
use crate::plan::{Binding, Call, Kernel, Op, Plan, Shader, Step, StepUse, Tolerance, ViewId, WorkItem, words};
use crate::shape::{Dtype, TENSOR_ALIGNMENT};

words! {
    /// Hyperparameters; see `optim::Adam` and `optim::AdamW`.
    pub struct Params {
        /// β₁.
        beta1: f32,
        /// 1 − β₁, rounded once.
        one_minus_beta1: f32,
        /// β₂.
        beta2: f32,
        /// 1 − β₂, rounded once.
        one_minus_beta2: f32,
        /// ε.
        epsilon: f32,
        /// Adam's weight decay (L2), added to the gradient.
        l2: f32,
        /// AdamW's decoupled weight decay.
        decay: f32,
        /// Maximum norm of the gradients (gradient clipping).
        max_norm: f32,
    }
}

/// Kernel definition; see the module documentation.
pub static KERNEL: Kernel = Kernel {
    name: "adamw",
    bindings: &[
        Binding::update("parameter", Dtype::F32),
        Binding::read("gradient", Dtype::F32).cut(),
        Binding::update("m", Dtype::F32),
        Binding::update("v", Dtype::F32),
        Binding::read("norm", Dtype::F32),
        Binding::atomic("flag"),
    ],
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::Block,
    flops: |_, s| 16 * s[0].elements() as u64,
    reference: |call| {
        let (p, step) = (*call.params::<Params>(), *call.step);
        let [parameter, gradient, m, v, norm, flag] = call.args();
        let (m, v) = (m.f32_mut(), v.f32_mut());
        reference(&p, &step, parameter.f32_mut(), gradient.f32(), m, v, norm.f32(), flag.atomic());
    },
    fast: Some(fast),
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/adamw.wgsl"),
        shared: &[shared::STEP, shared::LINE, shared::CLIP, shared::FINITE, shared::UPDATE],
        prelude: line_prelude,
        grid: |_, shapes| line(shapes[0].elements()),
        rounds: None,
        tiles: None,
    },
};

/// Op that updates all parameters.
#[expect(clippy::too_many_arguments, reason = "one for each binding")]
pub fn op(
    plan: &Plan,
    params: &Params,
    parameter: ViewId,
    gradient: ViewId,
    m: ViewId,
    v: ViewId,
    norm: ViewId,
    flag: ViewId,
) -> Op {
    let blocks = plan.shape(parameter).elements() / TENSOR_ALIGNMENT;
    Op::new(&KERNEL, &[parameter, gradient, m, v, norm, flag], params, blocks)
}

/// The reference implementation.
#[expect(clippy::too_many_arguments, reason = "one for each binding")]
pub fn reference(
    p: &Params,
    step: &Step,
    parameter: &mut [f32],
    gradient: &[f32],
    m: &mut [f32],
    v: &mut [f32],
    norm: &[f32],
    flag: &AtomicU32,
) {
    if is_frozen(step, flag.load(Ordering::Relaxed)) {
        return;
    }
    let clip = norm::clip(norm[0], p.max_norm);
    let rate = step.learning_rate / step.bias_correction1;
    for i in 0..parameter.len() {
        let g = gradient[i] * clip + p.l2 * parameter[i];
        m[i] = normal(p.beta1 * m[i] + p.one_minus_beta1 * g);
        v[i] = normal(p.beta2 * v[i] + p.one_minus_beta2 * g * g);
        let decayed = parameter[i] * (1.0 - step.learning_rate * p.decay);
        let change = rate * (m[i] / (v[i].sqrt() / step.bias_correction2_root + p.epsilon));
        parameter[i] = normal(decayed - change);
        watch(step, flag, parameter[i].is_finite() && m[i].is_finite() && v[i].is_finite());
    }
}

/// Same computation as [`reference`], vectorized and with one division less.
fn fast(call: Call<'_>) {
    let (p, step) = (*call.params::<Params>(), *call.step);
    let [parameter, gradient, m, v, norm, flag] = call.args();
    let flag = flag.atomic();
    if !is_frozen(&step, flag.load(Ordering::Relaxed)) {
        let clip = norm::clip(norm.f32()[0], p.max_norm);
        let largest = update(&p, &step, clip, parameter.f32_mut(), gradient.f32(), m.f32_mut(), v.f32_mut());
        watch(&step, flag, largest < INFINITY);
    }
}

widest! {
    /// Updates one range of elements. Returns the bits of the largest magnitude written.
    fn update(
        p: &Params,
        step: &Step,
        clip: f32,
        parameter: &mut [f32],
        gradient: &[f32],
        m: &mut [f32],
        v: &mut [f32],
    ) -> u32 {
        let (beta1, one_minus_beta1, beta2, one_minus_beta2) = (p.beta1, p.one_minus_beta1, p.beta2, p.one_minus_beta2);
        let (epsilon, l2, kept) = (p.epsilon, p.l2, 1.0 - step.learning_rate * p.decay);
        let (rate, root_factor) = (step.learning_rate / step.bias_correction1, 1.0 / step.bias_correction2_root);
        let mut largest = 0;
        for (((parameter, gradient), m), v) in parameter.iter_mut().zip(gradient).zip(m).zip(v) {
            let g = gradient * clip + l2 * *parameter;
            *m = normal(beta1 * *m + one_minus_beta1 * g);
            *v = normal(beta2 * *v + one_minus_beta2 * g * g);
            *parameter = normal(*parameter * kept - rate * (*m / (v.sqrt() * root_factor + epsilon)));
            largest = magnitude_bits(*parameter).max(magnitude_bits(*m)).max(magnitude_bits(*v)).max(largest);
        }
        largest
    }
}

fn tolerance(before: &Call<'_>, after: &Call<'_>) -> Vec<Tolerance> {
    let (p, step) = (before.params::<Params>(), before.step);
    let count = before.f32(0).len();
    if is_frozen(step, before.words(5)[0]) {
        return vec![Tolerance::Exact; 4];
    }
    let clip = f64::from(norm::clip(before.f32(4)[0], p.max_norm));
    let rate = f64::from(step.learning_rate / step.bias_correction1);
    let mut tolerances = [vec![0.0; count], vec![0.0; count], vec![0.0; count]];
    for i in 0..count {
        let at = |argument: usize| f64::from(before.f32(argument)[i].abs());
        // Magnitudes of the terms. Errors are relative to these, since the sums may cancel.
        let g = at(1) * clip + f64::from(p.l2) * at(0);
        let m = f64::from(p.beta1) * at(2) + f64::from(p.one_minus_beta1) * g;
        let v = f64::from(p.beta2) * at(3) + f64::from(p.one_minus_beta2) * g * g;
        // A device's clip factor is a division accurate to 2.5 ULP: its g is within 8 units, the reference within 4,
        // and g² within 16 and 8. Each line adds 2 or 3 units on each side.
        let m_error = flushed(16.0 * UNIT_ROUNDOFF * m, m);
        let v_error = flushed(32.0 * UNIT_ROUNDOFF * v, v);
        let root = f64::from(after.f32(3)[i]).sqrt();
        let root_error = if root > 0.0 { (v_error / root).min(v_error.sqrt()) } else { v_error.sqrt() };
        let divisor = root / f64::from(step.bias_correction2_root) + f64::from(p.epsilon);
        let change = rate * f64::from(after.f32(2)[i].abs()) / divisor;
        let quotient =
            rate * m_error / divisor + change * (root_error / f64::from(step.bias_correction2_root) / divisor).min(1.0);
        let error = quotient + 40.0 * UNIT_ROUNDOFF * change + 8.0 * UNIT_ROUNDOFF * at(0);
        tolerances[0][i] = flushed(error, quotient + change + at(0));
        tolerances[1][i] = m_error;
        tolerances[2][i] = v_error;
    }
    tolerances.into_iter().map(Tolerance::Each).chain([Tolerance::Exact]).collect()
}
