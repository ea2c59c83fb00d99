//! The tests are tested: each of these wrong shaders must be caught, and its op named.

use wgrad::exec::gpu::{Gpu, GpuDevice};
use wgrad::exec::{Executor, lockstep};
use wgrad::kernels;
use wgrad::kernels::adamw::Params;
use wgrad::kernels::dropout::Mask;
use wgrad::network::Activation;
use wgrad::plan::{Kernel, Plan, Section, Shader, Tile, Tiles};
use wgrad::{Error, Result};

use crate::common::device;
use crate::kernels::{cases_of, run_with};
use crate::plans::{ADAM, Dense, Values, adamw_plan, fill_adamw, find, run, step};

/// What is wrong, and the text that is replaced to make it so.
type Sabotage = (&'static str, &'static str, &'static str);

const DENSE: [Sabotage; 14] = [
    ("the last input is left out", "return params.inputs;", "return params.inputs - 1u;"),
    ("the weight is transposed", "const B_ALONG_TERMS = true;", "const B_ALONG_TERMS = false;"),
    ("dead rows are written", "if row + r < rows() {", "if row + r < rows() + 1u {"),
    ("dead rows are read as the next ones", "line < select(terms(), rows(), A_ALONG_TERMS)", "line <= 1u"),
    ("the fourth column is left out", "if column + i < columns()", "if column + i < columns() && i < 3u"),
    ("lines are taken for one longer", "let start = line * width;", "let start = line * (width + 1u);"),
    ("only the last block of terms counts", "sums += b", "sums = b"),
    ("the bias is forgotten", " + bias[column + k]", ""),
    ("the mask is that of the next row", "params.layer, row, column", "params.layer, row + 1u, column"),
    ("the mask is that of the row in the batch", "step.first_row + row", "row"),
    ("the mask's factor is forgotten", "params.scale * activate", "activate"),
    ("random words have nine rounds", "round < 10u", "round < 9u"),
    ("the product of halves loses a carry", " + (cross_product >> 16u)", ""),
    ("the slope is forgotten", "select(x, slope * x, x <= 0.0)", "select(x, 0.0, x <= 0.0)"),
];

const ADAMW: [Sabotage; 9] = [
    ("the flag is not looked at", " || flag[0] != 0xffffffffu", ""),
    ("gradients are not clipped", " * clip(norm[0], params.max_norm)", ""),
    ("the last element is left out", "i >= arrayLength(&parameter)", "i + 1u >= arrayLength(&parameter)"),
    ("m is not kept", "m[i] = mean;", ""),
    ("v is not kept", "v[i] = square;", ""),
    ("epsilon stands inside the root", "sqrt(square)", "sqrt(square + params.epsilon)"),
    ("the norm's limit is looked at the wrong way round", "+ 1e-6 > max_norm", "+ 1e-6 < max_norm"),
    ("workgroups of one grid row only", "(group.y * groups.x + group.x)", "group.y * groups.x"),
    ("decay is taken from the gradient", "step.learning_rate * params.decay", "params.decay"),
];

/// Kernel, and what is wrong with its shader; some case of its own must show it.
const REST: &[(&str, Sabotage)] = &[
    (
        "activation",
        ("the last element is left out", "i < step.rows * params.columns", "i + 1u < step.rows * params.columns"),
    ),
    ("activation", ("dead rows are written", "i < step.rows * params.columns", "i < arrayLength(&output)")),
    ("activation", ("tanh is not clamped on its way up", "10.0, x > 10.0)", "5.0, x > 5.0)")),
    ("activation", ("the step is 1 at 0", "select(0.0, 1.0, x > 0.0)", "select(0.0, 1.0, x >= 0.0)")),
    ("activation", ("the sigmoid forgets the sign", "select(e, 1.0, x >= 0.0)", "1.0")),
    ("activation_grad", ("dead rows are written", "i < step.rows * params.columns", "i < arrayLength(&output)")),
    ("activation_grad", ("the derivative is forgotten", " * derivative(params.function, params.slope, output[i])", "")),
    ("activation_grad", ("tanh's derivative is that of 1 − y", "1.0 - y * y", "1.0 - y")),
    ("activation_grad", ("it is added", "grad_input[i] = ", "grad_input[i] += ")),
    ("argmax", ("of equal columns the last wins", "x > largest", "x >= largest")),
    ("argmax", ("the last column is left out", "c < params.columns", "c + 1u < params.columns")),
    ("argmax", ("dead rows are written", "live && lane == 0u", "lane == 0u && row < arrayLength(&index)")),
    ("argmax", ("a shared row has the first invocation's column", "column = atomicLoad(&first);", "")),
    ("argmax", ("any invocation's column may win", "if !(largest < row_largest)", "if true")),
    ("argmax", ("the tree forgets its upper half", "tree[local] = larger(tree[local], tree[local + half]);", "")),
    ("bias_add", ("the bias is that of the row", "i % params.columns", "i / params.columns")),
    ("bias_add", ("dead rows are written", "i < step.rows * params.columns", "i < arrayLength(&output)")),
    ("bias_add", ("the bias is taken away", "input[i] + bias", "input[i] - bias")),
    ("binary_cross_entropy", ("the logarithm overflows", "exp(-abs(z))", "exp(-z)")),
    ("binary_cross_entropy", ("the target is forgotten", " - targets[i])", ")")),
    ("binary_cross_entropy", ("the mean is a sum", "row_sum(loss, local) / n", "row_sum(loss, local)")),
    ("binary_cross_entropy", ("the loss scale is forgotten", " / n * step.loss_scale", " / n")),
    ("binary_cross_entropy", ("the flag is not lowered", "atomicMin(&flag[0], step.index);", "")),
    ("binary_cross_entropy", ("the flag is always lowered", "if !is_finite(loss)", "if true")),
    ("check_finite", ("the last element is left out", "i < arrayLength(&gradient)", "i + 1u < arrayLength(&gradient)")),
    ("check_finite", ("an infinity is finite", "0x7f800000u) != 0x7f800000u", "0x7fffffffu) <= 0x7f800000u")),
    ("check_finite", ("the flag is raised to a later step", "atomicMin(", "atomicMax(")),
    ("check_finite", ("the flag is lowered to the slot", "step.index", "step.slot")),
    ("column_sum", ("the last live row is left out", "r < step.rows", "r + 1u < step.rows")),
    ("column_sum", ("dead rows are summed", "r < step.rows", "r < arrayLength(&input) / params.columns")),
    ("column_sum", ("it is added to what was there", "sums[c] = sum", "sums[c] += sum")),
    ("count_correct", ("dead rows are counted", "step.rows * params.columns", "arrayLength(&predicted)")),
    ("count_correct", ("only one invocation counts", "i += GROUP", "i += 2u * GROUP")),
    ("count_correct", ("the total is not begun", "atomicStore(&total, 0u);", "atomicStore(&total, 1u);")),
    ("dropout", ("the mask of the next row", "params.layer, row, quarter", "params.layer, row + 1u, quarter")),
    ("dropout", ("the mask of the part, not of the whole batch", "step.first_row + row", "row")),
    ("dropout", ("another layer's mask", "layer << 8u", "layer << 7u")),
    ("dropout", ("a key that stays the same", "key += PHILOX_WEYL;", "")),
    ("dropout", ("the factor is forgotten", " * params.scale", "")),
    ("dropout", ("dead rows are written", "row >= step.rows", "row >= arrayLength(&output) / params.columns")),
    ("dropout", ("the fourth column is left out", "min(4u, params.columns", "min(3u, params.columns")),
    ("gather", ("an index beyond the data is followed", "row < params.rows", "row <= params.rows")),
    ("gather", ("the padding between steps is forgotten", "s * params.stride", "s * params.batch * params.width")),
    ("gather", ("rows are moved in order", "let row = index[place];", "let row = place;")),
    ("mean_loss", ("the record of the first step", "steps.records[s].step.rows", "steps.records[0].step.rows")),
    ("mean_loss", ("steps without a record", "min(steps.count, arrayLength(&loss))", "arrayLength(&loss)")),
    ("mean_loss", ("the loss scale is forgotten", " * steps.records[s].step.loss_scale", "")),
    ("mean_loss", ("only as many rows as invocations", "r += GROUP", "r += 1000000u")),
    ("mean_loss", ("the tree does not wait", "workgroupBarrier();", "")),
    ("mean_squared_error", ("it is not squared", "difference * difference", "difference")),
    ("mean_squared_error", ("the 2 is forgotten", "2.0 * difference / n", "difference / n")),
    ("mean_squared_error", ("dead rows are written", "row < step.rows;", "row < arrayLength(&row_loss);")),
    ("mean_squared_error", ("the loss scale is forgotten", " / n * step.loss_scale", " / n")),
    ("mean_squared_error", ("the flag is not lowered", "atomicMin(&flag[0], step.index);", "")),
    (
        "mean_squared_error",
        ("a shared row is the first invocation's", "return tree_sum(value, local);", "return value;"),
    ),
    (
        "norm",
        (
            "the root is forgotten",
            "sqrt(tree_sum(sums.x + sums.y + sums.z + sums.w, local))",
            "tree_sum(sums.x + sums.y + sums.z + sums.w, local)",
        ),
    ),
    ("norm", ("one of four sums is left out", " + sums.w", "")),
    ("norm", ("the last block is left out", "if b < arrayLength(&partial)", "if b + 1u < arrayLength(&partial)")),
    ("norm", ("the tree does not wait", "workgroupBarrier();", "")),
    ("norm", ("the flag is not lowered", "atomicMin(&flag[0], step.index);", "")),
    ("perceptron", ("an output of 0 says yes", "output[i] > 0.0", "output[i] >= 0.0")),
    ("perceptron", ("the loss is the error", "error * output[i]", "error")),
    ("perceptron", ("the loss scale is forgotten", " / n * step.loss_scale", " / n")),
    ("perceptron", ("the wrong live rows", "row < step.rows;", "row + 1u < step.rows;")),
    ("rmsprop", ("the flag is not looked at", " || flag[0] != 0xffffffffu", "")),
    ("rmsprop", ("the old mean is used", "sqrt(mean)", "sqrt(square[i] * 0.5)")),
    ("rmsprop", ("weight decay is forgotten", " + params.l2 * p", "")),
    ("rmsprop", ("gradients are not clipped", " * clip(norm[0], params.max_norm)", "")),
    ("sgd", ("the flag is not looked at", " || flag[0] != 0xffffffffu", "")),
    ("sgd", ("weight decay is forgotten", " + params.l2 * p", "")),
    ("sgd", ("uphill", "p - step.learning_rate", "p + step.learning_rate")),
    ("sgd", ("the last element is left out", "i >= arrayLength(&parameter)", "i + 1u >= arrayLength(&parameter)")),
    ("sgd_momentum", ("the flag is not looked at", " || flag[0] != 0xffffffffu", "")),
    ("sgd_momentum", ("momentum is not kept", "momentum[i] = b;", "")),
    ("sgd_momentum", ("momentum is forgotten", "params.momentum * momentum[i] + g", "g")),
    ("sgd_momentum", ("Nesterov's form is forgotten", "params.nesterov == 1u", "false")),
    (
        "softmax_cross_entropy",
        ("the largest logit is not taken out", "exp(output[begin + c] - largest)", "exp(output[begin + c])"),
    ),
    (
        "softmax_cross_entropy",
        (
            "the last column is left out",
            "c < columns; c += PER_ROW) {\n        total",
            "c + 1u < columns; c += PER_ROW) {\n        total",
        ),
    ),
    ("softmax_cross_entropy", ("the wrong class", "c == correct", "c == correct + 1u")),
    ("softmax_cross_entropy", ("dead rows are written", "row < step.rows;", "row < arrayLength(&row_loss);")),
    ("softmax_cross_entropy", ("a shared row has many largest", "return tree_max(value, local);", "return value;")),
    ("softmax_cross_entropy", ("the tree does not wait", "workgroupBarrier();", "")),
    ("softmax_cross_entropy", ("the flag is not lowered", "atomicMin(&flag[0], step.index);", "")),
    ("square_sum", ("it is not squared", "dot(gradient[i], gradient[i])", "dot(gradient[i], vec4(1.0))")),
    ("square_sum", ("the last four are left out", "i < 16u * (b + 1u)", "i + 1u < 16u * (b + 1u)")),
    ("square_sum", ("it is added to what was there", "partial[b] = sum", "partial[b] += sum")),
];

/// The kernel with another text, in its own file or a shared one. Leaked, since kernels are static.
/// A product's op must be cut as `tile` says.
pub fn tampered(kernel: &'static Kernel, tile: &Tile, from: &str, to: &str) -> &'static Kernel {
    let shader = kernel.shader.expect("the kernel has a shader");
    let core = shader.tiles.map(|tiles| (tiles.core)(tile).concat()).unwrap_or_default();
    let text = shader.shared.concat() + &core + shader.source;
    assert!(text.contains(from), "{}: there is no `{from}` to replace", kernel.name);
    let source = Box::leak(text.replacen(from, to, 1).into_boxed_str());
    let tiles = shader.tiles.map(|tiles| Tiles { core: |_| &[], ..tiles });
    Box::leak(Box::new(Kernel { shader: Some(Shader { source, shared: &[], tiles, ..shader }), ..*kernel }))
}

fn substituted(plan: &Plan, kernel: &'static Kernel) -> Plan {
    let mut plan = plan.clone();
    plan.substitute(|original| if original.name == kernel.name { kernel } else { original });
    plan
}

/// Lockstep of a dense layer whose shader is `kernel`.
fn dense(device: &GpuDevice, kernel: &'static Kernel) -> Result<usize> {
    let dense = Dense::new(7, 5, 9);
    let plan = dense.plan(Activation::LeakyRelu { slope: 0.01 }, Mask::new(2, 0.3));
    let mut gpu = Gpu::new(device, substituted(&plan, kernel))?;
    dense.fill(&mut gpu, Values::Real);
    Ok(lockstep::run(&plan, &mut gpu, &[step(6)], &[run(Section::Evaluate, 0)])?.elements())
}

/// Lockstep of an optimizer whose shader is `kernel`, with the flag up and lowered.
fn adamw(device: &GpuDevice, kernel: &'static Kernel) -> Result<usize> {
    let plan = adamw_plan(&Params { epsilon: 0.01, decay: 0.1, max_norm: 1.0, ..ADAM }, 320);
    let mut gpu = Gpu::new(device, substituted(&plan, kernel))?;
    fill_adamw(&mut gpu, 320, 10.0);
    let mut elements = 0;
    for flag in [u32::MAX, 3] {
        gpu.write(find(&plan, "flag"), 0, &[flag])?;
        elements += lockstep::run(&plan, &mut gpu, &[step(1)], &[run(Section::Update, 0)])?.elements();
    }
    Ok(elements)
}

#[test]
fn honest_shaders_pass() {
    let Some(device) = device() else { return };
    assert_eq!(dense(&device, &kernels::dense_forward::KERNEL).expect("the shader is right"), 7 * 9);
    assert_eq!(adamw(&device, &kernels::adamw::KERNEL).expect("the shader is right"), 2 * 3 * 320);
}

#[test]
fn every_sabotaged_shader_is_caught() {
    let Some(device) = device() else { return };
    let caught = |what: &str, name: &str, result: Result<usize>| {
        let message = result.expect_err(what).to_string();
        assert!(message.contains(name), "{what}: {message}");
        println!("caught: {what}: {message}");
    };
    for (what, from, to) in DENSE {
        let kernel = tampered(&kernels::dense_forward::KERNEL, &Tile::PLAIN, from, to);
        caught(what, "evaluate op 0 (dense_forward)", dense(&device, kernel));
    }
    for (what, from, to) in ADAMW {
        let kernel = tampered(&kernels::adamw::KERNEL, &Tile::PLAIN, from, to);
        caught(what, "update op 0 (adamw)", adamw(&device, kernel));
    }
}

#[test]
fn every_sabotaged_shader_is_caught_by_a_case_of_its_kernel() {
    let Some(device) = device() else { return };
    let mut missed = Vec::new();
    for (name, (what, from, to)) in REST {
        let honest = kernels::ALL.into_iter().find(|kernel| kernel.name == *name).expect("a kernel of ours");
        let kernel = tampered(honest, from, to);
        let mut cases = cases_of(name).into_iter();
        match cases.find_map(|case| run_with(&device, &case, kernel).err()) {
            Some(Error::Mismatch { op, view, .. }) => {
                assert!(op.ends_with(&format!("op 0 ({name})")), "{what} in {name} was blamed on {op}");
                println!("caught: {what}: {op}, {view}");
            }
            Some(error) => panic!("{name}: {what}: {error}"),
            None => missed.push(format!("{name}: {what}")),
        }
    }
    assert!(missed.is_empty(), "not caught: {missed:#?}");
}

#[test]
fn every_shader_is_sabotaged_at_least_twice() {
    let count = |name: &str| REST.iter().filter(|(kernel, _)| *kernel == name).count();
    let apart = ["adamw", "dense_forward"];
    for kernel in kernels::ALL.iter().filter(|kernel| kernel.shader.is_some() && !apart.contains(&kernel.name)) {
        assert!(count(kernel.name) >= 2, "{} is sabotaged {} times", kernel.name, count(kernel.name));
    }
}
