//! Burn with its CPU backend flex.

use burn::tensor::Device;
use peers::burn_net::make;

fn main() {
    peers::main("flex", |workload, batches| make(workload, batches, Device::flex()));
}
