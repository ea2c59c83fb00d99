// Record of a step; the same fields as `Step` in src/plan/step.rs.

struct Step {
    index: u32,
    batch_index: u32,
    epoch_batch: u32,
    rows: u32,
    first_row: u32,
    seed_low: u32,
    seed_high: u32,
    learning_rate: f32,
    loss_scale: f32,
    optimizer1: f32,
    optimizer2: f32,
    optimizer3: f32,
    optimizer4: f32,
    average: f32,
    mix_own: f32,
    mix_first: u32,
    mix_columns: u32,
}
