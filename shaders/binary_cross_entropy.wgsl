// Binary cross-entropy from logits with its gradient.
//
// row_loss[r] = Σ꜀ (max(z, 0) − z·t + ln(1 + e⁻|ᶻ|)) / n, grad = (σ(z) − t) / n · scale.
// Letters: r a row of the batch, c one of n columns, z the output, t the target, σ the sigmoid of
// shared/activation.wgsl, scale = 1 / rows of the whole batch.
//
// | binding | view     | shape        | access                                                      |
// |---------|----------|--------------|-------------------------------------------------------------|
// | 2       | output   | rows×columns | read                                                        |
// | 3       | targets  | rows×columns | read                                                        |
// | 4       | row_loss | rows×1       | write                                                       |
// | 5       | grad     | rows×columns | write                                                       |
// | 6       | flag     | 1            | atomic: lowered to the step's index if a loss is not finite |
//
// PER_ROW invocations share a row, and take turns along its columns. Rows from step.rows on are neither read nor
// written.

// Code of the sigmoid.
const SIGMOID = 2u;

fn element(z: f32, t: f32) -> Element {
    let loss = select(z, 0.0, z <= 0.0) - z * t + log(1.0 + exp(-abs(z)));
    return Element(loss, activate(SIGMOID, 0.0, z) - t);
}
