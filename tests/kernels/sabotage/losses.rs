//! Faulty kernels: losses.

use super::{Sabotage, at_step, changed, each, flagging, reading, skip, writing};
use std::sync::atomic::Ordering;
use wgrad::Loss;
use wgrad::elementwise::{Meaning, Range};
use wgrad::kernels::shared::row_loss::Params;
use wgrad::kernels::{element_loss, mean_loss, softmax_cross_entropy, weigh_rows, whole_row_loss};
use wgrad::plan::{Call, Kernel, Step};

const ELEMENT: &Kernel = &element_loss::KERNEL;
const WEIGH: &Kernel = &weigh_rows::KERNEL;
const SOFTMAX: &Kernel = &softmax_cross_entropy::KERNEL;
const ROW: &Kernel = &whole_row_loss::NUMBERS;
const OF_CLASSES: &Kernel = &whole_row_loss::CLASSES;

pub(super) const TABLE: &[Sabotage] = &[
    ("weigh_rows", "all weights are 1", |call| reading(call, WEIGH, 0, |weight| weight.fill(1f32.to_bits()))),
    ("weigh_rows", "weight of the next row", |call| reading(call, WEIGH, 0, |weight| weight.rotate_left(1))),
    ("weigh_rows", "loss not weighted", |call| {
        let loss = call.words(1).to_vec();
        writing(call, WEIGH, 3, |losses, _| losses.copy_from_slice(&loss[..losses.len()]));
    }),
    ("weigh_rows", "gradient not weighted", |call| {
        let grad = call.words(2).to_vec();
        writing(call, WEIGH, 4, |grads, _| grads.copy_from_slice(&grad[..grads.len()]));
    }),
    ("weigh_rows", "flag never set", |call| flagging(call, WEIGH, 5, |_, _| ())),
    ("weigh_rows", "flag set to the next step", |call| at_step(call, WEIGH, |step| step.index += 1)),
    ("element_loss", "loss not divided by the columns", |call| {
        let columns = columns(&call) as f32;
        writing(call, ELEMENT, 2, |loss, _| each(loss, |loss| loss * columns));
    }),
    ("element_loss", "half of the gradient", |call| {
        writing(call, ELEMENT, 3, |grad, _| each(grad, |grad| 0.5 * grad));
    }),
    ("element_loss", "sign of the gradient", |call| writing(call, ELEMENT, 3, |grad, _| each(grad, |grad| -grad))),
    ("element_loss", "gradient not scaled", |call| at_step(call, ELEMENT, |step| step.loss_scale = 1.0)),
    ("element_loss", "target of the next row", |call| {
        let columns = columns(&call);
        reading(call, ELEMENT, 1, |target| target.rotate_left(columns));
    }),
    ("element_loss", "flag never set", |call| flagging(call, ELEMENT, 4, |_, _| ())),
    ("element_loss", "flag set to the next step", |call| at_step(call, ELEMENT, |step| step.index += 1)),
    ("element_loss", "binary cross-entropy overflows", |call| {
        let (columns, output, target) = (columns(&call), call.f32(0), call.f32(1));
        let unstable = |i: usize| (1.0 + output[i].exp()).ln() - target[i] * output[i];
        let loss = |r: usize| (r * columns..(r + 1) * columns).map(unstable).sum::<f32>() / columns as f32;
        let is_binary = of(&call, Loss::binary_cross_entropy());
        writing(call, ELEMENT, 2, |losses, _| {
            (0..losses.len()).filter(|_| is_binary).for_each(|r| losses[r] = loss(r).to_bits());
        });
    }),
    ("element_loss", "logits taken for probabilities in the gradient of binary cross-entropy", |call| {
        let (columns, output, target, scale) = (columns(&call), call.f32(0), call.f32(1), call.step.loss_scale);
        let wrong = |i: usize| ((output[i] - target[i]) / columns as f32 * scale).to_bits();
        let is_binary = of(&call, Loss::binary_cross_entropy());
        writing(call, ELEMENT, 3, |grad, _| (0..grad.len()).filter(|_| is_binary).for_each(|i| grad[i] = wrong(i)));
    }),
    ("element_loss", "targets of binary cross-entropy flipped", |call| {
        let is_binary = of(&call, Loss::binary_cross_entropy());
        reading(call, ELEMENT, 1, |target| each(target, |target| if is_binary { 1.0 - target } else { target }));
    }),
    ("element_loss", "gradient not divided by the columns", |call| {
        let columns = columns(&call) as f32;
        writing(call, ELEMENT, 3, |grad, _| each(grad, |grad| grad * columns));
    }),
    ("element_loss", "flag overwritten, no minimum", |call| {
        flagging(call, ELEMENT, 4, |flag, own| flag.store(own, Ordering::Relaxed));
    }),
    ("element_loss", "the next loss", |call| {
        changed(call, ELEMENT, |p: &mut Params, _| p.loss = if p.loss == 0 { 1 } else { 0 });
    }),
    ("element_loss", "an output of 0 says yes to the perceptron", |call| {
        let is_perceptron = of(&call, Loss::perceptron());
        let above = |z: f32| if z == 0.0 && is_perceptron { f32::MIN_POSITIVE } else { z };
        reading(call, ELEMENT, 0, |output| each(output, above));
    }),
    ("element_loss", "no gradient for targets of 0", |call| {
        let target = call.words(1).to_vec();
        writing(call, ELEMENT, 3, |grad, _| (0..grad.len()).filter(|i| target[*i] == 0).for_each(|i| grad[i] = 0));
    }),
    ("element_loss", "flag records the batch index", |call| {
        at_step(call, ELEMENT, |step| step.index = step.batch_index)
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
    ("softmax_cross_entropy", "labels not smoothed", |call| {
        changed(call, SOFTMAX, |p: &mut Params, _| p.alpha = 0.0);
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
    ("whole_row_loss", "loss not divided by the columns", |call| {
        let columns = columns(&call) as f32;
        writing(call, ROW, 2, |loss, _| each(loss, |loss| loss * columns));
    }),
    ("whole_row_loss", "half of the gradient", |call| writing(call, ROW, 3, |grad, _| each(grad, |grad| 0.5 * grad))),
    ("whole_row_loss", "gradient not scaled", |call| at_step(call, ROW, |step| step.loss_scale = 1.0)),
    ("whole_row_loss", "last column skipped", |call| {
        let columns = columns(&call);
        writing(call, ROW, 3, |grad, old| skip(grad, old, |i| i % columns == columns - 1));
    }),
    ("whole_row_loss", "targets of the next row", |call| {
        let targets = row_loss(&call).target_columns(columns(&call));
        reading(call, ROW, 1, |target| target.rotate_left(targets));
    }),
    ("whole_row_loss", "soft targets divided by their sum", |call| {
        let (columns, is_soft) = (columns(&call), row_loss(&call).function().range == Range::Distribution);
        reading(call, ROW, 1, |target| {
            for row in target.chunks_mut(columns).filter(|_| is_soft) {
                let sum: f32 = row.iter().map(|word| f32::from_bits(*word)).sum();
                each(row, |target| target / sum);
            }
        });
    }),
    ("whole_row_loss", "mean and variance exchanged", |call| {
        let is_normal = row_loss(&call).function().output == Meaning::Normal;
        reading(call, ROW, 0, |output| {
            output.chunks_exact_mut(2).filter(|_| is_normal).for_each(|pair| pair.swap(0, 1))
        });
    }),
    ("whole_row_loss", "the first level is the median", |call| changed(call, ROW, |p: &mut Params, _| p.alpha = 0.5)),
    ("whole_row_loss", "the eighth level is the seventh", |call| {
        changed(call, ROW, |p: &mut Params, _| p.theta = if p.theta > 0.0 { p.eta } else { 0.0 });
    }),
    ("whole_row_loss", "flag never set", |call| flagging(call, ROW, 4, |_, _| ())),
    ("whole_row_loss", "flag set to the next step", |call| at_step(call, ROW, |step| step.index += 1)),
    ("whole_row_loss", "flag records the batch index", |call| at_step(call, ROW, |step| step.index = step.batch_index)),
    ("whole_row_loss_of_classes", "class of the next column", |call| {
        let columns = columns(&call) as u32;
        reading(call, OF_CLASSES, 1, |class| class.iter_mut().for_each(|class| *class = (*class + 1) % columns));
    }),
    ("whole_row_loss_of_classes", "margin forgotten", |call| {
        changed(call, OF_CLASSES, |p: &mut Params, _| p.alpha = 0.0)
    }),
    ("whole_row_loss_of_classes", "loss not divided by the columns", |call| {
        let columns = columns(&call) as f32;
        writing(call, OF_CLASSES, 2, |loss, _| each(loss, |loss| loss * columns));
    }),
    ("whole_row_loss_of_classes", "no gradient at the class", |call| {
        let (columns, class) = (columns(&call), call.words(1).to_vec());
        writing(call, OF_CLASSES, 3, |grad, _| {
            class.iter().enumerate().for_each(|(r, class)| grad[r * columns + *class as usize] = 0);
        });
    }),
    ("whole_row_loss_of_classes", "gradient not scaled", |call| {
        at_step(call, OF_CLASSES, |step| step.loss_scale = 1.0);
    }),
    ("whole_row_loss_of_classes", "flag never set", |call| flagging(call, OF_CLASSES, 4, |_, _| ())),
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

fn of(call: &Call<'_>, loss: Loss) -> bool {
    row_loss(call) == loss
}

/// Returns the number of columns, the first parameter of every loss.
fn columns(call: &Call<'_>) -> usize {
    call.params[0] as usize
}

fn mean(call: Call<'_>, change: impl Fn(&mut Step)) {
    let Call { params, step, steps, items, args, trace } = call;
    let mut steps = steps.to_vec();
    steps.iter_mut().for_each(change);
    (mean_loss::KERNEL.reference)(Call { params, step, steps: &steps, items, args, trace });
}

fn row_loss(call: &Call<'_>) -> Loss {
    call.params::<Params>().loss()
}
