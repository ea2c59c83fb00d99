//! What changes from step to step.

use crate::plan::words;

/// Bytes from one step record to the next in an array of them: the offset alignment that every GPU accepts.
pub const STEP_BYTES: usize = 256;

words! {
    /// The record of one step, or of one of the batches that a step adds the gradients of; computed on the host in f64.
    /// `Step` in `shaders/shared/record.wgsl`.
    pub struct Step {
        /// Index of the step since training began: the same for all batches of a step.
        index: u32,
        /// Position in the window: which part of windowed views the batch is.
        batch_index: u32,
        /// Position in the epoch, in batches: which row of the index names its rows, where a data set is resident.
        epoch_step: u32,
        /// Live rows; the rest of the batch is neither read nor written.
        rows: u32,
        /// Row of the step that the batch begins with: 0 for the first or only one. Dropout is keyed by the row of the
        /// step, and what is accumulated begins anew at 0.
        first_row: u32,
        /// The seed's low word.
        seed_low: u32,
        /// The seed's high word.
        seed_high: u32,
        /// Learning rate after the schedule.
        learning_rate: f32,
        /// 1 / rows of the step, those of all its batches together.
        loss_scale: f32,
        /// Adam's 1 − β₁ᵗ.
        bias_correction1: f32,
        /// Adam's √(1 − β₂ᵗ).
        bias_correction2_root: f32,
    }
}

impl Step {
    /// The records of each step, in order: neighbours of one index.
    pub fn groups(records: &[Self]) -> impl Iterator<Item = &[Self]> {
        records.chunk_by(|record, next| record.index == next.index)
    }
}
