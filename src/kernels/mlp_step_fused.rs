//! A fused step of a narrow network but for its update: forward, loss, backward, and each workgroup's share of the
//! gradients, in one op.
//!
//! Formulas, with x₀ = input: `x_l[r, o] = f_l(Σᵢ x_{l−1}[r, i]·W_l[o, i] + b_l[o])`; row_loss and ∂loss/∂x_L as in the
//! loss's own file; `d_L = ∂loss/∂x_L · f′_L(x_L)`, `d_{l−1}[r, i] = Σₒ d_l[r, o]·W_l[o, i] · f′_{l−1}(x_{l−1}[r, i])`;
//! in `partial[p]`, where W_l and b_l have their place in the parameters, `Σᵣ d_l[r, o]·x_{l−1}[r, i]` and `Σᵣ d_l[r, o]`,
//! over the live ones of the `chunk` rows from p·chunk on; 0 between them. Letters: l a layer of 1 to L, r a row of the
//! batch, i an input and o an output of a layer, p a workgroup.
//!
//! | binding | view | shape | access |
//! |---|---|---|---|
//! | 2 | parameters | 1×parameters | read |
//! | 3 | input | rows×inputs | read |
//! | 4 | targets | rows×outputs, or for softmax ×1 | read |
//! | 5 | partial | workgroups×parameters | write |
//! | 6 | row_loss | rows×1 | write |
//! | 7 | flag | 1 | atomic: lowered to the step's index where a row's loss is not finite |
//! | 8 | trace | all x_l, then all d_l | write, by [`TRACED`] alone |
//!
//! With `mlp_step_sum`, which adds the shares, it replaces all ops of `gradients` of a network of dense layers with
//! biases, without dropout. There is no derivative of it: it is that.
//!
//! Rounding: stage by stage as in `dense_forward`, the loss, `dense_grad_input` and `dense_grad_weight`. [`TRACED`]
//! writes each stage's results down, and its CPU kernel and its tolerances take them from the device: each stage is judged alone.
//! [`KERNEL`] keeps none, so that the errors of earlier stages count too; `shared::step_tolerance` says how.

use std::ops::Range;
use std::sync::atomic::AtomicU32;

use crate::kernels::dense_forward;
use crate::kernels::shared::{self, step_tolerance};
use crate::kernels::{activation, dense_grad_input, groups};
use crate::kernels::{binary_cross_entropy, mean_squared_error, perceptron, softmax_cross_entropy};
use crate::plan::{Binding, BufferArg, Call, Kernel, Op, Shader, Step, StepUse, ViewId, WorkItem, words};
use crate::shape::{Dtype, Shape, padded};

words! {
    /// The network, as far as it is not constants of the shader's text.
    pub struct Params {
        /// Rows of the batch.
        batch: u32,
        /// Rows of a workgroup, a multiple of four.
        chunk: u32,
        /// Columns of the input.
        inputs: u32,
        /// How many layers there are.
        layers: u32,
        /// Which of [`LOSSES`].
        loss: u32,
        /// Slope of all leaky_relu.
        slope: f32,
        /// Outputs + 2¹⁶·code of the activation of the first layer; of the others below.
        layer0: u32,
        /// As `layer0`.
        layer1: u32,
        /// As `layer0`.
        layer2: u32,
        /// As `layer0`.
        layer3: u32,
        /// As `layer0`.
        layer4: u32,
        /// As `layer0`.
        layer5: u32,
        /// As `layer0`.
        layer6: u32,
        /// As `layer0`.
        layer7: u32,
        /// As `layer0`.
        layer8: u32,
        /// As `layer0`.
        layer9: u32,
        /// As `layer0`.
        layer10: u32,
        /// As `layer0`.
        layer11: u32,
        /// As `layer0`.
        layer12: u32,
        /// As `layer0`.
        layer13: u32,
        /// As `layer0`.
        layer14: u32,
        /// As `layer0`.
        layer15: u32,
    }
}

/// Losses by the number that [`Params`] has for them.
pub static LOSSES: [&Kernel; 4] =
    [&mean_squared_error::KERNEL, &binary_cross_entropy::KERNEL, &softmax_cross_entropy::KERNEL, &perceptron::KERNEL];

/// More layers have no room in [`Params`].
pub const MOST_LAYERS: usize = 16;

/// Invocations of a workgroup.
pub const GROUP: usize = 128;

/// One layer's place in all that the op sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layer {
    /// Columns of what it reads.
    pub inputs: usize,
    /// Columns of what it writes.
    pub outputs: usize,
    /// Code of its activation.
    pub function: u32,
    /// Where its weight begins in the parameters.
    pub weight: usize,
    /// Where its bias begins.
    pub bias: usize,
    /// Where its bias ends, filling and all.
    pub end: usize,
    /// The first unit of what it reads, in workgroup memory.
    below: usize,
    /// The first unit of what it writes.
    above: usize,
    /// Where x begins in the trace.
    pub output: usize,
    /// Where d begins in the trace.
    pub gradient: usize,
}

impl Params {
    /// A network of layers with so many outputs and these activations.
    pub fn new(batch: usize, inputs: usize, layers: &[(usize, u32)], loss: usize, slope: f32) -> Self {
        let mut words = [0; MOST_LAYERS];
        for (word, (outputs, function)) in words.iter_mut().zip(layers) {
            *word = *outputs as u32 | function << 16;
        }
        let head = [batch as u32, 4, inputs as u32, layers.len() as u32, loss as u32, slope.to_bits()];
        let mut all = [0; 6 + MOST_LAYERS];
        all[..6].copy_from_slice(&head);
        all[6..].copy_from_slice(&words);
        bytemuck::cast(all)
    }

    /// The layers, from the first to the last.
    pub fn network(&self) -> Vec<Layer> {
        let words: [u32; 6 + MOST_LAYERS] = bytemuck::cast(*self);
        let count = (self.layers as usize).clamp(1, MOST_LAYERS);
        let batch = self.batch as usize;
        let mut before = Layer { outputs: self.inputs as usize, ..Layer::default() };
        let mut layers = Vec::with_capacity(count);
        for word in &words[6..6 + count] {
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

    /// Elements of the parameters.
    pub fn parameters(&self) -> usize {
        self.network().last().map_or(0, |layer| layer.end)
    }

    /// Elements of the trace.
    pub fn trace(&self) -> usize {
        self.network().last().map_or(0, |layer| layer.gradient + padded(self.batch as usize * layer.outputs))
    }

    /// Inputs and outputs of all layers: what workgroup memory holds of each row.
    pub fn units(&self) -> usize {
        self.network().last().map_or(0, |layer| layer.above + layer.outputs)
    }

    /// Most rounds that all loops of an invocation take together, with those that write down what lies between.
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

    /// How many workgroups there are, and shares of the gradients.
    pub fn parts(&self) -> usize {
        (self.batch as usize).div_ceil(self.chunk())
    }

    /// Rows of a workgroup: 4 to 64.
    pub fn chunk(&self) -> usize {
        self.chunk.clamp(4, 64) as usize
    }

    /// The live rows of a workgroup.
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
        tolerance: step_tolerance::tolerance,
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

/// Keeps nothing of what lies between. See the module.
pub static KERNEL: Kernel = kernel(
    "mlp_step_fused",
    BINDINGS.split_at(6).0,
    &[shared::STEP, shared::LINE, shared::FINITE, shared::FUNCTIONS, shared::ACTIVATION, shared::UNTRACED],
);

/// Writes down what lies between. See the module.
pub static TRACED: Kernel = kernel(
    "mlp_step_fused_traced",
    &BINDINGS,
    &[shared::STEP, shared::LINE, shared::FINITE, shared::FUNCTIONS, shared::ACTIVATION, shared::TRACED],
);

/// The step on `[parameters, input, targets, partial, row_loss, flag]`, and with a trace where there is one behind.
pub fn op(params: &Params, views: &[ViewId]) -> Op {
    let kernel = if views.len() > 6 { &TRACED } else { &KERNEL };
    Op::new(kernel, views, params, 1)
}

/// Those of the ops that it replaces: what they compute is the same.
fn flops(words: &[u32], _: &[Shape]) -> u64 {
    let p: &Params = bytemuck::from_bytes(bytemuck::cast_slice(words));
    let (batch, layers) = (u64::from(p.batch), p.network());
    let sizes = layers.iter().map(|layer| [layer.inputs as u64, layer.outputs as u64]);
    let forward_and_weights: u64 = sizes.clone().map(|[inputs, outputs]| 4 * outputs * (inputs + 1)).sum();
    let grad_inputs: u64 = sizes.skip(1).map(|[inputs, outputs]| 2 * inputs * (outputs + 1)).sum();
    let Some(last) = layers.last() else { return 0 };
    let outputs = Shape::new(p.batch as usize, last.outputs);
    let loss = (LOSSES[p.loss as usize].flops)(&[outputs.columns as u32], &[outputs]);
    let derivative = if last.function == 0 { 0 } else { 2 * outputs.elements() as u64 };
    batch * (forward_and_weights + grad_inputs) + loss + derivative
}

/// The network as constants: what it would otherwise have to look up for each of its numbers.
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
    format!(
        "const GROUP = {GROUP}u;\nconst CHUNK = {}u;\nconst UNITS = {}u;\nconst LAYERS = {}u;\nconst LOSS = {}u;\n\
         const PARAMETERS = {}u;\n\nfn layer_at(number: u32) -> Layer {{\n    switch number {{\n{cases}    }}\n}}\n",
        p.chunk(),
        // At most what WGSL allows to declare; no device has as much.
        p.units().clamp(1, 65_535 * 4 / p.chunk()),
        layers.len(),
        p.loss,
        p.parameters(),
    )
}

/// What the CPU kernel reads and writes.
pub struct Views<'a> {
    /// All weights and biases.
    pub parameters: &'a [f32],
    /// The batch.
    pub input: &'a [f32],
    /// Its targets' words.
    pub targets: &'a [u32],
    /// Shares of the gradients.
    pub partial: &'a mut [f32],
    /// Losses of the rows.
    pub row_loss: &'a mut [f32],
    /// The flag.
    pub flag: &'a AtomicU32,
    /// All x, and all d.
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

/// The reference implementation, in the stages' own. Where `seen` is what a device has traced, each stage goes on from that, and not
/// from what this CPU kernel had in the stage before.
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
        slope: p.slope,
        layer: 0,
        threshold: 0,
        scale: 1.0,
    };
    let (weight, bias) = (&parameters[weight..bias], &parameters[bias..end]);
    dense_forward::reference(&params, step, 0, step.rows as usize, below, weight, bias, above);
}

/// Writes the rows' losses, and returns d of the last layer, whose outputs are `y`.
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
    (LOSSES[p.loss as usize].reference)(loss_call(&[layer.outputs as u32], step, y, targets, args));
    for (d, y) in d.iter_mut().zip(y) {
        *d *= activation::derivative(layer.function, p.slope, *y);
    }
    d
}

/// What a loss's own kernel is called with; `args` are row_loss, grad and flag.
pub(crate) fn loss_call<'a>(
    columns: &'a [u32; 1],
    step: &'a Step,
    y: &'a [f32],
    targets: &'a [u32],
    args: [BufferArg<'a>; 3],
) -> Call<'a> {
    let items = 0..step.rows as usize;
    let mut call = Call { params: columns, step, steps: &[], items, args: Default::default(), trace: None };
    let all = [BufferArg::Read(bytemuck::cast_slice(y)), BufferArg::Read(targets)].into_iter().chain(args);
    call.args.iter_mut().zip(all).for_each(|(place, batch_index)| *place = batch_index);
    call
}

/// d of the layer `lower`, whose outputs are `y`, from d of the layer above it.
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
        slope: p.slope,
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

/// The shapes of what the op writes: partial, row_loss and trace.
pub fn written(p: &Params) -> [Shape; 3] {
    [Shape::new(p.parts(), p.parameters()), Shape::new(p.batch as usize, 1), Shape::vector(p.trace())]
}
