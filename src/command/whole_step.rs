//! Whether a narrow network's step is one op on a GPU: `--whole-step`.

use wgrad::specialize::WholeStep;
use wgrad::{Device, Error, Result};

use super::names::names;

/// An option of commands that run a device's steps, show or judge them.
#[derive(clap::Args)]
pub struct WholeStepOption {
    /// When a GPU does all of a narrow network's step but the update in one op: auto, where that should pay, never, or
    /// always [default: auto]
    #[arg(long, value_name = "WHEN", value_parser = names::<WholeStep>(&WholeStep::NAMES), hide_possible_values = true)]
    #[arg(help_heading = "Device")]
    whole_step: Option<WholeStep>,
}

impl WholeStepOption {
    /// The device with steps like that.
    pub fn of(&self, device: Device) -> Result<Device> {
        match self.whole_step {
            Some(_) if !device.is_gpu() => {
                let problem = format!("{device} has no dispatches: only a GPU has whole steps");
                Err(Error::conflict("`--whole-step`", problem, "leave it out, or name a GPU with `--device`"))
            }
            Some(choice) => device.with_whole_step(choice),
            None => Ok(device),
        }
    }

    /// The same where a device is named; where none is, there must be nothing to choose.
    pub fn of_named(&self, device: Option<&Device>) -> Result<Option<Device>> {
        if device.is_none() && self.whole_step.is_some() {
            let problem = "no device is named, and only a GPU has whole steps";
            return Err(Error::conflict("`--whole-step`", problem, "add `--device NAME`"));
        }
        device.map(|device| self.of(device.clone())).transpose()
    }
}
