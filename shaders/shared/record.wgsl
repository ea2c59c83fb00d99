// Record of a step; the same fields as `Step` in src/plan/step.rs.

struct Step {
    index: u32,
    batch_index: u32,
    epoch_step: u32,
    rows: u32,
    first_row: u32,
    seed_low: u32,
    seed_high: u32,
    learning_rate: f32,
    loss_scale: f32,
    bias_correction1: f32,
    bias_correction2_root: f32,
}
