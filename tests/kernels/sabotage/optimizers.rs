//! Mistakes in optimizers, and in the norm that clips their gradients.

use super::{Sabotage, changed, each, flagging, reading, skip, writing};
use wgrad::kernels::{adamw, norm, rmsprop, sgd, square_sum};
use wgrad::plan::{Call, Kernel, Step};

const MOMENTUM: &Kernel = &sgd::MOMENTUM;

pub(super) const TABLE: &[Sabotage] = &[
    ("adamw", "flag ignored", |call| reading(call, &adamw::KERNEL, 5, |flag| flag[0] = u32::MAX)),
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
    ("rmsprop", "flag ignored", |call| reading(call, &rmsprop::KERNEL, 4, |flag| flag[0] = u32::MAX)),
    ("rmsprop", "clipping ignored", |call| rms(call, |p, _| p.max_norm = f32::MAX)),
    ("rmsprop", "weight decay ignored", |call| rms(call, |p, _| p.l2 = 0.0)),
    ("rmsprop", "epsilon missing", |call| rms(call, |p, _| p.epsilon = 0.0)),
    ("rmsprop", "weights of the average swapped", |call| {
        rms(call, |p, _| (p.alpha, p.one_minus_alpha) = (p.one_minus_alpha, p.alpha));
    }),
    ("rmsprop", "step upwards", |call| rms(call, |_, step| step.learning_rate *= -1.0)),
    ("rmsprop", "average not kept", |call| writing(call, &rmsprop::KERNEL, 2, |mean, old| mean.copy_from_slice(old))),
    ("sgd", "flag ignored", |call| reading(call, &sgd::KERNEL, 3, |flag| flag[0] = u32::MAX)),
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
    ("sgd_momentum", "flag ignored", |call| reading(call, MOMENTUM, 3, |flag| flag[0] = u32::MAX)),
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
    ("norm", "flag never lowered", |call| flagging(call, &norm::KERNEL, 2, |_, _| ())),
    ("square_sum", "absolute values, not squares", |call| {
        reading(call, &square_sum::KERNEL, 0, |gradient| each(gradient, |g| g.abs().sqrt()));
    }),
    ("square_sum", "last of 64 missing", |call| {
        reading(call, &square_sum::KERNEL, 0, |gradient| {
            (63..gradient.len()).step_by(64).for_each(|i| gradient[i] = 0)
        });
    }),
];

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
