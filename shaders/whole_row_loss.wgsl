// Loss of a whole row: a function of maxima and sums over its columns, with its gradient.
//
// row_loss[r] = l(maxima, sums, n), grad[r, c] = d(column c, maxima, sums) · scale, with maxima, sums, l and d from the
// prelude. Symbols: r a row of the batch, c one of n columns, scale = 1 / number of rows of the step. A column has an
// output z, a target t, an auxiliary number o, and an index k among the PER_TARGET outputs of its target. If the
// targets are classes (CLASSES), t is 1 in the column of the row's class, else 0, and o is the output of that class.
// With PAIRS, o is the other output of the pair. With LEVELS, o is the level of the quantile.
//
// | binding | view     | shape                          | access                                           |
// |---------|----------|--------------------------------|--------------------------------------------------|
// | 2       | output   | rows×columns                   | read                                             |
// | 3       | targets  | rows×columns/PER_TARGET, or ×1 | read                                             |
// | 4       | row_loss | rows×1                         | write                                            |
// | 5       | grad     | rows×columns                   | write                                            |
// | 6       | flag     | 1                              | atomic min with the step's index if not finite   |
//
// PER_ROW invocations process a row together, each taking every PER_ROW-th column. Rows at or beyond step.rows are
// neither read nor written.

@group(0) @binding(3) var<storage, read> targets: array<Target>;

fn column_of(params: Params, row: u32, c: u32) -> Column {
    let n = f32(params.columns);
    let i = row * params.columns + c;
    if CLASSES {
        // A class beyond the row is clamped to its last column.
        let correct = min(bitcast<u32>(targets[row]), params.columns - 1u);
        return Column(output[i], select(0.0, 1.0, c == correct), output[row * params.columns + correct], 0.0, n);
    }
    let place = c % PER_TARGET;
    var other = 0.0;
    if PAIRS {
        other = output[i ^ 1u];
    }
    if LEVELS {
        var levels = array(params.alpha, params.beta, params.gamma, params.delta, params.epsilon, params.zeta, params.eta, params.theta);
        other = levels[place];
    }
    return Column(output[i], bitcast<f32>(targets[i / PER_TARGET]), other, f32(place), n);
}

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let params = params;
    let parameters = vec2(params.alpha, params.beta);
    let place = linear_index(group, groups, GROUP, local);
    let row = place / PER_ROW;
    let lane = place % PER_ROW;
    let live = row < step.rows;
    let columns = select(0u, params.columns, live);
    var maxima = vec2(0.0);
    if MAXIMA > 0u {
        if live {
            // With more than one invocation per row, there are more columns than invocations.
            maxima = maxima_of(parameters, column_of(params, row, lane));
        }
        for (var c = lane; c < columns; c += PER_ROW) {
            let own = maxima_of(parameters, column_of(params, row, c));
            maxima = vec2(larger(maxima.x, own.x), larger(maxima.y, own.y));
        }
        maxima.x = row_max(maxima.x, local);
        maxima.y = row_max(maxima.y, local);
    }
    var sums = vec4(0.0);
    for (var c = lane; c < columns; c += PER_ROW) {
        sums += sums_of(parameters, maxima, column_of(params, row, c));
    }
    sums = vec4(row_sum(sums.x, local), row_sum(sums.y, local), row_sum(sums.z, local), row_sum(sums.w, local));
    if !live {
        return;
    }
    for (var c = lane; c < columns; c += PER_ROW) {
        let derivative = derivative_of(parameters, maxima, sums, column_of(params, row, c));
        grad[row * columns + c] = derivative * step.loss_scale;
    }
    if lane == 0u {
        write_row_loss(row, loss_of(parameters, maxima, sums, column_of(params, row, 0u)));
    }
}
