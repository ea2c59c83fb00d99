// Fused step for small networks: forward pass, loss and backward pass in one dispatch. Each workgroup writes the
// gradients of its own rows.
//
// A workgroup processes CHUNK rows of the batch through all layers. x₀ = input, x_l = f_l(x_{l−1}·W_lᵀ + b_l); row_loss
// = loss(x_L, targets); d_L = ∂loss/∂x_L · f′_L(x_L), d_{l−1} = (d_l·W_l) · f′_{l−1}(x_{l−1}); partial[p] =
// d_lᵀ·x_{l−1} and the column sums of d_l, over the rows of workgroup p. Symbols: l a layer, p a workgroup.
//
// | binding | view       | shape                     | access                                                      |
// |---------|------------|---------------------------|-------------------------------------------------------------|
// | 2       | parameters | 1×parameters              | read                                                        |
// | 3       | input      | rows×inputs               | read                                                        |
// | 4       | targets    | rows×outputs, or ×1       | read: numbers, or for softmax classes                       |
// | 5       | partial    | workgroups×parameters     | write                                                       |
// | 6       | row_loss   | rows×1                    | write                                                       |
// | 7       | flag       | 1                         | atomic min with the step's index if a loss is not finite    |
// | 8       | trace      | all x_l, then all d_l     | write, only in the build with a trace                       |
//
// The prelude defines the network: `layer_at`, CHUNK, UNITS, LAYERS, ELEMENTWISE and PARAMETERS, and its functions:
// `activate`, `derivative`, `element_loss` and `element_derivative`. A unit is an input or output of a layer. Workgroup
// memory holds its value for each of the rows. A vector holds four rows of one unit, so that only one invocation writes
// it. In the backward pass, d of each layer overwrites its x. Rows at or beyond step.rows are 0 and have no gradient.

struct Params {
    batch: u32,
    chunk: u32,
    inputs: u32,
    layers: u32,
    loss: u32,
    loss_alpha: f32,
    loss_beta: f32,
    alpha: f32,
    beta: f32,
    layer0: u32,
    layer1: u32,
    layer2: u32,
    layer3: u32,
    layer4: u32,
    layer5: u32,
    layer6: u32,
    layer7: u32,
    layer8: u32,
    layer9: u32,
    layer10: u32,
    layer11: u32,
    layer12: u32,
    layer13: u32,
    layer14: u32,
    layer15: u32,
}

struct Layer {
    inputs: u32,
    outputs: u32,
    function: u32,
    // Offsets of weight and bias in `parameters`, and the end of the bias including padding.
    weight: u32,
    bias: u32,
    end: u32,
    // First input unit and first output unit.
    below: u32,
    above: u32,
    // Offsets of x and d in the trace.
    output: u32,
    gradient: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read> parameters: array<f32>;
@group(0) @binding(3) var<storage, read> input: array<f32>;
@group(0) @binding(4) var<storage, read> targets: array<u32>;
@group(0) @binding(5) var<storage, read_write> partial: array<f32>;
@group(0) @binding(6) var<storage, read_write> row_loss: array<f32>;
@group(0) @binding(7) var<storage, read_write> flag: array<atomic<u32>>;

const FOURS = CHUNK / 4u;

// Values of all units: [unit][four rows].
var<workgroup> units: array<vec4<f32>, UNITS * FOURS>;

// Returns true for each of the four rows starting at `row` that is in use.
fn live(row: u32) -> vec4<bool> {
    return vec4(row, row + 1u, row + 2u, row + 3u) < vec4(step.rows);
}

fn input_at(params: Params, row: u32, i: u32) -> f32 {
    if row < step.rows {
        return input[row * params.inputs + i];
    }
    return 0.0;
}

fn fetch(params: Params, first: u32, local: u32) {
    for (var at = local; at < params.inputs * FOURS; at += GROUP) {
        let i = at % params.inputs;
        let row = first + at / params.inputs * 4u;
        let below = vec2(input_at(params, row, i), input_at(params, row + 1u, i));
        units[i * FOURS + at / params.inputs] =
            vec4(below, input_at(params, row + 2u, i), input_at(params, row + 3u, i));
    }
}

fn forward(params: Params, layer: Layer, first: u32, local: u32) {
    for (var at = local; at < layer.outputs * FOURS; at += GROUP) {
        let o = at / FOURS;
        let four = at % FOURS;
        var sums = vec4(parameters[layer.bias + o]);
        for (var i = 0u; i < layer.inputs; i++) {
            sums += parameters[layer.weight + o * layer.inputs + i] * units[(layer.below + i) * FOURS + four];
        }
        let row = first + 4u * four;
        let x = select(vec4(0.0), activate_four(layer.function, vec2(params.alpha, params.beta), sums), live(row));
        units[(layer.above + o) * FOURS + four] = x;
        keep(layer.output, layer.outputs, row, o, x);
    }
}

// Returns the word of a target. For rows that are not in use it is 0, a valid class and number.
fn target_at(row: u32, columns: u32, c: u32) -> u32 {
    if row < step.rows {
        return targets[row * columns + c];
    }
    return 0u;
}

fn targets_at(row: u32, columns: u32, c: u32) -> vec4<u32> {
    let upper = vec2(target_at(row, columns, c), target_at(row + 1u, columns, c));
    return vec4(upper, target_at(row + 2u, columns, c), target_at(row + 3u, columns, c));
}

// Returns the larger numbers. It does not call `max`, for which drivers may return either argument if one is NaN.
fn larger_four(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return select(b, a, b <= a);
}

fn log_1p_four(x: vec4<f32>) -> vec4<f32> {
    return vec4(log_1p(x.x), log_1p(x.y), log_1p(x.z), log_1p(x.w));
}

fn exponential_below_four(z: vec4<f32>, most: vec4<f32>) -> vec4<f32> {
    return vec4(
        exponential_below(z.x, most.x),
        exponential_below(z.y, most.y),
        exponential_below(z.z, most.z),
        exponential_below(z.w, most.w),
    );
}

// Replaces x of the last layer by d, from the derivative of the loss with respect to the outputs.
fn turn(params: Params, layer: Layer, row: u32, place: u32, c: u32, gradient: vec4<f32>) {
    let d = gradient * step.loss_scale * derivative_four(layer.function, vec2(params.alpha, params.beta), units[place]);
    units[place] = select(vec4(0.0), d, live(row));
    keep(layer.gradient, layer.outputs, row, c, units[place]);
}

fn elementwise(params: Params, layer: Layer, row: u32, four: u32) -> vec4<f32> {
    let n = f32(layer.outputs);
    let p = vec2(params.loss_alpha, params.loss_beta);
    var loss: vec4<f32>;
    for (var c = 0u; c < layer.outputs; c++) {
        let place = (layer.above + c) * FOURS + four;
        let z = units[place];
        let t = bitcast<vec4<f32>>(targets_at(row, layer.outputs, c));
        let found = vec4(
            element_loss(p, z.x, t.x),
            element_loss(p, z.y, t.y),
            element_loss(p, z.z, t.z),
            element_loss(p, z.w, t.w),
        );
        loss = select(loss + found, found, c == 0u);
        let derivative = vec4(
            element_derivative(p, z.x, t.x),
            element_derivative(p, z.y, t.y),
            element_derivative(p, z.z, t.z),
            element_derivative(p, z.w, t.w),
        );
        turn(params, layer, row, place, c, derivative / n);
    }
    return loss / n;
}

fn softmax(params: Params, layer: Layer, row: u32, four: u32) -> vec4<f32> {
    let first = layer.above * FOURS + four;
    var largest = units[first];
    for (var c = 1u; c < layer.outputs; c++) {
        largest = larger_four(largest, units[first + c * FOURS]);
    }
    let correct = targets_at(row, 1u, 0u);
    var others = vec4(0.0);
    // Values of the correct class; every row has one.
    var own: vec4<f32>;
    var distance: vec4<f32>;
    for (var c = 0u; c < layer.outputs; c++) {
        let z = units[first + c * FOURS];
        let is_correct = correct == vec4(c);
        let power = exponential_below_four(z, largest);
        others += select(power, vec4(0.0), is_correct);
        own = select(own, power, is_correct);
        distance = select(distance, largest - z, is_correct);
    }
    let total = others + own;
    for (var c = 0u; c < layer.outputs; c++) {
        let place = first + c * FOURS;
        let power = exponential_below_four(units[place], largest);
        turn(params, layer, row, place, c, select(power, -others, correct == vec4(c)) / total);
    }
    return distance + log_1p_four(others + (own - 1.0));
}

fn write_row_loss(row: u32, loss: f32) {
    if row < step.rows {
        row_loss[row] = loss;
        if !is_finite(loss) {
            atomicMin(&flag[0], step.index);
        }
    }
}

fn losses(params: Params, layer: Layer, first: u32, local: u32) {
    for (var four = local; four < FOURS; four += GROUP) {
        let row = first + 4u * four;
        var loss: vec4<f32>;
        if ELEMENTWISE {
            loss = elementwise(params, layer, row, four);
        } else {
            loss = softmax(params, layer, row, four);
        }
        write_row_loss(row, loss.x);
        write_row_loss(row + 1u, loss.y);
        write_row_loss(row + 2u, loss.z);
        write_row_loss(row + 3u, loss.w);
    }
}

// Returns the dot product of two units over all rows; d and x are their offsets. This sum and the others begin with
// their first term, not with 0: for 0 + −0 a driver may return either zero, and not the same one in each build.
fn over_rows(d: u32, x: u32) -> f32 {
    var sum = dot(units[d], units[x]);
    for (var four = 1u; four < FOURS; four++) {
        sum += dot(units[d + four], units[x + four]);
    }
    return sum;
}

fn column_sum(d: u32) -> f32 {
    var sum = dot(units[d], vec4(1.0));
    for (var four = 1u; four < FOURS; four++) {
        sum += dot(units[d + four], vec4(1.0));
    }
    return sum;
}

// Writes the gradients of the layer's weight and bias over the workgroup's rows, and 0 to the padding between tensors.
fn weight_gradient(layer: Layer, begin: u32, local: u32) {
    for (var at = local; at < layer.bias - layer.weight; at += GROUP) {
        let o = at / layer.inputs;
        let i = at % layer.inputs;
        var sum = 0.0;
        if o < layer.outputs {
            sum = over_rows((layer.above + o) * FOURS, (layer.below + i) * FOURS);
        }
        partial[begin + layer.weight + at] = sum;
    }
    for (var o = local; o < layer.end - layer.bias; o += GROUP) {
        var sum = 0.0;
        if o < layer.outputs {
            sum = column_sum((layer.above + o) * FOURS);
        }
        partial[begin + layer.bias + o] = sum;
    }
}

fn grad_input(params: Params, layer: Layer, lower: Layer, first: u32, local: u32) {
    for (var at = local; at < layer.inputs * FOURS; at += GROUP) {
        let i = at % layer.inputs;
        let four = at / layer.inputs;
        var sums = parameters[layer.weight + i] * units[layer.above * FOURS + four];
        for (var o = 1u; o < layer.outputs; o++) {
            sums += parameters[layer.weight + o * layer.inputs + i] * units[(layer.above + o) * FOURS + four];
        }
        let place = (layer.below + i) * FOURS + four;
        let d = sums * derivative_four(lower.function, vec2(params.alpha, params.beta), units[place]);
        units[place] = d;
        keep(lower.gradient, layer.inputs, first + 4u * four, i, d);
    }
}

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let params = params;
    let part = linear_index(group, groups, 1u, 0u);
    let first = part * CHUNK;
    if first >= params.batch {
        return;
    }
    fetch(params, first, local);
    workgroupBarrier();
    for (var l = 0u; l < LAYERS; l++) {
        forward(params, layer_at(l), first, local);
        workgroupBarrier();
    }
    losses(params, layer_at(LAYERS - 1u), first, local);
    workgroupBarrier();
    // Backward pass. The loop counts upwards, so that it ends even if its body has an error.
    for (var above = 1u; above < LAYERS; above++) {
        let l = LAYERS - above;
        weight_gradient(layer_at(l), part * PARAMETERS, local);
        workgroupBarrier();
        grad_input(params, layer_at(l), layer_at(l - 1u), first, local);
        workgroupBarrier();
    }
    weight_gradient(layer_at(0u), part * PARAMETERS, local);
}
