//! Burn on a GPU through CUDA: the first.

use burn::tensor::Device;
use peers::burn_net::make;

fn main() {
    peers::main("burn_cuda", |workload, batches| make(workload, batches, Device::cuda(0)));
}
