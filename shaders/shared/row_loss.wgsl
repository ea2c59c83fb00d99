// What every loss does with the loss of a row. Needs step.wgsl, finite.wgsl, and the bindings row_loss and flag.

fn write_row_loss(row: u32, loss: f32) {
    row_loss[row] = loss;
    if !is_finite(loss) {
        atomicMin(&flag[0], step.index);
    }
}
