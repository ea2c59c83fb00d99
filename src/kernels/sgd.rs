//! Stochastic gradient descent (SGD) update of all parameters, with or without momentum.
//!
//! Formula, for each element p with gradient g (scaled by the norm's clip factor):
//!
//! ```text
//! g ← g·clip + l2·p
//! b ← μ·b + g                  with momentum
//! g ← g + μ·b (Nesterov), b (else)
//! p ← p − η·g
//! ```
//!
//! Symbols: η the learning rate of the step, b the momentum buffer. p and b below the smallest normal number become 0.
//! From the flag's step on, nothing changes. Where p or b becomes infinite or NaN, the flag records the next step
//! (`shared::update`).
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | parameter | 1×(64·blocks) | read-write |
//! | 3 | gradient | 1×(64·blocks) | read |
//! | 4 | norm | 1×1 | read |
//! | 5 | flag | 1 | atomic |
//! | 6 | momentum (where there is one) | 1×(64·blocks) | read-write |
//!
//! Source: `torch.optim.SGD`.
//! Rounding: a few multiplications and additions, relative to the magnitudes of the terms.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::kernels::shared::update::{INFINITY, flushed, is_frozen, magnitude_bits, normal, watch};
use crate::kernels::{line, line_prelude, norm, shared};
use crate::numeric::{UNIT_ROUNDOFF, widest};
use crate::plan::{Binding, Call, Kernel, Op, Plan, Shader, Step, StepUse, Tolerance, ViewId, WorkItem, words};
use crate::shape::{Dtype, TENSOR_ALIGNMENT};

words! {
    /// Hyperparameters; see `optim::Sgd`.
    pub struct Params {
        /// μ.
        momentum: f32,
        /// 1 for Nesterov momentum, else 0.
        nesterov: u32,
        /// Weight decay, added to the gradient.
        l2: f32,
        /// Maximum norm of the gradients (gradient clipping).
        max_norm: f32,
    }
}

const BINDINGS: [Binding; 5] = [
    Binding::update("parameter", Dtype::F32),
    Binding::read("gradient", Dtype::F32).cut(),
    Binding::read("norm", Dtype::F32),
    Binding::atomic("flag"),
    Binding::update("momentum", Dtype::F32),
];

/// SGD without momentum.
pub static KERNEL: Kernel = Kernel {
    name: "sgd",
    bindings: BINDINGS.split_at(4).0,
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::Block,
    flops: |_, s| 4 * s[0].elements() as u64,
    reference: |call| {
        let (p, step) = (*call.params::<Params>(), *call.step);
        let [parameter, gradient, norm, flag] = call.args();
        reference(&p, &step, parameter.f32_mut(), gradient.f32(), norm.f32(), flag.atomic());
    },
    fast: Some(|call| {
        let (p, step) = (*call.params::<Params>(), *call.step);
        let [parameter, gradient, norm, flag] = call.args();
        let flag = flag.atomic();
        if !is_frozen(&step, flag.load(Ordering::Relaxed)) {
            let (clip, parameter) = (norm::clip(norm.f32()[0], p.max_norm), parameter.f32_mut());
            watch(&step, flag, update(&p, step.learning_rate, clip, parameter, gradient.f32()) < INFINITY);
        }
    }),
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/sgd.wgsl"),
        shared: &[shared::STEP, shared::LINE, shared::CLIP, shared::FINITE, shared::UPDATE],
        prelude: line_prelude,
        grid: |_, shapes| line(shapes[0].elements()),
        rounds: None,
        tiles: None,
    },
};

/// SGD with momentum.
pub static MOMENTUM: Kernel = Kernel {
    name: "sgd_momentum",
    bindings: &BINDINGS,
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::Block,
    flops: |_, s| 8 * s[0].elements() as u64,
    reference: |call| {
        let (p, step) = (*call.params::<Params>(), *call.step);
        let [parameter, gradient, norm, flag, momentum] = call.args();
        let momentum = momentum.f32_mut();
        reference_momentum(&p, &step, parameter.f32_mut(), gradient.f32(), norm.f32(), flag.atomic(), momentum);
    },
    fast: Some(|call| {
        let (p, step) = (*call.params::<Params>(), *call.step);
        let [parameter, gradient, norm, flag, momentum] = call.args();
        let flag = flag.atomic();
        if !is_frozen(&step, flag.load(Ordering::Relaxed)) {
            let (clip, parameter) = (norm::clip(norm.f32()[0], p.max_norm), parameter.f32_mut());
            let momentum = momentum.f32_mut();
            let largest = update_with_momentum(&p, step.learning_rate, clip, parameter, gradient.f32(), momentum);
            watch(&step, flag, largest < INFINITY);
        }
    }),
    tolerance,
    shader: Shader {
        source: include_str!("../../shaders/sgd_momentum.wgsl"),
        shared: &[shared::STEP, shared::LINE, shared::CLIP, shared::FINITE, shared::UPDATE],
        prelude: line_prelude,
        grid: |_, shapes| line(shapes[0].elements()),
        rounds: None,
        tiles: None,
    },
};

/// Op that updates all parameters; with momentum if `momentum` is given.
pub fn op(
    plan: &Plan,
    params: &Params,
    parameter: ViewId,
    gradient: ViewId,
    norm: ViewId,
    flag: ViewId,
    momentum: Option<ViewId>,
) -> Op {
    let blocks = plan.shape(parameter).elements() / TENSOR_ALIGNMENT;
    match momentum {
        None => Op::new(&KERNEL, &[parameter, gradient, norm, flag], params, blocks),
        Some(momentum) => Op::new(&MOMENTUM, &[parameter, gradient, norm, flag, momentum], params, blocks),
    }
}

/// The reference implementation of [`KERNEL`].
pub fn reference(p: &Params, step: &Step, parameter: &mut [f32], gradient: &[f32], norm: &[f32], flag: &AtomicU32) {
    if is_frozen(step, flag.load(Ordering::Relaxed)) {
        return;
    }
    let clip = norm::clip(norm[0], p.max_norm);
    for i in 0..parameter.len() {
        let g = gradient[i] * clip + p.l2 * parameter[i];
        parameter[i] = normal(parameter[i] - step.learning_rate * g);
        watch(step, flag, parameter[i].is_finite());
    }
}

/// The reference implementation of [`MOMENTUM`].
pub fn reference_momentum(
    p: &Params,
    step: &Step,
    parameter: &mut [f32],
    gradient: &[f32],
    norm: &[f32],
    flag: &AtomicU32,
    momentum: &mut [f32],
) {
    if is_frozen(step, flag.load(Ordering::Relaxed)) {
        return;
    }
    let clip = norm::clip(norm[0], p.max_norm);
    for i in 0..parameter.len() {
        let g = gradient[i] * clip + p.l2 * parameter[i];
        momentum[i] = normal(p.momentum * momentum[i] + g);
        let direction = if p.nesterov == 1 { g + p.momentum * momentum[i] } else { momentum[i] };
        parameter[i] = normal(parameter[i] - step.learning_rate * direction);
        watch(step, flag, parameter[i].is_finite() && momentum[i].is_finite());
    }
}

widest! {
    /// Updates one range of elements without momentum; the caller has checked that the step is not frozen. Returns the
    /// bits of the largest magnitude written.
    fn update(p: &Params, rate: f32, clip: f32, parameter: &mut [f32], gradient: &[f32]) -> u32 {
        let (l2, mut largest) = (p.l2, 0);
        for (parameter, gradient) in parameter.iter_mut().zip(gradient) {
            *parameter = normal(*parameter - rate * (gradient * clip + l2 * *parameter));
            largest = magnitude_bits(*parameter).max(largest);
        }
        largest
    }

    /// [`update`] with momentum.
    fn update_with_momentum(
        p: &Params,
        rate: f32,
        clip: f32,
        parameter: &mut [f32],
        gradient: &[f32],
        momentum: &mut [f32],
    ) -> u32 {
        let (l2, factor, nesterov, mut largest) = (p.l2, p.momentum, p.nesterov == 1, 0);
        for ((parameter, gradient), momentum) in parameter.iter_mut().zip(gradient).zip(momentum) {
            let g = gradient * clip + l2 * *parameter;
            *momentum = normal(factor * *momentum + g);
            let direction = if nesterov { g + factor * *momentum } else { *momentum };
            *parameter = normal(*parameter - rate * direction);
            largest = magnitude_bits(*parameter).max(magnitude_bits(*momentum)).max(largest);
        }
        largest
    }
}

fn tolerance(before: &Call<'_>, _after: &Call<'_>) -> Vec<Tolerance> {
    let (p, count, outputs) =
        (before.params::<Params>(), before.f32(0).len(), if has_momentum(before) { 2 } else { 1 });
    if is_frozen(before.step, before.words(3)[0]) {
        return vec![Tolerance::Exact; 1 + outputs];
    }
    let clip = f64::from(norm::clip(before.f32(2)[0], p.max_norm));
    let mut tolerances = vec![vec![0.0; count]; outputs];
    for i in 0..count {
        let at = |argument: usize| f64::from(before.f32(argument)[i].abs());
        let g = at(1) * clip + f64::from(p.l2) * at(0);
        let buffer = if outputs == 2 { f64::from(p.momentum) * at(4) + g } else { g };
        let direction = if p.nesterov == 1 { g + f64::from(p.momentum) * buffer } else { buffer };
        // g is within 8 and 4 units as in `adamw`; the buffer, the Nesterov sum and the change each add 2 or 1 units on
        // both sides.
        let unit = 24.0 * UNIT_ROUNDOFF;
        let (rate, least) = (f64::from(before.step.learning_rate), f64::from(f32::MIN_POSITIVE));
        let size = rate * direction + at(0);
        // A device may flush each of three terms of the direction: decay, gradient and momentum. With Nesterov it may
        // flush the last once more.
        let terms = if p.nesterov == 1 { 3.0 * (1.0 + f64::from(p.momentum)) } else { 3.0 };
        tolerances[0][i] = flushed(unit * size + terms * rate * least, size);
        if outputs == 2 {
            tolerances[1][i] = flushed(unit * buffer, buffer);
        }
    }
    let mut tolerances: Vec<_> = tolerances.into_iter().map(Tolerance::Each).collect();
    tolerances.insert(1, Tolerance::Exact);
    tolerances
}

fn has_momentum(call: &Call<'_>) -> bool {
    matches!(call.args[4], crate::plan::BufferArg::Read(_))
}
