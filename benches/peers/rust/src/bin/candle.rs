//! candle on the CPU. AdamW without decay is Adam.

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{AdamW, Linear, Module, Optimizer, ParamsAdamW, VarBuilder, VarMap};
use peers::{Batch, Peer, Workload};

struct Candle {
    layers: Vec<Linear>,
    optimizer: AdamW,
    batches: Vec<(Tensor, Tensor)>,
}

fn make(workload: &Workload, batches: Vec<Batch>) -> Result<Candle> {
    let (device, variables) = (Device::Cpu, VarMap::new());
    let builder = VarBuilder::from_varmap(&variables, DType::F32, &device);
    let sizes = workload.layers.windows(2).enumerate();
    let layers = sizes.map(|(number, sizes)| candle_nn::linear(sizes[0], sizes[1], builder.pp(number.to_string())));
    let layers = layers.collect::<Result<_>>()?;
    let settings = ParamsAdamW { lr: 1e-3, weight_decay: 0.0, ..Default::default() };
    let optimizer = AdamW::new(variables.all_vars(), settings)?;
    let (rows, inputs) = (workload.batch, workload.layers[0]);
    let tensors = |batch: Batch| {
        Ok((Tensor::from_vec(batch.x, (rows, inputs), &device)?, Tensor::from_vec(batch.y, rows, &device)?))
    };
    Ok(Candle { layers, optimizer, batches: batches.into_iter().map(tensors).collect::<Result<_>>()? })
}

impl Candle {
    fn try_step(&mut self, batch: usize) -> Result<()> {
        let (x, y) = &self.batches[batch];
        let mut x = x.clone();
        for (number, layer) in self.layers.iter().enumerate() {
            x = layer.forward(&x)?;
            if number + 1 < self.layers.len() {
                x = x.relu()?;
            }
        }
        self.optimizer.backward_step(&candle_nn::loss::cross_entropy(&x, y)?)
    }
}

impl Peer for Candle {
    fn step(&mut self, batch: usize) {
        self.try_step(batch).expect("the CPU computes it");
    }

    /// A step returns when it is done.
    fn wait(&mut self) {}
}

fn main() {
    peers::main("candle", |workload, batches| Box::new(make(workload, batches).expect("it is in memory")));
}
