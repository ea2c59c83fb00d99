//! Burn on a GPU through wgpu, in WGSL: the one that it takes by itself.

use burn::tensor::{Device, DeviceKind};
use peers::burn_net::make;

fn main() {
    peers::main("burn_wgpu", |workload, batches| make(workload, batches, Device::wgpu(DeviceKind::DefaultDevice)));
}
