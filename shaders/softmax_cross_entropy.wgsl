// Softmax and cross-entropy from logits, with the gradient.
//
// row_loss[r] = (max z − z_t) + ln(1 + (others + (e_t − 1))), grad[r, c] = e꜀ / total · scale, and −others / total · scale for
// c = t, with e꜀ = e^(z꜀ − max z), others = Σ e꜀ of all c but t, total = others + e_t. So nothing cancels, however sure the row
// is. Letters: r a row of the batch, c one of its columns, z the row's outputs, t its class, scale = 1 / rows of the whole
// batch.
//
// | binding | view     | shape        | access                                                      |
// |---------|----------|--------------|-------------------------------------------------------------|
// | 2       | output   | rows×columns | read                                                        |
// | 3       | targets  | rows×1       | read                                                        |
// | 4       | row_loss | rows×1       | write                                                       |
// | 5       | grad     | rows×columns | write                                                       |
// | 6       | flag     | 1            | atomic: lowered to the step's index if a loss is not finite |
//
// PER_ROW invocations share a row, and take turns along its columns. Rows from step.rows on are neither read nor
// written.

@group(0) @binding(3) var<storage, read> targets: array<u32>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let params = params;
    let place = line(group, groups, GROUP, local);
    let row = place / PER_ROW;
    let lane = place % PER_ROW;
    let live = row < step.rows;
    let columns = select(0u, params.columns, live);
    let begin = row * params.columns;
    var largest = 0.0;
    if live {
        // Rows that are shared have more columns than there are invocations.
        largest = output[begin + lane];
    }
    for (var c = lane; c < columns; c += PER_ROW) {
        largest = larger(largest, output[begin + c]);
    }
    largest = row_max(largest, local);
    var correct = 0u;
    if live {
        // What would lie beyond the row is read from its last column.
        correct = min(targets[row], columns - 1u);
    }
    var others = 0.0;
    for (var c = lane; c < columns; c += PER_ROW) {
        others += select(exponential_below(output[begin + c], largest), 0.0, c == correct);
    }
    others = row_sum(others, local);
    if !live {
        return;
    }
    let own = exponential_below(output[begin + correct], largest);
    let total = others + own;
    for (var c = lane; c < columns; c += PER_ROW) {
        // The same exponential again, which is cheaper than to store and load it.
        let share = select(exponential_below(output[begin + c], largest), -others, c == correct);
        grad[begin + c] = share / total * step.loss_scale;
    }
    if lane == 0u {
        write_row_loss(row, (largest - output[begin + correct]) + log_1p(others + (own - 1.0)));
    }
}
