//! Brings data sets to the device, and says which rows come next.

use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::fuse::fuse;
use crate::lower::{Description, lower};
use crate::model::{input_of, target_of};
use crate::rng::{Philox, Stream};
use crate::specialize::Target;
use crate::trainer::{Known, Trainer};

/// Without a wish of the user's, a window holds at most this many bytes of inputs.
const WINDOW_BYTES: usize = 4 << 20;

/// …and at most this many steps.
const WINDOW_STEPS: usize = 32;

/// Where training is in the loaded data set.
pub(super) struct Loaded {
    /// Rows in this epoch's order.
    order: Vec<u32>,
    /// How many of them were used.
    used: usize,
}

impl Loaded {
    fn new(rows: usize) -> Self {
        Self { order: (0..rows as u32).collect(), used: rows }
    }

    /// Whether all rows of the epoch were used.
    pub(super) fn at_end(&self) -> bool {
        self.used == self.order.len()
    }

    /// Up to `count` further rows of the epoch; at its end the next one begins, in an order of its own.
    pub(super) fn next_rows(&mut self, seed: u64, epoch: &mut u32, count: usize) -> &[u32] {
        if self.at_end() {
            // The order depends on seed and epoch alone, not on the order before.
            self.order.sort_unstable();
            Philox::new(seed, Stream::Shuffle, *epoch).shuffle(&mut self.order);
            *epoch += 1;
            self.used = 0;
        }
        let first = self.used;
        self.used = (first + count).min(self.order.len());
        &self.order[first..self.used]
    }

    /// How many rows of the epoch were used.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Forgets that more than `used` rows of the epoch were used.
    pub(super) fn go_back(&mut self, used: usize) {
        self.used = used;
    }

    /// Steps of an epoch.
    pub(super) fn steps(&self, batch: usize) -> usize {
        self.order.len().div_ceil(batch)
    }
}

impl Trainer {
    /// Brings a data set to the device and begins a new epoch on it; [`Trainer::advance`] then works on it.
    ///
    /// # Errors
    /// Columns or targets that do not fit the network and the loss; a target of one class, which teaches nothing.
    pub fn load(&mut self, data: &Dataset) -> Result<()> {
        let (input, target) = self.fitting(data)?;
        self.settle(0)?;
        (self.loaded, self.known) = (None, Known::default());
        let bytes = 4 * self.description.batch * data.inputs();
        let fitting = (self.window_bytes() / bytes).clamp(1, WINDOW_STEPS);
        let slots = self.steps_a_submission.unwrap_or(fitting).min(data.len().div_ceil(self.description.batch));
        self.change(Description { data_rows: Some(data.len()), slots, ..self.description.clone() })?;
        self.executor.write(self.view("data.input")?, 0, bytemuck::cast_slice(&input))?;
        self.executor.write(self.view("data.target")?, 0, &target)?;
        self.columns = Some(data.columns().to_vec());
        self.classes = data.class_names().map(<[String]>::to_vec);
        self.loaded = Some(Loaded::new(data.len()));
        Ok(())
    }

    /// Bytes of inputs that a window may hold: no more than the device can bind at once.
    fn window_bytes(&self) -> usize {
        match self.executor.target() {
            Target::Cpu => WINDOW_BYTES,
            Target::Gpu(limits) => WINDOW_BYTES.min(limits.binding_bytes as usize),
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

    /// Inputs and targets of a data set that can be trained on, as the kernels read them.
    fn fitting(&self, data: &Dataset) -> Result<(Vec<f32>, Vec<u32>)> {
        if let Some([only]) = data.class_names() {
            let problem = format!("its target has one class, `{only}`, so there is nothing to tell apart");
            let remedy = "add rows of another class, or choose another target column";
            return Err(Error::data(format!("data set `{}`", data.name()), problem, remedy));
        }
        let network = &self.description.network;
        let input = input_of(network, self.preprocessing.as_ref(), data)?;
        Ok((input, target_of(network, self.description.loss, data)?))
    }

    /// Makes room for rows that the host brings.
    pub(super) fn unload(&mut self) -> Result<()> {
        if self.description.data_rows.is_none() {
            return Ok(());
        }
        self.settle(0)?;
        (self.loaded, self.known) = (None, Known::default());
        self.change(Description { data_rows: None, slots: 1, ..self.description.clone() })
    }

    /// Changes to the plan of another description; parameters and state stay.
    fn change(&mut self, description: Description) -> Result<()> {
        if description != self.description {
            let plan = lower(&description)?;
            self.executor.adopt(if self.fused { fuse(&plan)? } else { plan })?;
            self.description = description;
        }
        Ok(())
    }
}
