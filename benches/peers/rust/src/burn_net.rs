//! Burn, the same for all its backends: the device says which.

use burn::module::Module;
use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::nn::{Linear, LinearConfig, Relu};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Int, Tensor, TensorData};
use crate::{Batch, Peer, Workload};

#[derive(Module, Debug)]
struct Net {
    layers: Vec<Linear>,
    relu: Relu,
}

impl Net {
    fn forward(&self, mut x: Tensor<2>) -> Tensor<2> {
        for (number, layer) in self.layers.iter().enumerate() {
            x = layer.forward(x);
            if number + 1 < self.layers.len() {
                x = self.relu.forward(x);
            }
        }
        x
    }
}

struct Burn {
    device: Device,
    /// There except in the midst of a step.
    net: Option<Net>,
    loss: CrossEntropyLoss,
    optimizer: ModuleOptimizer,
    batches: Vec<(Tensor<2>, Tensor<1, Int>)>,
}

/// A network, its optimizer and the rows, on a device.
pub fn make(workload: &Workload, batches: Vec<Batch>, device: Device) -> Box<dyn Peer> {
    let device = device.autodiff();
    device.seed(0);
    let layer = |sizes: &[usize]| LinearConfig::new(sizes[0], sizes[1]).init(&device);
    let net = Net { layers: workload.layers.windows(2).map(layer).collect(), relu: Relu::new() };
    let (rows, inputs) = (workload.batch, workload.layers[0]);
    let tensors = |batch: Batch| {
        let y: Vec<i32> = batch.y.into_iter().map(|class| class as i32).collect();
        let x = Tensor::from_data(TensorData::new(batch.x, [rows, inputs]), &device);
        (x, Tensor::from_data(TensorData::new(y, [rows]), &device))
    };
    Box::new(Burn {
        net: Some(net),
        loss: CrossEntropyLossConfig::new().init(&device),
        optimizer: AdamConfig::new().with_epsilon(1e-8).init(),
        batches: batches.into_iter().map(tensors).collect(),
        device,
    })
}

impl Peer for Burn {
    fn step(&mut self, batch: usize) {
        let (x, y) = self.batches[batch].clone();
        let net = self.net.take().expect("no step is under way");
        let loss = self.loss.forward(net.forward(x), y);
        let gradients = GradientsParams::from_grads(loss.backward(), &net);
        self.net = Some(self.optimizer.step(1e-3, net, gradients));
    }

    fn wait(&mut self) {
        self.device.sync().expect("the device answers");
    }
}
