//! The device to compute on: `--device`, `--threads`, `WGRAD_DEVICE`.

use wgrad::{Device, Error, Result};

use super::names::names;
use super::numbers::count;

/// Options of all commands that run a network on a device.
#[derive(clap::Args)]
#[command(next_help_heading = "Device")]
pub struct DeviceOptions {
    /// auto, cpu, gpu, reference or a GPU's name
    ///
    /// `auto` takes the best GPU, or the CPU if there is none. `gpu` takes the best GPU, or fails. The best GPU is a
    /// discrete one, else an integrated one. `wgrad devices` lists the GPUs; a part of the name, in upper or lower
    /// case, or the number is enough. `reference` is a plain, slow implementation on the CPU; `wgrad verify` compares
    /// other devices with it. The environment variable WGRAD_DEVICE sets another default.
    #[arg(long, value_name = "NAME", env = "WGRAD_DEVICE", hide_env = true, default_value = "auto")]
    #[arg(value_parser = names::<String>(&Device::NAMES), hide_possible_values = true)]
    device: String,
    /// Threads of the CPU [default: one per core]
    ///
    /// This option selects the CPU if --device is `auto`. For a GPU and for `reference` it is an error. The result is
    /// the same, bit for bit, for any number of threads.
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    threads: Option<usize>,
}

impl DeviceOptions {
    /// Opens the device of `--device`. The option `--threads` is an error unless the device is the CPU or `auto`.
    pub fn open(&self) -> Result<Device> {
        let Some(threads) = self.threads else { return Device::named(&self.device) };
        // With `--threads`, `auto` is the CPU.
        let name = if self.device == "auto" { "cpu" } else { &self.device };
        let device = Device::named(name)?;
        if name == "cpu" {
            return Ok(device.threads(threads));
        }
        let problem = match name {
            "reference" => "the reference always runs on one thread".into(),
            _ => format!("{device} has no CPU threads"),
        };
        Err(Error::conflict("`--threads`", problem, "leave it out, or use `--device cpu`"))
    }
}
