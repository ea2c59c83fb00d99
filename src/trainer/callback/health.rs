//! Health of a training run: norms of gradients and updates, dead and saturated units.

use std::ops::ControlFlow;

use serde::Serialize;

use crate::activation::Activation;
use crate::data::Dataset;
use crate::error::Result;
use crate::model::{Model, Tensor, prepared};
use crate::network::{Layer, Node};
use crate::optim::TensorSettings;
use crate::trainer::callback::{Finding, FindingKind};
use crate::trainer::{Callback, Epoch, Trainer};

/// Largest number of rows of which the outputs of layers are computed.
const ROWS: usize = 256;
/// Fraction of a layer's units that may be dead or saturated without a finding. In networks that train well, a quarter
/// of the units of a second layer may be dead from the start.
const IDLE: f64 = 0.4;
/// Fraction of a function's largest slope below which a unit is saturated: |tanh x| > 0.995.
const FLAT: f32 = 0.01;
/// Distance from 0 at which a function that saturates is flat.
const SATURATING_INPUT: f32 = 50.0;
/// Ratio between the gradients of a layer and of the last dense layer: above it they explode, below 1 / `DEPTH` they
/// vanish.
const DEPTH: f64 = 1000.0;
/// Largest change of a layer by a step, relative to its parameters, without a finding. 0.001 is usual.
const LARGEST_UPDATE: f64 = 0.2;

/// Examines a network after each epoch, and reports problems with a remedy: dead and saturated units, vanishing and
/// exploding gradients, large updates.
///
/// The norms are those of the gradients of the epoch's last step, and of the update that these gradients would make
/// once more. The outputs of layers are computed for up to 256 rows, without dropout. Training gives the same bits as
/// without this callback.
///
/// The numbers are added to [`Epoch::scalars`]: `gradient_norm/layer0`, `update_ratio/layer0`, `dead_units/layer1`,
/// `saturated_units/layer1` and so on. Add logs after this callback, so that they contain these numbers.
///
/// # Examples
/// ```
/// # use wgrad::{Dataset, Device, Fit, Loss, Network, Trainer};
/// use wgrad::trainer::Health;
/// // Weights are positive and inputs negative, so no unit of the relu is ever above 0.
/// let network = Network::parse(1, "dense(16, init=constant(1)) relu 1")?;
/// let mut trainer = Trainer::builder(network).loss(Loss::mean_squared_error()).build(&Device::cpu())?;
/// let train = Dataset::from_rows([[-1.0], [-2.0]], [1.0, 2.0])?;
/// let mut health = Health::new(&train);
/// trainer.fit(&train, Fit::epochs(3).callback(&mut health))?;
/// assert_eq!(health.findings()[0].problem, "layer 1 (relu): 16 of 16 units are 0 for all of 2 rows");
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Health {
    /// Raw inputs.
    inputs: Vec<f32>,
    rows: usize,
    layers: Vec<LayerHealth>,
    findings: Vec<Finding>,
}

/// Numbers of a layer after an epoch.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LayerHealth {
    /// Number of the layer, from 0.
    pub layer: usize,
    /// Text of the layer, such as `dense(64)`.
    pub name: String,
    /// Norm of the gradients of all trained parameters of the layer; `None` if the layer has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradient_norm: Option<f64>,
    /// Norm of the change of the layer's trained parameters in one step, divided by the norm of the parameters; `None`
    /// if there are none, or all are 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update_ratio: Option<f64>,
    /// Number of units: outputs of the layer per row.
    pub units: usize,
    /// Units that are 0 for all rows, with a derivative of 0; `None` if the layer cannot have such units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_units: Option<usize>,
    /// Units whose derivative is below 1 % of its largest value for all rows; `None` if the layer does not saturate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saturated_units: Option<usize>,
    /// Root mean square of the weights' gradients; `None` if the layer is not dense, or is frozen.
    #[serde(skip)]
    weight_gradient: Option<f64>,
}

impl Health {
    /// Creates the callback. Outputs of layers are computed for evenly spaced rows of `data`, at most 256; the training
    /// set is a good choice.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{data, trainer::Health};
    /// let health = Health::new(&data::xor());
    /// assert!(health.findings().is_empty(), "no epoch is done yet");
    /// ```
    pub fn new(data: &Dataset) -> Self {
        let chosen: Vec<usize> = (0..data.len()).step_by(data.len().div_ceil(ROWS).max(1)).collect();
        let inputs = data.select(&chosen).input_rows(0..chosen.len()).into_owned();
        Self { inputs, rows: chosen.len(), layers: Vec::new(), findings: Vec::new() }
    }

    /// Returns the numbers of each layer after the last epoch.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Fit, Loss, Network, Trainer, data, trainer::Health};
    /// # let builder = Trainer::builder(Network::input(2).dense(8).relu().dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// let mut health = Health::new(&data::xor());
    /// trainer.fit(&data::xor(), Fit::epochs(3).callback(&mut health))?;
    /// assert_eq!((health.layers()[1].name.as_str(), health.layers()[1].units), ("relu", 8));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn layers(&self) -> &[LayerHealth] {
        &self.layers
    }

    /// Returns the problems after the last epoch, in the order of their layers.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Fit, Loss, Network, Trainer, data, trainer::Health};
    /// # let builder = Trainer::builder(Network::input(2).dense(8).relu().dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// # let mut health = Health::new(&data::xor());
    /// # trainer.fit(&data::xor(), Fit::epochs(3).callback(&mut health))?;
    /// for finding in health.findings() {
    ///     println!("{finding}");
    /// }
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    fn examine(&mut self, trainer: &mut Trainer) -> Result<()> {
        let (parameters, gradients, update) = (trainer.parameters()?, trainer.gradients()?, trainer.trial_update()?);
        let network = trainer.network().clone();
        let settings = TensorSettings::of(&network, &trainer.spec.groups)?;
        let input = prepared(&network, trainer.preprocessing.as_ref(), &self.inputs)?;
        let model = Model { parameters: parameters.clone(), ..trainer.model()? };
        let outputs = model.layer_outputs(&self.inputs)?;
        let layer = |node: Node| {
            let trained: Vec<String> = settings
                .iter()
                .filter(|(number, _, settings)| *number == node.number && !settings.frozen)
                .map(|(number, tensor, _)| format!("layer{number}.{}", tensor.name))
                .collect();
            let of = |tensors: &[Tensor], prefix: &str| {
                let is_own = |tensor: &&Tensor| {
                    tensor.name.strip_prefix(prefix).is_some_and(|name| trained.iter().any(|own| own == name))
                };
                norm(tensors.iter().filter(is_own))
            };
            let size = of(&parameters, "");
            let weight = gradients.iter().find(|tensor| tensor.name == format!("grad.layer{}.weight", node.number));
            let weight = weight.filter(|_| matches!(node.layer, Layer::Dense(_)) && !trained.is_empty());
            let idle = match node.layer {
                Layer::Activation(function) => {
                    let output = &outputs[node.number].values;
                    let before = node.number.checked_sub(1).map_or(&input, |number| &outputs[number].values);
                    idle(function, if function.keeps_input() { before } else { output }, output, node.outputs())
                }
                _ => [None; 2],
            };
            LayerHealth {
                layer: node.number,
                name: node.layer.to_string(),
                gradient_norm: (!trained.is_empty()).then(|| of(&gradients, "grad.")),
                update_ratio: (size > 0.0).then(|| of(&update, "") / size),
                units: node.outputs(),
                dead_units: idle[0],
                saturated_units: idle[1],
                weight_gradient: weight.map(|tensor| norm([tensor]) / (tensor.values.len() as f64).sqrt()),
            }
        };
        self.layers = network.nodes().map(layer).collect();
        self.findings = findings(&self.layers, self.rows);
        Ok(())
    }
}

/// Returns the Euclidean norm of all numbers of some tensors together.
fn norm<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> f64 {
    let squares = tensors.into_iter().flat_map(|tensor| &tensor.values).map(|value| f64::from(*value).powi(2));
    squares.sum::<f64>().sqrt()
}

/// Returns the numbers of dead and of saturated units of an activation layer, from its outputs for some rows and the
/// arguments of its derivative; `None` if the function has no such units.
fn idle(function: Activation, arguments: &[f32], outputs: &[f32], units: usize) -> [Option<usize>; 2] {
    let slope_at = |x: f32| function.derivative(if function.keeps_input() { x } else { function.apply(x) }).abs();
    let dies = [-SATURATING_INPUT, 0.0].iter().any(|x| function.apply(*x) == 0.0 && slope_at(*x) == 0.0);
    let steepest = (-16..=16).map(|eighth| slope_at(eighth as f32 / 8.0)).fold(0.0, f32::max);
    let saturates = [-SATURATING_INPUT, SATURATING_INPUT].iter().all(|x| slope_at(*x) < FLAT * steepest);
    let (mut dead, mut saturated) = (0, 0);
    for unit in 0..units {
        let slope =
            arguments.iter().skip(unit).step_by(units).map(|x| function.derivative(*x).abs()).fold(0.0, f32::max);
        let is_off = outputs.iter().skip(unit).step_by(units).all(|output| *output == 0.0);
        if slope == 0.0 && is_off {
            dead += 1;
        } else if slope < FLAT * steepest {
            saturated += 1;
        }
    }
    [dies.then_some(dead), saturates.then_some(saturated)]
}

/// Returns the problems of all layers. For each kind of problem with gradients or updates, only the worst layer is
/// returned.
fn findings(layers: &[LayerHealth], rows: usize) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |kind, layer: &LayerHealth, problem: String| {
        let problem = format!("layer {} ({}): {problem}", layer.layer, layer.name);
        findings.push(Finding { kind, layer: layer.layer, problem });
    };
    for layer in layers {
        let units = layer.units;
        let many = |idle: Option<usize>| idle.filter(|idle| *idle as f64 > IDLE * units as f64);
        if let Some(dead) = many(layer.dead_units) {
            add(FindingKind::DeadUnits, layer, format!("{dead} of {units} units are 0 for all of {rows} rows"));
        }
        if let Some(saturated) = many(layer.saturated_units) {
            let problem = format!("{saturated} of {units} units are saturated for all of {rows} rows");
            add(FindingKind::SaturatedUnits, layer, problem);
        }
    }
    let gradients = || layers.iter().filter_map(|layer| Some((layer, layer.weight_gradient?)));
    if let Some((last, reference)) = gradients().next_back().filter(|(_, reference)| *reference > 0.0) {
        let ratios = || gradients().map(|(layer, gradient)| (layer, gradient / reference));
        let by_ratio = |a: &(&LayerHealth, f64), b: &(&LayerHealth, f64)| a.1.total_cmp(&b.1);
        if let Some((layer, ratio)) = ratios().min_by(by_ratio).filter(|(_, ratio)| *ratio < 1.0 / DEPTH) {
            let problem = match ratio {
                0.0 => format!("its gradients are 0, and those of layer {} are not", last.layer),
                _ => format!("its gradients are {:.0} times smaller than those of layer {}", 1.0 / ratio, last.layer),
            };
            add(FindingKind::VanishingGradients, layer, problem);
        }
        if let Some((layer, ratio)) = ratios().max_by(by_ratio).filter(|(_, ratio)| *ratio > DEPTH) {
            let problem = format!("its gradients are {ratio:.0} times larger than those of layer {}", last.layer);
            add(FindingKind::ExplodingGradients, layer, problem);
        }
    }
    let updates = layers.iter().filter_map(|layer| Some((layer, layer.update_ratio?)));
    let largest = updates.max_by(|a, b| a.1.total_cmp(&b.1));
    if let Some((layer, ratio)) = largest.filter(|(_, ratio)| *ratio > LARGEST_UPDATE) {
        let problem = format!("a step changes its parameters by {:.0} % of their norm", 100.0 * ratio);
        add(FindingKind::LargeUpdates, layer, problem);
    }
    findings
}

impl Callback for Health {
    fn on_epoch(&mut self, epoch: &mut Epoch, trainer: &mut Trainer) -> Result<ControlFlow<()>> {
        self.examine(trainer)?;
        for layer in &self.layers {
            let numbers = [
                ("gradient_norm", layer.gradient_norm),
                ("update_ratio", layer.update_ratio),
                ("dead_units", layer.dead_units.map(|units| units as f64)),
                ("saturated_units", layer.saturated_units.map(|units| units as f64)),
            ];
            for (name, number) in numbers {
                epoch.scalars.extend(number.map(|number| (format!("{name}/layer{}", layer.layer), number)));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}
