//! Faulty kernels: updates of all optimizers, and the norm for gradient clipping.

use super::{Sabotage, at_step, each, flagging, reading, skip, writing};
use std::sync::atomic::Ordering;
use wgrad::elementwise::{Update, updates};
use wgrad::kernels::{average, max_norm, norm, square_sum, tensor_norm, trust_ratio, update};
use wgrad::plan::{BufferArg, Call, Kernel, Step};

pub(super) const TABLE: &[Sabotage] = &[
    ("norm", "root missing", |call| writing(call, &norm::KERNEL, 1, |norm, _| each(norm, |norm| norm * norm))),
    ("norm", "first block missing", |call| reading(call, &norm::KERNEL, 0, |partial| partial[0] = 0)),
    ("norm", "last block missing", |call| {
        reading(call, &norm::KERNEL, 0, |partial| partial[partial.len() - 1] = 0);
    }),
    ("norm", "flag never set", |call| flagging(call, &norm::KERNEL, 2, |_, _| ())),
    ("average", "another weight", |call| at_step(call, &average::KERNEL, |step| step.average *= 0.5)),
    ("average", "the average is not kept", |call| {
        writing(call, &average::KERNEL, 1, |average, old| average.copy_from_slice(old));
    }),
    ("average", "flag ignored", |call| flagging(call, &average::KERNEL, 2, |_, _| ())),
    ("average", "an update that overflowed counts", |call| at_step(call, &average::KERNEL, |step| step.index -= 1)),
    ("average", "last of each block skipped", |call| {
        writing(call, &average::KERNEL, 1, |average, old| skip(average, old, |i| i % 64 == 63));
    }),
    ("max_norm", "short rows grow to the norm", |call| {
        let most = f32::from_bits(call.params[2]);
        let columns = call.params[0] as usize;
        writing(call, &max_norm::KERNEL, 0, |weight, _| {
            for row in bytemuck::cast_slice_mut::<u32, f32>(weight).chunks_exact_mut(columns) {
                let norm = row.iter().map(|w| w * w).sum::<f32>().sqrt();
                row.iter_mut().for_each(|w| *w *= most / norm);
            }
        });
    }),
    ("max_norm", "another norm", |call| with_param(call, &max_norm::KERNEL, 2, |most| 0.9 * most)),
    ("max_norm", "last row skipped", |call| {
        let columns = call.params[0] as usize;
        writing(call, &max_norm::KERNEL, 0, |weight, old| {
            let last = weight.len() - columns;
            skip(weight, old, |i| i >= last);
        });
    }),
    ("max_norm", "flag ignored", |call| flagging(call, &max_norm::KERNEL, 1, |_, _| ())),
    ("max_norm", "an update that overflowed counts", |call| {
        at_step(call, &max_norm::KERNEL, |step| step.index -= 1);
    }),
    ("square_sum", "absolute values, not squares", |call| {
        reading(call, &square_sum::KERNEL, 0, |gradient| each(gradient, |g| g.abs().sqrt()));
    }),
    ("square_sum", "last of 64 missing", |call| {
        reading(call, &square_sum::KERNEL, 0, |gradient| {
            (63..gradient.len()).step_by(64).for_each(|i| gradient[i] = 0)
        });
    }),
    ("tensor_norm", "root missing", |call| {
        writing(call, &tensor_norm::KERNEL, 2, |norm, _| each(norm, |norm| norm * norm));
    }),
    ("tensor_norm", "last block of each tensor missing", |call| {
        let ends: Vec<u32> = call.words(1).iter().skip(1).step_by(2).copied().collect();
        reading(call, &tensor_norm::KERNEL, 0, |partial| ends.iter().for_each(|end| partial[*end as usize - 1] = 0));
    }),
    ("tensor_norm", "all blocks before the tensor counted", |call| {
        reading(call, &tensor_norm::KERNEL, 1, |tensors| tensors.iter_mut().step_by(2).for_each(|first| *first = 0));
    }),
    ("tensor_norm", "a norm may overflow", |call| {
        writing(call, &tensor_norm::KERNEL, 2, |norm, _| {
            each(norm, |norm| if norm == f32::MAX { f32::INFINITY } else { norm });
        });
    }),
    ("trust_ratio", "the trust ratio is left out", |call| {
        reading(call, &trust_ratio::KERNEL, 3, |norms| each(norms, |_| 0.0));
    }),
    ("trust_ratio", "the norm of the parameters is left out", |call| {
        reading(call, &trust_ratio::KERNEL, 2, |norms| each(norms, |_| 1.0));
    }),
    ("trust_ratio", "norms of the first tensor", |call| {
        reading(call, &trust_ratio::KERNEL, 4, |groups| groups.iter_mut().skip(6).step_by(8).for_each(|t| *t = 0));
    }),
    ("trust_ratio", "factor of the learning rate ignored", |call| {
        let one = 1f32.to_bits();
        reading(call, &trust_ratio::KERNEL, 4, |groups| groups.iter_mut().skip(1).step_by(8).for_each(|f| *f = one));
    }),
    ("trust_ratio", "frozen blocks are moved", |call| {
        reading(call, &trust_ratio::KERNEL, 4, |groups| groups.iter_mut().step_by(8).for_each(|frozen| *frozen = 0));
    }),
    ("trust_ratio", "step upwards", |call| at_step(call, &trust_ratio::KERNEL, |step| step.learning_rate *= -1.0)),
    ("trust_ratio", "flag ignored", |call| flagging(call, &trust_ratio::KERNEL, 5, |_, _| ())),
    ("trust_ratio", "an overflow is not noticed", |call| unnoticed(call, &trust_ratio::KERNEL, 5)),
    ("trust_ratio", "an overflow freezes itself", |call| at_step(call, &trust_ratio::KERNEL, |step| step.index -= 1)),
    ("trust_ratio", "last of each block skipped", |call| {
        writing(call, &trust_ratio::KERNEL, 0, |parameter, old| skip(parameter, old, |i| i % 64 == 63));
    }),
];

/// A faulty update: name of the kernel, description of the mistake, faulty CPU kernel.
pub(super) type FaultyUpdate = (&'static str, String, super::Faulty);

/// Places of the bindings and parameters that all updates have.
const FLAG: usize = 3;
const STATES: usize = 4;

/// A mistake in the settings of each block: description, and the faulty settings.
type FaultyGroup = (&'static str, fn(&mut [f32]));

const FAULTY_GROUPS: [FaultyGroup; 6] = [
    ("frozen blocks are updated", |group| group[0] = 0.0),
    ("factor of the learning rate ignored", |group| group[1] = 1.0),
    ("decay of the group ignored", |group| group[2] = 0.0),
    ("L2 penalty of the group ignored", |group| group[3] = 0.0),
    ("L1 penalty ignored", |group| group[4] = 0.0),
    ("clipped by the norm of another tensor", |group| group[5] = 0.0),
];

/// Returns the faulty updates, which are the same mistakes for each update.
pub(super) fn faulty_updates() -> Vec<FaultyUpdate> {
    let faults = |update| [false, true].into_iter().flat_map(move |grouped| faults_of(update, grouped));
    updates::ALL.iter().copied().flat_map(faults).collect()
}

fn faults_of(update: &'static Update, grouped: bool) -> Vec<FaultyUpdate> {
    let kernel = if grouped { update::grouped_kernel(update) } else { update::kernel(update) };
    let first_setting = kernel.params.len() - update.settings.len();
    let mut faults: Vec<FaultyUpdate> = Vec::new();
    let mut fault = |wrong: String, reference: super::Faulty| faults.push((kernel.name, wrong, reference));
    // An update with a direction leaves parameters as they are, and has no use for the learning rate.
    let moves = update.direction.is_none();
    let smallest = if update.states.is_empty() { 0 } else { STATES };
    fault("flag ignored".into(), Box::new(|call| flagging(call, kernel, FLAG, |_, _| ())));
    fault("an update that overflows is not noticed".into(), Box::new(|call| unnoticed(call, kernel, FLAG)));
    fault(
        "an update that overflows freezes itself".into(),
        Box::new(|call| at_step(call, kernel, |step| step.index -= 1)),
    );
    fault("what has decayed stays".into(), Box::new(move |call| unflushed(call, kernel, smallest)));
    fault("clipping ignored".into(), Box::new(|call| with_param(call, kernel, 0, |_| f32::MAX)));
    if grouped {
        fault("clipping by value ignored".into(), Box::new(|call| with_param(call, kernel, 1, |_| f32::MAX)));
        let groups = STATES + update.states.len();
        for (wrong, change) in FAULTY_GROUPS.into_iter().filter(|(wrong, _)| moves || !wrong.contains("learning rate"))
        {
            let change_all =
                move |words: &mut [u32]| bytemuck::cast_slice_mut(words).chunks_exact_mut(8).for_each(change);
            fault(wrong.into(), Box::new(move |call| reading(call, kernel, groups, change_all)));
        }
    } else {
        fault("L2 penalty ignored".into(), Box::new(|call| with_param(call, kernel, 1, |_| 0.0)));
        fault("decoupled weight decay ignored".into(), Box::new(|call| with_param(call, kernel, 2, |_| 0.0)));
    }
    if moves {
        fault("step upwards".into(), Box::new(|call| at_step(call, kernel, |step| step.learning_rate *= -1.0)));
        fault(
            "learning rate of the first step".into(),
            Box::new(|call| {
                let rate = call.steps[0].learning_rate;
                at_step(call, kernel, |step| step.learning_rate = rate);
            }),
        );
        fault(
            "last parameter of each block skipped".into(),
            Box::new(|call| writing(call, kernel, 0, |parameter, old| skip(parameter, old, |i| i % 64 == 63))),
        );
    }
    for (number, setting) in update.settings.iter().enumerate() {
        let wrong = move |call: Call<'_>| with_param(call, kernel, first_setting + number, |value| 0.5 * value + 0.013);
        fault(format!("another {setting}"), Box::new(wrong));
    }
    for (number, scalar) in update.scalars.iter().enumerate() {
        fault(
            format!("another {scalar}"),
            Box::new(move |call| at_step(call, kernel, |step| *value(step, number) += 0.5)),
        );
    }
    if update.averaged.is_some() {
        fault(
            "another weight of the average".into(),
            Box::new(|call| at_step(call, kernel, |step| step.average *= 0.5)),
        );
    }
    for (number, state) in update.states.iter().enumerate() {
        let kept =
            move |call: Call<'_>| writing(call, kernel, STATES + number, |state, old| state.copy_from_slice(old));
        fault(format!("{state} not kept"), Box::new(kept));
    }
    faults
}

/// Value that the optimizer computes for a step.
fn value(step: &mut Step, number: usize) -> &mut f32 {
    let Step { optimizer1, optimizer2, optimizer3, optimizer4, .. } = step;
    [optimizer1, optimizer2, optimizer3, optimizer4].into_iter().nth(number).expect("there are four")
}

/// Runs the correct kernel with another parameter.
fn with_param(call: Call<'_>, honest: &Kernel, number: usize, change: impl Fn(f32) -> f32) {
    let Call { params, step, steps, items, args, trace } = call;
    let mut params = params.to_vec();
    params[number] = change(f32::from_bits(params[number])).to_bits();
    (honest.reference)(Call { params: &params, step, steps, items, args, trace });
}

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
