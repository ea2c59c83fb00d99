//! Faulty kernels: optimizers, and the norm for gradient clipping.

use super::{Sabotage, at_step, changed, each, flagging, reading, skip, writing};
use std::sync::atomic::Ordering;
use wgrad::kernels::{adamw, norm, rmsprop, sgd, square_sum};
use wgrad::plan::{BufferArg, Call, Kernel, Step};

const MOMENTUM: &Kernel = &sgd::MOMENTUM;

pub(super) const TABLE: &[Sabotage] = &[
    ("adamw", "flag ignored", |call| flagging(call, &adamw::KERNEL, 5, |_, _| ())),
    ("adamw", "an update that overflows is not noticed", |call| unnoticed(call, &adamw::KERNEL, 5)),
    ("adamw", "an update that overflows freezes itself", |call| at_step(call, &adamw::KERNEL, |step| step.index -= 1)),
    ("adamw", "what has decayed stays", |call| unflushed(call, &adamw::KERNEL, 2)),
    ("adamw", "clipping ignored", |call| adam(call, |p, _| p.max_norm = f32::MAX)),
    ("adamw", "Adam's decay ignored", |call| adam(call, |p, _| p.l2 = 0.0)),
    ("adamw", "AdamW's decay ignored", |call| adam(call, |p, _| p.decay = 0.0)),
    ("adamw", "AdamW's decay taken for Adam's", |call| adam(call, |p, _| (p.l2, p.decay) = (p.decay, p.l2))),
    ("adamw", "bias correction of m missing", |call| adam(call, |_, step| step.bias_correction1 = 1.0)),
    ("adamw", "bias correction of v missing", |call| adam(call, |_, step| step.bias_correction2_root = 1.0)),
    ("adamw", "root of v's correction forgotten", |call| {
        adam(call, |_, step| step.bias_correction2_root *= step.bias_correction2_root);
    }),
    ("adamw", "epsilon missing", |call| adam(call, |p, _| p.epsilon = 0.0)),
    ("adamw", "epsilon inside the root", |call| adam(call, |p, _| p.epsilon = p.epsilon.sqrt())),
    ("adamw", "betas swapped", |call| {
        adam(call, |p, _| {
            (p.beta1, p.beta2) = (p.beta2, p.beta1);
            (p.one_minus_beta1, p.one_minus_beta2) = (p.one_minus_beta2, p.one_minus_beta1);
        });
    }),
    ("adamw", "new gradient not weighted", |call| adam(call, |p, _| p.one_minus_beta1 = 1.0)),
    ("adamw", "learning rate of the first step", |call| {
        let rate = call.steps[0].learning_rate;
        adam(call, |_, step| step.learning_rate = rate);
    }),
    ("adamw", "last parameter of each block skipped", |call| {
        writing(call, &adamw::KERNEL, 0, |parameter, old| skip(parameter, old, |i| i % 64 == 63));
    }),
    ("adamw", "v not kept", |call| writing(call, &adamw::KERNEL, 3, |v, old| v.copy_from_slice(old))),
    ("rmsprop", "flag ignored", |call| flagging(call, &rmsprop::KERNEL, 4, |_, _| ())),
    ("rmsprop", "an update that overflows is not noticed", |call| unnoticed(call, &rmsprop::KERNEL, 4)),
    ("rmsprop", "what has decayed stays", |call| unflushed(call, &rmsprop::KERNEL, 2)),
    ("rmsprop", "clipping ignored", |call| rms(call, |p, _| p.max_norm = f32::MAX)),
    ("rmsprop", "weight decay ignored", |call| rms(call, |p, _| p.l2 = 0.0)),
    ("rmsprop", "epsilon missing", |call| rms(call, |p, _| p.epsilon = 0.0)),
    ("rmsprop", "weights of the average swapped", |call| {
        rms(call, |p, _| (p.alpha, p.one_minus_alpha) = (p.one_minus_alpha, p.alpha));
    }),
    ("rmsprop", "step upwards", |call| rms(call, |_, step| step.learning_rate *= -1.0)),
    ("rmsprop", "average not kept", |call| writing(call, &rmsprop::KERNEL, 2, |mean, old| mean.copy_from_slice(old))),
    ("sgd", "flag ignored", |call| flagging(call, &sgd::KERNEL, 3, |_, _| ())),
    ("sgd", "an update that overflows is not noticed", |call| unnoticed(call, &sgd::KERNEL, 3)),
    ("sgd", "what has decayed stays", |call| unflushed(call, &sgd::KERNEL, 0)),
    ("sgd", "clipping ignored", |call| plain(call, |p, _| p.max_norm = f32::MAX)),
    ("sgd", "always clipped to the largest norm", |call| plain(call, |p, _| p.max_norm = p.max_norm.min(1.0))),
    ("sgd", "weight decay ignored", |call| plain(call, |p, _| p.l2 = 0.0)),
    ("sgd", "step upwards", |call| plain(call, |_, step| step.learning_rate *= -1.0)),
    ("sgd", "last block skipped", |call| {
        writing(call, &sgd::KERNEL, 0, |parameter, old| {
            let last = parameter.len() - 64;
            skip(parameter, old, |i| i >= last);
        });
    }),
    ("sgd_momentum", "flag ignored", |call| flagging(call, MOMENTUM, 3, |_, _| ())),
    ("sgd_momentum", "an update that overflows is not noticed", |call| unnoticed(call, MOMENTUM, 3)),
    ("sgd_momentum", "what has decayed stays", |call| unflushed(call, MOMENTUM, 4)),
    ("sgd_momentum", "Nesterov's form ignored", |call| momentum(call, |p, _| p.nesterov = 0)),
    ("sgd_momentum", "Nesterov's form always", |call| momentum(call, |p, _| p.nesterov = 1)),
    ("sgd_momentum", "momentum's sign", |call| momentum(call, |p, _| p.momentum *= -1.0)),
    ("sgd_momentum", "momentum missing", |call| momentum(call, |p, _| p.momentum = 0.0)),
    ("sgd_momentum", "momentum not kept", |call| {
        writing(call, MOMENTUM, 4, |momentum, old| momentum.copy_from_slice(old));
    }),
    ("norm", "root missing", |call| writing(call, &norm::KERNEL, 1, |norm, _| each(norm, |norm| norm * norm))),
    ("norm", "first block missing", |call| reading(call, &norm::KERNEL, 0, |partial| partial[0] = 0)),
    ("norm", "last block missing", |call| {
        reading(call, &norm::KERNEL, 0, |partial| partial[partial.len() - 1] = 0);
    }),
    ("norm", "flag never set", |call| flagging(call, &norm::KERNEL, 2, |_, _| ())),
    ("square_sum", "absolute values, not squares", |call| {
        reading(call, &square_sum::KERNEL, 0, |gradient| each(gradient, |g| g.abs().sqrt()));
    }),
    ("square_sum", "last of 64 missing", |call| {
        reading(call, &square_sum::KERNEL, 0, |gradient| {
            (63..gradient.len()).step_by(64).for_each(|i| gradient[i] = 0)
        });
    }),
];

/// Runs the correct CPU kernel, but leaves the flag unchanged.
fn unnoticed(call: Call<'_>, honest: &Kernel, argument: usize) {
    let Call { params, step, steps, items, mut args, trace } = call;
    let own = [std::mem::take(&mut args[argument]).atomic().load(Ordering::Relaxed).into()];
    args[argument] = BufferArg::Atomic(&own);
    (honest.reference)(Call { params, step, steps, items, args, trace });
}

/// Runs the correct CPU kernel, but keeps subnormal numbers that it has flushed to 0.
fn unflushed(call: Call<'_>, honest: &Kernel, argument: usize) {
    writing(call, honest, argument, |words, before| {
        for (word, before) in words.iter_mut().zip(before) {
            if *word == 0 && f32::from_bits(*before).is_subnormal() {
                *word = *before;
            }
        }
    });
}

fn adam(call: Call<'_>, change: impl FnOnce(&mut adamw::Params, &mut Step)) {
    changed(call, &adamw::KERNEL, change);
}

fn rms(call: Call<'_>, change: fn(&mut rmsprop::Params, &mut Step)) {
    changed(call, &rmsprop::KERNEL, change);
}

fn plain(call: Call<'_>, change: fn(&mut sgd::Params, &mut Step)) {
    changed(call, &sgd::KERNEL, change);
}

fn momentum(call: Call<'_>, change: fn(&mut sgd::Params, &mut Step)) {
    changed(call, MOMENTUM, change);
}
