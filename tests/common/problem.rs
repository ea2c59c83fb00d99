//! Random parameters and batches for a network, the same in every run.

#![allow(dead_code, reason = "each test target uses some of it")]

use wgrad::elementwise::Range;
use wgrad::loss::TargetKind;
use wgrad::rng::{Philox, Stream};
use wgrad::{Loss, Network};

/// Names and numbers of a network's parameters: `layerN.weight` [outputs, inputs], `layerN.bias` [outputs].
pub type Parameters = Vec<(String, Vec<f32>)>;

/// Live rows with their targets, row-major.
#[derive(Clone, Debug)]
pub struct Batch {
    pub rows: usize,
    pub input: Vec<f32>,
    pub target: Labels,
}

#[derive(Clone, Debug)]
pub enum Labels {
    Numbers(Vec<f32>),
    Classes(Vec<u32>),
}

impl Labels {
    pub fn words(&self) -> &[u32] {
        match self {
            Self::Numbers(numbers) => bytemuck::cast_slice(numbers),
            Self::Classes(classes) => classes,
        }
    }
}

/// Kind of random numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Numbers {
    /// Real numbers, of a size that keeps signals near 1.
    Real,
    /// −2, −1, 0, 1 and 2: products and sums of them are exact in f32.
    Whole,
}

/// Source of random numbers.
struct Source(Philox, Numbers);

impl Source {
    fn new(seed: u64, index: u32, numbers: Numbers) -> Self {
        Self(Philox::new(seed, Stream::Data, index), numbers)
    }

    /// Draws a number, uniform in ±limit, or a small whole number.
    fn draw(&mut self, limit: f64) -> f32 {
        match self.1 {
            Numbers::Real => (limit * (2.0 * self.0.uniform() - 1.0)) as f32,
            Numbers::Whole => self.0.below(5) as f32 - 2.0,
        }
    }

    fn target(&mut self, loss: Loss) -> f32 {
        let word = self.0.below(4);
        match loss.function().range {
            Range::Any => self.draw(1.0),
            Range::NotNegative => self.draw(1.0).abs(),
            // Targets of 0, of 1 and in between.
            Range::Unit if word >= 2 && self.1 == Numbers::Real => self.0.uniform() as f32,
            Range::Unit | Range::Bit | Range::Class => (word % 2) as f32,
            Range::Distribution => panic!("a row of probabilities is drawn as a whole"),
        }
    }

    /// Draws the targets of a row.
    fn targets(&mut self, loss: Loss, columns: usize) -> Vec<f32> {
        if loss.function().range != Range::Distribution {
            return (0..columns).map(|_| self.target(loss)).collect();
        }
        // Two probabilities, so that their sum is exactly 1; of whole numbers one.
        let share = if self.1 == Numbers::Real { 0.75 } else { 1.0 };
        let [one, other] = [0, 1].map(|_| self.0.below(columns as u32) as usize);
        let mut row = vec![0.0; columns];
        row[one] += share;
        row[other] += 1.0 - share;
        row
    }
}

/// Weights of variance 0.75 / inputs and biases in ±0.5, or small whole numbers.
pub fn parameters(network: &Network, seed: u64, numbers: Numbers) -> Parameters {
    let mut source = Source::new(seed, 0, numbers);
    let mut parameters = Parameters::new();
    for (number, tensor) in network.tensors() {
        let limit = if let [_, inputs] = tensor.shape[..] { 1.5 / (inputs as f64).sqrt() } else { 0.5 };
        let mut draw = || source.draw(limit);
        // No running variance is negative.
        let values = (0..tensor.elements()).map(|_| if tensor.is_trained() { draw() } else { draw().abs() }).collect();
        parameters.push((format!("layer{number}.{}", tensor.name), values));
    }
    parameters
}

/// A batch of `rows` rows. Batches of one seed differ by `index`.
pub fn batch(network: &Network, loss: Loss, rows: usize, seed: u64, index: u32, numbers: Numbers) -> Batch {
    let mut source = Source::new(seed, index + 1, numbers);
    let input = (0..rows * network.inputs()).map(|_| source.draw(1.5)).collect();
    let target = match loss.target_kind() {
        TargetKind::Class => Labels::Classes((0..rows).map(|_| source.0.below(network.outputs() as u32)).collect()),
        TargetKind::Numbers => {
            let columns = loss.target_columns(network.outputs());
            Labels::Numbers((0..rows).flat_map(|_| source.targets(loss, columns)).collect())
        }
    };
    Batch { rows, input, target }
}
