//! Step records: values that change from step to step.

use crate::plan::words;

/// Stride of step records in an array, in bytes: the offset alignment that every GPU accepts.
pub const STEP_BYTES: usize = 256;

words! {
    /// Record of one step, or of one of its micro-batches under gradient accumulation. The host computes it in f64. It
    /// is the struct `Step` in `shaders/shared/record.wgsl`.
    pub struct Step {
        /// Index of the step since training began. All micro-batches of a step have the same index.
        index: u32,
        /// Index of the batch in the submission; selects the batch's part of views that have one part per batch.
        batch_index: u32,
        /// Index of the batch in the epoch. If a data set resides on the device, it selects the row of the view
        /// `index`, which lists the rows of the batch.
        epoch_batch: u32,
        /// Number of rows of the batch in use. These are the first rows; all others are neither read nor written.
        rows: u32,
        /// Index in the step of the batch's first row: 0 for the first or only batch. Dropout masks depend on the row's
        /// index in the step. If this is 0, accumulators are overwritten instead of added to.
        first_row: u32,
        /// Low word of the seed.
        seed_low: u32,
        /// High word of the seed.
        seed_high: u32,
        /// Learning rate after the schedule.
        learning_rate: f32,
        /// Factor of each row's loss: 1 / number of rows of the step, over all its micro-batches. If rows have weights,
        /// it is 1 / sum of these weights.
        loss_scale: f32,
        /// First value that the optimizer computes for the step; see `elementwise::updates`.
        optimizer1: f32,
        /// Second value that the optimizer computes for the step.
        optimizer2: f32,
        /// Third value that the optimizer computes for the step.
        optimizer3: f32,
        /// Fourth value that the optimizer computes for the step.
        optimizer4: f32,
        /// Weight of the step's parameters in the average of the parameters; see `kernels::average`.
        average: f32,
        /// Share λ of a row's own target in mixed rows; see `kernels::mix_rows`.
        mix_own: f32,
        /// First column that a cut takes from the other row.
        mix_first: u32,
        /// Number of columns that a cut takes from the other row.
        mix_columns: u32,
    }
}

impl Step {
    /// Splits records into steps: consecutive records with the same index.
    pub fn groups(records: &[Self]) -> impl Iterator<Item = &[Self]> {
        records.chunk_by(|record, next| record.index == next.index)
    }
}
