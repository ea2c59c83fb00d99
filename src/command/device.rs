//! Where a command computes: `--device`, `--threads`, `WGRAD_DEVICE`.

use wgrad::{Device, Error, Result};

use super::count;
use super::names::names;

/// Options of every command that computes.
#[derive(clap::Args)]
#[command(next_help_heading = "Device")]
pub struct DeviceOptions {
    /// auto, cpu, gpu, reference, or a GPU's number or part of its name, as `wgrad devices` lists them
    #[arg(long, value_name = "NAME", env = "WGRAD_DEVICE", default_value = "auto")]
    #[arg(value_parser = names::<String>(&Device::NAMES), hide_possible_values = true)]
    device: String,
    /// Threads of the CPU; the result has the same bits for any number
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    threads: Option<usize>,
}

impl DeviceOptions {
    /// The device that is asked for.
    pub fn open(&self) -> Result<Device> {
        let Some(threads) = self.threads else { return Device::named(&self.device) };
        // Who says how many threads has said that they are the CPU's.
        let name = if self.device == "auto" { "cpu" } else { &self.device };
        let device = Device::named(name)?;
        if name == "cpu" {
            return Ok(device.threads(threads));
        }
        let problem = match name {
            "reference" => "the reference always runs on one thread".into(),
            _ => format!("{device} has no threads of the CPU"),
        };
        Err(Error::conflict("`--threads`", problem, "leave it out, or use `--device cpu`"))
    }
}
