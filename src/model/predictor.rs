//! Predictions, over and over, with what they need made once.

use super::{Metadata, Model, check_finite, check_inputs, classes, forward, prepared, rows_at_once};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::exec::{Executor, RowExecutor};
use crate::fuse::fuse;
use crate::lower::lower_forward;

/// On the CPU, fewer rows than this are predicted one by one: each takes a microsecond or so, and a batch takes several to
/// begin.
const FEW_ROWS: usize = 8;

/// A model that is ready to predict: compiled for a device, with its memory.
///
/// On the CPU, [`Predictor::predict_row`] allocates nothing and hands nothing to another thread; a network with two hidden
/// layers of 64 takes about one microsecond per row. All methods of it return the same bits for a row, alone or among
/// others.
///
/// ```
/// use wgrad::{Device, Fit, Loss, Network, Trainer, data};
/// let mut trainer =
///     Trainer::builder(Network::input(4).dense(16).relu().dense(3)).loss(Loss::SoftmaxCrossEntropy).build(&Device::cpu())?;
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
    /// Parts of the model that do not fit each other ([`Model::check`]); too little memory; a device that does not answer.
    pub fn predictor(&self, device: &Device) -> Result<Predictor> {
        Ok(Predictor { model: self.clone(), compiled: Compiled::new(self, device)? })
    }
}

impl Predictor {
    /// Number of input columns.
    pub fn inputs(&self) -> usize {
        self.model.metadata.network.inputs()
    }

    /// Number of outputs per row.
    pub fn outputs(&self) -> usize {
        self.model.metadata.network.outputs()
    }

    /// Predicts one row of raw inputs: what [`Model::predict`] returns is written to `output`.
    ///
    /// # Errors
    /// As [`Model::predict`]; another number of inputs or outputs than the network has.
    pub fn predict_row<T: Copy + Into<f64>>(&mut self, input: &[T], output: &mut [f32]) -> Result<()> {
        check_length("input", input.len(), self.inputs())?;
        check_length("output", output.len(), self.outputs())?;
        match &mut self.compiled.row {
            Some(row) => run_row(&self.model.metadata, row, 0, input, output)?,
            None => output.copy_from_slice(&self.compiled.outputs(&self.model, input)?),
        }
        self.model.metadata.probabilities(output)
    }

    /// Predicts any number of rows, as [`Model::predict`] does.
    ///
    /// # Errors
    /// As [`Model::predict`].
    pub fn predict<T: Copy + Into<f64>>(&mut self, input: &[T]) -> Result<Vec<f32>> {
        let mut outputs = self.compiled.outputs(&self.model, input)?;
        self.model.metadata.probabilities(&mut outputs)?;
        Ok(outputs)
    }

    /// Predicts the class of each row, as [`Model::predict_classes`] does.
    ///
    /// # Errors
    /// As [`Model::predict_classes`].
    pub fn predict_classes<T: Copy + Into<f64>>(&mut self, input: &[T]) -> Result<Vec<u32>> {
        classes(self.model.metadata.loss, self.outputs(), &self.compiled.outputs(&self.model, input)?)
    }
}

/// Model compiled for a device.
pub(super) struct Compiled {
    device: Device,
    /// On the CPU.
    row: Option<RowExecutor>,
    /// For so many rows at once; on the CPU from the first time on that there are as many.
    rows: Option<(usize, Box<dyn Executor>)>,
}

impl Compiled {
    /// # Errors
    /// As [`Model::predictor`].
    pub(super) fn new(model: &Model, device: &Device) -> Result<Self> {
        model.check()?;
        let mut compiled = Self { device: device.clone(), row: None, rows: None };
        if device.is_cpu() {
            let mut row = RowExecutor::new(fuse(&lower_forward(&model.metadata.network, 1)?)?)?;
            model.parameters.iter().try_for_each(|tensor| row.write(&tensor.name, &tensor.values))?;
            compiled.row = Some(row);
        } else {
            compiled.executor(model, 1)?;
        }
        Ok(compiled)
    }

    /// Outputs of the last layer for rows of raw inputs; `model` is the one that was compiled.
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

    /// Executor for so many rows, or as many of them as the device should at once.
    fn executor(&mut self, model: &Model, rows: usize) -> Result<&mut dyn Executor> {
        let rows = rows_at_once(&model.metadata.network, &self.device, rows);
        let enough = match self.rows.take() {
            Some((most, executor)) if most >= rows => (most, executor),
            _ => (rows, model.forward_executor(&self.device, rows)?),
        };
        Ok(self.rows.insert(enough).1.as_mut())
    }
}

/// Computes what the last layer puts out for one row of raw inputs, which messages call `number`.
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
