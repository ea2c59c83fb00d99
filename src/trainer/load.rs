//! Brings data sets to the device, and says which rows come next.

use std::ops::Range;

use crate::data::{Dataset, Standardization};
use crate::error::{Error, Result, collected};
use crate::lower::{InputStorage, TrainingSpec};
use crate::model::{InputRows, prepared, target_of};
use crate::plan::STEP_BYTES;
use crate::rng::{Philox, Stream};
use crate::specialize::DeviceLimits;
use crate::trainer::builder::check_columns;
use crate::trainer::checkpoint::Fingerprint;
use crate::trainer::{PendingLosses, Trainer};

/// Without a wish of the user's, a window holds at most this many bytes of inputs.
const WINDOW_BYTES: usize = 4 << 20;

/// …and at most this many steps: on the CPU, where a submission costs hardly anything…
const WINDOW_STEPS: usize = 32;

/// …and on a GPU, where it costs as much as several small steps.
const GPU_WINDOW_STEPS: usize = 256;

/// A data set as the kernels read it.
struct Fitting {
    held: InputStorage,
    /// Numbers, or packed bytes.
    input: Vec<u32>,
    /// What bytes become.
    table: Vec<f32>,
    target: Vec<u32>,
}

/// Largest scaled target: squares of ten times as much, summed over rows, still fit an f32.
const FARTHEST: f64 = 1e17;

/// Checks that squared errors on scaled targets are numbers, so that nobody finds out after hours of training.
fn check_distance(scaling: &Standardization, data: &Dataset) -> Result<()> {
    let (values, columns) = (data.target_values().unwrap_or_default(), data.target_columns());
    let distance = |at: usize| {
        let column = at % columns.len();
        (values[at] - scaling.mean()[column]).abs() / scaling.scale()[column]
    };
    let Some(at) = (0..values.len()).find(|at| !(distance(*at) <= FARTHEST)) else { return Ok(()) };
    let (row, column) = (at / columns.len(), at % columns.len());
    let place = format!("data set `{}`, row {row} (from 0), column `{}`", data.name(), columns[column]);
    let problem = format!(
        "{:e} is more than {FARTHEST:e} standard deviations of the training set from its mean, {:e}: its square overflows",
        values[at],
        scaling.mean()[column]
    );
    Err(Error::data(place, problem, "correct the value, or remove the row"))
}

/// Rows of `width` bytes as rows of words, the first byte lowest; the last word of a row is filled up with zeros.
fn packed(bytes: &[u8], width: usize) -> Result<Vec<u32>> {
    let word = |four: &[u8]| four.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
    let words = bytes.chunks(width).flat_map(|row| row.chunks(4).map(word));
    collected("inputs", bytes.len() / width * width.div_ceil(4), words)
}

/// Where training is in the loaded data set. In which order its rows come is the device's to know.
pub(super) struct Loaded {
    rows: usize,
    fingerprint: Fingerprint,
    /// How many of them were used in this epoch.
    used: usize,
}

impl Loaded {
    /// Whether all rows of the epoch were used.
    pub(super) fn at_end(&self) -> bool {
        self.used == self.rows
    }

    /// The places in the epoch's order of up to `count` further rows.
    pub(super) fn next_rows(&mut self, count: usize) -> Range<usize> {
        let first = self.used;
        self.used = (first + count).min(self.rows);
        first..self.used
    }

    /// Forgets that more than `used` rows of the epoch were used.
    pub(super) fn go_back(&mut self, used: usize) {
        self.used = used.min(self.rows);
    }

    /// How many rows of the epoch were used.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Which data set it is.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Steps of an epoch, with so many rows each but the last.
    pub(super) fn steps(&self, batch_size: usize) -> usize {
        self.rows.div_ceil(batch_size)
    }
}

impl Trainer {
    /// Brings a data set to the device and begins a new epoch on it; [`Trainer::advance`] then works on it.
    ///
    /// # Errors
    /// Columns or targets that do not fit the network and the loss; a target of one class, which teaches nothing.
    pub fn load(&mut self, data: &Dataset) -> Result<()> {
        self.fit_target_scaling(data)?;
        let Fitting { held, input, table, target } = self.fitting(data)?;
        self.forget()?;
        self.loaded = None;
        // No more memory than there are rows.
        let batch = self.batch.min(data.len());
        let accumulate = self.accumulate.min(data.len().div_ceil(batch));
        let rows = batch * accumulate;
        let fitting = (self.window_bytes() / (4 * rows * data.inputs())).clamp(1, self.window_steps(accumulate));
        let steps = self.steps_per_submission.unwrap_or(fitting).min(data.len().div_ceil(rows));
        let (data_rows, data_inputs) = (Some(data.len()), held);
        self.change(TrainingSpec {
            micro_batch: batch,
            accumulate,
            data_rows,
            data_inputs,
            steps,
            ..self.spec.clone()
        })?;
        self.executor.write(self.view("data.input")?, 0, &input)?;
        if held != InputStorage::Numbers {
            self.executor.write(self.view("data.table")?, 0, bytemuck::cast_slice(&table))?;
        }
        self.executor.write(self.view("data.target")?, 0, &target)?;
        self.columns = Some(data.columns().to_vec());
        self.classes = data.class_names().map(<[String]>::to_vec);
        self.targets = data.target_columns().to_vec();
        self.loaded = Some(Loaded { rows: data.len(), fingerprint: Fingerprint::of(data), used: data.len() });
        Ok(())
    }

    /// Draws the order of the next epoch, which depends on seed and epoch alone, and brings it to the device once all
    /// steps of the one before are done.
    ///
    /// # Errors
    /// A device that does not answer; a number that is not finite, in the epoch before.
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
        let Some(loaded) = &self.loaded else { return Ok(()) };
        // The last batch may be a short one.
        let places = loaded.rows.next_multiple_of(self.spec.micro_batch);
        let mut order = collected("the order of the rows", places, 0..loaded.rows as u32)?;
        Philox::new(self.seed, Stream::Shuffle, epoch).shuffle(&mut order);
        order.resize(places, u32::MAX);
        self.executor.write(self.executor.plan().named("index")?, 0, &order)
    }

    /// Stands in the epoch that was begun last, with so many of its rows used.
    pub(super) fn go_on_from(&mut self, used: usize) -> Result<()> {
        if let Some(epoch) = self.epoch.checked_sub(1) {
            self.write_order(epoch)?;
        }
        if let Some(loaded) = &mut self.loaded {
            loaded.go_back(used);
        }
        Ok(())
    }

    /// Waits for all submissions, and forgets losses that nobody has asked for.
    pub(super) fn forget(&mut self) -> Result<()> {
        self.settle(0)?;
        self.pending_losses = PendingLosses::default();
        Ok(())
    }

    /// Bytes of inputs that a window may hold: no more than the device can bind at once.
    fn window_bytes(&self) -> usize {
        match self.executor.target() {
            DeviceLimits::Cpu => WINDOW_BYTES,
            DeviceLimits::Gpu(limits) => WINDOW_BYTES.min(limits.binding_bytes as usize),
        }
    }

    /// Steps that a window may hold: no more than have records, behind one that counts them, which a device can bind at
    /// once.
    fn window_steps(&self, accumulate: usize) -> usize {
        match self.executor.target() {
            DeviceLimits::Cpu => WINDOW_STEPS,
            DeviceLimits::Gpu(limits) => {
                let records = (limits.binding_bytes as usize / STEP_BYTES).saturating_sub(1);
                GPU_WINDOW_STEPS.min(records / accumulate).max(1)
            }
        }
    }

    /// Checks that a data set fits network and loss, as [`Trainer::fit`] does, so that a set that is needed only after
    /// hours is found unfit before.
    ///
    /// # Errors
    /// As [`Trainer::load`].
    pub fn check(&self, data: &Dataset) -> Result<()> {
        self.fitting(data).map(drop)
    }

    /// A data set that can be trained on, as the kernels read it.
    fn fitting(&self, data: &Dataset) -> Result<Fitting> {
        if let Some([only]) = data.class_names() {
            let problem = format!("its target has one class, `{only}`, so there is nothing to tell apart");
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
            return Ok(Fitting { held: InputStorage::Numbers, input, table: Vec::new(), target });
        };
        let (held, table) = self.table()?;
        Ok(Fitting { held, input: packed(bytes, network.inputs())?, table, target })
    }

    /// Fits the scaling of targets on the first data set, if they are to be scaled.
    pub(super) fn fit_target_scaling(&mut self, data: &Dataset) -> Result<()> {
        if self.scale_targets && self.target_scaling.is_none() && data.target_values().is_some() {
            let scaling = Standardization::fit_targets(data)?;
            check_columns("target scaling", Some(&scaling), "output", self.spec.network.outputs())?;
            self.target_scaling = Some(scaling);
        }
        Ok(())
    }

    /// Factor that turns a loss on scaled targets into one in their units: an error shrinks by the scale, its square by the
    /// square of it. There is none for several columns, each with a scale of its own.
    pub(super) fn loss_factor(&self) -> f64 {
        match self.target_scaling.as_ref().map(Standardization::scale) {
            Some([scale]) => scale * scale,
            _ => 1.0,
        }
    }

    /// What each byte becomes, \[tables, 256\]: itself, scaled.
    fn table(&self) -> Result<(InputStorage, Vec<f32>)> {
        let (preprocessing, columns) = (self.preprocessing.as_ref(), self.spec.network.inputs());
        // A row for each byte, which has it everywhere.
        let rows: Vec<u8> = (0..=255).flat_map(|byte| std::iter::repeat_n(byte, columns)).collect();
        let rows = prepared(&self.spec.network, preprocessing, &rows)?;
        let uniform = preprocessing.is_none_or(Standardization::is_uniform);
        let column = |column: usize| rows.iter().skip(column).step_by(columns).copied();
        let table = (0..if uniform { 1 } else { columns }).flat_map(column).collect();
        Ok((if uniform { InputStorage::Bytes } else { InputStorage::BytesByColumn }, table))
    }

    /// Makes room for rows that the host brings: of a whole batch, since nobody knows how many there will be.
    pub(super) fn unload(&mut self) -> Result<()> {
        if self.spec.data_rows.is_none() && !self.at_rest {
            return Ok(());
        }
        self.forget()?;
        self.loaded = None;
        self.change(self.own_steps())
    }

    /// What steps are of whose rows the host brings.
    pub(super) fn own_steps(&self) -> TrainingSpec {
        let Self { batch, accumulate, .. } = *self;
        let data_inputs = InputStorage::Numbers;
        TrainingSpec { micro_batch: batch, accumulate, data_rows: None, data_inputs, steps: 1, ..self.spec.clone() }
    }

    /// Makes sure that the executor has a plan with steps, as that of a data set, or of rows that the host brings.
    pub(super) fn rise(&mut self) -> Result<()> {
        if self.at_rest { self.unload() } else { Ok(()) }
    }

    /// Adds the gradients of so many batches before each update from the next data set, or own step, on.
    pub(super) fn accumulate(&mut self, batches: usize) -> Result<()> {
        TrainingSpec { accumulate: batches, ..self.own_steps() }.check()?;
        self.forget()?;
        self.loaded = None;
        self.accumulate = batches;
        // Whatever comes next has another plan.
        self.at_rest = true;
        Ok(())
    }

    /// Changes to the plan of another spec; parameters and state stay.
    fn change(&mut self, spec: TrainingSpec) -> Result<()> {
        if self.at_rest || spec != self.spec {
            self.executor.adopt(self.planner.plan(&spec)?)?;
            self.spec = spec;
            self.at_rest = false;
        }
        Ok(())
    }
}
