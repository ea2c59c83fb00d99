//! Whether a narrow network's step is one op on a GPU: `--fused-step`.

use wgrad::specialize::FusedStep;
use wgrad::{Device, Error, Result};

use super::names::names;

/// An option of commands that run a device's steps, show or judge them.
#[derive(clap::Args)]
pub struct FusedStepOption {
    /// When a GPU does all of a narrow network's step but the update in one op: auto, where that should pay, never, or
    /// always [default: auto]
    #[arg(long, value_name = "WHEN", value_parser = names::<FusedStep>(&FusedStep::NAMES), hide_possible_values = true)]
    #[arg(help_heading = "Device")]
    fused_step: Option<FusedStep>,
}

impl FusedStepOption {
    /// The device with steps like that.
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

    /// The same where a device is named; where none is, there must be nothing to choose.
    pub fn of_named(&self, device: Option<&Device>) -> Result<Option<Device>> {
        if device.is_none() && self.fused_step.is_some() {
            let problem = "no device is named, and only a GPU has fused steps";
            return Err(Error::conflict("`--fused-step`", problem, "add `--device NAME`"));
        }
        device.map(|device| self.of(device.clone())).transpose()
    }
}
