//! Trained models: a network, its parameters, and the metadata for raw input data.

mod batches;
mod confusion;
pub(crate) mod container;
mod evaluate;
mod evaluation;
mod file;
mod importance;
mod merge;
mod origin;
mod output;
mod predictor;
mod rows;
mod scores;
mod temperature;
mod threshold;

pub use crate::replace::{check_replaceable, replace};
pub use confusion::{ClassMetrics, Confusion};
pub use evaluation::Evaluation;
pub use file::FORMAT_VERSION;
pub use importance::{Importance, Importances};
pub use origin::{Origin, Record, TableLayout};
pub use predictor::Predictor;
pub use rows::Labels;

pub(crate) use evaluate::{Wanted, evaluate};
pub(crate) use file::version;
pub(crate) use output::{Rule, check_finite, classes, numbers, points, probabilities};
pub(crate) use rows::{InputRows, class_of, target_of, target_words};

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::data::{Dataset, Preparation, Standardization};
use crate::device::Device;
use crate::error::{Error, Result, collected, try_with_capacity};
use crate::exec::{Executor, Run, Ticket};
use crate::fuse::fuse_keeping;
use crate::loss::Loss;
use crate::lower::lower_forward;
use crate::network::Network;
use crate::plan::{Plan, Section, Step};
use crate::specialize::{self, Limits};
use predictor::Compiled;

/// Returns the number of rows that are evaluated or predicted per batch. On a CPU or a software adapter, the batch is
/// small enough for the caches. On a GPU it is large enough to keep the GPU busy, limited by the memory for the widest
/// layer and by the size of a binding. The number does not depend on the size of the data set, so that nothing is
/// compiled again for another data set.
pub(crate) fn evaluate_rows(network: &Network, device: &Device) -> usize {
    const CPU_ROWS: usize = 512;
    const CPU_BYTES: usize = 256 << 20;
    const GPU_ROWS: usize = 4096;
    const GPU_BYTES: u64 = 32 << 20;
    let widths = network.nodes().map(|node| node.inputs.max(node.outputs()));
    let widest = widths.max().unwrap_or(1);
    let bytes =
        |limits: &Limits| if limits.software { limits.binding_bytes } else { GPU_BYTES.min(limits.binding_bytes) };
    let fitting = |limits: &Limits| (bytes(limits) / (4 * widest.max(1)) as u64) as usize;
    match device.limits() {
        specialize::DeviceLimits::Cpu => (CPU_BYTES / (4 * widest.max(1))).clamp(1, CPU_ROWS),
        specialize::DeviceLimits::Gpu(limits) => {
            fitting(&limits).clamp(1, if limits.software { CPU_ROWS } else { GPU_ROWS })
        }
    }
}

/// Returns the batch size for a data set of `rows` rows: [`evaluate_rows`]. On the CPU it is at most `rows`, since
/// another batch size needs no compilation there.
pub(crate) fn rows_at_once(network: &Network, device: &Device, rows: usize) -> usize {
    let most = evaluate_rows(network, device);
    if device.limits() == specialize::DeviceLimits::Cpu { most.min(rows.max(1)) } else { most }
}

/// Named array of numbers, row-major.
///
/// # Examples
/// ```
/// use wgrad::Tensor;
/// let bias = Tensor { name: "layer0.bias".into(), shape: vec![2], values: vec![0.0; 2] };
/// assert_eq!((bias.shape.len(), bias.values.len()), (1, 2));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Name: `layer0.weight` for a parameter, `grad.layer0.weight` for its gradient.
    pub name: String,
    /// Shape: `[outputs, inputs]` for a weight, `[outputs]` for a bias.
    pub shape: Vec<usize>,
    /// Elements, row-major.
    pub values: Vec<f32>,
}

/// Metadata of a model: everything but the parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// Version of the file format, at most [`FORMAT_VERSION`].
    pub format: u32,
    /// Network: number of input columns, and layers.
    pub network: Network,
    /// Loss function of training, which defines the meaning of the outputs.
    pub loss: Loss,
    /// Conversion of a table's rows into the network's inputs, if the model was trained on a table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preparation: Option<Preparation>,
    /// Standardization of the network's inputs, if they are scaled.
    pub preprocessing: Option<Standardization>,
    /// Names of the network's inputs.
    pub columns: Vec<String>,
    /// Names of the classes, if the target is a class.
    pub classes: Option<Vec<String>>,
    /// Names of the target columns, if they are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
    /// Standardization of the target columns, if they were scaled for training. Predictions are scaled back with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_scaling: Option<Standardization>,
    /// Probability above which the second of two classes is predicted; 0.5 if it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Layout of the table that the model was trained on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<TableLayout>,
    /// Data and settings of training. Without `--force`, `wgrad train` does not replace a model with another origin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Result of the training run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Record>,
}

impl Metadata {
    fn check(&self) -> Result<()> {
        self.network.check()?;
        self.loss.check(&self.network)?;
        self.check_threshold()?;
        if !(1..=FORMAT_VERSION).contains(&self.format) {
            return Err(Error::value("model", "format", self.format, &format!("from 1 to {FORMAT_VERSION}")));
        }
        let needed = version(self.preparation.as_ref(), self.preprocessing.as_ref());
        if needed == FORMAT_VERSION && self.format < needed {
            let wanted = format!("{needed}, since it has a preparation or limits");
            return Err(Error::value("model", "format", self.format, &wanted));
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
        if let Some(preparation) = &self.preparation {
            preparation.check()?;
            if preparation.inputs() != self.columns {
                return Err(wrong("prepared inputs", preparation.width(), inputs));
            }
        }
        if let Some(scaling) = &self.target_scaling {
            if scaling.columns() != self.loss.target_columns(outputs) {
                return Err(wrong("scaled targets", scaling.columns(), self.loss.target_columns(outputs)));
            }
            if let Some(limit) = scaling.limit() {
                return Err(Error::value("model", "the limit of scaled targets", limit, "not set"));
            }
            if !self.loss.scales_targets() {
                let problem = format!("{} does not scale targets, but there is a target scaling", self.loss);
                return Err(Error::conflict("model", problem, "remove the target scaling"));
            }
        }
        for (what, names) in
            [("input columns", &self.columns[..]), ("classes", self.classes.as_deref().unwrap_or_default())]
        {
            let mut seen = BTreeSet::new();
            if let Some(twice) = names.iter().find(|name| !seen.insert(name.as_str())) {
                let problem = format!("two of its {what} are called `{twice}`, but names must be unique");
                return Err(Error::conflict("model", problem, "give each a unique name"));
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

/// Trained network: parameters and metadata.
///
/// Inputs are raw (unscaled): the model applies its own preprocessing. They are row-major, of shape `[rows, inputs]`,
/// with at least one row.
///
/// # Examples
/// ```
/// use wgrad::{Adam, Device, Fit, Loss, Network, Trainer, data};
/// let moons = data::two_moons(200, 0.1, 1)?;
/// let mut trainer = Trainer::builder(Network::input(2).dense(16).relu().dense(2))
///     .loss(Loss::softmax_cross_entropy())
///     .optimizer(Adam::new(0.01))
///     .build(&Device::cpu())?;
/// trainer.fit(&moons, Fit::epochs(30))?;
/// let model = trainer.into_model()?;
/// assert_eq!(model.predict_classes(&[0.0, 1.0, 1.0, -0.5])?, [0, 1]);
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Metadata: everything but the parameters.
    pub metadata: Metadata,
    /// Parameters, in the order of the layers: `layer0.weight`, `layer0.bias`, ….
    pub parameters: Vec<Tensor>,
}

impl Model {
    /// Returns the predictions for rows of raw inputs, computed on the CPU: shape `[rows, outputs]`, row-major. They
    /// are probabilities, or for a regression numbers in the units of the targets. With a binary loss, each output is
    /// the probability of class 1. A loss without probabilities, such as `hinge`, gives 1 for a predicted class and 0
    /// for others. For many calls, use a [`Predictor`].
    ///
    /// # Errors
    /// The number of values is not a positive multiple of the network's inputs; an input is not finite; an output is
    /// not finite ([`Error::Output`]); metadata and parameters do not fit each other (see [`Model::check`]).
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer};
    /// # let trainer = Trainer::builder(Network::input(2).dense(1)).loss(Loss::mean_squared_error()).build(&Device::cpu())?;
    /// # let mut model = trainer.into_model()?;
    /// model.parameters[0].values = vec![2.0, 1.0]; // The bias is 0.
    /// assert_eq!(model.predict(&[3.0, 4.0, 1.0, 1.0])?, [10.0, 3.0]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn predict(&self, input: &[f32]) -> Result<Vec<f32>> {
        let mut outputs = self.outputs(input)?;
        self.metadata.probabilities(&mut outputs)?;
        Ok(outputs)
    }

    /// Returns the logarithms of the predicted probabilities, like scikit-learn's `predict_log_proba`; see
    /// [`Metadata::log_probabilities`].
    ///
    /// # Errors
    /// As [`Model::predict`]; the loss function gives no probabilities.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer};
    /// # let trainer = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy()).build(&Device::cpu())?;
    /// # let mut model = trainer.into_model()?;
    /// model.parameters[0].values = vec![100.0, -300.0]; // The bias is 0.
    /// assert_eq!(model.predict_log_probabilities(&[1.0, 1.0])?, [-200.0]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn predict_log_probabilities(&self, input: &[f32]) -> Result<Vec<f32>> {
        let mut outputs = self.outputs(input)?;
        self.metadata.log_probabilities(&mut outputs)?;
        Ok(outputs)
    }

    /// Predicts the class of each row of raw inputs on the CPU, as an index from 0.
    ///
    /// # Errors
    /// As [`Model::predict`]; the model does not predict one class per row (see [`Metadata::class_count`]).
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer};
    /// # let trainer = Trainer::builder(Network::input(2).dense(2)).loss(Loss::softmax_cross_entropy()).build(&Device::cpu())?;
    /// # let mut model = trainer.into_model()?;
    /// model.parameters[0].values = vec![1.0, 0.0, 0.0, 1.0]; // The bias is 0.
    /// assert_eq!(model.predict_classes(&[0.2, 0.9, 0.7, 0.1])?, [1, 0]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn predict_classes(&self, input: &[f32]) -> Result<Vec<u32>> {
        self.metadata.classes_of(&self.outputs(input)?)
    }

    /// Checks that metadata and parameters fit each other. They always do, unless the program changed the model after
    /// training or loading.
    ///
    /// # Errors
    /// A parameter is missing, not finite or of a wrong shape; the number of names or of scaled columns does not fit
    /// the network; another field of the metadata is invalid.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer};
    /// # let trainer = Trainer::builder(Network::input(2).dense(1)).loss(Loss::mean_squared_error()).build(&Device::cpu())?;
    /// # let mut model = trainer.into_model()?;
    /// model.parameters[0].values = vec![2.0, 1.0]; // The bias is 0.
    /// assert!(model.check().is_ok());
    /// model.parameters.pop();
    /// assert!(model.check().is_err());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn check(&self) -> Result<()> {
        self.metadata.check()?;
        check_parameters(&self.metadata.network, &self.parameters)
    }

    /// Computes the outputs of the last layer on the CPU, of shape `[rows, outputs]`. `input` has the shape
    /// `[rows, inputs]`; its values are not yet scaled, since the model scales them. For classification, outputs are
    /// logits or scores. For regression with scaled targets, they have the scale of the scaled targets;
    /// [`Metadata::numbers`] converts them to the unit of the targets.
    ///
    /// # Errors
    /// As [`Model::predict`].
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer};
    /// # let trainer = Trainer::builder(Network::input(2).dense(2)).loss(Loss::softmax_cross_entropy()).build(&Device::cpu())?;
    /// # let mut model = trainer.into_model()?;
    /// model.parameters[0].values = vec![1.0, 0.0, 0.0, 1.0]; // The bias is 0.
    /// assert_eq!(model.outputs(&[0.25, 0.75])?, [0.25, 0.75]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn outputs(&self, input: &[f32]) -> Result<Vec<f32>> {
        self.outputs_on(&Device::cpu(), input)
    }

    /// Computes [`Model::outputs`] on a device. Inputs may be f64; they are scaled in f64 before they are rounded to
    /// f32.
    ///
    /// # Errors
    /// As [`Model::predict`]; a device that fails.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer};
    /// # let trainer = Trainer::builder(Network::input(2).dense(1)).loss(Loss::mean_squared_error()).build(&Device::cpu())?;
    /// # let mut model = trainer.into_model()?;
    /// model.parameters[0].values = vec![2.0, 1.0]; // The bias is 0.
    /// assert_eq!(model.outputs_on(&Device::reference(), &[3.0_f64, 4.0])?, [10.0]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn outputs_on<T: Copy + Into<f64>>(&self, device: &Device, input: &[T]) -> Result<Vec<f32>> {
        Compiled::new(self, device)?.outputs(self, input)
    }

    /// Computes the outputs of each layer for rows of raw inputs on the CPU. Returns one tensor per layer, in order:
    /// `layer0.output`, `layer1.output`, … of shape `[rows, columns]`. Outputs of a dense layer are z = x·Wᵀ + b, those
    /// of the activation after it a = f(z). Dropout passes its inputs on. The last tensor equals [`Model::outputs`].
    ///
    /// # Errors
    /// As [`Model::predict`].
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Device, Loss, Network, Trainer};
    /// let network = Network::input(1).dense(1).relu();
    /// let mut trainer = Trainer::builder(network).loss(Loss::mean_squared_error()).build(&Device::cpu())?;
    /// let mut parameters = trainer.parameters()?;
    /// (parameters[0].values, parameters[1].values) = (vec![2.0], vec![-10.0]);
    /// trainer.set_parameters(&parameters)?;
    /// let layers = trainer.model()?.layer_outputs(&[3.0])?;
    /// assert_eq!((layers[0].name.as_str(), layers[0].values[0]), ("layer0.output", 2.0 * 3.0 - 10.0));
    /// assert_eq!((layers[1].name.as_str(), layers[1].values[0]), ("layer1.output", 0.0));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
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

    /// Creates an executor for [`forward`], with a batch size that suits `rows` rows. The caller must have checked the
    /// model.
    /// Computes the outputs of all rows of a data set. `what` names the computation in error messages.
    ///
    /// # Errors
    /// The data set does not fit the model; an output is not finite; a device that fails.
    fn outputs_of(&self, device: &Device, data: &Dataset, what: &str) -> Result<Vec<f32>> {
        self.check()?;
        let input = InputRows::of(&self.metadata.network, self.metadata.preprocessing.as_ref(), data)?;
        let mut outputs = try_with_capacity("outputs", data.len().saturating_mul(self.metadata.network.outputs()))?;
        let place = format!("{what} on data set `{}`", data.name());
        let mut executor = self.forward_executor(device, data.len())?;
        // Batch by batch: all inputs of an image set would take gigabytes.
        let get = |rows| input.get(rows).map(Cow::Owned);
        forward_batches(executor.as_mut(), &place, data.len(), get, |found| {
            outputs.extend_from_slice(found);
            Ok(())
        })?;
        Ok(outputs)
    }

    fn forward_executor(&self, device: &Device, rows: usize) -> Result<Box<dyn Executor>> {
        let plan = Plan::for_inference(&self.metadata.network, rows_at_once(&self.metadata.network, device, rows))?;
        let mut executor = device.executor(plan)?;
        write_parameters(executor.as_mut(), &self.parameters)?;
        Ok(executor)
    }
}

/// Checks rows of raw inputs and scales them.
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

/// Checks that rows of scaled inputs are finite. `first` is the number of the first row in error messages.
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

/// Runs the section `evaluate` over rows of scaled inputs, and returns the outputs of the last layer.
///
/// # Errors
/// As [`forward_batches`].
pub(crate) fn forward(executor: &mut dyn Executor, input: &[f32]) -> Result<Vec<f32>> {
    let columns = executor.plan().shape(executor.plan().named("evaluate.input")?).columns;
    let rows = input.len() / columns;
    let outputs = executor.plan().shape(executor.plan().named("evaluate.output")?).columns;
    let mut result = try_with_capacity("predictions", rows.saturating_mul(outputs))?;
    let get = |rows: Range<usize>| Ok(Cow::Borrowed(&input[rows.start * columns..rows.end * columns]));
    forward_batches(executor, "predictions", rows, get, |outputs| {
        result.extend_from_slice(outputs);
        Ok(())
    })?;
    Ok(result)
}

/// Runs the section `evaluate` over rows of scaled inputs, batch by batch. All predictions in batches go through this
/// function. `get` returns the inputs of a range of rows. `put` receives the outputs of the last layer, in order.
/// `place` names the computation in error messages.
///
/// # Errors
/// [`Error::Output`] if an output is not finite; a device that fails.
pub(crate) fn forward_batches<'a>(
    executor: &mut dyn Executor,
    place: &str,
    rows: usize,
    get: impl Fn(Range<usize>) -> Result<Cow<'a, [f32]>>,
    mut put: impl FnMut(&[f32]) -> Result<()>,
) -> Result<()> {
    let plan = executor.plan();
    let (source, target) = (plan.named("evaluate.input")?, plan.named("evaluate.output")?);
    let (most, outputs) = (plan.shape(source).rows, plan.shape(target).columns);
    let mut in_flight = VecDeque::new();
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
        in_flight.push_back((executor.read(target, 0)?, first, live));
        if in_flight.len() > executor.in_flight() {
            in_flight.pop_front().map_or(Ok(()), &mut take)?;
        }
    }
    in_flight.into_iter().try_for_each(take)
}

/// Returns the names and shapes of a network's tensors, in the order of the layers.
pub(crate) fn parameter_shapes(network: &Network) -> Vec<(String, Vec<usize>)> {
    prefixed_shapes(network, "")
}

/// Prefix, in checkpoints, of the names of a training run's best parameters.
pub(crate) const BEST: &str = "best.";

/// Like [`parameter_shapes`], with a prefix before each name, as in `grad.layer0.weight`. If the prefix is neither
/// empty nor [`BEST`], returns only trained tensors, since only these have gradients and optimizer states.
pub(crate) fn prefixed_shapes(network: &Network, prefix: &str) -> Vec<(String, Vec<usize>)> {
    let has_all = ["", BEST].contains(&prefix);
    let tensors = network.tensors().filter(|(_, tensor)| has_all || tensor.is_trained());
    tensors.map(|(number, tensor)| (format!("{prefix}layer{number}.{}", tensor.name), tensor.shape)).collect()
}

/// Reads the network's tensors whose names in the plan have this prefix.
pub(crate) fn read_tensors(executor: &mut dyn Executor, network: &Network, prefix: &str) -> Result<Vec<Tensor>> {
    let mut tensors = Vec::new();
    for (name, shape) in prefixed_shapes(network, prefix) {
        let view = executor.plan().named(&name)?;
        tensors.push(Tensor { values: executor.read(view, 0)?.wait_f32()?, name, shape });
    }
    Ok(tensors)
}

/// Writes each parameter to the view of the same name. The plan must have all these views.
pub(crate) fn write_parameters(executor: &mut dyn Executor, parameters: &[Tensor]) -> Result<()> {
    for tensor in parameters {
        let view = executor.plan().named(&tensor.name)?;
        executor.write(view, 0, bytemuck::cast_slice(&tensor.values))?;
    }
    Ok(())
}

/// Checks that `parameters` holds each parameter of `network` once, in any order, with finite values.
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
