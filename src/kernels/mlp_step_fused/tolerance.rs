//! Rounding tolerances of a fused step.
//!
//! Each stage has the tolerance of the op that it replaces. Without a trace, the inputs that a stage had on the device
//! are unknown. The error of earlier stages is then propagated. Below, e(·) is the error of a number and r(·) is the
//! tolerance of the stage itself:
//!
//! - x = f(s), s = Σᵢ x′ᵢ·wᵢ + b: e(s) = r(s) + Σ|wᵢ|·e(x′ᵢ); [`Rounded`] propagates it through f.
//! - losses and their gradients: [`Rounded`] propagates e(y); of the softmax, `carried` does.
//! - d = s·f′(y), s = Σₒ dₒ·wₒ: e(s) = r(s) + Σ|wₒ|·e(dₒ); [`Rounded`] propagates e(s) and e(y).
//! - Σᵣ dᵣ·xᵣ: r(…) + Σ(|dᵣ|·e(xᵣ) + |xᵣ|·e(dᵣ) + e(dᵣ)·e(xᵣ)).
//!
//! The tolerance of a stage is proportional to magnitudes, which are taken from the reference. On the device, a
//! magnitude can be larger by the propagated error. The factor `MORE` covers this, since a tolerance is less than a
//! hundredth of its magnitude.

use super::{Layer, Params, Views, loss_call, reference, written};
use crate::elementwise::ElementLoss;
use crate::elementwise::numbers::Rounded;
use crate::kernels::shared::row_loss;
use crate::kernels::{dense_grad_input_sum, element_loss, softmax_cross_entropy};
use crate::numeric::Sum;
use crate::plan::{BufferArg, Call, Step, Tolerance};

/// Factor for magnitudes that are larger on the device; see the module documentation.
const MORE: f64 = 1.01;

/// Numbers with their errors.
#[derive(Clone, Debug)]
struct Values {
    numbers: Vec<f32>,
    errors: Vec<f64>,
}

impl Values {
    fn rounded(&self, at: usize) -> Rounded {
        Rounded::new(self.numbers[at].into(), self.errors[at])
    }
}

/// Known values and tolerances of the stages of one step.
struct Stages<'a> {
    p: &'a Params,
    step: &'a Step,
    parameters: &'a [f32],
    /// Values of the trace.
    trace: Vec<f32>,
    /// True if the errors of earlier stages are propagated.
    carries: bool,
    /// Tolerances of the trace.
    tolerances: Vec<f64>,
}

/// Returns the tolerances of partial, row_loss and flag, and of the trace if there is one.
pub fn tolerance(before: &Call<'_>, after: &Call<'_>) -> Vec<Tolerance> {
    let p = *before.params::<Params>();
    let traced = !matches!(after.args[6], BufferArg::None);
    let trace = match (before.trace, traced) {
        (Some(seen), _) => seen.to_vec(),
        (None, true) => after.f32(6).to_vec(),
        (None, false) => recomputed(&p, before),
    };
    let tolerances = vec![0.0; trace.len()];
    let (parameters, rows) = (before.f32(0), before.step.rows as usize);
    let mut stages = Stages { p: &p, step: before.step, parameters, trace, carries: !traced, tolerances };
    let input = &before.f32(1)[..rows * p.inputs as usize];
    let input = Values { numbers: input.to_vec(), errors: vec![0.0; input.len()] };
    let layers = p.network();
    let mut below = input.clone();
    for layer in &layers {
        stages.forward(layer, &below);
        below = stages.earlier(layer.output, layer.outputs);
    }
    let mut losses = Vec::new();
    for (number, layer) in layers.iter().enumerate().rev() {
        match layers.get(number + 1) {
            None => losses = stages.loss(layer, &below, before.words(2)),
            Some(above) => stages.grad_input(above, layer),
        }
    }
    let mut partial = vec![0.0; after.f32(3).len()];
    for (number, layer) in layers.iter().enumerate() {
        let x = if number == 0 { input.clone() } else { stages.earlier(layers[number - 1].output, layer.inputs) };
        stages.weight_gradient(layer, &x, &mut partial);
    }
    let mut tolerances = vec![Tolerance::Each(partial), Tolerance::Each(losses), Tolerance::Exact];
    tolerances.extend(traced.then_some(Tolerance::Each(stages.tolerances)));
    tolerances
}

/// Returns the trace that the reference implementation computes.
fn recomputed(p: &Params, before: &Call<'_>) -> Vec<f32> {
    let [partial, row_loss, trace] = written(p).map(|shape| vec![0.0; shape.elements()]);
    let (mut partial, mut row_loss, mut trace, flag) = (partial, row_loss, trace, u32::MAX.into());
    let (parameters, input, targets) = (before.f32(0), before.f32(1), before.words(2));
    let (partial, row_loss) = (&mut partial, &mut row_loss);
    let views = Views { parameters, input, targets, partial, row_loss, flag: &flag, trace: &mut trace };
    reference(p, before.step, None, views);
    trace
}

impl Stages<'_> {
    fn rows(&self) -> usize {
        self.step.rows as usize
    }

    /// Returns the rows in use of one matrix of the trace, with their errors.
    fn earlier(&self, begin: usize, columns: usize) -> Values {
        let range = begin..begin + self.rows() * columns;
        let errors = if self.carries { self.tolerances[range.clone()].to_vec() } else { vec![0.0; range.len()] };
        Values { numbers: self.trace[range].to_vec(), errors }
    }

    fn forward(&mut self, layer: &Layer, below: &Values) {
        let Layer { inputs, outputs, weight, bias, output, .. } = *layer;
        for at in 0..self.rows() * outputs {
            let (r, o) = (at / outputs, at % outputs);
            let (mut sum, mut carried) = (Sum::default(), 0.0);
            for i in 0..inputs {
                let w = self.parameters[weight + o * inputs + i];
                sum.add(below.numbers[r * inputs + i], w);
                carried += f64::from(w.abs()) * below.errors[r * inputs + i];
            }
            sum.add(self.parameters[bias + o], 1.0);
            self.tolerances[output + at] = self.p.activation(layer).rounded(rounded(&sum, carried)).error();
        }
    }

    /// Computes the tolerances of d of the last layer, whose outputs are `y`. Returns the tolerances of the row losses.
    fn loss(&mut self, layer: &Layer, y: &Values, targets: &[u32]) -> Vec<f64> {
        // `specialize::fused_step` accepts losses per element and the softmax alone.
        let (losses, gradients) = match self.p.loss().function().element() {
            Some(function) => self.elements(function, layer.outputs, y, targets),
            None => self.softmax(layer.outputs, y, targets),
        };
        for (at, gradient) in gradients.into_iter().enumerate() {
            let derivative = self.p.activation(layer).rounded_derivative(y.rounded(at));
            self.tolerances[layer.gradient + at] = (gradient * derivative).error();
        }
        losses
    }

    /// Returns the tolerances of the row losses, and the gradients with their errors.
    fn elements(
        &self,
        function: &ElementLoss,
        columns: usize,
        y: &Values,
        targets: &[u32],
    ) -> (Vec<f64>, Vec<Rounded>) {
        let (mut losses, mut gradients) = (Vec::new(), Vec::new());
        for r in 0..self.rows() {
            let outputs: Vec<_> = (0..columns).map(|c| y.rounded(r * columns + c)).collect();
            let parameters = self.p.loss().parameters();
            let target = |c| f32::from_bits(targets[r * columns + c]);
            let (loss, found) = element_loss::rounded(function, parameters, self.step.loss_scale, &outputs, target);
            losses.push(loss.error());
            gradients.extend(found);
        }
        (losses, gradients)
    }

    /// Like [`Self::elements`], for the softmax: the tolerances of its own kernel, plus the effects of the errors of
    /// `y`.
    fn softmax(&self, columns: usize, y: &Values, targets: &[u32]) -> (Vec<f64>, Vec<Rounded>) {
        let own = Softmax::new(self.p, self.step, columns, &y.numbers, targets);
        let mut losses = own.losses;
        let mut gradients = Vec::new();
        for (r, loss) in losses.iter_mut().enumerate() {
            let all = r * columns..(r + 1) * columns;
            let (carried_loss, carried) = carried(self.step, &y.numbers[all.clone()], &y.errors[all.clone()]);
            *loss = more(*loss, carried_loss);
            gradients.extend(
                all.zip(carried)
                    .map(|(at, carried)| Rounded::new(own.gradients[at].into(), more(own.tolerances[at], carried))),
            );
        }
        (losses, gradients)
    }

    fn grad_input(&mut self, layer: &Layer, lower: &Layer) {
        let Layer { inputs, outputs, weight, .. } = *layer;
        let (d, y) = (self.earlier(layer.gradient, outputs), self.earlier(lower.output, inputs));
        for at in 0..self.rows() * inputs {
            let (r, i) = (at / inputs, at % inputs);
            let (mut sum, mut carried) = (Sum::default(), 0.0);
            for o in 0..outputs {
                let w = self.parameters[weight + o * inputs + i];
                sum.add(d.numbers[r * outputs + o], w);
                carried += f64::from(w.abs()) * d.errors[r * outputs + o];
            }
            let sum = rounded(&sum, carried);
            let tolerance = dense_grad_input_sum::rounding(self.p.activation(lower), [1.0; 2], sum, y.rounded(at));
            self.tolerances[lower.gradient + at] = tolerance;
        }
    }

    fn weight_gradient(&self, layer: &Layer, x: &Values, partial: &mut [f64]) {
        let Layer { inputs, outputs, weight, bias, .. } = *layer;
        let d = self.earlier(layer.gradient, outputs);
        for (part, partial) in partial.chunks_exact_mut(self.p.parameters()).enumerate() {
            let rows = self.p.rows_of(part, self.rows());
            let entry = |o: usize, x: &dyn Fn(usize) -> (f32, f64)| {
                let (mut sum, mut carried) = (Sum::default(), 0.0);
                for r in rows.clone() {
                    let ((d, d_error), (x, x_error)) = ((d.numbers[r * outputs + o], d.errors[r * outputs + o]), x(r));
                    sum.add(d, x);
                    carried += f64::from(d.abs()) * x_error + (f64::from(x.abs()) + x_error) * d_error;
                }
                more(sum.tolerance(), carried)
            };
            for o in 0..outputs {
                for i in 0..inputs {
                    let at = |r: usize| (x.numbers[r * inputs + i], x.errors[r * inputs + i]);
                    partial[weight + o * inputs + i] = entry(o, &at);
                }
                partial[bias + o] = entry(o, &|_| (1.0, 0.0));
            }
        }
    }
}

/// Returns a sum with its own tolerance and the propagated error.
fn rounded(sum: &Sum, carried: f64) -> Rounded {
    Rounded::new(sum.value, more(sum.tolerance(), carried))
}

/// Combines the tolerance of a stage with the propagated error.
fn more(own: f64, carried: f64) -> f64 {
    if carried > 0.0 { MORE * (own + carried) } else { own }
}

/// Results and tolerances of `softmax_cross_entropy` for given outputs.
struct Softmax {
    gradients: Vec<f32>,
    losses: Vec<f64>,
    tolerances: Vec<f64>,
}

impl Softmax {
    fn new(p: &Params, step: &Step, columns: usize, y: &[f32], targets: &[u32]) -> Self {
        let kernel = &softmax_cross_entropy::KERNEL;
        let (params, flag) = (row_loss::Params::new(p.loss(), columns), [u32::MAX.into()]);
        let (mut losses, mut gradients) = (vec![0u32; step.rows as usize], vec![0u32; y.len()]);
        let args = [BufferArg::Write(&mut losses), BufferArg::Write(&mut gradients), BufferArg::Atomic(&flag)];
        if step.rows > 0 {
            (kernel.reference)(loss_call(&params, step, y, targets, args));
        }
        let args = || [BufferArg::Read(&losses), BufferArg::Read(&gradients), BufferArg::Read(&[0])];
        let [before, after] = [args(), args()].map(|args| loss_call(&params, step, y, targets, args));
        let mut tolerances = (kernel.tolerance)(&before, &after).into_iter();
        let mut next = || match tolerances.next() {
            Some(Tolerance::Each(tolerances)) => tolerances,
            _ => vec![0.0; y.len()],
        };
        let (losses, tolerances) = (next(), next());
        Self { gradients: bytemuck::cast_vec(gradients), losses, tolerances }
    }
}

fn largest(errors: &[f64]) -> f64 {
    errors.iter().copied().fold(0.0, f64::max)
}

/// Returns the errors of a row's loss and of its gradients that follow from the errors of its outputs. The loss changes
/// by at most twice the largest error e. The probabilities change by factors between e^(−2e) and e^(2e), and by at
/// most 1.
fn carried(step: &Step, y: &[f32], errors: &[f64]) -> (f64, Vec<f64>) {
    let most = 2.0 * largest(errors);
    let scale = f64::from(step.loss_scale);
    (most, softmax(y).map(|p| (p * most.exp_m1()).min(1.0) * scale).collect())
}

fn softmax(z: &[f32]) -> impl Iterator<Item = f64> {
    let largest = z.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let power = move |z: &f32| (f64::from(*z) - f64::from(largest)).exp();
    let total: f64 = z.iter().map(power).sum();
    z.iter().map(move |z| power(z) / total)
}
