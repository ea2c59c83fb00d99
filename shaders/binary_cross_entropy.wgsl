// Binary cross-entropy from logits with its gradient.
//
// row_loss[r] = Σ꜀ (|z|·w + ln(1 + e)) / n, grad = ±(e/(1 + e) − w) / n · scale, with − for z > 0. Here e = e⁻|ᶻ|, and
// w is the distance of the target from the nearer side, 1 − t for z > 0, else t.
// Symbols: r a row of the batch, c one of n columns, z the output, t the target, scale = 1 / rows of the whole batch.
//
// | binding | view     | shape        | access                                                      |
// |---------|----------|--------------|-------------------------------------------------------------|
// | 2       | output   | rows×columns | read                                                        |
// | 3       | targets  | rows×columns | read                                                        |
// | 4       | row_loss | rows×1       | write                                                       |
// | 5       | grad     | rows×columns | write                                                       |
// | 6       | flag     | 1            | atomic min with the step's index if a loss is not finite    |
//
// PER_ROW invocations process a row together, each taking every PER_ROW-th column. Rows at or beyond step.rows are
// neither read nor written.

fn element(z: f32, t: f32) -> Element {
    let e = exponential(-abs(z));
    let w = select(t, 1.0 - t, z > 0.0);
    let derivative = e / (1.0 + e) - w;
    return Element(abs(z) * w + log_1p(e), select(derivative, -derivative, z > 0.0));
}
