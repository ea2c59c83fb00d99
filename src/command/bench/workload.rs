//! Networks to measure, with rows to train them on.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use wgrad::TrainingSpec;
use wgrad::elementwise::Range;
use wgrad::loss::TargetKind;
use wgrad::plan::{Plan, Section};
use wgrad::rng::{Philox, Stream};
use wgrad::{Dataset, Error, Loss, Network, Optimizer, Result};

use crate::command::recipe::{Clipping, Recipe};

/// Largest size of a workload's rows, in bytes.
const MOST_BYTES: usize = 64 << 20;

/// Steps per epoch, if memory allows it.
const STEPS: usize = 384;

/// Sizes of the networks, in JSON. Scripts measure other libraries on the same networks.
const TRAINED: &str = include_str!("../../../benches/workloads.json");

/// Networks of which only single ops are measured: name, layer sizes and batch size. One is large, the other of usual
/// size. With two layers, the matrix multiplications have all three forms: forward, input gradient and weight gradient.
const OPS_ALONE: [(&str, [usize; 3], usize); 2] =
    [("square", [4096, 4096, 4096], 4096), ("layer", [1024, 1024, 1024], 512)];

/// Names of the suite's networks. Small networks are limited by launch overhead, large ones by matrix multiplications
/// or memory.
pub const SUITE: [&str; 7] = ["moons", "digits", "mnist", "wide", "narrow", "layer", "square"];

/// Sizes of a network: `layers` has the number of inputs, then the number of units of each layer.
#[derive(Deserialize)]
struct Sizes {
    layers: Vec<usize>,
    batch: usize,
}

/// Network of a benchmark, with its name, loss, optimizer and batch size.
pub struct Workload {
    pub name: &'static str,
    pub network: Network,
    pub loss: Loss,
    pub optimizer: Optimizer,
    pub clipping: Clipping,
    pub batch: usize,
    /// `true` if the suite measures its steps, too, not only its single ops.
    pub trained: bool,
    /// Floating-point operations per step.
    pub flops: u64,
}

impl Workload {
    pub fn new(name: &'static str, recipe: Recipe) -> Result<Self> {
        let Recipe { network, loss, optimizer, clipping, batch } = recipe;
        let spec = clipping.spec(TrainingSpec::new(network.clone(), loss, optimizer, batch));
        let plan = Plan::for_training(&spec)?;
        Ok(Self { name, network, loss, optimizer, clipping, batch, trained: true, flops: flops(&plan) })
    }

    /// Creates the networks of `wgrad bench`, from small to large.
    pub fn usual() -> Result<Vec<Self>> {
        ["moons", "digits", "mnist"].into_iter().map(Self::named).collect()
    }

    /// Creates a network of [`SUITE`], with ReLU between its layers.
    pub fn named(name: &'static str) -> Result<Self> {
        let sizes =
            BTreeMap::from(OPS_ALONE.map(|(name, layers, batch)| (name, Sizes { layers: layers.into(), batch })));
        // The file is part of the program, and tests read it.
        let known: BTreeMap<String, Sizes> = serde_json::from_str(TRAINED).expect("the file is there, and tested");
        let trained = known.get(name);
        let Some(Sizes { layers, batch }) = trained.or(sizes.get(name)) else {
            return Err(Error::unknown("network", name, &SUITE));
        };
        let [inputs, hidden @ .., last] = &layers[..] else {
            return Err(Error::conflict("bench", format!("{name} has no outputs"), "name another network"));
        };
        let hidden = hidden.iter().fold(Network::input(*inputs), |network, outputs| network.dense(*outputs).relu());
        let (network, optimizer) = (hidden.dense(*last), wgrad::Adam::new(1e-3).into());
        let (loss, batch) = (Loss::softmax_cross_entropy(), *batch);
        let new = Self::new(name, Recipe { network, loss, optimizer, clipping: Clipping::default(), batch })?;
        Ok(Self { trained: trained.is_some(), ..new })
    }

    /// Returns random rows that fit the network and the loss.
    pub fn data(&self) -> Result<Dataset> {
        let (inputs, outputs) = (self.network.inputs(), self.network.outputs());
        let targets = self.loss.target_columns(outputs);
        let columns = inputs + targets;
        let rows = self.batch * (MOST_BYTES / (4 * columns * self.batch)).clamp(2, STEPS);
        let mut random = Philox::new(0, Stream::Data, 0);
        let mut signed = |_| (2.0 * random.uniform() - 1.0) as f32;
        let input: Vec<f32> = (0..rows * inputs).map(&mut signed).collect();
        match self.loss.target_kind() {
            TargetKind::Class => {
                let classes: Vec<u32> = (0..rows).map(|_| random.below(outputs as u32)).collect();
                let names = (0..outputs).map(|class| format!("class{class}"));
                Dataset::classes(self.name, inputs, &input, &classes, names)
            }
            TargetKind::Numbers => {
                // For losses of probability distributions, each row has a single 1. For others, each target is 0 or 1
                // at random.
                let is_row = self.loss.function().range == Range::Distribution;
                let ones = (0..rows).map(|_| random.below(targets as u32) as usize).collect::<Vec<_>>();
                let one = |at: usize| u32::from(ones[at / targets] == at % targets);
                let value = |at: usize| (if is_row { one(at) } else { random.below(2) }) as f32;
                let values: Vec<f32> = (0..rows * targets).map(value).collect();
                Dataset::numbers(self.name, inputs, &input, targets, &values)
            }
        }
    }
}

fn flops(plan: &Plan) -> u64 {
    let ops = [Section::Gradients, Section::Update].into_iter().flat_map(|section| plan.ops(section));
    ops.map(|op| plan.flops(op)).sum()
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, network, batch, flops, .. } = self;
        let optimizer = self.optimizer.name();
        write!(f, "{name}: {network}, {optimizer}, batch size {batch}: {:.2} MFLOP per step", *flops as f64 / 1e6)
    }
}
