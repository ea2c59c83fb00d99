//! Reference of a dense network in f64, from the formulas: nested loops, and the chain rule by hand.
//!
//! Each number has a tolerance: the largest error of an evaluation with unit roundoff `unit`, for any order of sums. Errors of
//! operands propagate through each operation (exactly, second order included). Its own roundings are added: (k + 2)·unit·Σ|terms|
//! for a sum of k products (Higham, *Accuracy and Stability of Numerical Algorithms*, §3.1). Elementary functions are assumed to
//! be within 2 ULP (4·unit). No exponent is near its limits, so nothing underflows.
//!
//! It shares with the library only the specs, the random generator that defines dropout, and the declared formulas of activation
//! functions, which `tests/activations.rs` compares with PyTorch.

#![allow(dead_code, reason = "each test target uses some of it")]

use std::collections::BTreeMap;

use wgrad::elementwise::numbers::{Dual, Rounded};
use wgrad::rng::{Stream, key, philox};
use wgrad::{Activation, Dense, Layer, Loss, Network};

use super::problem::{Batch, Labels, Parameters};

/// Unit roundoff of f32 and of f64.
pub const SINGLE: f64 = f32::EPSILON as f64 / 2.0;
pub const DOUBLE: f64 = f64::EPSILON / 2.0;

/// A number and its largest error.
#[derive(Clone, Copy, Debug, Default)]
pub struct Value {
    pub value: f64,
    pub error: f64,
}

impl Value {
    pub fn exact(value: impl Into<f64>) -> Self {
        Self { value: value.into(), error: 0.0 }
    }

    /// Largest absolute value within the error.
    fn size(self) -> f64 {
        self.value.abs() + self.error
    }
}

/// Tensors by name, row-major.
pub type Tensors = BTreeMap<String, Vec<Value>>;

/// Parameters as exact numbers.
pub fn exact(parameters: &Parameters) -> Tensors {
    let numbers = |numbers: &Vec<f32>| numbers.iter().map(|number| Value::exact(*number)).collect();
    parameters.iter().map(|(name, tensor)| (name.clone(), numbers(tensor))).collect()
}

/// Results of a step.
pub struct Outcome {
    pub loss: Value,
    pub output: Vec<Value>,
    /// Gradients by the names of their parameters.
    pub gradients: Tensors,
    pub kinks: Kinks,
}

/// Distances and sides of values that are compared with 0.
pub struct Kinks {
    /// Smallest distance from 0, minus the value's error; above 0 if every evaluation takes the same sides.
    pub margin: f64,
    /// For each value, true if it is above 0.
    pub sides: Vec<bool>,
}

impl Kinks {
    fn above(&mut self, x: Value) -> bool {
        // An exact 0, after a ReLU or dropout, is 0 in every evaluation.
        if x.value != 0.0 || x.error != 0.0 {
            self.margin = self.margin.min(x.value.abs() - x.error);
        }
        self.sides.push(x.value > 0.0);
        x.value > 0.0
    }
}

/// f(x) (0) or f′ from its argument (1).
fn of(function: Activation, which: usize, argument: f64) -> f64 {
    function.function().double[which](argument, function.parameters().map(f64::from))
}

/// df/dx, by dual numbers.
fn slope(function: Activation, x: f64) -> f64 {
    let parameters = function.parameters().map(|parameter| Dual::from(f64::from(parameter)));
    (function.function().dual)(Dual::variable(x), parameters).slope
}

/// Largest slope of a function within the error of x, to second order. There is none where the function is straight.
fn steepest(slope: impl Fn(f64) -> f64, x: Value) -> f64 {
    let slopes = [x.value - x.error, x.value, x.value + x.error].map(|x| slope(x).abs());
    let is_curved = slopes.iter().any(|slope| *slope != slopes[1]);
    slopes.into_iter().fold(0.0, f64::max) + if is_curved { x.error } else { 0.0 }
}

/// Error of a derivative that follows from that of its argument. No kink lies within the error, and between two kinks no
/// derivative turns within so small an interval by more than the second order of its length.
fn carried(derivative: impl Fn(f64) -> f64, x: Value) -> f64 {
    let ends = [x.value - x.error, x.value + x.error].map(|end| (derivative(end) - derivative(x.value)).abs());
    let most = ends.into_iter().fold(0.0, f64::max);
    most + if most > 0.0 { x.error * x.error } else { 0.0 }
}

/// Places where a function with this value and slope has a kink or a jump, among some.
fn kinks_among(places: impl IntoIterator<Item = f64>, function: impl Fn(f64) -> (f64, f64)) -> Vec<f64> {
    let mut places: Vec<f64> = places.into_iter().collect();
    places.sort_by(f64::total_cmp);
    places.dedup();
    let differs = |place: &f64| {
        let [left, right] = [place - 1e-9, place + 1e-9].map(&function);
        (left.0 - right.0).abs() > 1e-6 || (left.1 - right.1).abs() > 1e-6
    };
    places.into_iter().filter(differs).collect()
}

/// Places where an activation has a kink or a jump, among 0, ±1, ±3, 6, and plus or minus its parameters.
fn kinks_of(function: Activation) -> Vec<f64> {
    let parameters = function.parameters().map(f64::from).into_iter().flat_map(|parameter| [parameter, -parameter]);
    kinks_among(parameters.chain([0.0, 1.0, -1.0, 3.0, -3.0, 6.0]), |x| (of(function, 0, x), slope(function, x)))
}

pub struct Oracle<'a> {
    pub network: &'a Network,
    pub loss: Loss,
    /// Unit roundoff of the arithmetic whose errors are computed.
    pub unit: f64,
    /// Seed of the dropout masks.
    pub seed: u64,
}

impl Oracle<'_> {
    /// Runs forward pass, loss and backward pass for the step with this index.
    pub fn run(&self, parameters: &Tensors, batch: &Batch, step: u32) -> Outcome {
        let mut kinks = Kinks { margin: f64::INFINITY, sides: Vec::new() };
        let mut views = vec![batch.input.iter().map(|x| Value::exact(*x)).collect::<Vec<_>>()];
        for (number, layer) in self.network.layers().iter().enumerate() {
            let input = &views[number];
            views.push(match *layer {
                Layer::Dense(dense) => self.dense(parameters, number, dense, input, batch.rows),
                Layer::Activation(function) => input.iter().map(|x| self.activate(function, *x, &mut kinks)).collect(),
                Layer::Dropout { rate } => self.drop(number, rate, step, input, batch.rows),
                Layer::LayerNorm | Layer::RmsNorm => self.normalize(parameters, number, input, batch.rows),
                Layer::ResidualStart => input.clone(),
                Layer::ResidualEnd => {
                    let shortcut = &views[self.start_of(number)];
                    let projected = parameters.contains_key(&format!("layer{number}.weight")).then(|| {
                        let dense = Dense::new(input.len() / batch.rows).without_bias();
                        self.dense(parameters, number, dense, shortcut, batch.rows)
                    });
                    self.sums(input, projected.as_ref().unwrap_or(shortcut))
                }
                _ => panic!("the oracle does not support {layer}"),
            });
        }
        let output = views[views.len() - 1].clone();
        let (loss, mut grad) = self.judge(&output, batch, &mut kinks);
        let mut gradients = Tensors::new();
        // Gradients that reach the input of a residual block around it, by the number of its start.
        let mut around: BTreeMap<usize, Vec<Value>> = BTreeMap::new();
        for (number, layer) in self.network.layers().iter().enumerate().rev() {
            let (input, output) = (&views[number], &views[number + 1]);
            grad = match *layer {
                Layer::Dense(dense) => {
                    self.dense_gradients(number, dense, input, &grad, batch.rows, &mut gradients);
                    self.dense_grad_input(parameters, number, dense, &grad, batch.rows)
                }
                Layer::Activation(function) => (0..grad.len())
                    .map(|i| self.product(grad[i], self.derivative(function, input[i], output[i])))
                    .collect(),
                Layer::Dropout { rate } => self.drop(number, rate, step, &grad, batch.rows),
                Layer::LayerNorm | Layer::RmsNorm => {
                    self.normalize_gradients(parameters, number, input, &grad, batch.rows, &mut gradients)
                }
                Layer::ResidualStart => self.sums(&grad, &around[&number]),
                Layer::ResidualEnd => {
                    let start = self.start_of(number);
                    let mut other = grad.clone();
                    if parameters.contains_key(&format!("layer{number}.weight")) {
                        let dense = Dense::new(grad.len() / batch.rows).without_bias();
                        self.dense_gradients(number, dense, &views[start], &grad, batch.rows, &mut gradients);
                        other = self.dense_grad_input(parameters, number, dense, &grad, batch.rows);
                    }
                    around.insert(start, other);
                    grad
                }
                _ => panic!("the oracle does not support {layer}"),
            };
        }
        Outcome { loss, output, gradients, kinks }
    }

    /// One step of plain gradient descent: p ← p − η·g.
    pub fn descend(&self, parameters: &mut Tensors, gradients: &Tensors, learning_rate: f64) {
        for (name, tensor) in parameters {
            for (p, g) in tensor.iter_mut().zip(&gradients[name]) {
                let change = self.scaled(*g, learning_rate, 2.0);
                p.value -= change.value;
                p.error += change.error;
                p.error += self.unit * p.size();
            }
        }
    }

    /// Number of the start of the residual block that layer `end` ends: the last one before it that encloses as many ends as
    /// starts.
    fn start_of(&self, end: usize) -> usize {
        let layers = self.network.layers();
        let count = |start: usize, kind: Layer| layers[start..=end].iter().filter(|layer| **layer == kind).count();
        (0..end)
            .rev()
            .find(|start| count(*start, Layer::ResidualStart) == count(*start, Layer::ResidualEnd))
            .expect("each block has a start")
    }

    /// aᵢ + bᵢ.
    fn sums(&self, a: &[Value], b: &[Value]) -> Vec<Value> {
        assert_eq!(a.len(), b.len());
        a.iter().zip(b).map(|(a, b)| self.sum([*a, *b].into_iter())).collect()
    }

    /// Σ aᵢ·bᵢ.
    fn dot(&self, terms: impl Iterator<Item = (Value, Value)>) -> Value {
        let (mut sum, mut carried, mut size, mut count) = (0.0, 0.0, 0.0, 0.0);
        for (a, b) in terms {
            sum += a.value * b.value;
            carried += a.value.abs() * b.error + b.value.abs() * a.error + a.error * b.error;
            size += a.size() * b.size();
            count += 1.0;
        }
        Value { value: sum, error: carried + (count + 2.0) * self.unit * size }
    }

    fn sum(&self, terms: impl Iterator<Item = Value>) -> Value {
        self.dot(terms.map(|term| (term, Value::exact(1.0))))
    }

    fn product(&self, a: Value, b: Value) -> Value {
        self.dot([(a, b)].into_iter())
    }

    fn difference(&self, a: Value, b: f64) -> Value {
        let value = a.value - b;
        Value { value, error: a.error + self.unit * (value.abs() + a.error) }
    }

    /// x·factor, with this number of roundings.
    fn scaled(&self, x: Value, factor: f64, roundings: f64) -> Value {
        let size = x.size() * factor.abs();
        Value { value: x.value * factor, error: x.error * factor.abs() + roundings * self.unit * size }
    }

    /// y[r, o] = Σᵢ x[r, i]·w[o, i] + b[o].
    fn dense(&self, parameters: &Tensors, number: usize, dense: Dense, input: &[Value], rows: usize) -> Vec<Value> {
        let (weight, inputs) = (&parameters[&format!("layer{number}.weight")], input.len() / rows);
        let bias = parameters.get(&format!("layer{number}.bias"));
        let mut output = Vec::new();
        for r in 0..rows {
            for o in 0..dense.outputs {
                let terms = (0..inputs).map(|i| (input[r * inputs + i], weight[o * inputs + i]));
                let bias = bias.map(|bias| (bias[o], Value::exact(1.0)));
                output.push(self.dot(terms.chain(bias)));
            }
        }
        output
    }

    /// dw[o, i] = Σᵣ g[r, o]·x[r, i], db[o] = Σᵣ g[r, o].
    fn dense_gradients(
        &self,
        number: usize,
        dense: Dense,
        input: &[Value],
        grad: &[Value],
        rows: usize,
        gradients: &mut Tensors,
    ) {
        let (inputs, outputs) = (input.len() / rows, dense.outputs);
        let (mut weight, mut bias) = (Vec::new(), Vec::new());
        for o in 0..outputs {
            for i in 0..inputs {
                weight.push(self.dot((0..rows).map(|r| (grad[r * outputs + o], input[r * inputs + i]))));
            }
            bias.push(self.sum((0..rows).map(|r| grad[r * outputs + o])));
        }
        gradients.insert(format!("layer{number}.weight"), weight);
        if dense.bias {
            gradients.insert(format!("layer{number}.bias"), bias);
        }
    }

    /// dx[r, i] = Σₒ g[r, o]·w[o, i].
    fn dense_grad_input(
        &self,
        parameters: &Tensors,
        number: usize,
        dense: Dense,
        grad: &[Value],
        rows: usize,
    ) -> Vec<Value> {
        let weight = &parameters[&format!("layer{number}.weight")];
        let (outputs, inputs) = (dense.outputs, weight.len() / dense.outputs);
        let mut result = Vec::new();
        for r in 0..rows {
            for i in 0..inputs {
                result.push(self.dot((0..outputs).map(|o| (grad[r * outputs + o], weight[o * inputs + i]))));
            }
        }
        result
    }

    /// (x − m) / √(v + 10⁻⁵) for each x of a row, and 1 / √(v + 10⁻⁵); m is the mean for layer normalization, else 0, and v
    /// the mean of (x − m)².
    fn normal(&self, number: usize, row: &[Value]) -> (Vec<Value>, Value) {
        let mean = |sum: Value| self.scaled(sum, 1.0 / row.len() as f64, 1.0);
        let center = match self.network.layers()[number] {
            Layer::LayerNorm => mean(self.sum(row.iter().copied())),
            _ => Value::exact(0.0),
        };
        let minus = Value { value: -center.value, ..center };
        let distances: Vec<Value> = row.iter().map(|x| self.sum([*x, minus].into_iter())).collect();
        let variance = mean(self.dot(distances.iter().map(|d| (*d, *d))));
        let epsilon = Value { value: 1e-5, error: 1e-5 * self.unit };
        let sum = self.sum([variance, epsilon].into_iter());
        let root = |x: f64| 1.0 / x.sqrt();
        // No variance is below 0.
        let largest = root((sum.value - sum.error).max(1e-5));
        let value = root(sum.value);
        let scale = Value { value, error: largest - value + 4.0 * self.unit * largest };
        (distances.iter().map(|d| self.product(*d, scale)).collect(), scale)
    }

    fn normalize(&self, parameters: &Tensors, number: usize, input: &[Value], rows: usize) -> Vec<Value> {
        let weight = &parameters[&format!("layer{number}.weight")];
        let bias = parameters.get(&format!("layer{number}.bias"));
        let row = |row: &[Value]| {
            let (normal, _) = self.normal(number, row);
            let element = |c: usize| {
                let bias = bias.map(|bias| bias[c]);
                self.sum(std::iter::once(self.product(normal[c], weight[c])).chain(bias))
            };
            (0..row.len()).map(element).collect::<Vec<_>>()
        };
        input.chunks(input.len() / rows).flat_map(row).collect()
    }

    /// With x the normalized row, s its scale and d = g·w: dx = s·(d − mean d − x·mean(d·x)), the mean of d only for layer
    /// normalization; dw = Σᵣ g·x, db = Σᵣ g.
    fn normalize_gradients(
        &self,
        parameters: &Tensors,
        number: usize,
        input: &[Value],
        grad: &[Value],
        rows: usize,
        gradients: &mut Tensors,
    ) -> Vec<Value> {
        let weight = &parameters[&format!("layer{number}.weight")];
        let columns = input.len() / rows;
        let normal: Vec<_> = input.chunks(columns).map(|row| self.normal(number, row)).collect();
        let column = |c: usize| (0..rows).map(move |r| (grad[r * columns + c], r));
        let of_weight = |c: usize| self.dot(column(c).map(|(g, r)| (g, normal[r].0[c])));
        gradients.insert(format!("layer{number}.weight"), (0..columns).map(of_weight).collect());
        if self.network.layers()[number] == Layer::LayerNorm {
            let of_bias = |c: usize| self.sum(column(c).map(|(g, _)| g));
            gradients.insert(format!("layer{number}.bias"), (0..columns).map(of_bias).collect());
        }
        let minus_mean = |sum: Value| self.scaled(sum, -1.0 / columns as f64, 1.0);
        let row = |r: usize| {
            let (x, scale) = &normal[r];
            let d: Vec<Value> = (0..columns).map(|c| self.product(grad[r * columns + c], weight[c])).collect();
            let centered = self.network.layers()[number] == Layer::LayerNorm;
            let mean = if centered { minus_mean(self.sum(d.iter().copied())) } else { Value::exact(0.0) };
            let along = minus_mean(self.dot(d.iter().copied().zip(x.iter().copied())));
            let terms = |c: usize| [d[c], mean, self.product(x[c], along)];
            (0..columns).map(|c| self.product(*scale, self.sum(terms(c).into_iter()))).collect::<Vec<_>>()
        };
        (0..rows).flat_map(row).collect()
    }

    fn activate(&self, function: Activation, x: Value, kinks: &mut Kinks) -> Value {
        for kink in kinks_of(function) {
            kinks.above(Value { value: x.value - kink, ..x });
        }
        let own = function.rounded(Rounded::exact(x.value)).error() * self.unit / SINGLE;
        Value { value: of(function, 0, x.value), error: steepest(|x| slope(function, x), x) * x.error + own }
    }

    /// f′(x). If it is computed from y = f(x), y may have been scaled by dropout and back: four roundings.
    fn derivative(&self, function: Activation, x: Value, y: Value) -> Value {
        let argument =
            if function.keeps_input() { x } else { Value { error: y.error + 4.0 * self.unit * y.size(), ..y } };
        let at = |argument: f64| of(function, 1, argument);
        let own = function.rounded_derivative(Rounded::exact(argument.value)).error() * self.unit / SINGLE;
        Value { value: at(argument.value), error: carried(at, argument) + own }
    }

    /// x / (1 − rate) where the random word of (layer, step, row, column) is at least rate·2³², else 0.
    fn drop(&self, number: usize, rate: f32, step: u32, input: &[Value], rows: usize) -> Vec<Value> {
        let columns = input.len() / rows;
        let rate = f64::from(rate);
        let mut output = Vec::new();
        for (i, x) in input.iter().enumerate() {
            let (row, column) = (i / columns, i % columns);
            let counter = [column as u32 / 4, row as u32, step, (number as u32) << 8 | Stream::Dropout as u32];
            let kept = f64::from(philox(counter, key(self.seed))[column % 4]) >= rate * 2f64.powi(32);
            // Three roundings: of 1 − rate, of its inverse, of the product.
            output.push(if kept { self.scaled(*x, 1.0 / (1.0 - rate), 3.0) } else { Value::exact(0.0) });
        }
        output
    }

    /// Mean loss, and its gradient with respect to the outputs.
    fn judge(&self, output: &[Value], batch: &Batch, kinks: &mut Kinks) -> (Value, Vec<Value>) {
        let columns = output.len() / batch.rows;
        let (losses, gradients) = match &batch.target {
            Labels::Classes(classes) => self.softmax_cross_entropy(output, classes, columns),
            Labels::Numbers(targets) => {
                let pairs = output.iter().zip(targets).map(|(z, t)| self.element(*z, f64::from(*t), kinks));
                let (elements, gradients): (Vec<_>, Vec<_>) = pairs.unzip();
                let row = |row: &[Value]| self.scaled(self.sum(row.iter().copied()), 1.0 / columns as f64, 1.0);
                let mean = |g: Value| self.scaled(g, 1.0 / columns as f64, 1.0);
                (elements.chunks(columns).map(row).collect(), gradients.into_iter().map(mean).collect())
            }
        };
        // Two roundings: of 1 / rows, and of the product.
        let mean = |x: Value| self.scaled(x, 1.0 / batch.rows as f64, 2.0);
        (mean(self.sum(losses.into_iter())), gradients.into_iter().map(mean).collect())
    }

    /// Loss of one output and its derivative, before any mean. Kinks are among 0, ±1, the target, and that plus or minus
    /// parameters.
    fn element(&self, z: Value, t: f64, kinks: &mut Kinks) -> (Value, Value) {
        let element = self.loss.function().element().expect("a loss per element");
        let parameters = self.loss.parameters().map(f64::from);
        let at = |which: usize, z: f64| element.double[which](z, t, parameters);
        let slope = |z: f64| (element.dual)(Dual::variable(z), Dual::from(t), parameters.map(Dual::from)).slope;
        let places = parameters.into_iter().flat_map(|parameter| [t - parameter, t + parameter]);
        for kink in kinks_among(places.chain([0.0, 1.0, -1.0, t]), |z| (at(0, z), slope(z))) {
            kinks.above(Value { value: z.value - kink, ..z });
        }
        let own = |which: usize| {
            let [z, t] = [z.value, t].map(Rounded::exact);
            element.rounded[which](z, t, parameters.map(Rounded::exact)).error() * self.unit / SINGLE
        };
        let loss = Value { value: at(0, z.value), error: steepest(slope, z) * z.error + own(0) };
        (loss, Value { value: at(1, z.value), error: carried(|z| at(1, z), z) + own(1) })
    }

    /// ln Σⱼ eᶻʲ − z_t per row, and softmax(z) − [c = t]. An evaluation may subtract the largest logit first.
    fn softmax_cross_entropy(&self, output: &[Value], classes: &[u32], n: usize) -> (Vec<Value>, Vec<Value>) {
        let (mut losses, mut gradients) = (Vec::new(), Vec::new());
        for (logits, class) in output.chunks(n).zip(classes) {
            let total: f64 = logits.iter().map(|z| z.value.exp()).sum();
            let class = *class as usize;
            let largest = logits.iter().map(|z| z.value).fold(f64::NEG_INFINITY, f64::max);
            let spread = logits.iter().map(|z| largest - z.value).fold(0.0, f64::max);
            let carried = logits.iter().map(|z| z.error).fold(0.0, f64::max);
            // Relative errors: of a power (rounded argument, exponential), and of the sum of n powers.
            let power = (spread + 2.0 * carried + 4.0) * self.unit;
            let sum = power + (n + 2) as f64 * self.unit;
            // The loss changes by at most twice the change of the logits; a logarithm and two differences are rounded.
            let size = 1.0 + (n as f64).ln() + 2.0 * logits.iter().map(|z| z.size()).fold(0.0, f64::max);
            losses.push(Value {
                value: total.ln() - logits[class].value,
                error: 2.0 * carried + sum + 8.0 * self.unit * size,
            });
            // Label smoothing adds ε·(z_t − mean z), a sum of n terms, and ε·([c = t] − 1/n).
            let [epsilon, _] = self.loss.parameters().map(f64::from);
            if epsilon > 0.0 {
                let terms = logits
                    .iter()
                    .map(|z| self.dot([(logits[class], Value::exact(1.0)), (*z, Value::exact(-1.0))].into_iter()));
                let spread = self.scaled(self.sum(terms), epsilon / n as f64, 3.0);
                let last = losses.len() - 1;
                losses[last] = self.sum([losses[last], spread].into_iter());
            }
            for (c, z) in logits.iter().enumerate() {
                let probability = z.value.exp() / total;
                let relative = (2.0 * carried).exp_m1() + 2.0 * (power + sum + self.unit);
                let probability = Value { value: probability, error: probability * relative };
                let own = f64::from(u8::from(c == class));
                let gradient = self.difference(probability, own);
                let smoothing = epsilon * (own - 1.0 / n as f64);
                let smoothing = Value { value: smoothing, error: 3.0 * self.unit * epsilon };
                gradients.push(if epsilon > 0.0 { self.sum([gradient, smoothing].into_iter()) } else { gradient });
            }
        }
        (losses, gradients)
    }
}
