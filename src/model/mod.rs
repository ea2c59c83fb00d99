//! What training leaves: a network with its parameters, and what it needs to be used on raw data.

mod confusion;
pub(crate) mod container;
mod evaluate;
mod file;
mod origin;
mod output;
mod predictor;
mod regression;
mod rows;

pub use crate::replace::{check_replaceable, replace};
pub use confusion::{ClassMetrics, Confusion};
pub use evaluate::Evaluation;
pub use file::FORMAT_VERSION;
pub use origin::{Origin, Record, TableLayout};
pub use predictor::Predictor;
pub use rows::Labels;

pub(crate) use evaluate::evaluate;
pub(crate) use output::{check_finite, classes, probabilities, undone};
pub(crate) use rows::{InputRows, target_of, target_words};

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::data::Standardization;
use crate::device::Device;
use crate::error::{Error, Result, collected, room};
use crate::exec::{Executor, Run, Ticket};
use crate::fuse::{fuse, fuse_keeping};
use crate::loss::Loss;
use crate::lower::lower_forward;
use crate::network::Network;
use crate::plan::{Plan, Section, Step};
use crate::specialize::{self, Limits};
use predictor::Compiled;

/// Rows that are evaluated or predicted at once: on the CPU so few that they stay in its caches (whoever computes
/// there), on a GPU so many that all of it is busy, as far as memory for the widest layer allows and the device can bind
/// it. Never a question of how many there are, so that nothing is compiled for them later.
pub(crate) fn evaluate_rows(network: &Network, device: &Device) -> usize {
    const CPU_ROWS: usize = 512;
    const CPU_BYTES: usize = 256 << 20;
    const GPU_ROWS: usize = 4096;
    const GPU_BYTES: u64 = 32 << 20;
    let widest = network.dense_layers().map(|(_, dense, inputs)| dense.outputs.max(inputs)).max().unwrap_or(1);
    let bytes =
        |limits: &Limits| if limits.software { limits.binding_bytes } else { GPU_BYTES.min(limits.binding_bytes) };
    let fitting = |limits: &Limits| (bytes(limits) / (4 * widest.max(1)) as u64) as usize;
    match device.target() {
        specialize::DeviceLimits::Cpu => (CPU_BYTES / (4 * widest.max(1))).clamp(1, CPU_ROWS),
        specialize::DeviceLimits::Gpu(limits) => {
            fitting(&limits).clamp(1, if limits.software { CPU_ROWS } else { GPU_ROWS })
        }
    }
}

/// The same for so many rows, where nothing more is to come: on the CPU, where nothing is compiled, no more than there are.
pub(crate) fn rows_at_once(network: &Network, device: &Device, rows: usize) -> usize {
    let most = evaluate_rows(network, device);
    if device.target() == specialize::DeviceLimits::Cpu { most.min(rows.max(1)) } else { most }
}

/// A named array of numbers, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Name: `layer0.weight` for a parameter, `grad.layer0.weight` for its gradient.
    pub name: String,
    /// Sizes: outputs and inputs for a weight, outputs for a bias.
    pub shape: Vec<usize>,
    /// The numbers.
    pub values: Vec<f32>,
}

/// All of a model but its parameters: the metadata of its file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// Version of the file format.
    pub format: u32,
    /// The network.
    pub network: Network,
    /// The loss that it was trained for; it says what the outputs mean.
    pub loss: Loss,
    /// Scaling of the input columns, if they are scaled.
    pub preprocessing: Option<Standardization>,
    /// Names of the input columns.
    pub columns: Vec<String>,
    /// Names of the classes, where the target is a class.
    pub classes: Option<Vec<String>>,
    /// Names of the target columns, where they are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
    /// Scaling of the target columns, if they were scaled for training: what the last layer puts out is undone by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_scaling: Option<Standardization>,
    /// How the table was read that it was trained on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<TableLayout>,
    /// What made it, so that another training does not replace it unasked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Record of the training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Record>,
}

impl Metadata {
    fn check(&self) -> Result<()> {
        self.network.check()?;
        self.loss.check(&self.network)?;
        if !(1..=FORMAT_VERSION).contains(&self.format) {
            return Err(Error::value("model", "format", self.format, &format!("from 1 to {FORMAT_VERSION}")));
        }
        let (inputs, outputs) = (self.network.inputs(), self.network.outputs());
        let wrong = |what: &str, found: usize, wanted: usize| Error::Shape {
            place: "model".into(),
            found_what: format!("{what} are"),
            found,
            wanted_what: "the network needs".into(),
            wanted,
            remedy: "use the ones that it was trained with".into(),
        };
        if self.columns.len() != inputs {
            return Err(wrong("names of input columns", self.columns.len(), inputs));
        }
        match &self.preprocessing {
            Some(scaling) if scaling.columns() != inputs => {
                return Err(wrong("scaled columns", scaling.columns(), inputs));
            }
            _ => {}
        }
        if let Some(scaling) = &self.target_scaling {
            if scaling.columns() != outputs {
                return Err(wrong("scaled targets", scaling.columns(), outputs));
            }
            if self.loss != Loss::MeanSquaredError {
                let problem = format!("targets of {} are not scaled, but it has a scaling of them", self.loss);
                return Err(Error::conflict("model", problem, "leave the scaling out"));
            }
        }
        for (what, names) in
            [("input columns", &self.columns[..]), ("classes", self.classes.as_deref().unwrap_or_default())]
        {
            let mut seen = BTreeSet::new();
            if let Some(twice) = names.iter().find(|name| !seen.insert(name.as_str())) {
                let problem = format!("two of its {what} are called `{twice}`, but they are told apart by their names");
                return Err(Error::conflict("model", problem, "give each a name of its own"));
            }
        }
        self.table.as_ref().map_or(Ok(()), |table| table.check(&self.targets))?;
        let names = self.class_count().unwrap_or(outputs);
        match &self.classes {
            Some(classes) if classes.len() != names => Err(wrong("names of classes", classes.len(), names)),
            _ => Ok(()),
        }
    }
}

/// A trained network.
///
/// ```
/// use wgrad::{Adam, Device, Fit, Loss, Network, Trainer, data};
/// let moons = data::two_moons(200, 0.1, 1)?;
/// let mut trainer = Trainer::builder(Network::input(2).dense(16).relu().dense(2))
///     .loss(Loss::SoftmaxCrossEntropy)
///     .optimizer(Adam::new(0.01))
///     .build(&Device::cpu())?;
/// trainer.fit(&moons, Fit::epochs(30))?;
/// let model = trainer.into_model()?;
/// assert_eq!(model.predict_classes(&[0.0, 1.0, 1.0, -0.5])?, [0, 1]);
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Everything but the parameters.
    pub metadata: Metadata,
    /// The parameters, in the order of the layers.
    pub parameters: Vec<Tensor>,
}

impl Model {
    /// Probabilities (or numbers, after a regression) for rows of raw inputs: [rows, outputs] row-major. For one
    /// output and a binary loss: the probability of class 1. Who predicts often keeps a [`Predictor`].
    ///
    /// # Errors
    /// A number of values that is no multiple of the network's inputs; values that are not finite; [`Error::Output`] where
    /// outputs are not.
    pub fn predict(&self, input: &[f32]) -> Result<Vec<f32>> {
        let mut outputs = self.outputs(input)?;
        self.metadata.probabilities(&mut outputs)?;
        Ok(outputs)
    }

    /// The class of each row of raw inputs.
    ///
    /// # Errors
    /// As [`Model::predict`]; a model that was not trained to tell classes apart.
    pub fn predict_classes(&self, input: &[f32]) -> Result<Vec<u32>> {
        classes(self.metadata.loss, self.metadata.network.outputs(), &self.outputs(input)?)
    }

    /// Checks that the parts fit each other, as they do in a model that was trained or loaded and then left alone.
    ///
    /// # Errors
    /// Parameters that are missing, of another shape or not finite; names or scaling for another number of columns
    /// or classes.
    pub fn check(&self) -> Result<()> {
        self.metadata.check()?;
        check_parameters(&self.metadata.network, &self.parameters)
    }

    /// What the last layer puts out: logits, for the losses that work on them; numbers as they were scaled for training,
    /// which [`Metadata::numbers`] undoes.
    ///
    /// # Errors
    /// As [`Model::predict`].
    pub fn outputs(&self, input: &[f32]) -> Result<Vec<f32>> {
        self.outputs_on(&Device::cpu(), input)
    }

    /// [`Model::outputs`], computed on a device. Inputs may be f64: they are scaled with all their digits.
    ///
    /// # Errors
    /// As [`Model::predict`].
    pub fn outputs_on<T: Copy + Into<f64>>(&self, device: &Device, input: &[T]) -> Result<Vec<f32>> {
        Compiled::new(self, device)?.outputs(self, input)
    }

    /// The outputs of each layer for rows of raw inputs, in the order of the layers: tensors `layer0.output`, `layer1.output`, …
    /// of shape [rows, columns]. Those of a dense layer are z = x·Wᵀ + b, those of the activation behind it a = f(z); dropout
    /// passes its inputs on. The last ones are [`Model::outputs`].
    ///
    /// ```
    /// use wgrad::{Device, Loss, Network, Trainer};
    /// let network = Network::input(1).dense(1).relu();
    /// let mut trainer = Trainer::builder(network).loss(Loss::MeanSquaredError).build(&Device::cpu())?;
    /// let mut parameters = trainer.parameters()?;
    /// (parameters[0].values, parameters[1].values) = (vec![2.0], vec![-10.0]);
    /// trainer.set_parameters(&parameters)?;
    /// let layers = trainer.model()?.layer_outputs(&[3.0])?;
    /// assert_eq!((layers[0].name.as_str(), layers[0].values[0]), ("layer0.output", 2.0 * 3.0 - 10.0));
    /// assert_eq!((layers[1].name.as_str(), layers[1].values[0]), ("layer1.output", 0.0));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Model::predict`].
    pub fn layer_outputs<T: Copy + Into<f64>>(&self, input: &[T]) -> Result<Vec<Tensor>> {
        self.check()?;
        let network = &self.metadata.network;
        let prepared = prepared(network, self.metadata.preprocessing.as_ref(), input)?;
        let (rows, count) = (prepared.len() / network.inputs(), network.layers().len());
        let plan = lower_forward(network, rows)?;
        let view = |plan: &Plan, layer: usize| plan.find(&format!("evaluate.layer{layer}.output"));
        let kept: Vec<_> = (0..count).filter_map(|layer| view(&plan, layer)).collect();
        let mut executor = Device::cpu().executor(fuse_keeping(&plan, &kept)?)?;
        write_parameters(executor.as_mut(), &self.parameters)?;
        forward(executor.as_mut(), &prepared)?;
        let mut tensors: Vec<Tensor> = Vec::with_capacity(count);
        for layer in 0..count {
            let values = match (view(executor.plan(), layer), tensors.last()) {
                (Some(view), _) => executor.read(view, 0)?.wait_f32()?,
                (None, Some(before)) => before.values.clone(),
                (None, None) => prepared.clone(),
            };
            check_finite("layer outputs", 0, values.len() / rows, values.iter().copied())?;
            tensors.push(Tensor {
                name: format!("layer{layer}.output"),
                shape: vec![rows, values.len() / rows],
                values,
            });
        }
        Ok(tensors)
    }

    /// What runs [`forward`] on so many rows, of a model that was checked.
    fn forward_executor(&self, device: &Device, rows: usize) -> Result<Box<dyn Executor>> {
        let plan = fuse(&lower_forward(&self.metadata.network, rows_at_once(&self.metadata.network, device, rows))?)?;
        let mut executor = device.executor(plan)?;
        write_parameters(executor.as_mut(), &self.parameters)?;
        Ok(executor)
    }
}

/// Rows of raw inputs, checked and scaled.
pub(crate) fn prepared<T: Copy + Into<f64>>(
    network: &Network,
    preprocessing: Option<&Standardization>,
    input: &[T],
) -> Result<Vec<f32>> {
    let columns = network.inputs();
    if input.is_empty() || !input.len().is_multiple_of(columns) {
        return Err(Error::Shape {
            place: "input".into(),
            found_what: "number of values is".into(),
            found: input.len(),
            wanted_what: "it must be a positive multiple of the network's input columns,".into(),
            wanted: columns,
            remedy: "give whole rows".into(),
        });
    }
    let scaled = match preprocessing {
        Some(preprocessing) => preprocessing.scaled(input)?,
        None => collected("inputs", input.len(), input.iter().map(|value| Into::<f64>::into(*value) as f32))?,
    };
    check_inputs(&scaled, columns, 0)?;
    Ok(scaled)
}

/// Checks that rows of scaled inputs, the first of which messages call `first`, are finite.
pub(crate) fn check_inputs(input: &[f32], columns: usize, first: usize) -> Result<()> {
    match input.iter().position(|x| !x.is_finite()) {
        None => Ok(()),
        Some(at) => Err(Error::data(
            format!("input, row {}, column {}", first + at / columns, at % columns),
            format!("the value is {}", input[at]),
            "give finite numbers",
        )),
    }
}

/// Runs `evaluate` over rows of prepared inputs; returns what the last layer puts out.
///
/// # Errors
/// As [`forward_parts`].
pub(crate) fn forward(executor: &mut dyn Executor, input: &[f32]) -> Result<Vec<f32>> {
    let columns = executor.plan().shape(executor.plan().named("evaluate.input")?).columns;
    let rows = input.len() / columns;
    let outputs = executor.plan().shape(executor.plan().named("evaluate.output")?).columns;
    let mut result = room("predictions", rows.saturating_mul(outputs))?;
    let get = |rows: Range<usize>| Ok(Cow::Borrowed(&input[rows.start * columns..rows.end * columns]));
    forward_parts(executor, "predictions", rows, get, |outputs| {
        result.extend_from_slice(outputs);
        Ok(())
    })?;
    Ok(result)
}

/// Runs `evaluate` over rows of prepared inputs, which it gets as they are needed, and hands on what the last layer
/// puts out, some rows at a time, in order. All predictions go through here, so that none is made of a number that is not
/// finite; `place` says in messages what they are for.
///
/// # Errors
/// [`Error::Output`]; a device that does not answer.
pub(crate) fn forward_parts<'a>(
    executor: &mut dyn Executor,
    place: &str,
    rows: usize,
    get: impl Fn(Range<usize>) -> Result<Cow<'a, [f32]>>,
    mut put: impl FnMut(&[f32]) -> Result<()>,
) -> Result<()> {
    let plan = executor.plan();
    let (source, target) = (plan.named("evaluate.input")?, plan.named("evaluate.output")?);
    let (most, outputs) = (plan.shape(source).rows, plan.shape(target).columns);
    let mut under_way = VecDeque::new();
    let mut take = |(ticket, first, live): (Ticket, usize, usize)| {
        let found = &ticket.wait_f32()?[..live * outputs];
        check_finite(place, first, outputs, found.iter().copied())?;
        put(found)
    };
    for first in (0..rows).step_by(most) {
        let live = most.min(rows - first);
        executor.write(source, 0, bytemuck::cast_slice(&get(first..first + live)?))?;
        let step = Step { rows: live as u32, ..Step::default() };
        executor.submit(&[step], &[Run { section: Section::Evaluate, batch_index: 0 }])?;
        under_way.push_back((executor.read(target, 0)?, first, live));
        if under_way.len() > executor.in_flight() {
            under_way.pop_front().map_or(Ok(()), &mut take)?;
        }
    }
    under_way.into_iter().try_for_each(take)
}

/// Names and shapes of a network's parameters, in the order of the layers.
pub(crate) fn parameter_shapes(network: &Network) -> Vec<(String, Vec<usize>)> {
    let mut shapes = Vec::new();
    for (number, dense, inputs) in network.dense_layers() {
        shapes.push((format!("layer{number}.weight"), vec![dense.outputs, inputs]));
        if dense.bias {
            shapes.push((format!("layer{number}.bias"), vec![dense.outputs]));
        }
    }
    shapes
}

/// Reads one tensor for each parameter, named with `prefix`.
pub(crate) fn read_tensors(executor: &mut dyn Executor, network: &Network, prefix: &str) -> Result<Vec<Tensor>> {
    let mut tensors = Vec::new();
    for (name, shape) in parameter_shapes(network) {
        let name = format!("{prefix}{name}");
        let view = executor.plan().named(&name)?;
        tensors.push(Tensor { values: executor.read(view, 0)?.wait_f32()?, name, shape });
    }
    Ok(tensors)
}

/// Writes parameters, all of which the plan must know.
pub(crate) fn write_parameters(executor: &mut dyn Executor, parameters: &[Tensor]) -> Result<()> {
    for tensor in parameters {
        let view = executor.plan().named(&tensor.name)?;
        executor.write(view, 0, bytemuck::cast_slice(&tensor.values))?;
    }
    Ok(())
}

/// Checks that `parameters` are those of `network`, each once, in any order, and finite.
pub(crate) fn check_parameters(network: &Network, parameters: &[Tensor]) -> Result<()> {
    let shapes = parameter_shapes(network);
    let mut given: HashMap<&str, Vec<&Tensor>> = shapes.iter().map(|(name, _)| (name.as_str(), Vec::new())).collect();
    for tensor in parameters {
        let Some(same) = given.get_mut(tensor.name.as_str()) else {
            let known: Vec<&str> = shapes.iter().map(|(name, _)| name.as_str()).collect();
            return Err(Error::unknown("parameter", &tensor.name, &known));
        };
        same.push(tensor);
    }
    for (name, shape) in &shapes {
        let [tensor] = given[name.as_str()][..] else {
            return Err(Error::conflict(name, "the parameter is missing or given twice", "give every parameter once"));
        };
        let wanted: usize = shape.iter().product();
        if tensor.shape != *shape || tensor.values.len() != wanted {
            let problem = format!(
                "has shape {:?} and {} values, but the network expects {shape:?} and {wanted}",
                tensor.shape,
                tensor.values.len()
            );
            return Err(Error::conflict(name, problem, "use the parameters of the same network"));
        }
        if let Some(at) = tensor.values.iter().position(|v| !v.is_finite()) {
            return Err(Error::value(name, &format!("element {at}"), tensor.values[at], "finite"));
        }
    }
    Ok(())
}
