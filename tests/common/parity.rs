//! Twenty steps of ten networks with the trainer, against PyTorch's float64 (numbers from `golden/parity.py`).
//!
//! Tolerance: the script accepts only draws on which PyTorch's float32, and its float64 with perturbed initial weights, stay
//! within 1e-6. Our roundings are of the same number and size, in another order. The worst of both kinds add up to twice that.

use serde::Deserialize;
use wgrad::elementwise::Range;
use wgrad::rng::philox;
use wgrad::{Device, Loss, Network, Optimizer, Result, Schedule, Trainer};

/// Largest difference of a loss relative to itself, and of a tensor's numbers relative to its largest.
pub const TOLERANCE: f64 = 2e-6;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    torch: String,
    /// With the number of the draw, the key of all random numbers.
    key: u32,
    cases: Vec<Case>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub network: String,
    pub inputs: usize,
    pub outputs: usize,
    pub loss: Loss,
    pub optimizer: Optimizer,
    pub schedule: Schedule,
    pub clip_norm: Option<f64>,
    pub batch: usize,
    pub accumulate: usize,
    pub seed: u64,
    /// Rows of each step.
    rows: Vec<usize>,
    draw: u32,
    losses: Vec<f64>,
    /// Parameters after the last step, in the order of the layers.
    parameters: Vec<Vec<f64>>,
    #[serde(skip)]
    key: u32,
}

pub fn cases() -> Vec<Case> {
    let file: File = serde_json::from_str(include_str!("../golden/parity.json")).expect("the file is sound");
    assert_eq!((file.torch.as_str(), file.cases.len()), ("2.15.0", 10));
    file.cases.into_iter().map(|case| Case { key: file.key, ..case }).collect()
}

impl Case {
    /// First words of a stream, like `draw` in the script.
    fn words(&self, stream: usize, count: usize) -> impl Iterator<Item = u32> + use<> {
        let key = [self.draw, self.key];
        let quads = (0..count.div_ceil(4)).flat_map(move |quad| philox([quad as u32, 0, 0, stream as u32], key));
        quads.take(count)
    }

    /// Numbers from 0 to below 1.
    fn units(&self, stream: usize, count: usize) -> impl Iterator<Item = f64> + use<> {
        self.words(stream, count).map(|word| f64::from(word) / 4_294_967_296.0)
    }

    fn trainer(&self, device: &Device) -> Result<Trainer> {
        let builder = Trainer::builder(Network::parse(self.inputs, &self.network)?).loss(self.loss);
        let builder = builder.optimizer(self.optimizer).schedule(self.schedule.clone()).seed(self.seed);
        let builder = builder.batch(self.batch).accumulate(self.accumulate);
        let builder = self.clip_norm.into_iter().fold(builder, |builder, norm| builder.clip_norm(norm));
        let mut trainer = builder.build(device)?;
        let mut parameters = trainer.parameters()?;
        let mut units = self.units(0, parameters.iter().map(|tensor| tensor.values.len()).sum());
        for tensor in &mut parameters {
            let weight = |unit: f64| match tensor.shape[..] {
                [_, inputs] => 1.5 * (2.0 * unit - 1.0) / (inputs as f64).sqrt(),
                _ => 0.2 * (2.0 * unit - 1.0),
            };
            tensor.values = units.by_ref().take(tensor.values.len()).map(|unit| weight(unit) as f32).collect();
        }
        trainer.set_parameters(&parameters)?;
        Ok(trainer)
    }

    /// Runs a step on its rows; returns its loss.
    fn step(&self, trainer: &mut Trainer, step: usize) -> Result<f64> {
        let (rows, stream) = (self.rows[step], 2 * step + 1);
        let inputs: Vec<f32> = self.units(stream, rows * self.inputs).map(|unit| (4.0 * unit - 2.0) as f32).collect();
        if self.loss.function().range == Range::Class {
            let classes: Vec<u32> = self.words(stream + 1, rows).map(|word| word % self.outputs as u32).collect();
            return Ok(trainer.step(&inputs, &classes)?.value()?.into());
        }
        let number = |unit: f64| match self.loss.function().range {
            Range::Any => 2.0 * unit - 1.0,
            Range::NotNegative => unit,
            Range::Unit if step % 2 == 1 => unit,
            Range::Unit | Range::Bit | Range::Class => f64::from(unit >= 0.5),
            Range::Distribution => panic!("no case has rows of probabilities"),
        };
        let targets: Vec<f32> = self.units(stream + 1, rows * self.outputs).map(|unit| number(unit) as f32).collect();
        Ok(trainer.step(&inputs, &targets)?.value()?.into())
    }

    /// Largest relative difference of any number.
    pub fn distance(&self, device: &Device) -> Result<f64> {
        let mut trainer = self.trainer(device)?;
        let mut worst = 0.0f64;
        let mut look = |difference: f64| worst = if difference <= worst { worst } else { difference };
        for (step, wanted) in self.losses.iter().enumerate() {
            look((self.step(&mut trainer, step)? - wanted).abs() / wanted.abs());
        }
        let parameters = trainer.parameters()?;
        assert_eq!(parameters.len(), self.parameters.len());
        for (tensor, wanted) in parameters.iter().zip(&self.parameters) {
            assert_eq!(tensor.values.len(), wanted.len());
            let largest = wanted.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
            for (found, wanted) in tensor.values.iter().zip(wanted) {
                look((f64::from(*found) - wanted).abs() / largest);
            }
        }
        Ok(worst)
    }
}

/// Asserts that a device trains like PyTorch.
pub fn holds(device: &Device) {
    let mut worst = 0.0f64;
    for case in cases() {
        let distance = case.distance(device).expect("it trains");
        assert!(distance <= TOLERANCE, "{}: {distance:e} off PyTorch on {device}", case.network);
        worst = worst.max(distance);
    }
    println!("worst of ten networks on {device}: {worst:e} off PyTorch in f64");
}
