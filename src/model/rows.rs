//! Converts data sets and targets into the format that kernels read.

use std::ops;

use crate::data::{Dataset, Standardization, Targets};
use crate::elementwise::Range;
use crate::error::{Error, Result, collected, copied};
use crate::loss::{Loss, TargetKind, Task};
use crate::model::check_inputs;
use crate::network::Network;

/// Targets of the rows of a batch; converts from slices, arrays and vectors of u32 (classes) or f32 (numbers).
///
/// # Examples
/// ```
/// use wgrad::model::Labels;
/// assert_eq!(Labels::from(&[0u32, 2]), Labels::Classes(&[0, 2]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Labels<'a> {
    /// One class index per row, from 0, for softmax cross-entropy and other losses whose target is a class.
    Classes(&'a [u32]),
    /// Numbers for the other loss functions, row-major: one per target of each row. Most losses have one target per
    /// output.
    Numbers(&'a [f32]),
}

impl<'a> From<&'a [u32]> for Labels<'a> {
    fn from(classes: &'a [u32]) -> Self {
        Self::Classes(classes)
    }
}

impl<'a> From<&'a [f32]> for Labels<'a> {
    fn from(numbers: &'a [f32]) -> Self {
        Self::Numbers(numbers)
    }
}

impl<'a, const N: usize> From<&'a [u32; N]> for Labels<'a> {
    fn from(classes: &'a [u32; N]) -> Self {
        Self::Classes(classes)
    }
}

impl<'a, const N: usize> From<&'a [f32; N]> for Labels<'a> {
    fn from(numbers: &'a [f32; N]) -> Self {
        Self::Numbers(numbers)
    }
}

impl<'a> From<&'a Vec<u32>> for Labels<'a> {
    fn from(classes: &'a Vec<u32>) -> Self {
        Self::Classes(classes)
    }
}

impl<'a> From<&'a Vec<f32>> for Labels<'a> {
    fn from(numbers: &'a Vec<f32>) -> Self {
        Self::Numbers(numbers)
    }
}

/// Inputs of a data set for a network. Rows are scaled on demand: as f32, all rows of an image set would take four
/// times the memory of its bytes.
pub(crate) struct InputRows<'a> {
    pub(crate) data: &'a Dataset,
    preprocessing: Option<&'a Standardization>,
}

impl<'a> InputRows<'a> {
    /// Checks that a data set fits the inputs of a network, and returns its inputs.
    ///
    /// # Errors
    /// The number of columns differs from the network's, or there are no rows, or their weights are all 0.
    pub(crate) fn of(network: &Network, preprocessing: Option<&'a Standardization>, data: &'a Dataset) -> Result<Self> {
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
        data.check_weights()?;
        Ok(Self { data, preprocessing })
    }

    /// Returns the scaled inputs of some rows, of shape [rows, inputs].
    ///
    /// # Errors
    /// A scaled value is too large for an f32.
    pub(crate) fn get(&self, rows: ops::Range<usize>) -> Result<Vec<f32>> {
        let first = rows.start;
        let scaled = self.data.scaled_rows(rows, self.preprocessing)?;
        check_inputs(&scaled, self.data.inputs(), first)?;
        Ok(scaled)
    }

    /// Returns the scaled inputs of all rows.
    ///
    /// # Errors
    /// As [`InputRows::get`].
    pub(crate) fn all(&self) -> Result<Vec<f32>> {
        self.get(0..self.data.len())
    }
}

/// Returns the targets of a data set as kernels read them: words with a class index or the bits of an f32. With
/// `scaling`, numbers are scaled in f64.
pub(crate) fn target_of(
    network: &Network,
    loss: Loss,
    scaling: Option<&Standardization>,
    data: &Dataset,
) -> Result<Vec<u32>> {
    let place = || format!("data set {}", data.name());
    let numbers: Vec<f32>;
    let target = match (data.targets(), loss.target_kind()) {
        (Targets::Classes { names, .. }, TargetKind::Class) if names.len() != network.outputs() => {
            return Err(Error::Shape {
                place: place(),
                found_what: "classes are".into(),
                found: names.len(),
                wanted_what: "the network's outputs are".into(),
                wanted: network.outputs(),
                remedy: "give the last dense layer one output per class".into(),
            });
        }
        (Targets::Classes { indices, .. }, TargetKind::Class) => Labels::Classes(indices),
        // Binary losses take two classes as the numbers 0 and 1.
        (Targets::Classes { indices, names }, TargetKind::Numbers)
            if names.len() == 2 && loss.task(1) == Task::Binary =>
        {
            numbers = indices.iter().map(|index| *index as f32).collect();
            Labels::Numbers(&numbers)
        }
        (Targets::Numbers { values, .. }, _) => {
            numbers = match scaling {
                Some(scaling) => scaling.scaled(values)?,
                None => values.iter().map(|value| *value as f32).collect(),
            };
            Labels::Numbers(&numbers)
        }
        (Targets::Classes { names, .. }, TargetKind::Numbers) => {
            let problem = format!("the target has {} classes, but {loss} needs numbers", names.len());
            return Err(Error::conflict(place(), problem, "use softmax_cross_entropy"));
        }
    };
    target_words(network, loss, target, data.len())
}

/// Checks the targets of `rows` rows against the network and the loss function, and returns them as kernels read them.
pub(crate) fn target_words(network: &Network, loss: Loss, target: Labels<'_>, rows: usize) -> Result<Vec<u32>> {
    let (outputs, columns) = (network.outputs(), loss.target_columns(network.outputs()));
    let (found, wanted) = match target {
        Labels::Classes(classes) => (classes.len(), rows),
        Labels::Numbers(numbers) => (numbers.len(), rows * columns),
    };
    match (loss.target_kind(), target) {
        (TargetKind::Class, Labels::Numbers(_)) => Err(Error::conflict(
            "targets",
            format!("{loss} needs a class for each row, not numbers"),
            "give class indices, or use mean_squared_error",
        )),
        (TargetKind::Numbers, Labels::Classes(_)) => Err(Error::conflict(
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
            remedy: match loss.outputs_per_target() {
                1 => "give one class per row, or one number per output of each row".into(),
                each => format!("give one number per {each} outputs of each row, which {loss} has for each target"),
            },
        }),
        (_, Labels::Classes(classes)) => match classes.iter().position(|class| *class as usize >= outputs) {
            None => copied("targets", classes),
            Some(row) => Err(Error::value(
                format!("targets, row {row}"),
                "class",
                classes[row],
                &format!("below the network's {outputs} outputs"),
            )),
        },
        (_, Labels::Numbers(numbers)) => {
            check_numbers(loss, columns, numbers)?;
            // -0 becomes 0, since predictions and targets are compared as words.
            collected("targets", numbers.len(), numbers.iter().map(|number| (number + 0.0).to_bits()))
        }
    }
}

/// Tolerance of the sum of a row of probabilities, which may be rounded to two decimals.
const ROUNDED_SUM: f64 = 0.01;

/// Checks that targets, of shape [rows, columns], are in the range of the loss function, and that a row of
/// probabilities sums to 1.
fn check_numbers(loss: Loss, columns: usize, numbers: &[f32]) -> Result<()> {
    let range = loss.function().range;
    if let Some(at) = numbers.iter().position(|number| !range.contains(*number)) {
        let place = format!("targets, row {}, output {}", at / columns, at % columns);
        return Err(Error::value(place, "target", numbers[at], range.text()));
    }
    let sums = || numbers.chunks(columns).map(|row| row.iter().map(|number| f64::from(*number)).sum::<f64>());
    let is_wrong = |sum: &f64| range == Range::Distribution && (sum - 1.0).abs() > ROUNDED_SUM;
    match sums().enumerate().find(|(_, sum)| is_wrong(sum)) {
        None => Ok(()),
        Some((row, sum)) => Err(Error::value(format!("targets, row {row}"), "sum of probabilities", sum, "1")),
    }
}

/// Returns the class of a row, given its targets as kernels read them. `None` if the targets do not name one class, for
/// example a number other than 0 and 1.
pub(crate) fn class_of(loss: Loss, words: &[u32]) -> Option<u32> {
    let is = |number: f32| move |word: &u32| f32::from_bits(*word) == number;
    match (loss.function().range, words) {
        (Range::Class, [class]) => Some(*class),
        (Range::Distribution, row) => row.iter().position(is(1.0)).map(|class| class as u32),
        (_, [word]) if is(0.0)(word) => Some(0),
        (_, [word]) if is(1.0)(word) => Some(1),
        (_, _) => None,
    }
}
