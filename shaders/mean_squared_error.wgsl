// Mean squared error with its gradient.
//
// row_loss[r] = Σ꜀ (output − target)² / n, grad = 2·(output − target) / n · scale.
// Symbols: r a row of the batch, c one of n columns, scale = 1 / rows of the whole batch.
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

fn element(output: f32, wanted: f32) -> Element {
    let difference = output - wanted;
    return Element(difference * difference, 2.0 * difference);
}
