//! Puts data sets and targets into the form that kernels read.

use crate::data::{Dataset, Targets};
use crate::error::{Error, Result};
use crate::fuse::fuse;
use crate::loss::{Loss, TargetKind};
use crate::lower::{Description, lower};
use crate::rng::{Philox, Stream};
use crate::trainer::Trainer;

/// Without a wish of the user's, a window holds at most this many bytes of inputs.
const WINDOW_BYTES: usize = 4 << 20;

/// …and at most this many steps.
const WINDOW_STEPS: usize = 32;

/// Targets of rows that the host brings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target<'a> {
    /// A class index for each row, for softmax cross-entropy.
    Classes(&'a [u32]),
    /// A number for each output of each row, for the other losses.
    Numbers(&'a [f32]),
}

impl<'a> From<&'a [u32]> for Target<'a> {
    fn from(classes: &'a [u32]) -> Self {
        Self::Classes(classes)
    }
}

impl<'a> From<&'a [f32]> for Target<'a> {
    fn from(numbers: &'a [f32]) -> Self {
        Self::Numbers(numbers)
    }
}

impl<'a, const N: usize> From<&'a [u32; N]> for Target<'a> {
    fn from(classes: &'a [u32; N]) -> Self {
        Self::Classes(classes)
    }
}

impl<'a, const N: usize> From<&'a [f32; N]> for Target<'a> {
    fn from(numbers: &'a [f32; N]) -> Self {
        Self::Numbers(numbers)
    }
}

impl<'a> From<&'a Vec<u32>> for Target<'a> {
    fn from(classes: &'a Vec<u32>) -> Self {
        Self::Classes(classes)
    }
}

impl<'a> From<&'a Vec<f32>> for Target<'a> {
    fn from(numbers: &'a Vec<f32>) -> Self {
        Self::Numbers(numbers)
    }
}

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

    /// Steps of an epoch.
    pub(super) fn steps(&self, batch: usize) -> usize {
        self.order.len().div_ceil(batch)
    }
}

impl Trainer {
    /// Brings a data set to the device and begins a new epoch on it; [`Trainer::advance`] then works on it.
    ///
    /// # Errors
    /// Columns or targets that do not fit the network and the loss.
    pub fn load(&mut self, data: &Dataset) -> Result<()> {
        let input = self.input_of(data)?;
        let target = self.target_of(data)?;
        let bytes = 4 * self.description.batch * data.inputs();
        let fitting = (WINDOW_BYTES / bytes).clamp(1, WINDOW_STEPS);
        let slots = self.steps_a_submission.unwrap_or(fitting).min(data.len().div_ceil(self.description.batch));
        self.change(Description { data_rows: Some(data.len()), slots, ..self.description.clone() })?;
        self.executor.write(self.view("data.input"), 0, bytemuck::cast_slice(&input))?;
        self.executor.write(self.view("data.target"), 0, &target)?;
        self.columns = Some(data.columns().to_vec());
        self.classes = data.class_names().map(<[String]>::to_vec);
        self.loaded = Some(Loaded::new(data.len()));
        Ok(())
    }

    /// Makes room for rows that the host brings.
    pub(super) fn unload(&mut self) -> Result<()> {
        self.loaded = None;
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

    /// A data set's inputs, scaled.
    pub(super) fn input_of(&self, data: &Dataset) -> Result<Vec<f32>> {
        let network = &self.description.network;
        if data.inputs() != network.inputs() {
            return Err(Error::Shape {
                place: format!("data set {}", data.name()),
                found_what: "input columns are".into(),
                found: data.inputs(),
                wanted_what: "the network expects".into(),
                wanted: network.inputs(),
                remedy: "use the columns that the network was made for, or another network".into(),
            });
        }
        if data.is_empty() {
            return Err(Error::data(format!("data set {}", data.name()), "it has no rows", "give at least one"));
        }
        crate::model::prepared(network, self.preprocessing.as_ref(), data.input())
    }

    /// A data set's targets as words.
    pub(super) fn target_of(&self, data: &Dataset) -> Result<Vec<u32>> {
        let place = || format!("data set {}", data.name());
        let loss = self.description.loss;
        let numbers: Vec<f32>;
        let target = match (data.targets(), loss.target_kind()) {
            (Targets::Classes { names, .. }, TargetKind::Class)
                if names.len() != self.description.network.outputs() =>
            {
                return Err(Error::Shape {
                    place: place(),
                    found_what: "classes are".into(),
                    found: names.len(),
                    wanted_what: "the network's outputs are".into(),
                    wanted: self.description.network.outputs(),
                    remedy: "give the last dense layer one output for each class".into(),
                });
            }
            (Targets::Classes { indices, .. }, TargetKind::Class) => Target::Classes(indices),
            // Two classes are as good as 0 and 1 for the losses that are made for these.
            (Targets::Classes { indices, names }, TargetKind::Numbers)
                if names.len() == 2 && loss.is_classification() =>
            {
                numbers = indices.iter().map(|index| *index as f32).collect();
                Target::Numbers(&numbers)
            }
            (Targets::Numbers { values, .. }, _) => Target::Numbers(values),
            (Targets::Classes { names, .. }, TargetKind::Numbers) => {
                let problem = format!("the target is one of {} classes, but {loss} compares with numbers", names.len());
                return Err(Error::conflict(place(), problem, "use softmax_cross_entropy"));
            }
        };
        target_words(&self.description, target, data.len())
    }
}

/// Checks targets of `rows` rows against network and loss, and returns them as words.
pub(super) fn target_words(description: &Description, target: Target<'_>, rows: usize) -> Result<Vec<u32>> {
    let (loss, outputs) = (description.loss, description.network.outputs());
    let (found, wanted) = match target {
        Target::Classes(classes) => (classes.len(), rows),
        Target::Numbers(numbers) => (numbers.len(), rows * outputs),
    };
    match (loss.target_kind(), target) {
        (TargetKind::Class, Target::Numbers(_)) => Err(Error::conflict(
            "targets",
            format!("{loss} needs a class for each row, not numbers"),
            "give class indices, or use mean_squared_error",
        )),
        (TargetKind::Numbers, Target::Classes(_)) => Err(Error::conflict(
            "targets",
            format!("{loss} needs numbers, not classes"),
            "give numbers, or use softmax_cross_entropy",
        )),
        _ if found != wanted => Err(Error::Shape {
            place: "targets".into(),
            found_what: "number of values is".into(),
            found,
            wanted_what: format!("{rows} rows need"),
            wanted,
            remedy: "give one class a row, or one number for each output of each row".into(),
        }),
        (_, Target::Classes(classes)) => match classes.iter().position(|class| *class as usize >= outputs) {
            None => Ok(classes.to_vec()),
            Some(row) => Err(Error::value(
                format!("targets, row {row}"),
                "class",
                classes[row],
                &format!("below the network's {outputs} outputs"),
            )),
        },
        (_, Target::Numbers(numbers)) => match numbers.iter().position(|number| !allowed(loss, *number)) {
            None => Ok(bytemuck::cast_slice(numbers).to_vec()),
            Some(at) => Err(Error::value(
                format!("targets, row {}, output {}", at / outputs, at % outputs),
                "target",
                numbers[at],
                range(loss),
            )),
        },
    }
}

fn allowed(loss: Loss, number: f32) -> bool {
    match loss {
        Loss::BinaryCrossEntropy => (0.0..=1.0).contains(&number),
        Loss::Perceptron => number == 0.0 || number == 1.0,
        _ => number.is_finite(),
    }
}

fn range(loss: Loss) -> &'static str {
    match loss {
        Loss::BinaryCrossEntropy => "between 0 and 1",
        Loss::Perceptron => "0 or 1",
        _ => "finite",
    }
}
