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
use wgrad::elementwise::{Meaning, Row, Targets};
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
    /// Running statistics after the step, by name.
    pub running: Tensors,
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
    fn none() -> Self {
        Self { margin: f64::INFINITY, sides: Vec::new() }
    }

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

/// Lines along which a layer normalizes a row-major matrix: columns for batch normalization, else rows.
fn lines(layer: Layer, matrix: &[Value], rows: usize) -> Vec<Vec<Value>> {
    let columns = matrix.len() / rows;
    match layer {
        Layer::BatchNorm => (0..columns).map(|c| (0..rows).map(|r| matrix[r * columns + c]).collect()).collect(),
        _ => matrix.chunks(columns).map(<[Value]>::to_vec).collect(),
    }
}

/// Terms of the gradients of so many weights, by the place of the weight of each element.
fn gathered<T>(slopes: &[(Value, Option<usize>)], weights: usize, term: impl Fn(usize) -> T) -> Vec<Vec<T>> {
    let mut all: Vec<Vec<T>> = (0..weights).map(|_| Vec::new()).collect();
    for (i, (_, place)) in slopes.iter().enumerate() {
        place.iter().for_each(|place| all[*place].push(term(i)));
    }
    all
}

/// Inverse of [`lines`].
fn matrix(layer: Layer, lines: &[Vec<Value>]) -> Vec<Value> {
    match layer {
        Layer::BatchNorm => (0..lines[0].len()).flat_map(|r| lines.iter().map(move |line| line[r])).collect(),
        _ => lines.concat(),
    }
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
        let mut kinks = Kinks::none();
        let (views, running) = self.forward(parameters, batch, Some(step), &mut kinks);
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
                Layer::AlphaDropout { rate } => self.drop_alpha(number, rate, step, &grad, batch.rows, [0.0; 2]),
                Layer::GaussianNoise { .. } => grad,
                Layer::BatchNorm | Layer::LayerNorm | Layer::RmsNorm => {
                    self.normalize_gradients(parameters, number, input, &grad, batch.rows, &mut gradients)
                }
                Layer::Prelu { .. } | Layer::Scaling => {
                    let name = format!("layer{number}.weight");
                    let slopes = self.slopes(number, &parameters[&name], input, batch.rows, &mut Kinks::none());
                    let terms: Vec<Vec<_>> = gathered(&slopes, parameters[&name].len(), |i| (grad[i], input[i]));
                    gradients.insert(name, terms.into_iter().map(|terms| self.dot(terms.into_iter())).collect());
                    grad.iter().zip(slopes).map(|(g, (slope, _))| self.product(*g, slope)).collect()
                }
                Layer::Gated(gate) => {
                    let (function, half) = (gate.function(), grad.len() / batch.rows);
                    let element = |i: usize| {
                        let (r, c) = (i / (2 * half), i % half);
                        let [a, b] = [c, half + c].map(|c| input[r * 2 * half + c]);
                        let (g, gate) = (grad[r * half + c], self.activate(function, b, &mut Kinks::none()));
                        if i % (2 * half) < half {
                            self.product(g, gate)
                        } else {
                            self.product(self.product(g, a), self.derivative(function, b, gate))
                        }
                    };
                    (0..input.len()).map(element).collect()
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
        Outcome { loss, output, gradients, running, kinks }
    }

    /// Outputs in evaluation: without dropout, and with running statistics.
    pub fn evaluate(&self, parameters: &Tensors, batch: &Batch) -> Vec<Value> {
        let (mut views, _) = self.forward(parameters, batch, None, &mut Kinks::none());
        views.pop().expect("the input at least")
    }

    /// Inputs and the outputs of all layers, in the training step with this index or in evaluation; and the running statistics
    /// after it.
    fn forward(
        &self,
        parameters: &Tensors,
        batch: &Batch,
        step: Option<u32>,
        kinks: &mut Kinks,
    ) -> (Vec<Vec<Value>>, Tensors) {
        let (mut views, mut running) = (vec![batch.input.iter().map(|x| Value::exact(*x)).collect()], Tensors::new());
        for (number, layer) in self.network.layers().iter().enumerate() {
            let input: &Vec<Value> = &views[number];
            views.push(match (*layer, step) {
                (Layer::Dense(dense), _) => self.dense(parameters, number, dense, input, batch.rows),
                (Layer::Activation(function), _) => input.iter().map(|x| self.activate(function, *x, kinks)).collect(),
                (Layer::Prelu { .. } | Layer::Scaling, _) => {
                    let weight = &parameters[&format!("layer{number}.weight")];
                    let slopes = self.slopes(number, weight, input, batch.rows, kinks);
                    input.iter().zip(slopes).map(|(x, (slope, _))| self.product(*x, slope)).collect()
                }
                (Layer::Gated(gate), _) => {
                    let half = input.len() / batch.rows / 2;
                    let row = |row: &[Value]| {
                        let (a, b) = row.split_at(half);
                        let pairs = a.iter().zip(b);
                        pairs
                            .map(|(a, b)| self.product(*a, self.activate(gate.function(), *b, kinks)))
                            .collect::<Vec<_>>()
                    };
                    input.chunks(2 * half).flat_map(row).collect()
                }
                (Layer::Dropout { rate }, Some(step)) => self.drop(number, rate, step, input, batch.rows),
                (Layer::AlphaDropout { rate }, Some(step)) => {
                    self.drop_alpha(number, rate, step, input, batch.rows, [1.0, rate.into()])
                }
                (Layer::GaussianNoise { std }, Some(step)) => self.add_noise(number, std, step, input, batch.rows),
                (Layer::BatchNorm, None) => self.normalize_by_running(parameters, number, input),
                (Layer::BatchNorm | Layer::LayerNorm | Layer::RmsNorm, _) => {
                    if *layer == Layer::BatchNorm {
                        running.extend(self.moved(parameters, number, input, batch.rows));
                    }
                    self.normalize(parameters, number, input, batch.rows)
                }
                (
                    Layer::ResidualStart
                    | Layer::Dropout { .. }
                    | Layer::AlphaDropout { .. }
                    | Layer::GaussianNoise { .. },
                    _,
                ) => input.clone(),
                (Layer::ResidualEnd, _) => {
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
        (views, running)
    }

    /// One step of plain gradient descent: p ← p − η·g.
    pub fn descend(&self, parameters: &mut Tensors, gradients: &Tensors, learning_rate: f64) {
        for (name, gradient) in gradients {
            let tensor = parameters.get_mut(name).expect("a parameter has this gradient");
            for (p, g) in tensor.iter_mut().zip(gradient) {
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

    fn mean(&self, numbers: &[Value]) -> Value {
        self.scaled(self.sum(numbers.iter().copied()), 1.0 / numbers.len() as f64, 1.0)
    }

    /// xᵢ − m.
    fn distances(&self, numbers: &[Value], center: Value) -> Vec<Value> {
        let minus = Value { value: -center.value, ..center };
        numbers.iter().map(|x| self.sum([*x, minus].into_iter())).collect()
    }

    /// 1 / √(v + 10⁻⁵).
    fn scale(&self, variance: Value) -> Value {
        let epsilon = Value { value: 1e-5, error: 1e-5 * self.unit };
        let sum = self.sum([variance, epsilon].into_iter());
        let root = |x: f64| 1.0 / x.sqrt();
        // No variance is below 0.
        let largest = root((sum.value - sum.error).max(1e-5));
        let value = root(sum.value);
        Value { value, error: largest - value + 4.0 * self.unit * largest }
    }

    /// (x − m) / √(v + 10⁻⁵) for each x of a line, and 1 / √(v + 10⁻⁵); m is the mean, or 0 for root mean square normalization,
    /// and v the mean of (x − m)².
    fn normal(&self, centered: bool, line: &[Value]) -> (Vec<Value>, Value) {
        let center = if centered { self.mean(line) } else { Value::exact(0.0) };
        let distances = self.distances(line, center);
        let squares: Vec<Value> = distances.iter().map(|d| self.product(*d, *d)).collect();
        let scale = self.scale(self.mean(&squares));
        (distances.iter().map(|d| self.product(*d, scale)).collect(), scale)
    }

    /// Running statistics of batch normalization after a step: 0.9 of the old, and 0.1 of the batch's mean and variance
    /// Σ(x − m)² / (rows − 1).
    fn moved(&self, parameters: &Tensors, number: usize, input: &[Value], rows: usize) -> Tensors {
        let columns = lines(Layer::BatchNorm, input, rows);
        let means: Vec<Value> = columns.iter().map(|column| self.mean(column)).collect();
        let variance = |(column, mean): (&Vec<Value>, &Value)| {
            let distances = self.distances(column, *mean);
            self.scaled(self.dot(distances.iter().map(|d| (*d, *d))), 1.0 / (rows - 1) as f64, 2.0)
        };
        let variances: Vec<Value> = columns.iter().zip(&means).map(variance).collect();
        let moved = |(part, batch): (&str, Vec<Value>)| {
            let name = format!("layer{number}.{part}");
            let old = parameters[&name].iter().map(|old| self.scaled(*old, 0.9, 2.0));
            let new = batch.iter().map(|new| self.scaled(*new, 0.1, 2.0));
            let moved = old.zip(new).map(|(old, new)| self.sum([old, new].into_iter())).collect();
            (name, moved)
        };
        [("running_mean", means), ("running_var", variances)].into_iter().map(moved).collect()
    }

    fn normalize_by_running(&self, parameters: &Tensors, number: usize, input: &[Value]) -> Vec<Value> {
        let tensor = |part: &str| &parameters[&format!("layer{number}.{part}")];
        let [weight, bias, mean, var] = ["weight", "bias", "running_mean", "running_var"].map(tensor);
        let element = |(i, x): (usize, &Value)| {
            let c = i % weight.len();
            let normal = self.product(self.distances(&[*x], mean[c])[0], self.scale(var[c]));
            self.sum([self.product(normal, weight[c]), bias[c]].into_iter())
        };
        input.iter().enumerate().map(element).collect()
    }

    /// Normalized lines of a matrix, each with its scale: columns for batch normalization, else rows.
    fn normal_lines(&self, number: usize, matrix: &[Value], rows: usize) -> Vec<(Vec<Value>, Value)> {
        let layer = self.network.layers()[number];
        lines(layer, matrix, rows).iter().map(|line| self.normal(layer != Layer::RmsNorm, line)).collect()
    }

    fn normalize(&self, parameters: &Tensors, number: usize, input: &[Value], rows: usize) -> Vec<Value> {
        let layer = self.network.layers()[number];
        let weight = &parameters[&format!("layer{number}.weight")];
        let bias = parameters.get(&format!("layer{number}.bias"));
        let normal: Vec<_> = self.normal_lines(number, input, rows).into_iter().map(|(line, _)| line).collect();
        let element = |(i, normal): (usize, Value)| {
            let c = i % weight.len();
            let bias = bias.map(|bias| bias[c]);
            self.sum(std::iter::once(self.product(normal, weight[c])).chain(bias))
        };
        matrix(layer, &normal).into_iter().enumerate().map(element).collect()
    }

    /// With x the normalized line, s its scale and d = g·w: dx = s·(d − mean d − x·mean(d·x)), the mean of d not for root mean
    /// square normalization; dw = Σᵣ g·x, db = Σᵣ g.
    fn normalize_gradients(
        &self,
        parameters: &Tensors,
        number: usize,
        input: &[Value],
        grad: &[Value],
        rows: usize,
        gradients: &mut Tensors,
    ) -> Vec<Value> {
        let layer = self.network.layers()[number];
        let centered = layer != Layer::RmsNorm;
        let weight = &parameters[&format!("layer{number}.weight")];
        let columns = weight.len();
        let normal = self.normal_lines(number, input, rows);
        let flat = matrix(layer, &normal.iter().map(|(line, _)| line.clone()).collect::<Vec<_>>());
        let column = |c: usize| (0..rows).map(move |r| r * columns + c);
        let of_weight = |c: usize| self.dot(column(c).map(|i| (grad[i], flat[i])));
        gradients.insert(format!("layer{number}.weight"), (0..columns).map(of_weight).collect());
        if centered {
            let of_bias = |c: usize| self.sum(column(c).map(|i| grad[i]));
            gradients.insert(format!("layer{number}.bias"), (0..columns).map(of_bias).collect());
        }
        let d: Vec<Value> = grad.iter().enumerate().map(|(i, g)| self.product(*g, weight[i % columns])).collect();
        let line = |(d, (x, scale)): (&Vec<Value>, &(Vec<Value>, Value))| {
            let minus_mean = |sum: Value| self.scaled(sum, -1.0 / d.len() as f64, 1.0);
            let mean = if centered { minus_mean(self.sum(d.iter().copied())) } else { Value::exact(0.0) };
            let along = minus_mean(self.dot(d.iter().copied().zip(x.iter().copied())));
            let terms = |i: usize| [d[i], mean, self.product(x[i], along)];
            (0..d.len()).map(|i| self.product(*scale, self.sum(terms(i).into_iter()))).collect()
        };
        matrix(layer, &lines(layer, &d, rows).iter().zip(&normal).map(line).collect::<Vec<_>>())
    }

    /// Slope of each element of a layer of slopes, and the place of its weight; none where a positive element is kept.
    fn slopes(
        &self,
        number: usize,
        weight: &[Value],
        input: &[Value],
        rows: usize,
        kinks: &mut Kinks,
    ) -> Vec<(Value, Option<usize>)> {
        let columns = input.len() / rows;
        let bends = matches!(self.network.layers()[number], Layer::Prelu { .. });
        let element = |(i, x): (usize, &Value)| {
            if bends && kinks.above(*x) {
                return (Value::exact(1.0), None);
            }
            let place = if weight.len() == 1 { 0 } else { i % columns };
            (weight[place], Some(place))
        };
        input.iter().enumerate().map(element).collect()
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

    /// Random words of four columns of (layer, step, row), the element's place among them, and the element.
    fn words<'a>(
        &'a self,
        number: usize,
        step: u32,
        input: &'a [Value],
        rows: usize,
    ) -> impl Iterator<Item = ([u32; 4], usize, Value)> + 'a {
        let columns = input.len() / rows;
        input.iter().enumerate().map(move |(i, x)| {
            let (row, column) = (i / columns, i % columns);
            let counter = [column as u32 / 4, row as u32, step, (number as u32) << 8 | Stream::Dropout as u32];
            (philox(counter, key(self.seed)), column % 4, *x)
        })
    }

    /// x / (1 − rate) where the random word is at least rate·2³², else 0.
    fn drop(&self, number: usize, rate: f32, step: u32, input: &[Value], rows: usize) -> Vec<Value> {
        let rate = f64::from(rate);
        let element = |(words, k, x): ([u32; 4], usize, Value)| {
            // Three roundings: of 1 − rate, of its inverse, of the product.
            let kept = f64::from(words[k]) >= rate * 2f64.powi(32);
            if kept { self.scaled(x, 1.0 / (1.0 - rate), 3.0) } else { Value::exact(0.0) }
        };
        self.words(number, step, input, rows).map(element).collect()
    }

    /// Alpha dropout: a·x + b where dropout keeps x, else a·α′ + b; a and b as in Klambauer et al. 2017, with the lowest
    /// value α′ of SELU. `factors` are those of α′ and of b: 0 for a gradient, else 1 and the rate.
    fn drop_alpha(
        &self,
        number: usize,
        rate: f32,
        step: u32,
        input: &[Value],
        rows: usize,
        factors: [f64; 2],
    ) -> Vec<Value> {
        const ALPHA: f64 = -1.7580993408473766;
        let rate = f64::from(rate);
        let a = ((1.0 - rate) * (1.0 + rate * ALPHA * ALPHA)).powf(-0.5);
        let [lowest, b] = [factors[0] * ALPHA, -a * ALPHA * factors[1]];
        let element = |(words, k, x): ([u32; 4], usize, Value)| {
            let rounded = |value: f64| Value { value, error: self.unit * value.abs() };
            if f64::from(words[k]) < rate * 2f64.powi(32) {
                return rounded(a * lowest + b);
            }
            // Roundings of a and of the product, of b, and of their sum.
            let product = self.scaled(x, a, 2.0);
            if b == 0.0 { product } else { self.sum([product, rounded(b)].into_iter()) }
        };
        self.words(number, step, input, rows).map(element).collect()
    }

    /// x + std·n, with two normal numbers n of two words (Box and Muller 1958).
    fn add_noise(&self, number: usize, std: f32, step: u32, input: &[Value], rows: usize) -> Vec<Value> {
        let element = |(words, k, x): ([u32; 4], usize, Value)| {
            let [share, turn] =
                [words[k / 2 * 2], words[k / 2 * 2 + 1]].map(|word| f64::from(word >> 8) / 2f64.powi(24));
            let radius = (-2.0 * (share + 2f64.powi(-24)).ln()).sqrt();
            let angle = std::f64::consts::TAU * turn;
            let n = f64::from(std) * radius * if k % 2 == 0 { angle.cos() } else { angle.sin() };
            // Three elementary functions, and a quotient and two products.
            self.sum([x, Value { value: n, error: 16.0 * self.unit * n.abs() }].into_iter())
        };
        self.words(number, step, input, rows).map(element).collect()
    }

    /// Mean loss, and its gradient with respect to the outputs.
    fn judge(&self, output: &[Value], batch: &Batch, kinks: &mut Kinks) -> (Value, Vec<Value>) {
        let columns = output.len() / batch.rows;
        let (losses, gradients) = match &batch.target {
            _ if self.loss.function().row().is_some() => {
                let rows = output.chunks(columns).enumerate().map(|(r, row)| self.row(row, &batch.target, r, kinks));
                let (losses, gradients): (Vec<_>, Vec<_>) = rows.unzip();
                (losses, gradients.concat())
            }
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

    /// Loss of a whole row and its derivatives. An error of an output changes each by what the declared formula changes at
    /// both ends of the error; the second order is that of the sum of all errors.
    fn row(&self, outputs: &[Value], targets: &Labels, r: usize, kinks: &mut Kinks) -> (Value, Vec<Value>) {
        let function = self.loss.function();
        let row = function.row().expect("a loss of whole rows");
        let each = self.loss.target_columns(outputs.len());
        let numbers: Vec<f64> = match targets {
            Labels::Classes(_) => Vec::new(),
            Labels::Numbers(numbers) => numbers[r * each..(r + 1) * each].iter().map(|t| f64::from(*t)).collect(),
        };
        let class = if let Labels::Classes(classes) = targets { Some(classes[r] as usize) } else { None };
        self.row_kinks(outputs, &numbers, class, kinks);
        let parameters = self.loss.parameters();
        let at = |outputs: &[f64]| {
            let targets = class.map_or(Targets::Numbers(&numbers[..]), Targets::Class);
            let parameters = parameters.map(f64::from);
            let mut gradient = vec![0.0; outputs.len()];
            let loss = (row.double)(&Row { meaning: function.output, parameters, outputs, targets }, &mut gradient);
            gradient.push(loss);
            gradient
        };
        let values: Vec<f64> = outputs.iter().map(|z| z.value).collect();
        let center = at(&values);
        let mut errors = self.row_roundings(&values, &numbers, class);
        let total: f64 = outputs.iter().map(|z| z.error).sum();
        for (c, z) in outputs.iter().enumerate() {
            let ends = [z.error, -z.error].map(|error| {
                let mut moved = values.clone();
                moved[c] += error;
                at(&moved)
            });
            for (i, error) in errors.iter_mut().enumerate() {
                *error += ends.iter().map(|end| (end[i] - center[i]).abs()).fold(0.0, f64::max);
            }
        }
        let value = |(value, error): (&f64, &f64)| Value { value: *value, error: error + total * total };
        let mut found: Vec<Value> = center.iter().zip(&errors).map(value).collect();
        let loss = found.pop().expect("the loss is last");
        (loss, found)
    }

    /// Roundings of the derivatives, and of the loss of a row, from its declaration.
    fn row_roundings(&self, outputs: &[f64], numbers: &[f64], class: Option<usize>) -> Vec<f64> {
        let function = self.loss.function();
        let exact = |numbers: &[f64]| numbers.iter().map(|number| Rounded::exact(*number)).collect::<Vec<_>>();
        let (outputs, numbers) = (exact(outputs), exact(numbers));
        let targets = class.map_or(Targets::Numbers(&numbers[..]), Targets::Class);
        let parameters = self.loss.parameters().map(Rounded::exact_f32);
        let mut found = outputs.clone();
        let row = Row { meaning: function.output, parameters, outputs: &outputs, targets };
        let loss = (function.row().expect("a loss of whole rows").rounded)(&row, &mut found);
        found.push(loss);
        found.into_iter().map(|number| number.error() * self.unit / SINGLE).collect()
    }

    /// Kinks of a loss of a row: errors of 0 of quantiles, and scores that the margin divides. The cosine has none, but
    /// its derivatives grow with the inverse of the length of the outputs, which has to be at least 1/4.
    fn row_kinks(&self, outputs: &[Value], numbers: &[f64], class: Option<usize>, kinks: &mut Kinks) {
        let [margin, ..] = self.loss.parameters().map(f64::from);
        if self.loss.function().output == Meaning::Direction {
            let length = outputs.iter().map(|z| z.value * z.value).sum::<f64>().sqrt();
            kinks.margin = kinks.margin.min(length - 0.25);
        }
        for (c, z) in outputs.iter().enumerate() {
            match (self.loss.function().output, class) {
                (Meaning::Quantiles, _) => {
                    let t = numbers[c / self.loss.outputs_per_target()];
                    kinks.above(Value { value: z.value - t, ..*z });
                }
                (Meaning::ClassScore, Some(class)) if c != class => {
                    let own = outputs[class];
                    kinks.above(Value { value: z.value - own.value + margin, error: z.error + own.error });
                }
                _ => {}
            }
        }
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
            let [epsilon, ..] = self.loss.parameters().map(f64::from);
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
