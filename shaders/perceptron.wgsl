// Rosenblatt's perceptron criterion with its gradient.
//
// error = step(output) − target, row_loss[r] = Σ꜀ error·output / n, grad = error / n · scale; step(z) = 1 for z > 0,
// else 0. Symbols: r a row of the batch, c one of n columns, scale = 1 / rows of the whole batch.
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
    let error = select(0.0, 1.0, output > 0.0) - wanted;
    return Element(error * output, error);
}
