//! Stochastic gradient descent over all parameters at once, plain and with momentum.
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
//! Letters: η the step's learning rate, b the momentum buffer. Nothing changes while the flag is lowered.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | parameter | 1×(64·blocks) | read-write |
//! | 3 | gradient | 1×(64·blocks) | read |
//! | 4 | norm | 1×1 | read |
//! | 5 | flag | 1×1 | read |
//! | 6 | momentum (where there is one) | 1×(64·blocks) | read-write |
//!
//! Source: `torch.optim.SGD`. Rounding: a few products and sums, absolute in the sizes of what is summed.

use crate::kernels::{line, line_prelude, norm, shared};
use crate::numeric::{UNIT_ROUNDOFF, widest};
use crate::plan::{Binding, Bound, Call, Kernel, Lane, Op, Plan, Shader, Step, StepUse, ViewId, words};
use crate::shape::{Dtype, TENSOR_ALIGNMENT};

words! {
    /// Settings, see `optim::Sgd`.
    pub struct Params {
        /// μ.
        momentum: f32,
        /// 1 for Nesterov's form, else 0.
        nesterov: u32,
        /// Weight decay, added to the gradient.
        l2: f32,
        /// Largest norm of the gradients.
        max_norm: f32,
    }
}

const BINDINGS: [Binding; 5] = [
    Binding::update("parameter", Dtype::F32),
    Binding::read("gradient", Dtype::F32).cut(),
    Binding::read("norm", Dtype::F32),
    Binding::read("flag", Dtype::U32),
    Binding::update("momentum", Dtype::F32),
];

/// Without momentum.
pub static KERNEL: Kernel = Kernel {
    name: "sgd",
    bindings: BINDINGS.split_at(4).0,
    params: Params::FIELDS,
    step: StepUse::One,
    lane: Lane::Block,
    flops: |_, s| 4 * s[0].elements() as u64,
    reference: |call| {
        let (p, step) = (*call.params::<Params>(), *call.step);
        let [parameter, gradient, norm, flag] = call.slots();
        reference(&p, &step, parameter.f32_mut(), gradient.f32(), norm.f32(), flag.words());
    },
    fast: Some(|call| {
        let (p, step) = (*call.params::<Params>(), *call.step);
        let [parameter, gradient, norm, flag] = call.slots();
        if flag.words()[0] == u32::MAX {
            update(&p, step.learning_rate, norm::clip(norm.f32()[0], p.max_norm), parameter.f32_mut(), gradient.f32());
        }
    }),
    bound,
    shader: Shader {
        source: include_str!("../../shaders/sgd.wgsl"),
        shared: &[shared::STEP, shared::LINE, shared::CLIP],
        prelude: line_prelude,
        grid: |_, shapes| line(shapes[0].elements()),
        rounds: None,
        tiles: None,
    },
};

/// With momentum.
pub static MOMENTUM: Kernel = Kernel {
    name: "sgd_momentum",
    bindings: &BINDINGS,
    params: Params::FIELDS,
    step: StepUse::One,
    lane: Lane::Block,
    flops: |_, s| 8 * s[0].elements() as u64,
    reference: |call| {
        let (p, step) = (*call.params::<Params>(), *call.step);
        let [parameter, gradient, norm, flag, momentum] = call.slots();
        let momentum = momentum.f32_mut();
        reference_momentum(&p, &step, parameter.f32_mut(), gradient.f32(), norm.f32(), flag.words(), momentum);
    },
    fast: Some(|call| {
        let (p, step) = (*call.params::<Params>(), *call.step);
        let [parameter, gradient, norm, flag, momentum] = call.slots();
        if flag.words()[0] == u32::MAX {
            let (clip, parameter) = (norm::clip(norm.f32()[0], p.max_norm), parameter.f32_mut());
            update_with_momentum(&p, step.learning_rate, clip, parameter, gradient.f32(), momentum.f32_mut());
        }
    }),
    bound,
    shader: Shader {
        source: include_str!("../../shaders/sgd_momentum.wgsl"),
        shared: &[shared::STEP, shared::LINE, shared::CLIP],
        prelude: line_prelude,
        grid: |_, shapes| line(shapes[0].elements()),
        rounds: None,
        tiles: None,
    },
};

/// Updates all parameters from all gradients; with momentum where its view is given.
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

/// The plain twin of [`KERNEL`].
pub fn reference(p: &Params, step: &Step, parameter: &mut [f32], gradient: &[f32], norm: &[f32], flag: &[u32]) {
    if flag[0] != u32::MAX {
        return;
    }
    let clip = norm::clip(norm[0], p.max_norm);
    for i in 0..parameter.len() {
        let g = gradient[i] * clip + p.l2 * parameter[i];
        parameter[i] -= step.learning_rate * g;
    }
}

/// The plain twin of [`MOMENTUM`].
pub fn reference_momentum(
    p: &Params,
    step: &Step,
    parameter: &mut [f32],
    gradient: &[f32],
    norm: &[f32],
    flag: &[u32],
    momentum: &mut [f32],
) {
    if flag[0] != u32::MAX {
        return;
    }
    let clip = norm::clip(norm[0], p.max_norm);
    for i in 0..parameter.len() {
        let g = gradient[i] * clip + p.l2 * parameter[i];
        momentum[i] = p.momentum * momentum[i] + g;
        let direction = if p.nesterov == 1 { g + p.momentum * momentum[i] } else { momentum[i] };
        parameter[i] -= step.learning_rate * direction;
    }
}

widest! {
    /// The plain twin of [`KERNEL`], while the flag is up.
    fn update(p: &Params, rate: f32, clip: f32, parameter: &mut [f32], gradient: &[f32]) {
        let l2 = p.l2;
        for (parameter, gradient) in parameter.iter_mut().zip(gradient) {
            *parameter -= rate * (gradient * clip + l2 * *parameter);
        }
    }

    /// The plain twin of [`MOMENTUM`], while the flag is up.
    fn update_with_momentum(
        p: &Params,
        rate: f32,
        clip: f32,
        parameter: &mut [f32],
        gradient: &[f32],
        momentum: &mut [f32],
    ) {
        let (l2, factor, nesterov) = (p.l2, p.momentum, p.nesterov == 1);
        for ((parameter, gradient), momentum) in parameter.iter_mut().zip(gradient).zip(momentum) {
            let g = gradient * clip + l2 * *parameter;
            *momentum = factor * *momentum + g;
            let direction = if nesterov { g + factor * *momentum } else { *momentum };
            *parameter -= rate * direction;
        }
    }
}

fn bound(before: &Call<'_>, _after: &Call<'_>) -> Vec<Bound> {
    let (p, count, outputs) =
        (before.params::<Params>(), before.f32(0).len(), if has_momentum(before) { 2 } else { 1 });
    if before.words(3)[0] != u32::MAX {
        return vec![Bound::Exact; outputs];
    }
    let clip = f64::from(norm::clip(before.f32(2)[0], p.max_norm));
    let mut bounds = vec![vec![0.0; count]; outputs];
    for i in 0..count {
        let at = |slot: usize| f64::from(before.f32(slot)[i].abs());
        let g = at(1) * clip + f64::from(p.l2) * at(0);
        let buffer = if outputs == 2 { f64::from(p.momentum) * at(4) + g } else { g };
        let direction = if p.nesterov == 1 { g + f64::from(p.momentum) * buffer } else { buffer };
        // g within 8 and 4 units as in `adamw`; buffer, Nesterov's sum and the change add 2 or 1 each on both sides.
        let unit = 24.0 * UNIT_ROUNDOFF;
        bounds[0][i] = unit * (f64::from(before.step.learning_rate) * direction + at(0)) + f64::from(f32::MIN_POSITIVE);
        if outputs == 2 {
            bounds[1][i] = unit * buffer + f64::from(f32::MIN_POSITIVE);
        }
    }
    bounds.into_iter().map(Bound::Each).collect()
}

fn has_momentum(call: &Call<'_>) -> bool {
    matches!(call.slots[4], crate::plan::Slot::Read(_))
}
