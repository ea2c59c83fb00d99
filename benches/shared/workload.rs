//! Workloads of the benches of whole steps: dense layers with ReLU or other layers between them, on random numbers. Networks with several
//! outputs classify, those with one predict a number.

use std::collections::BTreeMap;

use serde::Deserialize;
use wgrad::rng::{Philox, Stream};
use wgrad::{Adam, Dataset, Device, Loss, Network, Result, Trainer};

/// Number of submissions after which the queue of an asynchronous device is full.
const IN_FLIGHT: usize = 3;

/// Layer sizes of a network, inputs first, and the batch size.
#[derive(Clone, Deserialize)]
pub struct Workload {
    pub layers: Vec<usize>,
    pub batch: usize,
    /// Layers between two dense layers, as text.
    #[serde(default = "relu")]
    pub between: String,
}

fn relu() -> String {
    "relu".into()
}

/// Workloads of `workloads.json`, by name.
pub fn named() -> BTreeMap<String, Workload> {
    serde_json::from_str(include_str!("../workloads.json")).expect("the benches test the file")
}

impl Workload {
    pub fn network(&self) -> Network {
        let sizes: Vec<String> = self.layers[1..].iter().map(usize::to_string).collect();
        let text = sizes.join(&format!(" {} ", self.between));
        Network::parse(self.layers[0], &text).expect("the benches check the layers that they are given")
    }

    pub fn loss(&self) -> Loss {
        if self.layers.ends_with(&[1]) { Loss::mean_squared_error() } else { Loss::softmax_cross_entropy() }
    }

    fn data(&self, batches: usize) -> Result<Dataset> {
        let (inputs, outputs) = (self.layers[0], self.layers[self.layers.len() - 1]);
        let rows = self.batch * batches;
        let mut random = Philox::new(0, Stream::Data, 0);
        let mut numbers = |count| (0..count).map(|_| (2.0 * random.uniform() - 1.0) as f32).collect::<Vec<_>>();
        let input = numbers(rows * inputs);
        if outputs == 1 {
            return Dataset::numbers("random", inputs, &input, 1, &numbers(rows));
        }
        let classes: Vec<u32> = (0..rows).map(|_| random.below(outputs as u32)).collect();
        Dataset::classes("random", inputs, &input, &classes, (0..outputs).map(|class| class.to_string()))
    }

    /// Returns a warmed-up trainer with a data set of `batches` batches.
    pub fn trainer(&self, device: &Device, batches: usize) -> Result<Trainer> {
        let builder = Trainer::builder(self.network()).loss(self.loss()).optimizer(Adam::new(1e-3));
        let mut trainer = builder.batch(self.batch).build(device)?;
        trainer.load(&self.data(batches)?)?;
        for _ in 0..IN_FLIGHT {
            trainer.advance()?;
        }
        Ok(trainer)
    }
}
