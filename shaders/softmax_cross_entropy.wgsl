// Softmax and cross-entropy from logits, with the gradient.
//
// row_loss[r] = (max z − z_t) + ln(1 + (others + (e_t − 1))), grad[r, c] = e꜀ / total · scale, and −others / total ·
// scale for c = t, with e꜀ = e^(z꜀ − max z), others = Σ e꜀ over all c except t, total = others + e_t. Nothing cancels,
// however confident the prediction is. Label smoothing (alpha, if SMOOTHS) adds alpha·(z_t − mean z) to the loss, and
// alpha·([c = t] − 1/n) · scale to the gradient. Symbols: r a row of the batch, c one of its columns, z the outputs of
// the row, t its class, scale = 1 / number of rows of the step.
//
// | binding | view     | shape        | access                                                      |
// |---------|----------|--------------|-------------------------------------------------------------|
// | 2       | output   | rows×columns | read                                                        |
// | 3       | targets  | rows×1       | read                                                        |
// | 4       | row_loss | rows×1       | write                                                       |
// | 5       | grad     | rows×columns | write                                                       |
// | 6       | flag     | 1            | atomic min with the step's index if a loss is not finite    |
//
// PER_ROW invocations process a row together, each taking every PER_ROW-th column. Rows at or beyond step.rows are
// neither read nor written.

@group(0) @binding(3) var<storage, read> targets: array<u32>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let params = params;
    let place = linear_index(group, groups, GROUP, local);
    let row = place / PER_ROW;
    let lane = place % PER_ROW;
    let live = row < step.rows;
    let columns = select(0u, params.columns, live);
    let begin = row * params.columns;
    var largest = 0.0;
    if live {
        // With more than one invocation per row, there are more columns than invocations.
        largest = output[begin + lane];
    }
    for (var c = lane; c < columns; c += PER_ROW) {
        largest = larger(largest, output[begin + c]);
    }
    largest = row_max(largest, local);
    var correct = 0u;
    if live {
        // A class beyond the row is clamped to its last column.
        correct = min(targets[row], columns - 1u);
    }
    var others = 0.0;
    var spread = 0.0;
    for (var c = lane; c < columns; c += PER_ROW) {
        others += select(exponential_below(output[begin + c], largest), 0.0, c == correct);
        if SMOOTHS {
            spread += output[begin + correct] - output[begin + c];
        }
    }
    others = row_sum(others, local);
    if SMOOTHS {
        spread = row_sum(spread, local);
    }
    if !live {
        return;
    }
    let own = exponential_below(output[begin + correct], largest);
    let total = others + own;
    for (var c = lane; c < columns; c += PER_ROW) {
        // Computes the exponential again, which is cheaper than storing and loading it.
        var share = select(exponential_below(output[begin + c], largest), -others, c == correct) / total;
        if SMOOTHS {
            let n = f32(columns);
            share += select(-params.alpha / n, params.alpha * (n - 1.0) / n, c == correct);
        }
        grad[begin + c] = share * step.loss_scale;
    }
    if lane == 0u {
        var loss = (largest - output[begin + correct]) + log_1p(others + (own - 1.0));
        if SMOOTHS {
            loss += params.alpha * (spread / f32(columns));
        }
        write_row_loss(row, loss);
    }
}
