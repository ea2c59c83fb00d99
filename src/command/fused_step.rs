//! Fused steps on a GPU, one dispatch for forward, loss and backward: `--fused-step`.

use wgrad::specialize::FusedStep;
use wgrad::{Device, Error, Result};

use super::names::names;

/// Option of commands that run, show or check training steps.
#[derive(clap::Args)]
pub struct FusedStepOption {
    /// Fused steps on a GPU: auto, never, always [default: auto]
    ///
    /// A fused step runs forward pass, loss and backward pass of a small network as one operation on the GPU; a second
    /// one adds up the gradients. The network may have at most 16 dense layers, all with biases, and must fit into the
    /// memory of one workgroup. The only other layers are activation functions, one after each hidden layer, such as
    /// relu, tanh or sigmoid, but not gelu, silu or mish. If a function has parameters, as elu(1) does, they must be
    /// the same after every layer. The loss must not use label_smoothing.
    ///
    /// `auto` uses it for at most 128 inputs and units per layer, where it is estimated to be faster. `always` uses it
    /// wherever it is possible, and else runs layer by layer, as `never` does. On the CPU, this option is an
    /// error, except in `bench`.
    #[arg(long, alias = "whole-step", value_name = "WHEN", value_parser = names::<FusedStep>(&FusedStep::NAMES))]
    #[arg(hide_possible_values = true, hide_short_help = true, help_heading = "Device")]
    fused_step: Option<FusedStep>,
}

impl FusedStepOption {
    /// Returns the device with the setting of `--fused-step`. The option is an error for a device that is not a GPU.
    pub fn of(&self, device: Device) -> Result<Device> {
        match self.fused_step {
            Some(_) if !device.is_gpu() => {
                let problem = format!("{device} has no dispatches: only a GPU has fused steps");
                Err(Error::conflict("`--fused-step`", problem, "leave it out, or name a GPU with `--device`"))
            }
            Some(choice) => device.with_fused_step(choice),
            None => Ok(device),
        }
    }

    /// Like [`FusedStepOption::of`], for an optional device. Without a device, the option is an error.
    pub fn of_named(&self, device: Option<&Device>) -> Result<Option<Device>> {
        if device.is_none() && self.fused_step.is_some() {
            let problem = "no device is named, and only a GPU has fused steps";
            return Err(Error::conflict("`--fused-step`", problem, "add `--device NAME`"));
        }
        device.map(|device| self.of(device.clone())).transpose()
    }
}
