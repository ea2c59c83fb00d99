//! The tests are tested: each of these wrong shaders must be caught, and its op named.

use wgrad::Result;
use wgrad::exec::gpu::{Gpu, GpuDevice};
use wgrad::exec::{Executor, lockstep};
use wgrad::kernels;
use wgrad::kernels::adamw::Params;
use wgrad::kernels::dropout::Mask;
use wgrad::network::Activation;
use wgrad::plan::{Kernel, Plan, Section, Shader, Tile, Tiles};

use crate::common::device;
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
