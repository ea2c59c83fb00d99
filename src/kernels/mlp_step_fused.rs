//! Fused step for small networks: forward pass, loss and backward pass in one dispatch. Each workgroup writes the
//! gradients of its own rows.
//!
//! Formulas, with x₀ = input: `x_l[r, o] = f_l(Σᵢ x_{l−1}[r, i]·W_l[o, i] + b_l[o])`; row_loss and ∂loss/∂x_L as in the
//! kernel of the loss function; `d_L = ∂loss/∂x_L · f′_L(x_L)`, `d_{l−1}[r, i] = Σₒ d_l[r, o]·W_l[o, i] ·
//! f′_{l−1}(x_{l−1}[r, i])`. `partial[p]` has the layout of the parameters: `Σᵣ d_l[r, o]·x_{l−1}[r, i]` in place of
//! W_l, `Σᵣ d_l[r, o]` in place of b_l, and 0 between them. The sums are over the rows in use among the `chunk` rows
//! that begin at p·chunk. Symbols: l a layer from 1 to L, r a row of the batch, i an input and o an output of a layer,
//! p a workgroup.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | parameters | 1×parameters | read |
//! | 3 | input | rows×inputs | read |
//! | 4 | targets | rows×outputs, or for softmax ×1 | read |
//! | 5 | partial | workgroups×parameters | write |
//! | 6 | row_loss | rows×1 | write |
//! | 7 | flag | 1 | atomic min with the step's index if the loss of a row is not finite |
//! | 8 | trace | all x_l, then all d_l | write, only in [`TRACED`] |
//!
//! Together with `mlp_step_sum`, which adds the gradients of the workgroups, it replaces the ops of forward pass, loss
//! and backward pass, for networks of dense layers with biases and without dropout. It has no derivative, since it
//! contains the backward pass.
//!
//! Rounding: stage by stage as in `dense_forward`, the loss, `dense_grad_input` and `dense_grad_weight`. [`TRACED`]
//! writes the results of each stage to a trace. The reference and the tolerances then start each stage from the trace
//! of the device, so each stage is checked alone. [`KERNEL`] has no trace, so the errors of earlier stages are
//! propagated; see `tolerance.rs`.

use std::ops::Range;
use std::sync::atomic::AtomicU32;

pub mod tolerance;

use crate::elementwise::Function;
use crate::kernels::shared::{self, groups, row_loss};
use crate::kernels::{dense_forward, dense_grad_input, loss};
use crate::loss::Loss;
use crate::network::Activation;
use crate::plan::{Binding, BufferArg, Call, Kernel, Op, Shader, Step, StepUse, ViewId, WorkItem, words};
use crate::shape::{Dtype, Shape, padded};

words! {
    /// Kernel parameters: the network. Most of them become constants in the generated shader.
    pub struct Params {
        /// Number of rows per batch.
        batch: u32,
        /// Number of rows per workgroup, a multiple of four.
        chunk: u32,
        /// Number of columns of the input.
        inputs: u32,
        /// Number of layers.
        layers: u32,
        /// Index of the loss function in `LossFunction::ALL`.
        loss: u32,
        /// First parameter of the loss function.
        loss_alpha: f32,
        /// Second parameter of the loss function.
        loss_beta: f32,
        /// First parameter of every activation that has one.
        alpha: f32,
        /// Second parameter of every activation that has two.
        beta: f32,
        /// Number of outputs + 2¹⁶·index of the activation in `Function::ALL`, for the first layer. The fields below
        /// describe the other layers.
        layer0: u32,
        /// Like `layer0`.
        layer1: u32,
        /// Like `layer0`.
        layer2: u32,
        /// Like `layer0`.
        layer3: u32,
        /// Like `layer0`.
        layer4: u32,
        /// Like `layer0`.
        layer5: u32,
        /// Like `layer0`.
        layer6: u32,
        /// Like `layer0`.
        layer7: u32,
        /// Like `layer0`.
        layer8: u32,
        /// Like `layer0`.
        layer9: u32,
        /// Like `layer0`.
        layer10: u32,
        /// Like `layer0`.
        layer11: u32,
        /// Like `layer0`.
        layer12: u32,
        /// Like `layer0`.
        layer13: u32,
        /// Like `layer0`.
        layer14: u32,
        /// Like `layer0`.
        layer15: u32,
    }
}

/// Maximum number of layers that [`Params`] can hold.
pub const MOST_LAYERS: usize = 16;

/// Number of words in [`Params`] before `layer0`.
const HEAD: usize = 9;

/// Number of invocations per workgroup.
pub const GROUP: usize = 128;

/// Sizes and offsets of one layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layer {
    /// Number of inputs.
    pub inputs: usize,
    /// Number of outputs.
    pub outputs: usize,
    /// Index of the activation function in `Function::ALL`.
    pub function: u32,
    /// Start of the weight in the parameters.
    pub weight: usize,
    /// Start of the bias.
    pub bias: usize,
    /// End of the bias, with padding.
    pub end: usize,
    /// Index of the first input unit in workgroup memory.
    below: usize,
    /// Index of the first output unit in workgroup memory.
    above: usize,
    /// Start, in the trace, of x_l: the output of the layer.
    pub output: usize,
    /// Start, in the trace, of d_l: the gradient of the loss with respect to the layer's sums, before the activation.
    pub gradient: usize,
}

impl Params {
    /// Creates the parameters of a network, with four rows per workgroup. Each layer is given by its number of outputs
    /// and the index of its activation in `Function::ALL`. All activations that have parameters share `parameters`.
    pub fn new(batch: usize, inputs: usize, layers: &[(usize, u32)], loss: Loss, parameters: [f32; 2]) -> Self {
        let mut words = [0; MOST_LAYERS];
        for (word, (outputs, function)) in words.iter_mut().zip(layers) {
            *word = *outputs as u32 | function << 16;
        }
        let [loss_alpha, loss_beta, ..] = loss.parameters().map(f32::to_bits);
        let [alpha, beta] = parameters.map(f32::to_bits);
        let sizes = [batch as u32, 4, inputs as u32, layers.len() as u32];
        let head = [&sizes[..], &[loss.number(), loss_alpha, loss_beta, alpha, beta]].concat();
        let mut all = [0; HEAD + MOST_LAYERS];
        all[..HEAD].copy_from_slice(&head);
        all[HEAD..].copy_from_slice(&words);
        bytemuck::cast(all)
    }

    /// Returns the layers, from first to last.
    pub fn network(&self) -> Vec<Layer> {
        let words: [u32; HEAD + MOST_LAYERS] = bytemuck::cast(*self);
        let count = (self.layers as usize).clamp(1, MOST_LAYERS);
        let batch = self.batch as usize;
        let mut before = Layer { outputs: self.inputs as usize, ..Layer::default() };
        let mut layers = Vec::with_capacity(count);
        for word in &words[HEAD..HEAD + count] {
            let (inputs, outputs) = (before.outputs, (word & 0xFFFF) as usize);
            let bias = before.end + padded(outputs * inputs);
            let (below, above) = (before.above, before.above + inputs);
            let output = if layers.is_empty() { 0 } else { before.output + padded(batch * inputs) };
            let (weight, function) = (before.end, word >> 16);
            let end = bias + padded(outputs);
            before = Layer { inputs, outputs, function, weight, bias, end, below, above, output, gradient: 0 };
            layers.push(before);
        }
        let behind = before.output + padded(batch * before.outputs);
        layers.iter_mut().for_each(|layer| layer.gradient = behind + layer.output);
        layers
    }

    /// Returns the loss function.
    pub fn loss(&self) -> Loss {
        Loss::new(self.loss, &[self.loss_alpha, self.loss_beta])
    }

    /// Returns the activation function of a layer.
    pub fn activation(&self, layer: &Layer) -> Activation {
        Activation::new(layer.function, [self.alpha, self.beta])
    }

    /// Returns the number of elements of the view `parameters`.
    pub fn parameters(&self) -> usize {
        self.network().last().map_or(0, |layer| layer.end)
    }

    /// Returns the number of elements of the trace.
    pub fn trace(&self) -> usize {
        self.network().last().map_or(0, |layer| layer.gradient + padded(self.batch as usize * layer.outputs))
    }

    /// Returns the total number of inputs and outputs of all layers, which workgroup memory holds for each row.
    pub fn units(&self) -> usize {
        self.network().last().map_or(0, |layer| layer.above + layer.outputs)
    }

    /// Returns the maximum number of loop iterations of an invocation, including those that write the trace.
    pub fn rounds(&self) -> u64 {
        let fours = self.chunk().div_ceil(4);
        let turns = |count: usize| count.div_ceil(GROUP) + 1;
        let layer = |layer: &Layer| {
            let forward = turns(layer.outputs * fours) * (5 + layer.inputs);
            let gradient = turns(layer.end - layer.weight) * (2 + fours);
            forward + gradient + turns(layer.inputs * fours) * (5 + layer.outputs)
        };
        let network = self.network();
        let losses = turns(fours) * network.last().map_or(0, |layer| 3 * 5 * layer.outputs);
        (turns(self.inputs as usize * fours) + network.iter().map(layer).sum::<usize>() + losses) as u64
    }

    /// Returns the number of workgroups, which is also the number of rows of `partial`.
    pub fn parts(&self) -> usize {
        (self.batch as usize).div_ceil(self.chunk())
    }

    /// Returns the number of rows per workgroup: 4 to 64.
    pub fn chunk(&self) -> usize {
        self.chunk.clamp(4, 64) as usize
    }

    /// Returns the rows of workgroup `part` that are in use. The batch has `rows` rows in use.
    pub fn rows_of(&self, part: usize, rows: usize) -> Range<usize> {
        (part * self.chunk()).min(rows)..((part + 1) * self.chunk()).min(rows)
    }
}

const fn kernel(name: &'static str, bindings: &'static [Binding], shared: &'static [&'static str]) -> Kernel {
    Kernel {
        name,
        bindings,
        params: Params::FIELDS,
        step: StepUse::One,
        item: WorkItem::Part,
        flops,
        reference: run,
        fast: None,
        tolerance: tolerance::tolerance,
        shader: Shader {
            source: include_str!("../../shaders/mlp_step_fused.wgsl"),
            shared,
            prelude,
            grid: |op, _| groups(op.params::<Params>().parts()),
            rounds: Some(|op, _| op.params::<Params>().rounds()),
            tiles: None,
        },
    }
}

const BINDINGS: [Binding; 7] = [
    Binding::read("parameters", Dtype::F32),
    Binding::read("input", Dtype::F32),
    Binding::read("targets", Dtype::U32).any(),
    Binding::write("partial", Dtype::F32),
    Binding::write("row_loss", Dtype::F32),
    Binding::atomic("flag"),
    Binding::trace("trace", Dtype::F32),
];

/// Returns the shared files of a fused step. `trace` has the function that stores the trace, or an empty one.
const fn with_activations(trace: &'static str) -> [&'static str; 7] {
    let [step, linear_index, finite, functions, above, activation] = shared::FOR_ACTIVATIONS;
    [step, linear_index, finite, functions, above, activation, trace]
}

/// Fused step without a trace; see the module documentation.
pub static KERNEL: Kernel = kernel("mlp_step_fused", BINDINGS.split_at(6).0, &with_activations(shared::UNTRACED));

/// Fused step that writes a trace; see the module documentation.
pub static TRACED: Kernel = kernel("mlp_step_fused_traced", &BINDINGS, &with_activations(shared::TRACED));

/// Creates the op of the fused step. `views` are parameters, input, targets, partial, row_loss and flag, optionally
/// followed by the trace.
pub fn op(params: &Params, views: &[ViewId]) -> Op {
    let kernel = if views.len() > 6 { &TRACED } else { &KERNEL };
    Op::new(kernel, views, params, 1)
}

/// Returns the floating-point operations of the ops that the fused step replaces, since it computes the same.
fn flops(words: &[u32], _: &[Shape]) -> u64 {
    let p: &Params = bytemuck::from_bytes(bytemuck::cast_slice(words));
    let (batch, layers) = (u64::from(p.batch), p.network());
    let sizes = layers.iter().map(|layer| [layer.inputs as u64, layer.outputs as u64]);
    let forward_and_weights: u64 = sizes.clone().map(|[inputs, outputs]| 4 * outputs * (inputs + 1)).sum();
    let grad_inputs: u64 = sizes.skip(1).map(|[inputs, outputs]| 2 * inputs * (outputs + 1)).sum();
    let Some(last) = layers.last() else { return 0 };
    let outputs = Shape::new(p.batch as usize, last.outputs);
    let params = row_loss::Params::new(p.loss(), outputs.columns);
    let loss = (loss::kernel(p.loss()).flops)(words_of(&params), &[outputs]);
    let derivative = if last.function == 0 { 0 } else { 2 * outputs.elements() as u64 };
    batch * (forward_and_weights + grad_inputs) + loss + derivative
}

/// Returns the WGSL prelude: the network's sizes and offsets as constants, so that the shader does not load them.
fn prelude(op: &Op) -> String {
    let p: &Params = op.params();
    let layers = p.network();
    let last = layers.len() - 1;
    let case = |(number, layer): (usize, &Layer)| {
        let Layer { inputs, outputs, function, weight, bias, end, below, above, output, gradient } = layer;
        let label = if number == last { "default".into() } else { format!("case {number}u") };
        format!(
            "        {label}: {{\n            return Layer({inputs}u, {outputs}u, {function}u, {weight}u, {bias}u, \
             {end}u, {below}u, {above}u, {output}u, {gradient}u);\n        }}\n"
        )
    };
    let cases: String = layers.iter().enumerate().map(case).collect();
    let mut functions: Vec<u32> = layers.iter().map(|layer| layer.function).collect();
    functions.sort_unstable();
    functions.dedup();
    format!(
        "const GROUP = {GROUP}u;\nconst CHUNK = {}u;\nconst UNITS = {}u;\nconst LAYERS = {}u;\nconst ELEMENTWISE = {};\n\
         const PARAMETERS = {}u;\n\nfn layer_at(number: u32) -> Layer {{\n    switch number {{\n{cases}    }}\n}}\n",
        p.chunk(),
        // The maximum that WGSL allows to declare; no device has that much memory.
        p.units().clamp(1, 65_535 * 4 / p.chunk()),
        layers.len(),
        p.loss().function().element().is_some(),
        p.parameters(),
    ) + &Function::wgsl(&functions)
        + &p.loss().function().wgsl()
}

/// Buffers that the reference reads and writes.
pub struct Views<'a> {
    /// All weights and biases.
    pub parameters: &'a [f32],
    /// Inputs of the batch.
    pub input: &'a [f32],
    /// Targets of the batch, as words.
    pub targets: &'a [u32],
    /// Gradients of each workgroup.
    pub partial: &'a mut [f32],
    /// Loss of each row.
    pub row_loss: &'a mut [f32],
    /// Flag: index of the first step with a loss that is not finite.
    pub flag: &'a AtomicU32,
    /// Trace: all x_l, then all d_l.
    pub trace: &'a mut [f32],
}

fn run(call: Call<'_>) {
    let (p, step, seen) = (*call.params::<Params>(), *call.step, call.trace);
    let [parameters, input, targets, partial, row_loss, flag, trace] = call.args();
    let mut scratch = Vec::new();
    let trace = match trace {
        BufferArg::None => {
            scratch.resize(p.trace(), 0.0);
            &mut scratch
        }
        traced => traced.f32_mut(),
    };
    let (parameters, input, targets) = (parameters.f32(), input.f32(), targets.words());
    let (partial, row_loss, flag) = (partial.f32_mut(), row_loss.f32_mut(), flag.atomic());
    reference(&p, &step, seen, Views { parameters, input, targets, partial, row_loss, flag, trace });
}

/// The reference implementation, made of the reference implementations of the stages. `seen` is the trace of a device.
/// If given, each stage starts from this trace, not from the results of the previous stage here.
pub fn reference(p: &Params, step: &Step, seen: Option<&[f32]>, views: Views<'_>) {
    let Views { parameters, input, targets, partial, row_loss, flag, trace } = views;
    let (layers, rows) = (p.network(), step.rows as usize);
    let earlier =
        |trace: &[f32], begin: usize, columns: usize| seen.unwrap_or(trace)[begin..][..rows * columns].to_vec();
    let mut below = input.to_vec();
    for layer in &layers {
        forward(p, step, layer, parameters, &below, &mut trace[layer.output..]);
        below = earlier(trace, layer.output, layer.outputs);
    }
    for (number, layer) in layers.iter().enumerate().rev() {
        let d = match layers.get(number + 1) {
            None => loss(p, step, layer, &below, targets, row_loss, flag),
            Some(above) => {
                let y = earlier(trace, layer.output, layer.outputs);
                let d = earlier(trace, above.gradient, above.outputs);
                grad_input(p, step, above, layer, parameters, &d, &y)
            }
        };
        trace[layer.gradient..][..d.len()].copy_from_slice(&d);
    }
    partial.fill(0.0);
    for (number, layer) in layers.iter().enumerate() {
        let x = match number {
            0 => input.to_vec(),
            _ => earlier(trace, layers[number - 1].output, layer.inputs),
        };
        let d = earlier(trace, layer.gradient, layer.outputs);
        for (part, partial) in partial.chunks_exact_mut(p.parameters()).enumerate() {
            weight_gradient(layer, p.rows_of(part, rows), &d, &x, partial);
        }
    }
}

fn forward(p: &Params, step: &Step, layer: &Layer, parameters: &[f32], below: &[f32], above: &mut [f32]) {
    let Layer { inputs, outputs, function, weight, bias, end, .. } = *layer;
    let params = dense_forward::Params {
        inputs: inputs as u32,
        outputs: outputs as u32,
        function,
        alpha: p.alpha,
        beta: p.beta,
        layer: 0,
        threshold: 0,
        scale: 1.0,
    };
    let (weight, bias) = (&parameters[weight..bias], &parameters[bias..end]);
    dense_forward::reference(&params, step, 0, step.rows as usize, below, weight, bias, above, None);
}

/// Writes the loss of each row. Returns d of the last layer, whose outputs are `y`.
fn loss(
    p: &Params,
    step: &Step,
    layer: &Layer,
    y: &[f32],
    targets: &[u32],
    row_loss: &mut [f32],
    flag: &AtomicU32,
) -> Vec<f32> {
    let mut d = vec![0.0; y.len()];
    if step.rows == 0 {
        return d;
    }
    let (row_loss, grad) = (bytemuck::cast_slice_mut(row_loss), bytemuck::cast_slice_mut(&mut d));
    let args = [BufferArg::Write(row_loss), BufferArg::Write(grad), BufferArg::Atomic(std::slice::from_ref(flag))];
    let params = row_loss::Params::new(p.loss(), layer.outputs);
    (loss::kernel(p.loss()).reference)(loss_call(&params, step, y, targets, args));
    for (d, y) in d.iter_mut().zip(y) {
        *d *= p.activation(layer).derivative(*y);
    }
    d
}

fn words_of(params: &row_loss::Params) -> &[u32] {
    bytemuck::cast_slice(std::slice::from_ref(params))
}

/// Returns the call of the loss function's kernel. `args` are row_loss, grad and flag.
pub(crate) fn loss_call<'a>(
    params: &'a row_loss::Params,
    step: &'a Step,
    y: &'a [f32],
    targets: &'a [u32],
    args: [BufferArg<'a>; 3],
) -> Call<'a> {
    let items = 0..step.rows as usize;
    let mut call = Call { params: words_of(params), step, steps: &[], items, args: Default::default(), trace: None };
    let all = [BufferArg::Read(bytemuck::cast_slice(y)), BufferArg::Read(targets)].into_iter().chain(args);
    call.args.iter_mut().zip(all).for_each(|(place, argument)| *place = argument);
    call
}

/// Returns d of the layer `lower`, whose outputs are `y`, from d of the layer above it.
fn grad_input(
    p: &Params,
    step: &Step,
    layer: &Layer,
    lower: &Layer,
    parameters: &[f32],
    d: &[f32],
    y: &[f32],
) -> Vec<f32> {
    let params = dense_grad_input::Params {
        inputs: layer.inputs as u32,
        outputs: layer.outputs as u32,
        function: lower.function,
        alpha: p.alpha,
        beta: p.beta,
        layer: 0,
        threshold: 0,
        scale: 1.0,
        keep: 1.0,
    };
    let (weight, mut below) = (&parameters[layer.weight..layer.bias], vec![0.0; y.len()]);
    dense_grad_input::reference(&params, step, 0, step.rows as usize, d, weight, y, &mut below);
    below
}

fn weight_gradient(layer: &Layer, rows: Range<usize>, d: &[f32], x: &[f32], partial: &mut [f32]) {
    let Layer { inputs, outputs, weight, bias, .. } = *layer;
    for o in 0..outputs {
        for i in 0..inputs {
            let mut sum = 0.0f64;
            for r in rows.clone() {
                sum += f64::from(d[r * outputs + o]) * f64::from(x[r * inputs + i]);
            }
            partial[weight + o * inputs + i] = sum as f32;
        }
        let mut sum = 0.0f64;
        for r in rows.clone() {
            sum += f64::from(d[r * outputs + o]);
        }
        partial[bias + o] = sum as f32;
    }
}

/// Returns the shapes of the outputs: partial, row_loss and trace.
pub fn written(p: &Params) -> [Shape; 3] {
    [Shape::new(p.parts(), p.parameters()), Shape::new(p.batch as usize, 1), Shape::vector(p.trace())]
}
