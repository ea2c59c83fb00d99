//! Loading of data sets on the device, and the order of their rows.

use std::ops::Range;

use crate::data::{Dataset, Standardization};
use crate::error::{Error, Result, collected, copied};
use crate::lower::{InputStorage, Reduction, TrainingSpec};
use crate::model::{InputRows, prepared, target_of};
use crate::network::Layer;
use crate::plan::STEP_BYTES;
use crate::rng::{Philox, Stream};
use crate::specialize::DeviceLimits;
use crate::trainer::builder::check_columns;
use crate::trainer::checkpoint::Fingerprint;
use crate::trainer::{PendingLosses, Trainer};

/// Largest size in bytes of the inputs in a window (the buffer for the rows of all steps of a submission). It does not
/// apply if the user sets the number of steps per submission.
const WINDOW_BYTES: usize = 4 << 20;

/// Largest number of steps per window on the CPU, where a submission has hardly any overhead.
const WINDOW_STEPS: usize = 32;

/// Largest number of steps per window on a GPU, where the overhead of a submission is as long as several small steps.
const GPU_WINDOW_STEPS: usize = 256;

/// Data set in the format that kernels read.
struct DeviceData {
    storage: InputStorage,
    /// Inputs as numbers or as packed bytes.
    input: Vec<u32>,
    /// Lookup tables from bytes to scaled numbers; empty if the inputs are numbers.
    table: Vec<f32>,
    target: Vec<u32>,
}

/// Weights of the rows of a data set.
struct Weights {
    /// Weights in the order of the data set.
    all: Vec<f32>,
    /// Weights in the order of the rows in the current epoch.
    ordered: Vec<f32>,
}

/// Largest absolute value of a scaled target. Squares of errors that are ten times as large can still be summed in an
/// `f32`.
const MAX_SCALED_TARGET: f64 = 1e17;

/// Returns an error if the squared error of a scaled target could overflow, so that the user learns this before
/// training.
fn check_distance(scaling: &Standardization, data: &Dataset) -> Result<()> {
    let (values, columns) = (data.target_values().unwrap_or_default(), data.target_columns());
    let distance = |at: usize| {
        let column = at % columns.len();
        (values[at] - scaling.mean()[column]).abs() / scaling.scale()[column]
    };
    let Some(at) = (0..values.len()).find(|at| !(distance(*at) <= MAX_SCALED_TARGET)) else { return Ok(()) };
    let (row, column) = (at / columns.len(), at % columns.len());
    let place = format!("data set `{}`, row {row} (from 0), column `{}`", data.name(), columns[column]);
    let problem = format!(
        "{:e} is more than {MAX_SCALED_TARGET:e} standard deviations of the training set from its mean, {:e}: its \
         square overflows",
        values[at],
        scaling.mean()[column]
    );
    Err(Error::data(place, problem, "correct the value, or remove the row"))
}

/// Packs rows of `width` bytes into rows of words. The first byte is the lowest byte of a word. The last word of a row
/// is padded with zeros.
fn packed(bytes: &[u8], width: usize) -> Result<Vec<u32>> {
    let word = |four: &[u8]| four.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
    let words = bytes.chunks(width).flat_map(|row| row.chunks(4).map(word));
    collected("inputs", bytes.len() / width * width.div_ceil(4), words)
}

/// Loaded data set: its fingerprint, and the position in the current epoch. The data and the order of the rows are on
/// the device.
pub(super) struct Loaded {
    rows: usize,
    fingerprint: Fingerprint,
    /// Number of rows used in this epoch.
    used: usize,
    weights: Option<Weights>,
}

impl Loaded {
    /// Returns true if all rows of the epoch were used.
    pub(super) fn at_end(&self) -> bool {
        self.used == self.rows
    }

    /// Marks up to `count` further rows as used, and returns their positions in the epoch's order.
    pub(super) fn next_rows(&mut self, count: usize) -> Range<usize> {
        let first = self.used;
        self.used = (first + count).min(self.rows);
        first..self.used
    }

    /// Sets the position to just after the first `used` rows of the epoch.
    pub(super) fn seek(&mut self, used: usize) {
        self.used = used.min(self.rows);
    }

    /// Returns the number of rows used in this epoch.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Returns the weights of the rows at positions in the epoch's order; `None` if rows have no weights.
    pub(super) fn weights(&self, positions: Range<usize>) -> Option<&[f32]> {
        Some(&self.weights.as_ref()?.ordered[positions])
    }

    /// Returns the data set's fingerprint.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Returns the number of steps per epoch.
    pub(super) fn steps(&self, batch_size: usize) -> usize {
        self.rows.div_ceil(batch_size)
    }
}

impl Trainer {
    /// Loads a data set on the device, for [`Trainer::advance`]. The next step begins a new epoch. Losses that
    /// [`Trainer::advance`] has not returned yet are discarded.
    ///
    /// # Errors
    /// Columns or targets that do not fit the network and the loss; a target with only one class; a batch of one row if
    /// there is [batch normalization](crate::Layer::BatchNorm).
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// trainer.load(&data::xor())?;
    /// assert_eq!(trainer.advance()?.rows, [4]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn load(&mut self, data: &Dataset) -> Result<()> {
        self.fit_target_scaling(data)?;
        let DeviceData { storage, input, table, target } = self.device_data(data)?;
        self.forget()?;
        self.loaded = None;
        // A small data set needs less memory than a full batch.
        let batch = self.batch.min(data.len());
        let accumulate = self.accumulate.min(data.len().div_ceil(batch));
        let rows = batch * accumulate;
        let fitting = (self.window_bytes() / (4 * rows * data.inputs())).clamp(1, self.window_steps(accumulate));
        let steps = self.steps_per_submission.unwrap_or(fitting).min(data.len().div_ceil(rows));
        self.check_single_row("training", data.len(), batch)?;
        let (data_rows, data_inputs) = (Some(data.len()), storage);
        self.change(TrainingSpec {
            micro_batch: batch,
            accumulate,
            data_rows,
            data_inputs,
            reduction: if data.weights().is_some() { Reduction::WeightedMean } else { Reduction::Mean },
            steps,
            ..self.spec.clone()
        })?;
        self.executor.write(self.view("data.input")?, 0, &input)?;
        if storage != InputStorage::Numbers {
            self.executor.write(self.view("data.table")?, 0, bytemuck::cast_slice(&table))?;
        }
        self.executor.write(self.view("data.target")?, 0, &target)?;
        if let Some(weights) = data.weights() {
            self.executor.write(self.view("data.weight")?, 0, bytemuck::cast_slice(weights))?;
        }
        self.columns = Some(data.columns().to_vec());
        self.classes = data.class_names().map(<[String]>::to_vec);
        self.targets = data.target_columns().to_vec();
        let weights = data.weights().map(|weights| copied("weights", weights)).transpose()?;
        let weights = weights.map(|all| Weights { ordered: all.clone(), all });
        self.loaded = Some(Loaded { rows: data.len(), fingerprint: Fingerprint::of(data), used: data.len(), weights });
        Ok(())
    }

    /// Checks that batch normalization gets no batch of a single row if these rows are divided into batches of `batch`
    /// rows.
    ///
    /// # Errors
    /// [`Error::Conflict`], as in PyTorch.
    pub(super) fn check_single_row(&self, place: &str, rows: usize, batch: usize) -> Result<()> {
        let Some(number) = self.spec.network.layers().iter().position(|layer| *layer == Layer::BatchNorm) else {
            return Ok(());
        };
        if rows % batch != 1 % batch {
            return Ok(());
        }
        let remedy = match (batch + 1..=rows).find(|batch| rows % batch != 1) {
            Some(batch) => format!("use a batch size of {batch}"),
            None => "give at least 2 rows, and use a batch size of at least 2".into(),
        };
        let problem = format!(
            "layer {number} (batch_norm) needs batches of at least 2 rows, but batches of {batch} of {rows} rows leave \
             one of 1 row"
        );
        Err(Error::conflict(place, problem, remedy))
    }

    /// Begins the next epoch: waits for all earlier steps, shuffles the rows by the seed and the number of the epoch,
    /// and writes the order of the rows to the device.
    ///
    /// # Errors
    /// A device that does not answer; a number that became infinite or NaN in the epoch before.
    pub(super) fn begin_epoch(&mut self) -> Result<()> {
        self.settle(0)?;
        self.write_order(self.epoch)?;
        self.epoch += 1;
        if let Some(loaded) = &mut self.loaded {
            loaded.used = 0;
        }
        Ok(())
    }

    fn write_order(&mut self, epoch: u32) -> Result<()> {
        let Some(loaded) = &mut self.loaded else { return Ok(()) };
        // Positions after the last row pad the last batch, and hold `u32::MAX`.
        let places = loaded.rows.next_multiple_of(self.spec.micro_batch);
        let mut order = collected("the order of the rows", places, 0..loaded.rows as u32)?;
        Philox::new(self.seed, Stream::Shuffle, epoch).shuffle(&mut order);
        if let Some(Weights { all, ordered }) = &mut loaded.weights {
            ordered.iter_mut().zip(&order).for_each(|(weight, row)| *weight = all[*row as usize]);
        }
        order.resize(places, u32::MAX);
        self.executor.write(self.executor.plan().named("index")?, 0, &order)
    }

    /// Resumes the epoch that was begun last, after its first `used` rows.
    pub(super) fn resume_epoch(&mut self, used: usize) -> Result<()> {
        if let Some(epoch) = self.epoch.checked_sub(1) {
            self.write_order(epoch)?;
        }
        if let Some(loaded) = &mut self.loaded {
            loaded.seek(used);
        }
        Ok(())
    }

    /// Waits for all submissions, and discards their losses.
    pub(super) fn forget(&mut self) -> Result<()> {
        self.settle(0)?;
        self.pending_losses = PendingLosses::default();
        Ok(())
    }

    /// Returns the largest size in bytes of the inputs in a window. On a GPU these inputs must also fit into one
    /// binding.
    fn window_bytes(&self) -> usize {
        match self.executor.limits() {
            DeviceLimits::Cpu => WINDOW_BYTES,
            DeviceLimits::Gpu(limits) => WINDOW_BYTES.min(limits.binding_bytes as usize),
        }
    }

    /// Returns the largest number of steps per window. On a GPU, all step records of a window must fit into one
    /// binding, after a record that holds their number.
    fn window_steps(&self, accumulate: usize) -> usize {
        match self.executor.limits() {
            DeviceLimits::Cpu => WINDOW_STEPS,
            DeviceLimits::Gpu(limits) => {
                let records = (limits.binding_bytes as usize / STEP_BYTES).saturating_sub(1);
                GPU_WINDOW_STEPS.min(records / accumulate).max(1)
            }
        }
    }

    /// Checks that a data set fits the network and the loss, as [`Trainer::fit`] does. Called with the test set before
    /// training, it finds problems that would otherwise show only after training.
    ///
    /// # Errors
    /// Columns or targets that do not fit the network and the loss; a target with only one class.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// assert!(trainer.check(&data::xor()).is_ok());
    /// assert!(trainer.check(&data::iris()).is_err(), "iris has 4 columns");
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn check(&self, data: &Dataset) -> Result<()> {
        self.device_data(data).map(drop)
    }

    /// Converts a data set to the format that kernels read.
    fn device_data(&self, data: &Dataset) -> Result<DeviceData> {
        if let Some([only]) = data.class_names() {
            let problem = format!("its target has only one class, `{only}`, so there is nothing to learn");
            let remedy = "add rows of another class, or choose another target column";
            return Err(Error::data(format!("data set `{}`", data.name()), problem, remedy));
        }
        let network = &self.spec.network;
        let rows = InputRows::of(network, self.preprocessing.as_ref(), data)?;
        let scaling = self.target_scaling.as_ref();
        scaling.map_or(Ok(()), |scaling| check_distance(scaling, data))?;
        let target = target_of(network, self.spec.loss, scaling, data)?;
        let Some(bytes) = data.bytes() else {
            let input = bytemuck::cast_vec(rows.all()?);
            return Ok(DeviceData { storage: InputStorage::Numbers, input, table: Vec::new(), target });
        };
        let (storage, table) = self.table()?;
        Ok(DeviceData { storage, input: packed(bytes, network.inputs())?, table, target })
    }

    /// Fits the scaling of targets on `data`, if targets are scaled and the scaling is not known yet.
    pub(super) fn fit_target_scaling(&mut self, data: &Dataset) -> Result<()> {
        if self.scale_targets && self.target_scaling.is_none() && data.target_values().is_some() {
            let scaling = Standardization::fit_targets(data)?;
            let target_columns = self.spec.loss.target_columns(self.spec.network.outputs());
            check_columns("target scaling", Some(&scaling), "target", target_columns)?;
            self.target_scaling = Some(scaling);
        }
        Ok(())
    }

    /// Returns the factor that converts the loss on scaled targets to the units of the raw targets: a power of the
    /// scale. It is 1 if targets are not scaled, and if there are several target columns, since their scales differ.
    pub(super) fn loss_factor(&self) -> f64 {
        match (self.target_scaling.as_ref().map(Standardization::scale), self.spec.loss.unit_power()) {
            (Some([scale]), Some(power)) => scale.powi(power),
            _ => 1.0,
        }
    }

    /// Returns the lookup tables from bytes to scaled numbers, of shape \[tables, 256\]. There is one table if all
    /// columns have the same scaling, and otherwise one per column.
    fn table(&self) -> Result<(InputStorage, Vec<f32>)> {
        let (preprocessing, columns) = (self.preprocessing.as_ref(), self.spec.network.inputs());
        // Row i has the byte i in every column.
        let rows: Vec<u8> = (0..=255).flat_map(|byte| std::iter::repeat_n(byte, columns)).collect();
        let rows = prepared(&self.spec.network, preprocessing, &rows)?;
        let uniform = preprocessing.is_none_or(Standardization::is_uniform);
        let column = |column: usize| rows.iter().skip(column).step_by(columns).copied();
        let table = (0..if uniform { 1 } else { columns }).flat_map(column).collect();
        Ok((if uniform { InputStorage::Bytes } else { InputStorage::BytesByColumn }, table))
    }

    /// Unloads the data set, and allocates memory for full steps on rows that the caller passes. Does nothing if this
    /// memory is already allocated.
    pub(super) fn unload(&mut self, reduction: Reduction) -> Result<()> {
        if self.spec.data_rows.is_none() && self.spec.reduction == reduction && !self.needs_step_plan {
            return Ok(());
        }
        self.forget()?;
        self.loaded = None;
        self.change(self.passed_rows_spec(reduction))
    }

    /// Returns the specification for steps on rows that the caller passes to [`Trainer::step`].
    pub(super) fn passed_rows_spec(&self, reduction: Reduction) -> TrainingSpec {
        let Self { batch, accumulate, .. } = *self;
        let data_inputs = InputStorage::Numbers;
        let own = TrainingSpec { data_rows: None, data_inputs, reduction, steps: 1, ..self.spec.clone() };
        TrainingSpec { micro_batch: batch, accumulate, ..own }
    }

    /// Makes sure that the executor has a plan that can run steps.
    pub(super) fn ensure_steps(&mut self) -> Result<()> {
        if self.needs_step_plan { self.unload(Reduction::Mean) } else { Ok(()) }
    }

    /// Sets the number of batches per step, and unloads the data set.
    pub(super) fn accumulate(&mut self, batches: usize) -> Result<()> {
        TrainingSpec { accumulate: batches, ..self.passed_rows_spec(Reduction::Mean) }.check()?;
        self.forget()?;
        self.loaded = None;
        self.accumulate = batches;
        // The next steps need another plan.
        self.needs_step_plan = true;
        Ok(())
    }

    /// Changes to the plan of another specification. Parameters and optimizer state keep their values.
    fn change(&mut self, spec: TrainingSpec) -> Result<()> {
        if self.needs_step_plan || spec != self.spec {
            self.executor.adopt(self.planner.plan(&spec)?)?;
            self.spec = spec;
            self.needs_step_plan = false;
        }
        Ok(())
    }
}
