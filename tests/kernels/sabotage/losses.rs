//! Faulty kernels: losses.

use super::{Sabotage, at_step, each, flagging, reading, skip, writing};
use std::sync::atomic::Ordering;
use wgrad::kernels::{binary_cross_entropy, mean_loss, mean_squared_error, perceptron, softmax_cross_entropy};
use wgrad::plan::{Call, Kernel, Step};

const SQUARED: &Kernel = &mean_squared_error::KERNEL;
const BINARY: &Kernel = &binary_cross_entropy::KERNEL;
const SOFTMAX: &Kernel = &softmax_cross_entropy::KERNEL;
const PERCEPTRON: &Kernel = &perceptron::KERNEL;

pub(super) const TABLE: &[Sabotage] = &[
    ("mean_squared_error", "loss not divided by the columns", |call| {
        let columns = columns(&call) as f32;
        writing(call, SQUARED, 2, |loss, _| each(loss, |loss| loss * columns));
    }),
    ("mean_squared_error", "the derivative's 2 missing", |call| {
        writing(call, SQUARED, 3, |grad, _| each(grad, |grad| 0.5 * grad));
    }),
    ("mean_squared_error", "sign of the gradient", |call| {
        writing(call, SQUARED, 3, |grad, _| each(grad, |grad| -grad))
    }),
    ("mean_squared_error", "gradient not scaled", |call| at_step(call, SQUARED, |step| step.loss_scale = 1.0)),
    ("mean_squared_error", "target of the next row", |call| {
        let columns = columns(&call);
        reading(call, SQUARED, 1, |target| target.rotate_left(columns));
    }),
    ("mean_squared_error", "flag never set", |call| flagging(call, SQUARED, 4, |_, _| ())),
    ("mean_squared_error", "flag set to the next step", |call| at_step(call, SQUARED, |step| step.index += 1)),
    ("binary_cross_entropy", "loss overflows", |call| {
        let (columns, output, target) = (columns(&call), call.f32(0), call.f32(1));
        let unstable = |i: usize| (1.0 + output[i].exp()).ln() - target[i] * output[i];
        let loss = |r: usize| (r * columns..(r + 1) * columns).map(unstable).sum::<f32>() / columns as f32;
        writing(call, BINARY, 2, |losses, _| (0..losses.len()).for_each(|r| losses[r] = loss(r).to_bits()));
    }),
    ("binary_cross_entropy", "logits taken for probabilities in the gradient", |call| {
        let (columns, output, target, scale) = (columns(&call), call.f32(0), call.f32(1), call.step.loss_scale);
        let wrong = |i: usize| ((output[i] - target[i]) / columns as f32 * scale).to_bits();
        writing(call, BINARY, 3, |grad, _| (0..grad.len()).for_each(|i| grad[i] = wrong(i)));
    }),
    ("binary_cross_entropy", "targets flipped", |call| {
        reading(call, BINARY, 1, |target| each(target, |target| 1.0 - target));
    }),
    ("binary_cross_entropy", "gradient not divided by the columns", |call| {
        let columns = columns(&call) as f32;
        writing(call, BINARY, 3, |grad, _| each(grad, |grad| grad * columns));
    }),
    ("binary_cross_entropy", "flag overwritten, no minimum", |call| {
        flagging(call, BINARY, 4, |flag, own| flag.store(own, Ordering::Relaxed));
    }),
    ("softmax_cross_entropy", "largest logit not taken away", |call| {
        let (columns, output, class) = (columns(&call), call.f32(0), call.words(1));
        let row = |r: usize| &output[r * columns..(r + 1) * columns];
        let loss = |r: usize| row(r).iter().map(|z| z.exp()).sum::<f32>().ln() - row(r)[class[r] as usize];
        writing(call, SOFTMAX, 2, |losses, _| (0..losses.len()).for_each(|r| losses[r] = loss(r).to_bits()));
    }),
    ("softmax_cross_entropy", "class of the next column", |call| {
        let columns = columns(&call) as u32;
        reading(call, SOFTMAX, 1, |class| class.iter_mut().for_each(|class| *class = (*class + 1) % columns));
    }),
    ("softmax_cross_entropy", "1 not taken away at the class", |call| {
        let (columns, scale, class) = (columns(&call), call.step.loss_scale, call.words(1).to_vec());
        writing(call, SOFTMAX, 3, |grad, _| {
            for (r, class) in class.iter().enumerate() {
                each(&mut grad[r * columns + *class as usize..][..1], |grad| grad + scale);
            }
        });
    }),
    ("softmax_cross_entropy", "last column skipped", |call| {
        let columns = columns(&call);
        writing(call, SOFTMAX, 3, |grad, old| skip(grad, old, |i| i % columns == columns - 1));
    }),
    ("softmax_cross_entropy", "scaled by live rows, not by those of the whole batch", |call| {
        at_step(call, SOFTMAX, |step| step.loss_scale = 1.0 / step.rows as f32);
    }),
    ("softmax_cross_entropy", "flag never set", |call| flagging(call, SOFTMAX, 4, |_, _| ())),
    ("softmax_cross_entropy", "flag set without a reason", |call| {
        let index = call.step.index;
        flagging(call, SOFTMAX, 4, |flag, _| flag.store(index, Ordering::Relaxed));
    }),
    ("perceptron", "an output of 0 says yes", |call| {
        reading(call, PERCEPTRON, 0, |output| each(output, |z| if z == 0.0 { f32::MIN_POSITIVE } else { z }));
    }),
    ("perceptron", "loss not divided by the columns", |call| {
        let columns = columns(&call) as f32;
        writing(call, PERCEPTRON, 2, |loss, _| each(loss, |loss| loss * columns));
    }),
    ("perceptron", "no gradient for targets of 0", |call| {
        let target = call.words(1).to_vec();
        writing(call, PERCEPTRON, 3, |grad, _| (0..grad.len()).filter(|i| target[*i] == 0).for_each(|i| grad[i] = 0));
    }),
    ("perceptron", "flag records the batch index", |call| {
        at_step(call, PERCEPTRON, |step| step.index = step.batch_index)
    }),
    ("mean_loss", "scale of the first step for all", |call| {
        let scale = call.steps[0].loss_scale;
        mean(call, |step| step.loss_scale = scale);
    }),
    ("mean_loss", "rows of the first step for all", |call| {
        let rows = call.steps[0].rows;
        mean(call, |step| step.rows = rows);
    }),
    ("mean_loss", "last live row missing", |call| mean(call, |step| step.rows -= 1)),
    ("mean_loss", "sum, not mean", |call| mean(call, |step| step.loss_scale = 1.0)),
];

/// Returns the number of columns, the only parameter of every loss.
fn columns(call: &Call<'_>) -> usize {
    call.params[0] as usize
}

fn mean(call: Call<'_>, change: impl Fn(&mut Step)) {
    let Call { params, step, steps, items, args, trace } = call;
    let mut steps = steps.to_vec();
    steps.iter_mut().for_each(change);
    (mean_loss::KERNEL.reference)(Call { params, step, steps: &steps, items, args, trace });
}
