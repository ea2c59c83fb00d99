//! Repeated predictions with a model that is compiled once.

use std::fmt;

use super::{Metadata, Model, check_finite, check_inputs, forward, prepared, rows_at_once};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::exec::{Executor, RowExecutor};
use crate::plan::Plan;

/// Number of rows below which the CPU predicts rows one by one. A row takes about a microsecond, and the overhead of a
/// batch is several microseconds.
const FEW_ROWS: usize = 8;

/// Model that is compiled for a device, for repeated predictions.
///
/// On the CPU, [`Predictor::predict_row`] allocates no memory and uses no other thread; a network with two hidden
/// layers of 64 units takes about one microsecond per row. All methods return the same bits for a row, alone or in a
/// batch.
///
/// # Examples
/// ```
/// use wgrad::{Device, Fit, Loss, Network, Trainer, data};
/// let mut trainer =
///     Trainer::builder(Network::input(4).dense(16).relu().dense(3)).loss(Loss::softmax_cross_entropy()).build(&Device::cpu())?;
/// trainer.fit(&data::iris(), Fit::epochs(2))?;
/// let model = trainer.into_model()?;
///
/// let mut predictor = model.predictor(&Device::cpu())?;
/// let mut probabilities = [0.0; 3];
/// predictor.predict_row(&[5.1, 3.5, 1.4, 0.2], &mut probabilities)?;
/// assert_eq!(predictor.predict(&[5.1, 3.5, 1.4, 0.2])?, probabilities);
/// # Ok::<(), wgrad::Error>(())
/// ```
pub struct Predictor {
    model: Model,
    compiled: Compiled,
}

impl Model {
    /// Compiles the model for predictions on a device.
    ///
    /// # Errors
    /// Metadata and parameters do not fit each other (see [`Model::check`]); too little memory; a device that fails.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer};
    /// # let trainer = Trainer::builder(Network::input(2).dense(1)).loss(Loss::mean_squared_error()).build(&Device::cpu())?;
    /// # let mut model = trainer.into_model()?;
    /// model.parameters[0].values = vec![2.0, 1.0]; // The bias is 0.
    /// let mut predictor = model.predictor(&Device::cpu())?;
    /// assert_eq!(predictor.predict(&[3.0, 4.0])?, [10.0]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn predictor(&self, device: &Device) -> Result<Predictor> {
        Ok(Predictor { model: self.clone(), compiled: Compiled::new(self, device)? })
    }
}

impl Predictor {
    /// Returns the number of input columns.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer};
    /// # let trainer = Trainer::builder(Network::input(2).dense(1)).loss(Loss::mean_squared_error()).build(&Device::cpu())?;
    /// # let model = trainer.into_model()?;
    /// assert_eq!(model.predictor(&Device::cpu())?.inputs(), 2);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn inputs(&self) -> usize {
        self.model.metadata.network.inputs()
    }

    /// Returns the number of outputs per row.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer};
    /// # let trainer = Trainer::builder(Network::input(2).dense(1)).loss(Loss::mean_squared_error()).build(&Device::cpu())?;
    /// # let model = trainer.into_model()?;
    /// assert_eq!(model.predictor(&Device::cpu())?.outputs(), 1);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn outputs(&self) -> usize {
        self.model.metadata.network.outputs()
    }

    /// Predicts one row of raw inputs and writes the result to `output`, as [`Model::predict`] returns it. Inputs may
    /// be f64.
    ///
    /// # Errors
    /// As [`Model::predict`]; the length of `input` or `output` is not the network's number of inputs or outputs.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer};
    /// # let trainer = Trainer::builder(Network::input(2).dense(1)).loss(Loss::mean_squared_error()).build(&Device::cpu())?;
    /// # let mut model = trainer.into_model()?;
    /// model.parameters[0].values = vec![2.0, 1.0]; // The bias is 0.
    /// let mut predictor = model.predictor(&Device::cpu())?;
    /// let mut output = [0.0];
    /// predictor.predict_row(&[3.0, 4.0], &mut output)?;
    /// assert_eq!(output, [10.0]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn predict_row<T: Copy + Into<f64>>(&mut self, input: &[T], output: &mut [f32]) -> Result<()> {
        check_length("input", input.len(), self.inputs())?;
        check_length("output", output.len(), self.outputs())?;
        match &mut self.compiled.row {
            Some(row) => run_row(&self.model.metadata, row, 0, input, output)?,
            None => output.copy_from_slice(&self.compiled.outputs(&self.model, input)?),
        }
        self.model.metadata.probabilities(output)
    }

    /// Predicts any number of rows, as [`Model::predict`]. Inputs may be f64.
    ///
    /// # Errors
    /// As [`Model::predict`].
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer};
    /// # let trainer = Trainer::builder(Network::input(2).dense(1)).loss(Loss::mean_squared_error()).build(&Device::cpu())?;
    /// # let mut model = trainer.into_model()?;
    /// model.parameters[0].values = vec![2.0, 1.0]; // The bias is 0.
    /// let mut predictor = model.predictor(&Device::cpu())?;
    /// assert_eq!(predictor.predict(&[3.0, 4.0, 1.0, 1.0])?, [10.0, 3.0]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn predict<T: Copy + Into<f64>>(&mut self, input: &[T]) -> Result<Vec<f32>> {
        let mut outputs = self.compiled.outputs(&self.model, input)?;
        self.model.metadata.probabilities(&mut outputs)?;
        Ok(outputs)
    }

    /// Predicts the class of each row, as [`Model::predict_classes`]. Inputs may be f64.
    ///
    /// # Errors
    /// As [`Model::predict_classes`].
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer};
    /// # let trainer = Trainer::builder(Network::input(2).dense(2)).loss(Loss::softmax_cross_entropy()).build(&Device::cpu())?;
    /// # let mut model = trainer.into_model()?;
    /// model.parameters[0].values = vec![1.0, 0.0, 0.0, 1.0]; // The bias is 0.
    /// let mut predictor = model.predictor(&Device::cpu())?;
    /// assert_eq!(predictor.predict_classes(&[0.2, 0.9, 0.7, 0.1])?, [1, 0]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn predict_classes<T: Copy + Into<f64>>(&mut self, input: &[T]) -> Result<Vec<u32>> {
        let outputs = self.compiled.outputs(&self.model, input)?;
        self.model.metadata.classes_of(&outputs)
    }
}

impl fmt::Debug for Predictor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (network, device) = (&self.model.metadata.network, &self.compiled.device);
        f.debug_struct("Predictor").field("network", network).field("device", device).finish_non_exhaustive()
    }
}

/// Executors of a model on a device.
pub(super) struct Compiled {
    device: Device,
    /// Executor for single rows; `None` if the device is not the CPU.
    row: Option<RowExecutor>,
    /// Executor for batches, with its batch size. On the CPU, it is `None` until the first batch.
    rows: Option<(usize, Box<dyn Executor>)>,
}

impl Compiled {
    /// Compiles a model for a device.
    ///
    /// # Errors
    /// As [`Model::predictor`].
    pub(super) fn new(model: &Model, device: &Device) -> Result<Self> {
        model.check()?;
        let mut compiled = Self { device: device.clone(), row: None, rows: None };
        if device.is_cpu() {
            let mut row = RowExecutor::new(Plan::for_inference(&model.metadata.network, 1)?)?;
            model.parameters.iter().try_for_each(|tensor| row.write(&tensor.name, &tensor.values))?;
            compiled.row = Some(row);
        } else {
            compiled.executor(model, 1)?;
        }
        Ok(compiled)
    }

    /// Computes the outputs of the last layer for rows of raw inputs. `model` must be the compiled model.
    pub(super) fn outputs<T: Copy + Into<f64>>(&mut self, model: &Model, input: &[T]) -> Result<Vec<f32>> {
        let (network, preprocessing) = (&model.metadata.network, model.metadata.preprocessing.as_ref());
        let (inputs, outputs) = (network.inputs(), network.outputs());
        let rows = input.len() / inputs;
        let is_whole = rows > 0 && input.len().is_multiple_of(inputs);
        let Some(row) = self.row.as_mut().filter(|_| is_whole && rows < FEW_ROWS) else {
            let prepared = prepared(network, preprocessing, input)?;
            return forward(self.executor(model, rows)?, &prepared);
        };
        let mut found = vec![0.0; rows * outputs];
        for (number, (input, output)) in input.chunks(inputs).zip(found.chunks_mut(outputs)).enumerate() {
            run_row(&model.metadata, row, number, input, output)?;
        }
        Ok(found)
    }

    /// Returns an executor for batches of at least `rows` rows, or of the device's batch size if this is smaller.
    /// Reuses the previous executor if its batch size suffices.
    fn executor(&mut self, model: &Model, rows: usize) -> Result<&mut dyn Executor> {
        let rows = rows_at_once(&model.metadata.network, &self.device, rows);
        let enough = match self.rows.take() {
            Some((most, executor)) if most >= rows => (most, executor),
            _ => (rows, model.forward_executor(&self.device, rows)?),
        };
        Ok(self.rows.insert(enough).1.as_mut())
    }
}

/// Computes the outputs of the last layer for one row of raw inputs. `number` is the row's number in error messages.
fn run_row<T: Copy + Into<f64>>(
    metadata: &Metadata,
    row: &mut RowExecutor,
    number: usize,
    input: &[T],
    output: &mut [f32],
) -> Result<()> {
    let scaled = row.input();
    match &metadata.preprocessing {
        Some(preprocessing) => fill(scaled, preprocessing.scaled_row(input)),
        None => fill(scaled, input.iter().map(|value| Into::<f64>::into(*value) as f32)),
    }
    check_inputs(scaled, input.len(), number)?;
    output.copy_from_slice(row.run());
    check_finite("predictions", number, output.len(), output.iter().copied())
}

fn fill(places: &mut [f32], values: impl Iterator<Item = f32>) {
    places.iter_mut().zip(values).for_each(|(place, value)| *place = value);
}

fn check_length(what: &str, found: usize, wanted: usize) -> Result<()> {
    if found == wanted {
        return Ok(());
    }
    Err(Error::Shape {
        place: what.into(),
        found_what: "the number of values is".into(),
        found,
        wanted_what: format!("the number of the network's {what}s is"),
        wanted,
        remedy: "give one row".into(),
    })
}
