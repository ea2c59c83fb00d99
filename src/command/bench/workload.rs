//! Networks to measure, with rows to train them on.

use std::fmt;

use wgrad::fuse::fuse;
use wgrad::loss::TargetKind;
use wgrad::lower::{Description, lower};
use wgrad::plan::{Plan, Section};
use wgrad::rng::{Philox, Stream};
use wgrad::{Dataset, Loss, Network, Optimizer, Result};

use crate::command::recipe::Recipe;

/// The most that the rows of a workload take.
const MOST_BYTES: usize = 64 << 20;

/// Steps of an epoch, where memory allows it.
const STEPS: usize = 384;

/// A network to train.
pub struct Workload {
    pub name: &'static str,
    pub network: Network,
    pub loss: Loss,
    pub optimizer: Optimizer,
    pub batch: usize,
    /// Floating-point operations of a step.
    pub flops: u64,
}

impl Workload {
    pub fn new(name: &'static str, recipe: Recipe) -> Result<Self> {
        let Recipe { network, loss, optimizer, batch } = recipe;
        let plan = fuse(&lower(&Description::new(network.clone(), loss, optimizer, batch))?)?;
        Ok(Self { name, network, loss, optimizer, batch, flops: flops(&plan) })
    }

    /// From one that is all overhead to the one that people train first.
    pub fn usual() -> Result<Vec<Self>> {
        let sizes = [
            ("moons", 2, "16 relu 16 relu 2", 64),
            ("digits", 64, "128 relu 64 relu 10", 64),
            ("mnist", 784, "512 relu 256 relu 10", 128),
        ];
        let workload = |(name, inputs, layers, batch)| {
            let network = Network::parse(inputs, layers)?;
            let optimizer = wgrad::Adam::new(1e-3).into();
            Self::new(name, Recipe { network, loss: Loss::SoftmaxCrossEntropy, optimizer, batch })
        };
        sizes.into_iter().map(workload).collect()
    }

    /// Random rows of the right shape.
    pub fn data(&self) -> Result<Dataset> {
        let (inputs, outputs) = (self.network.inputs(), self.network.outputs());
        let columns = inputs + if self.loss.target_kind() == TargetKind::Class { 1 } else { outputs };
        let rows = self.batch * (MOST_BYTES / (4 * columns * self.batch)).clamp(2, STEPS);
        let mut random = Philox::new(0, Stream::Data, 0);
        let mut signed = |_| (2.0 * random.uniform() - 1.0) as f32;
        let input: Vec<f32> = (0..rows * inputs).map(&mut signed).collect();
        match self.loss {
            Loss::SoftmaxCrossEntropy => {
                let classes: Vec<u32> = (0..rows).map(|_| random.below(outputs as u32)).collect();
                let names = (0..outputs).map(|class| format!("class{class}"));
                Dataset::classes(self.name, inputs, &input, &classes, names)
            }
            _ => {
                let values: Vec<f32> = (0..rows * outputs).map(|_| random.below(2) as f32).collect();
                Dataset::numbers(self.name, inputs, &input, outputs, &values)
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
        write!(f, "{name}: {network}, {optimizer}, batches of {batch}: {:.2} MFLOP a step", *flops as f64 / 1e6)
    }
}
