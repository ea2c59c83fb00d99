//! Faulty kernels: element-wise operations, copies and counts.

use super::{Sabotage, at_step, changed, each, flagging, reading, skip, writing};
use std::sync::atomic::Ordering;
use wgrad::elementwise::Function;
use wgrad::kernels::dropout::Mask;
use wgrad::kernels::{
    accumulate, activation, activation_grad, add, argmax, bias_add, check_finite, column_sum, count_correct, dropout,
    gather, gather_bytes, mix_rows,
};
use wgrad::plan::{Call, Kernel, Step};

const ACCUMULATE: &Kernel = &accumulate::KERNEL;
const ACTIVATION: &Kernel = &activation::KERNEL;
const MIX_ROWS: &Kernel = &mix_rows::KERNEL;
const ACTIVATION_GRAD: &Kernel = &activation_grad::KERNEL;

pub(super) const TABLE: &[Sabotage] = &[
    ("accumulate", "the first batch added to the step before", |call| sum_at(call, |step| step.first_row = 1)),
    ("accumulate", "every batch taken for the first", |call| sum_at(call, |step| step.first_row = 0)),
    ("accumulate", "the first batch recognized by its batch index", |call| {
        sum_at(call, |step| step.first_row = step.batch_index)
    }),
    ("accumulate", "the flag records the batch index", |call| sum_at(call, |step| step.index = step.batch_index)),
    ("accumulate", "gradients subtracted", |call| reading(call, ACCUMULATE, 0, |gradient| each(gradient, |g| -g))),
    ("accumulate", "the flag sees gradients, not sums", |call| {
        let good = call.f32(0).iter().all(|g| g.is_finite());
        flagging(call, ACCUMULATE, 3, |flag, own| {
            flag.fetch_min(if good { u32::MAX } else { own }, Ordering::Relaxed);
        });
    }),
    ("accumulate", "compensation kept", |call| {
        writing(call, ACCUMULATE, 2, |rest, old| rest.copy_from_slice(old));
    }),
    ("accumulate", "last block skipped", |call| {
        writing(call, ACCUMULATE, 1, |sum, old| {
            let last = sum.len() - 64;
            skip(sum, old, |i| i >= last);
        });
    }),
    ("activation", "NaN swallowed", |call| reading(call, ACTIVATION, 0, |input| each(input, |x| x.max(f32::MIN)))),
    ("activation", "0 counted as positive", |call| {
        reading(call, ACTIVATION, 0, |input| each(input, |x| if x == 0.0 { 1e-30 } else { x }));
    }),
    ("activation", "slope ignored", |call| changed(call, ACTIVATION, |p: &mut activation::Params, _| p.alpha = 0.0)),
    ("activation", "functions counted from 1", |call| {
        changed(call, ACTIVATION, |p: &mut activation::Params, _| {
            p.function = (p.function + 1) % Function::ALL.len() as u32
        });
    }),
    ("activation", "sigmoid overflows", |call| {
        let (sigmoid, input) =
            (call.params::<activation::Params>().activation() == wgrad::Activation::sigmoid(), call.f32(0));
        let unstable = |x: f32| x.exp() / (1.0 + x.exp());
        writing(call, ACTIVATION, 1, |output, _| {
            (0..output.len()).filter(|_| sigmoid).for_each(|i| output[i] = unstable(input[i]).to_bits());
        });
    }),
    ("activation_grad", "derivative from the input", |call| {
        // The derivative of tanh as if `output` were the input.
        reading(call, ACTIVATION_GRAD, 1, |output| each(output, f32::tanh));
    }),
    ("activation_grad", "output and gradient swapped", |call| {
        let output = call.words(1).to_vec();
        reading(call, ACTIVATION_GRAD, 0, |gradient| gradient.copy_from_slice(&output));
    }),
    ("activation_grad", "slope of 1 at the kink", |call| {
        reading(call, ACTIVATION_GRAD, 1, |output| each(output, |y| if y == 0.0 { 1e-30 } else { y }));
    }),
    ("activation_grad", "last element skipped", |call| {
        writing(call, ACTIVATION_GRAD, 2, |gradient, old| {
            let last = gradient.len() - 1;
            skip(gradient, old, |i| i == last);
        });
    }),
    ("dropout", "mask of another layer", |call| drop(call, |p, _| p.layer += 1)),
    ("dropout", "mask of the step before", |call| drop(call, |_, step| step.index -= 1)),
    ("dropout", "mask by the row of the part", |call| drop(call, |_, step| step.first_row = 0)),
    ("dropout", "the seed's high word ignored", |call| drop(call, |_, step| step.seed_high = 0)),
    ("dropout", "what is kept is not scaled", |call| drop(call, |p, _| p.scale = 1.0)),
    ("dropout", "keeps what should be dropped", |call| {
        let (scale, input) = (call.params::<dropout::Params>().scale, call.f32(0).to_vec());
        writing(call, &dropout::KERNEL, 1, |output, _| {
            for (y, x) in output.iter_mut().zip(input) {
                *y = if *y == 0 { (x * scale).to_bits() } else { 0 };
            }
        });
    }),
    ("dropout", "one word for four columns", |call| {
        let (p, step, first) = (*call.params::<dropout::Params>(), *call.step, call.items.start);
        let (columns, input) = (p.columns as usize, call.f32(0).to_vec());
        writing(call, &dropout::KERNEL, 1, |output, _| {
            for i in 0..output.len() {
                let kept = dropout::keeps(p.threshold, &step, p.layer, first + i / columns, i % columns / 4 * 4);
                output[i] = if kept { (input[i] * p.scale).to_bits() } else { 0 };
            }
        });
    }),
    ("dropout_alpha", "mask of another layer", |call| alter(call, &dropout::ALPHA, |p, _| p.layer += 1)),
    ("dropout_alpha", "dropped is 0", |call| alter(call, &dropout::ALPHA, |p, _| p.dropped = 0.0)),
    ("dropout_alpha", "what is kept is not moved", |call| alter(call, &dropout::ALPHA, |p, _| p.offset = 0.0)),
    ("dropout_alpha", "the factor of dropout", |call| {
        alter(call, &dropout::ALPHA, |p, _| p.scale = Mask::new(0, 0.3).scale);
    }),
    ("dropout_additive", "noise of another layer", |call| alter(call, &dropout::ADDITIVE, |p, _| p.layer += 1)),
    ("dropout_additive", "noise by the row of the part", |call| {
        alter(call, &dropout::ADDITIVE, |_, step| step.first_row = 0);
    }),
    ("dropout_additive", "variance for standard deviation", |call| {
        alter(call, &dropout::ADDITIVE, |p, _| p.scale *= p.scale);
    }),
    ("dropout_additive", "noise subtracted", |call| alter(call, &dropout::ADDITIVE, |p, _| p.scale = -p.scale)),
    ("dropout_additive", "every second column has its neighbor's noise", |call| {
        let (columns, input) = (call.params::<dropout::Params>().columns as usize, call.f32(0).to_vec());
        writing(call, &dropout::ADDITIVE, 1, |output, _| {
            for i in (0..output.len()).filter(|i| i % columns % 2 == 1) {
                output[i] = (input[i] + f32::from_bits(output[i - 1]) - input[i - 1]).to_bits();
            }
        });
    }),
    ("add", "second view dropped", |call| reading(call, &add::KERNEL, 1, |second| second.fill(0))),
    ("add", "second view of the next element", |call| {
        reading(call, &add::KERNEL, 1, |second| second.rotate_left(1));
    }),
    ("add", "second view in the first row only", |call| {
        let (columns, first) = (call.params::<add::Params>().columns as usize, call.words(0).to_vec());
        writing(call, &add::KERNEL, 2, |output, _| output[columns..].copy_from_slice(&first[columns..]));
    }),
    ("argmax", "the last of equal ones", |call| {
        let (columns, input) = (call.params::<argmax::Params>().columns as usize, call.f32(0));
        let last = |row: &[f32]| (0..columns).fold(0, |best, c| if row[c] >= row[best] { c } else { best });
        writing(call, &argmax::KERNEL, 1, |index, _| {
            index.iter_mut().zip(input.chunks(columns)).for_each(|(index, row)| *index = last(row) as u32);
        });
    }),
    ("argmax", "first column not looked at", |call| {
        let columns = call.params::<argmax::Params>().columns as usize;
        reading(call, &argmax::KERNEL, 0, |input| {
            (0..input.len()).step_by(columns).for_each(|i| input[i] = f32::MIN.to_bits());
        });
    }),
    ("argmax", "columns counted from 1", |call| {
        writing(call, &argmax::KERNEL, 1, |index, _| index.iter_mut().for_each(|index| *index = index.wrapping_add(1)));
    }),
    ("bias_add", "bias dropped", |call| reading(call, &bias_add::KERNEL, 1, |bias| bias.fill(0))),
    ("bias_add", "bias of the next column", |call| reading(call, &bias_add::KERNEL, 1, |bias| bias.rotate_left(1))),
    ("bias_add", "bias in the first row only", |call| {
        let (columns, input) = (call.params::<bias_add::Params>().columns as usize, call.words(0).to_vec());
        writing(call, &bias_add::KERNEL, 2, |output, _| output[columns..].copy_from_slice(&input[columns..]));
    }),
    ("column_sum", "dead rows summed", |call| {
        let batch = call.f32(0).len() as u32 / call.params::<column_sum::Params>().columns;
        at_step(call, &column_sum::KERNEL, |step| step.rows = batch);
    }),
    ("column_sum", "last live row missing", |call| {
        at_step(call, &column_sum::KERNEL, |step| step.rows = step.rows.saturating_sub(1));
    }),
    ("column_sum", "last column skipped", |call| {
        writing(call, &column_sum::KERNEL, 1, |sums, old| {
            let last = sums.len() - 1;
            skip(sums, old, |c| c == last);
        });
    }),
    ("column_sum", "mean, not sum", |call| {
        let rows = call.step.rows as f32;
        writing(call, &column_sum::KERNEL, 1, |sums, _| each(sums, |sum| sum / rows));
    }),
    ("count_correct", "dead rows counted", |call| {
        let batch = call.words(0).len() as u32 / call.params::<count_correct::Params>().columns;
        at_step(call, &count_correct::KERNEL, |step| step.rows = batch);
    }),
    ("count_correct", "one too many", |call| {
        writing(call, &count_correct::KERNEL, 2, |count, _| count[0] += 1);
    }),
    ("count_correct", "adds to what was there", |call| {
        writing(call, &count_correct::KERNEL, 2, |count, old| count[0] = count[0].wrapping_add(old[0]));
    }),
    ("count_correct", "first column only", |call| {
        changed(call, &count_correct::KERNEL, |p: &mut count_correct::Params, _| p.columns = p.columns.min(1));
    }),
    ("gather", "the row after", |call| {
        let rows = call.params::<gather::Params>().rows;
        reading(call, &gather::KERNEL, 1, |index| {
            index.iter_mut().filter(|row| **row < rows).for_each(|row| *row = (*row + 1) % rows);
        });
    }),
    ("gather", "the last row for an index beyond the data", |call| {
        let rows = call.params::<gather::Params>().rows;
        reading(call, &gather::KERNEL, 1, |index| index.iter_mut().for_each(|row| *row = (*row).min(rows - 1)));
    }),
    ("gather", "data that begins with a later row", |call| {
        changed(call, &gather::KERNEL, |p: &mut gather::Params, _| p.first_row = 0);
    }),
    ("gather", "the submission's first row of the index is forgotten", |call| {
        at_step(call, &gather::KERNEL, |step| step.epoch_batch = 0);
    }),
    ("gather", "a window that begins with a later step", |call| {
        changed(call, &gather::KERNEL, |p: &mut gather::Params, _| p.first_item = 0);
    }),
    ("gather", "last word of each row missing", |call| {
        let (width, stride, batch) = {
            let p: &gather::Params = call.params();
            (p.width as usize, p.stride as usize, p.batch as usize)
        };
        writing(call, &gather::KERNEL, 2, |window, old| {
            skip(window, old, |i| i % stride < batch * width && i % stride % width == width - 1);
        });
    }),
    ("gather", "padding between steps overwritten", |call| {
        let p: &gather::Params = call.params();
        let (used, stride) = ((p.batch * p.width) as usize, p.stride as usize);
        writing(call, &gather::KERNEL, 2, |window, _| {
            (0..window.len()).filter(|i| i % stride >= used).for_each(|i| window[i] = 0);
        });
    }),
    ("gather", "steps without the padding between", |call| {
        changed(call, &gather::KERNEL, |p: &mut gather::Params, _| p.stride = p.batch * p.width);
    }),
    ("gather_bytes", "the bytes of a word in reverse order", |call| {
        reading(call, &gather_bytes::KERNEL, 0, |data| data.iter_mut().for_each(|word| *word = word.swap_bytes()));
    }),
    ("gather_bytes", "the same table for all bytes", |call| {
        changed(call, &gather_bytes::KERNEL, |p: &mut gather_bytes::Params, _| p.tables = 1);
    }),
    ("gather_bytes", "bytes are signed", |call| {
        reading(call, &gather_bytes::KERNEL, 0, |data| data.iter_mut().for_each(|word| *word &= 0x7F7F_7F7F));
    }),
    ("gather_bytes", "rows without their filling", |call| {
        changed(call, &gather_bytes::KERNEL, |p: &mut gather_bytes::Params, _| p.words = (p.width / 4).max(1));
    }),
    ("gather_bytes", "data that begins with a later row", |call| {
        changed(call, &gather_bytes::KERNEL, |p: &mut gather_bytes::Params, _| p.first_row = 0);
    }),
    ("gather_bytes", "the submission's first row of the index is forgotten", |call| {
        at_step(call, &gather_bytes::KERNEL, |step| step.epoch_batch = 0);
    }),
    ("gather_bytes", "a window that begins with a later step", |call| {
        changed(call, &gather_bytes::KERNEL, |p: &mut gather_bytes::Params, _| p.first_item = 0);
    }),
    ("gather_bytes", "steps without the padding between", |call| {
        changed(call, &gather_bytes::KERNEL, |p: &mut gather_bytes::Params, _| p.stride = p.batch * p.width);
    }),
    ("mix_rows", "the other row's share", |call| at_step(call, MIX_ROWS, |step| step.mix_own = 1.0 - step.mix_own)),
    ("mix_rows", "the share forgotten", |call| at_step(call, MIX_ROWS, |step| step.mix_own = 0.5)),
    ("mix_rows", "a run from the first column on", |call| at_step(call, MIX_ROWS, |step| step.mix_first = 0)),
    ("mix_rows", "one column more", |call| at_step(call, MIX_ROWS, |step| step.mix_columns += 1)),
    ("mix_rows", "the same row", |call| {
        let columns = call.params::<mix_rows::Params>().columns as usize;
        let rows = call.step.rows as usize;
        reading(call, MIX_ROWS, 1, |other| other[..rows * columns].rotate_left(columns));
    }),
    ("mix_rows", "cuts are blends", |call| changed(call, MIX_ROWS, |p: &mut mix_rows::Params, _| p.kind /= 2)),
    ("mix_rows", "rows are not reversed", |call| changed(call, MIX_ROWS, |p: &mut mix_rows::Params, _| p.kind %= 2)),
    ("check_finite", "infinities pass", |call| {
        reading(call, &check_finite::KERNEL, 0, |gradient| each(gradient, |g| if g.is_nan() { g } else { 0.0 }));
    }),
    ("check_finite", "NaN passes", |call| {
        reading(call, &check_finite::KERNEL, 0, |gradient| each(gradient, |g| if g.is_nan() { 0.0 } else { g }));
    }),
    ("check_finite", "last element not looked at", |call| {
        reading(call, &check_finite::KERNEL, 0, |gradient| gradient[gradient.len() - 1] = 0);
    }),
    ("check_finite", "flag overwritten, no minimum", |call| {
        flagging(call, &check_finite::KERNEL, 1, |flag, own| flag.store(own, Ordering::Relaxed));
    }),
    ("check_finite", "flag records the batch index", |call| {
        at_step(call, &check_finite::KERNEL, |step| step.index = step.batch_index);
    }),
];

fn drop(call: Call<'_>, change: fn(&mut dropout::Params, &mut Step)) {
    alter(call, &dropout::KERNEL, change);
}

fn alter(call: Call<'_>, honest: &Kernel, change: fn(&mut dropout::Params, &mut Step)) {
    changed(call, honest, change);
}

fn sum_at(call: Call<'_>, change: fn(&mut Step)) {
    at_step(call, ACCUMULATE, change);
}
