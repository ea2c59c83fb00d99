//! Random numbers that a network is verified on; the same seed gives the same numbers.

use crate::elementwise::Range;
use crate::error::Result;
use crate::exec::Executor;
use crate::loss::TargetKind;
use crate::lower::TrainingSpec;
use crate::model::{Tensor, write_parameters};
use crate::network::{LayerTensor, Network};
use crate::plan::{Op, Plan, Step, ViewId};
use crate::rng::{Philox, Stream};
use crate::schedule::Schedule;
use crate::shape::Dtype;

/// Description of the distributions of [`Numbers`].
pub(super) const DISTRIBUTION: &str =
    "uniform: inputs in ±1.5, weights in ±1.5/√inputs, biases in ±0.5; then whole numbers from −2 to 2";

/// Distribution of random numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Numbers {
    /// Real numbers, scaled so that signals stay near 1.
    Real,
    /// Whole numbers from −2 to 2: their products and sums are exact in f32.
    Whole,
}

impl Numbers {
    pub(super) fn name(self) -> &'static str {
        ["real", "whole"][self as usize]
    }

    /// Draws a number that is uniform in ±limit, or a small whole number.
    fn draw(self, random: &mut Philox, limit: f64) -> f32 {
        match self {
            Self::Real => (limit * (2.0 * random.uniform() - 1.0)) as f32,
            Self::Whole => random.below(5) as f32 - 2.0,
        }
    }
}

/// Indices of the random sequences of a seed: parameters, data, and new inputs of single ops.
const PARAMETERS: u32 = 0;
const DATA: u32 = 1;
const REFILL: u32 = 2;

fn random(seed: u64, index: u32) -> Philox {
    Philox::new(seed, Stream::Data, index)
}

/// Draws initial parameters.
pub(super) fn parameters(network: &Network, seed: u64, numbers: Numbers) -> Vec<Tensor> {
    let mut random = random(seed, PARAMETERS);
    let tensor = |(number, tensor): (usize, LayerTensor)| {
        let limit = if let [_, inputs] = tensor.shape[..] { 1.5 / (inputs as f64).sqrt() } else { 0.5 };
        let mut draw = || numbers.draw(&mut random, limit);
        // Parameters that are not trained include running variances, which must not be negative.
        let values = (0..tensor.elements()).map(|_| if tensor.is_trained() { draw() } else { draw().abs() }).collect();
        Tensor { name: format!("layer{number}.{}", tensor.name), shape: tensor.shape, values }
    };
    network.tensors().map(tensor).collect()
}

fn target(random: &mut Philox, spec: &TrainingSpec, numbers: Numbers) -> u32 {
    let TrainingSpec { network, loss, .. } = spec;
    if loss.target_kind() == TargetKind::Class {
        return random.below(network.outputs() as u32);
    }
    let word = random.below(4);
    let number = match loss.function().range {
        Range::Any => numbers.draw(random, 1.0),
        Range::NotNegative => numbers.draw(random, 1.0).abs(),
        // 0, 1, and numbers between them.
        Range::Unit | Range::Distribution if word >= 2 && numbers == Numbers::Real => random.uniform() as f32,
        Range::Unit | Range::Distribution | Range::Bit | Range::Class => (word % 2) as f32,
    };
    number.to_bits()
}

/// Writes the parameters, a random data set, and random rows for an evaluation.
pub(super) fn fill(
    executor: &mut dyn Executor,
    spec: &TrainingSpec,
    parameters: &[Tensor],
    seed: u64,
    numbers: Numbers,
) -> Result<()> {
    write_parameters(executor, parameters)?;
    let mut random = random(seed, DATA);
    if let Some(table) = executor.plan().find("data.table") {
        write_drawn(executor, table, || numbers.draw(&mut random, 1.5).to_bits())?;
    }
    for part in ["data", "evaluate"] {
        let view = |name: &str| executor.plan().named(&format!("{part}.{name}"));
        let (input, targets) = (view("input")?, view("target")?);
        match executor.plan().allocation_of(input).dtype {
            Dtype::F32 => write_drawn(executor, input, || numbers.draw(&mut random, 1.5).to_bits())?,
            // Four bytes per word.
            Dtype::U32 => write_drawn(executor, input, || random.below(u32::MAX))?,
        }
        write_drawn(executor, targets, || target(&mut random, spec, numbers))?;
    }
    if let Some(weight) = executor.plan().find("data.weight") {
        write_drawn(executor, weight, || numbers.draw(&mut random, 1.0).abs().to_bits())?;
    }
    Ok(())
}

/// Writes one word per element of a view.
fn write_drawn(executor: &mut dyn Executor, view: ViewId, word: impl FnMut() -> u32) -> Result<()> {
    let words: Vec<u32> = std::iter::repeat_with(word).take(executor.plan().shape(view).elements()).collect();
    executor.write(view, 0, &words)
}

/// Selects rows of the loaded data set for consecutive steps, as if these were the last ones of an epoch. Some rows are
/// selected twice. `first` is the index of the first step, and `rows` has the number of rows of each step; all steps
/// except the last are full. Returns the records of the steps.
pub(super) fn choose(
    executor: &mut dyn Executor,
    spec: &TrainingSpec,
    seed: u64,
    first: u64,
    rows: &[usize],
) -> Result<Vec<Step>> {
    let count = spec.data_rows.map_or(1, |count| count as u64);
    let view = executor.plan().named("index")?;
    let shape = executor.plan().shape(view);
    let records = rows.iter().enumerate().flat_map(|(step, rows)| {
        let (index, batch_index) = (first + step as u64, step * spec.accumulate);
        spec.records(&Schedule::Constant, seed, index, batch_index, *rows)
    });
    let mut records: Vec<Step> = records.collect();
    let before = shape.rows.saturating_sub(records.len());
    let mut index = vec![u32::MAX; shape.elements()];
    for record in &mut records {
        record.epoch_batch = before as u32 + record.batch_index;
        let rows = u64::from(record.first_row)..u64::from(record.first_row + record.rows);
        let chosen = rows.map(|row| ((row * 5 + u64::from(record.index)) % count) as u32);
        let part = &mut index[record.epoch_batch as usize * shape.columns..];
        part.iter_mut().zip(chosen).for_each(|(word, row)| *word = row);
    }
    executor.write(view, 0, &index)?;
    Ok(records)
}

/// Draws small whole numbers for all inputs of a matrix multiplication, so that its result is exact, whatever ops ran
/// before. Returns the views with their words; returns nothing for other kernels, which do not accept arbitrary inputs.
pub(crate) fn refill(plan: &Plan, op: &Op, seed: u64) -> Vec<(ViewId, Vec<u32>)> {
    // Matrix multiplications, also split ones, and the sums of their parts.
    if !["matmul_", "dense_"].iter().any(|family| op.kernel.name.starts_with(family)) {
        return Vec::new();
    }
    let read = op.kernel.bindings.iter().zip(&op.views);
    let read = read.filter(|(b, view)| !b.access.writes() && plan.allocation_of(**view).dtype == Dtype::F32);
    let mut random = random(seed, REFILL);
    let mut words = |view: &ViewId| {
        (0..plan.shape(*view).elements()).map(|_| Numbers::Whole.draw(&mut random, 0.0).to_bits()).collect()
    };
    read.map(|(_, view)| (*view, words(view))).collect()
}
