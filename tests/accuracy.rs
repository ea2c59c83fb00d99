//! Losses and activations have a relative error of at most 10⁻⁶ on the CPU and the reference; `tests/gpu` tests GPUs.

mod common {
    pub mod accuracy;
}

use common::accuracy;
use wgrad::Device;

#[test]
fn losses_are_accurate() {
    [Device::cpu().threads(1), Device::reference()].iter().for_each(accuracy::losses_are_accurate);
}

#[test]
fn activations_are_accurate() {
    [Device::cpu().threads(1), Device::reference()].iter().for_each(accuracy::activations_are_accurate);
}
