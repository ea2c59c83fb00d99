//! What changes from step to step.

use crate::plan::words;

/// Bytes from one step record to the next in an array of them: the offset alignment that every GPU accepts.
pub const STEP_BYTES: usize = 256;

words! {
    /// The record of one step, computed on the host in f64; `Step` in `shaders/shared/record.wgsl`.
    pub struct Step {
        /// Index of the step since training began.
        index: u32,
        /// Position in the window: which part of windowed views the step works on.
        slot: u32,
        /// Position in the epoch: which row of the index names its rows, where a data set is resident.
        epoch_step: u32,
        /// Live rows; the rest of the batch is neither read nor written.
        rows: u32,
        /// Row of the whole batch that this batch's first row is (data may be cut into parts).
        first_row: u32,
        /// The seed's low word.
        seed_low: u32,
        /// The seed's high word.
        seed_high: u32,
        /// Learning rate after the schedule.
        learning_rate: f32,
        /// 1 / rows of the whole batch.
        loss_scale: f32,
        /// Adam's 1 − β₁ᵗ.
        bias_correction1: f32,
        /// Adam's √(1 − β₂ᵗ).
        bias_correction2_root: f32,
    }
}
